"""Every architecture against the same model in numpy: prompts of several lengths, then a token at
a time over what is kept of them.
"""

import numpy as np
import pytest
from decoders import KINDS


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
