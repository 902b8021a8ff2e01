"""What GPTQ and AWQ leave of a linear layer, packed as their libraries pack it, and the floats that
they mean by it; and weights rounded to nearest in blocks.
"""

import numpy as np

AWQ_ORDER = (0, 2, 4, 6, 1, 3, 5, 7)


def quantize(weight, group, random):
    """Integers [inputs, outputs], zeros and scales [groups, outputs] near weight [outputs, inputs].

    Rounding is coarse and zeros are anything: only what is made of these numbers matters.
    """
    inputs, outputs = weight.shape[1], weight.shape[0]
    groups = np.arange(inputs) // group
    zeros = random.integers(0, 16, (inputs // group, outputs))
    spread = np.abs(weight.T.reshape(-1, group, outputs)).max(1)
    scales = (spread / 8).astype(np.float16)
    integers = np.rint(weight.T / scales.astype(np.float32)[groups]) + zeros[groups]
    return np.clip(integers, 0, 15).astype(np.int64), zeros, scales


def dequantize(integers, zeros, scales):
    """[outputs, inputs], exactly."""
    groups = np.arange(len(integers)) // (len(integers) // len(zeros))
    return ((integers - zeros[groups]) * scales.astype(np.float32)[groups]).T.astype(np.float32)


def pack(numbers, order=range(8)):
    """[n, m] to INT32 [n, m / 8]: part i of each integer is number order[i] of its eight."""
    parts = [(numbers[:, place::8] & 15) << (4 * part) for part, place in enumerate(order)]
    return np.sum(parts, axis=0).astype(np.uint32).view(np.int32)


def gptq(integers, zeros, scales, less=1):
    """A layer's tensors in GPTQ's format; `less` is 0 in gptq_v2."""
    groups = np.arange(len(integers)) // (len(integers) // len(zeros))
    return {
        "qweight": np.ascontiguousarray(pack(integers.T).T),
        "qzeros": pack(zeros - less),
        "scales": scales,
        "g_idx": groups.astype(np.int32),
    }


def awq(integers, zeros, scales):
    """A layer's tensors in the format of AWQ's gemm version."""
    return {
        "qweight": pack(integers, AWQ_ORDER),
        "qzeros": pack(zeros, AWQ_ORDER),
        "scales": scales,
    }


def quantized(weights, group, method):
    """A checkpoint's weights with its layers packed by `method`, and with what that means."""
    random, packed, meant = np.random.default_rng(9), {}, {}
    for name, weight in weights.items():
        if not name.endswith("_proj.weight"):
            packed[name] = meant[name] = weight.astype(np.float16).astype(np.float32)
            continue
        parts = quantize(weight, group, random)
        meant[name] = dequantize(*parts)
        module = name.removesuffix(".weight")
        packed |= {f"{module}.{part}": values for part, values in method(*parts).items()}
    return packed, meant


def rounded(weight, bits, dtype=np.float32, block=32):
    """A matrix with every block of a row rounded, so that its farthest number is the lowest.

    Scales are of `dtype`.
    """
    lowest, out = -(2 ** (bits - 1)), np.zeros_like(weight)
    for row in range(len(weight)):
        for start in range(0, weight.shape[1], block):
            part = weight[row, start : start + block]
            scale = np.float32(dtype(part[np.abs(part).argmax()] / lowest))
            if scale:
                whole = np.clip(np.rint(part / scale), lowest, -lowest - 1)
                out[row, start : start + block] = whole * scale
    return out


def rounded_weights(weights, bits, dtype=np.float32):
    """A checkpoint's weights with the layers in `bits`, embeddings and head in 8."""
    words = ("model.embed_tokens.weight", "lm_head.weight")
    return {
        name: rounded(w, 8 if name in words else bits, dtype) if w.ndim == 2 else w
        for name, w in weights.items()
    }
