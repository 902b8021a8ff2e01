"""Memory as the kernel counts it."""

import contextlib
import mmap

from shoal_serving.measure import memory_growth

MEBIBYTE = 2**20


def touched(mebibytes):
    """Memory of the kernel's own, every page of it used; `close` gives all of it back at once."""
    memory = mmap.mmap(-1, mebibytes * MEBIBYTE)
    for page in range(0, len(memory), mmap.PAGESIZE):
        memory[page] = 1
    return memory


def test_what_stays_is_resident_and_what_was_there_is_the_peak():
    with memory_growth() as growth:
        touched(64).close()
        staying = touched(32)
    staying.close()
    assert 24 * MEBIBYTE < growth.resident < 56 * MEBIBYTE
    assert growth.peak > 56 * MEBIBYTE


def test_growth_is_known_also_when_the_work_fails():
    with contextlib.suppress(ValueError), memory_growth() as growth:
        kept = touched(32)
        raise ValueError
    kept.close()
    assert growth.resident > 24 * MEBIBYTE


def test_no_work_is_next_to_no_growth():
    with memory_growth() as growth:
        pass
    assert growth.resident <= growth.peak < 8 * MEBIBYTE
