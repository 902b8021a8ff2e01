"""The series of models that generate text, under the names that vLLM gives them
(https://docs.vllm.ai/en/stable/usage/metrics/), which OpenTelemetry's `gen_ai.server.*` follow.
"""

from ray.util.metrics import Counter, Gauge

from shoal_serving.generate.counting import Counts
from shoal_serving.generate.model import GenerativeModel
from shoal_serving.series import Growth, Labels, Levels, Series


class GenerationExporter:
    """Hands the growth of an engine's numbers to Ray. `adapter` "" is the model itself."""

    def __init__(self, growth: Growth, levels: Levels, labels: tuple[str, ...]) -> None:
        self._growth = growth
        self._levels = levels
        adapted = (*labels, "adapter")
        self._histograms = {
            "first_token": Series(
                "time_to_first_token_seconds", "From arrival to the first token.", adapted
            ),
            "each_token": Series(
                "inter_token_latency_seconds", "Between two tokens of a sequence.", adapted
            ),
            "queue": Series(
                "request_queue_time_seconds", "From arrival to a row of the KV cache.", adapted
            ),
        }
        self._running = Gauge("shoal_num_requests_running", "Sequences that run.", labels)
        self._waiting = Gauge("shoal_num_requests_waiting", "Sequences that wait.", labels)
        self._kv = Gauge("shoal_kv_cache_usage_perc", "Part of the KV cache in use, 0-1.", labels)
        self._prefixes = Gauge("shoal_prefix_cache_bytes", "Bytes of kept prefixes.", labels)
        self._finished = Counter(
            "shoal_request_success", "Sequences, by why they ended.", (*adapted, "finished_reason")
        )
        self._drafted = Counter("shoal_spec_decode_num_draft_tokens", "Drafted.", labels)
        self._accepted = Counter("shoal_spec_decode_num_accepted_tokens", "Kept.", labels)
        self._tokens = {
            "prompt": Counter("shoal_prompt_tokens", "Tokens of prompts.", adapted),
            "cached": Counter(
                "shoal_prefix_cache_hits", "Tokens of prompts that were known.", adapted
            ),
            "generated": Counter("shoal_generation_tokens", "Tokens generated.", adapted),
        }

    def export(self, model: GenerativeModel, labels: Labels) -> None:
        engine, statistics = model.engine, model.engine.statistics
        for adapter, counts in list(statistics.counts.items()):
            self._export_counts(model, counts, {**labels, "adapter": adapter})
        self._growth.tell(model, self._drafted, statistics.drafted, labels)
        self._growth.tell(model, self._accepted, statistics.accepted, labels)
        self._levels.tell(model, self._running, statistics.running, labels)
        self._levels.tell(model, self._waiting, statistics.waiting, labels)
        self._levels.tell(model, self._kv, engine.kv_usage, labels)
        self._levels.tell(model, self._prefixes, engine.prefixes.size, labels)

    def _export_counts(self, model: GenerativeModel, counts: Counts, labels: Labels) -> None:
        for name, series in self._histograms.items():
            self._growth.tell_histogram(model, series, getattr(counts, name), labels)
        for name, counter in self._tokens.items():
            self._growth.tell(model, counter, getattr(counts, name), labels)
        for reason, count in list(counts.finished.items()):
            labelled = {**labels, "finished_reason": str(reason)}
            self._growth.tell(model, self._finished, count, labelled)
