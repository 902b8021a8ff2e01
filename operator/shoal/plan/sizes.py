"""Bytes, as people say them."""

_UNITS = (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10))


def in_words(size: int) -> str:
    """`22.49 GiB`, `512 MiB` or `7 bytes`."""
    for unit, much in _UNITS:
        if size >= much:
            return f"{size / much:.4g} {unit}"
    return f"{size} bytes"
