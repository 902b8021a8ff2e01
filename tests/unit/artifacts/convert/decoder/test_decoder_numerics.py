"""Every architecture against the same model in numpy: prompts of several lengths, then a token at
a time over what is kept of them.
"""

import numpy as np
import pytest
from decoders import LLAMA3_ROPE, YARN_ROPE

KINDS = {
    "Llama": ("Llama", {}),
    "Llama tied": ("Llama", {"tie_word_embeddings": True}),
    "Llama with biases": ("Llama", {"attention_bias": True, "mlp_bias": True}),
    "Llama with a wide head": ("Llama", {"head_dim": 32}),
    "Llama without groups": ("Llama", {"num_key_value_heads": 4}),
    "Llama 3": ("Llama", {"rope_scaling": LLAMA3_ROPE, "rope_theta": 500000.0}),
    "Llama of transformers 5": ("Llama", {"rope_parameters": {"rope_theta": 500.0}}),
    "Llama with linear scaling": ("Llama", {"rope_scaling": {"type": "linear", "factor": 4.0}}),
    "Mistral": ("Mistral", {"sliding_window": 5}),
    "Mistral without a window": ("Mistral", {"sliding_window": None}),
    "Qwen2": ("Qwen2", {"use_sliding_window": False, "sliding_window": 5}),
    "Qwen2 with a window": (
        "Qwen2",
        {"use_sliding_window": True, "sliding_window": 5, "max_window_layers": 1},
    ),
    "Qwen2 with yarn": ("Qwen2", {"rope_scaling": YARN_ROPE}),
    "Qwen3": ("Qwen3", {"head_dim": 32, "tie_word_embeddings": True}),
    "Qwen3 with layer types": (
        "Qwen3",
        {
            "use_sliding_window": True,
            "sliding_window": 5,
            "layer_types": ["full_attention", "sliding_attention", "full_attention"],
        },
    ),
    "Phi3": ("Phi3", {"sliding_window": 5}),
    "Phi3 partly rotated": ("Phi3", {"head_dim": 32, "partial_rotary_factor": 0.5}),
}


@pytest.fixture(params=KINDS)
def kind(request, checkpoint, graph):
    architecture, changes = KINDS[request.param]
    folder, reference = checkpoint(architecture, **changes)
    return graph(folder), reference


def close(got, expected, tolerance=1e-4):
    np.testing.assert_allclose(got, expected, rtol=tolerance, atol=tolerance)


def test_a_prompt_gives_the_logits_of_the_reference(kind, tokens):
    model, reference = kind
    (prompt,) = tokens(13)
    close(model.run([prompt], [13], range(13)), reference.logits(prompt))


def test_ragged_prompts_and_then_single_tokens(kind, tokens):
    model, reference = kind
    rows, lengths = tokens(12, 12, 12), [3, 11, 8]
    last = [row * 12 + length - 1 for row, length in enumerate(lengths)]
    prompts = [ids[:length] for ids, length in zip(rows, lengths, strict=True)]
    padded = [prompt + [0] * (11 - len(prompt)) for prompt in prompts]
    last = [row * 11 + length - 1 for row, length in enumerate(lengths)]
    logits = model.run(padded, lengths, last)
    for _ in range(6):
        close(logits, [reference.logits(prompt)[-1] for prompt in prompts])
        new = logits.argmax(-1)
        prompts = [[*prompt, int(token)] for prompt, token in zip(prompts, new, strict=True)]
        logits = model.run(new[:, None], [len(prompt) for prompt in prompts], range(3))


def test_a_prompt_in_pieces_is_the_same_prompt(kind, tokens):
    model, reference = kind
    (prompt,) = tokens(13)
    expected = reference.logits(prompt)
    for start, end in ((0, 4), (4, 5), (5, 13)):
        close(model.run([prompt[start:end]], [end], range(end - start)), expected[start:end])
