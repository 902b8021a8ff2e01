"""The Llama family as one graph, for an engine that keeps the keys and values of its sequences.

Supported, by `architectures` of config.json:

    LlamaForCausalLM     Llama 2 and 3, SmolLM, SmolLM2, ...; attention_bias, mlp_bias
    MistralForCausalLM   sliding_window
    Qwen2ForCausalLM     Qwen2, Qwen2.5: biases of query, key and value; use_sliding_window
    Qwen3ForCausalLM     norms of query and key; attention_bias, use_sliding_window
    Phi3ForCausalLM      Phi-3, Phi-4: fused projections, partial_rotary_factor, sliding_window

    rope_type            default, linear, llama3, yarn. Not: dynamic, longrope, and all others
    weights              F32, F16, BF16, sharded or not; tied embeddings are kept once
    precision            fp32, fp16, int8, int4
    quantization_config  gptq (4 bits, no desc_act), awq (4 bits, gemm); groups of 16 and more
    lora                 adapters as inputs: q_proj, k_proj, v_proj, o_proj, gate_proj, up_proj,
                         down_proj; Phi3: qkv_proj, o_proj, gate_up_proj, down_proj
    hidden_act           silu
    head_dim             multiples of 16
    scales               keys and values as int8 (CPU, and CUDA's float16)

Everything else is refused by name. The graph's interface is `build_decoder`'s.
"""

from collections.abc import Collection

from shoal_serving.artifacts.convert.config import Config
from shoal_serving.artifacts.convert.decoder.decoder import Decoder
from shoal_serving.artifacts.convert.decoder.family import read_family
from shoal_serving.artifacts.convert.decoder.lora import check_projections
from shoal_serving.artifacts.convert.decoder.precisions import read_storage
from shoal_serving.artifacts.convert.decoder.scales import CacheScales
from shoal_serving.artifacts.convert.decoder.sizes import read_sizes
from shoal_serving.artifacts.convert.graph import Graph
from shoal_serving.artifacts.convert.precision import Precision
from shoal_serving.artifacts.convert.weights import Weights
from shoal_serving.device import Device

__all__ = ["TASKS", "build_decoder"]

TASKS = ("text-generation",)


def build_decoder(
    config: Config,
    weights: Weights,
    precision: Precision | None,
    lora: Collection[str] = (),
    scales: CacheScales | None = None,
    device: Device = Device.CPU,
) -> Graph:
    """The checkpoint's graph. B sequences are run together, S new tokens of each.

    `lora` names the projections that adapters may change, such as q_proj; where there are some,
    the graph has the inputs of the second list too. `scales`, which `calibrate` measures on the
    graph without them, make it keep keys and values as int8. A graph for a GPU computes in float16
    and has no query_seqlens, which no onnxruntime-gpu has yet: B is 1 where S is not, and no
    sequence idles.

    Inputs:
        input_ids: INT64 [B, S]; the new tokens of each sequence, those of a shorter one padded
            on the right with any id.
        seqlens_k: INT32 [B]; each sequence's length with its new tokens, less 1.
        query_seqlens: INT32 [B]; how many of each sequence's S new tokens are not padding. A
            sequence with 0 idles: its keys and values stay, its seqlens_k is its length less 1.
        total_sequence_length: INT32 []; the longest of these lengths.
        logits_indices: INT64 [R]; for which tokens logits are wanted, as places in the flattened
            input_ids, of which token s of sequence b is number b * S + s. Any number, any order.
        past_key_values.{layer}.key and .value: [B, kv_heads, P, head_dim]; float32, or float16
            if the precision is or the graph is for a GPU; INT8 with scales. P is 0 at first.
    Inputs of adapters, which together have N rows; one of rank r has r of them, in every A and B:
        adapter_ids: INT64 [B]; each sequence's adapter. One that no row has, such as 0, is none.
        lora.adapters: INT64 [N]; the adapter of each row.
        lora.{layer}.{projection}.a: [N, inputs]; A, as PEFT keeps it; float32, or
            float16 if the precision is.
        lora.{layer}.{projection}.b: [N, outputs]; B of PEFT, transposed, and scaled by alpha / r.
    Outputs:
        logits: FLOAT [R, vocabulary].
        present.{layer}.key and .value: [B, kv_heads, max(P, total), head_dim]; the past with the
            new tokens. It may be bound to the memory of the past, with P as its capacity.

    Sequences may differ in length, in past and in new tokens (ONNX Runtime 1.32 and newer).

    Raises:
        ModelUnsupported: an architecture, variant or precision that the table has not, a precision
            that the device has not, or a projection that the architecture has not.
        ModelLoadFailed: a weight is missing or of the wrong shape.
    """
    family = read_family(config)
    check_projections(family, lora)
    sizes = read_sizes(config, family)
    storage = read_storage(config, precision, device)
    graph = Graph(family.architecture, weights, storage.dtype)
    Decoder(graph, sizes, storage, lora, scales, ragged=device is Device.CPU).build()
    return graph
