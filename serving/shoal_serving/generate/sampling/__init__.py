"""How a token is picked from a row of logits.

The order is that of vLLM's sampler (`vllm/v1/sample/sampler.py`): the logprobs of the logits as
they came; what a grammar allows; end tokens that come too early; `logit_bias`; the penalties; and
then either the likeliest token, or temperature, `min_p`, `top_k`, `top_p` and a draw.

    logits ── Sampler.sample ──▶ Sampled          one row each
                   ▲
             SamplingState.accept(token)          one sequence each, moved on by its tokens

It knows numbers of tokens only: no text, no sequences' places in a cache, no session.
"""
