"""Say whether some work takes time in proportion to its input, by CPU time and without waiting long."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable

TIMES = 8
"""How much larger the large input is: linear work takes about 8 times as long, quadratic work 64 times."""
_ALLOWED = 20
_NOISE = 0.003
"""Seconds that a large run may take whatever the small one took; C code does two million steps in them."""


def _seconds(work: Callable[[], object]) -> float:
    gc.disable()  # a collection would walk the heap of every test before this one
    try:
        begin = time.process_time()
        work()
        return time.process_time() - begin
    finally:
        gc.enable()


def assert_linear(work: Callable[[int], Callable[[], object]], size: int = 1_000) -> None:
    """Fail if work on an input 8 times as large takes more than 20 times as long, at up to five attempts.

    ``work(n)`` builds an input of size ``n`` and returns what to measure. The least times seen so far are compared, so
    that a busy machine costs an attempt and no failure; what is not linear stays so however often it is tried.
    """
    small, large = work(size), work(TIMES * size)
    least_small = least_large = float("inf")
    for _ in range(5):
        least_small = min(least_small, _seconds(small), _seconds(small))
        least_large = min(least_large, _seconds(large))
        if least_large < _ALLOWED * least_small + _NOISE:
            return
        if least_large > 1:
            break  # no noise is as long as that
    raise AssertionError(
        f"{TIMES} times the input took {least_large / least_small:.0f} times as long:"
        f" {least_small * 1e3:.2f} and {least_large * 1e3:.2f} ms"
    )
