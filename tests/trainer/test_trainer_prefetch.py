"""Show that prefetching keeps the order, surfaces what goes wrong in its thread, and leaves no thread behind."""

from __future__ import annotations

import threading

import pytest
import torch

from trainer.objective import Inputs
from trainer.prefetch import AHEAD, Prefetch

CPU = torch.device("cpu")


def made(step: int) -> list[Inputs]:
    return [Inputs(torch.full((1, 2), step), torch.full((2,), step))]


def threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name == "prefetch"]


def test_steps_come_in_order_each_once() -> None:
    with Prefetch(made, 3, 40, CPU) as batches:
        found = [(step, int(micro[0].tokens[0, 0])) for step, micro in batches]
    assert found == [(step, step) for step in range(3, 40)] and not threads()


def test_an_error_in_the_thread_comes_where_the_step_is_asked_for() -> None:
    def fails(step: int) -> list[Inputs]:
        if step == 5:
            raise ValueError("step 5 cannot be read")
        return made(step)

    seen = []
    with pytest.raises(ValueError, match="step 5 cannot be read"), Prefetch(fails, 0, 10, CPU) as batches:
        for step, _ in batches:
            seen.append(step)
    assert seen == [0, 1, 2, 3, 4] and not threads()


@pytest.mark.parametrize("taken", [0, 1, 4])
def test_leaving_early_leaves_no_thread(taken: int) -> None:
    asked: list[int] = []

    def note(step: int) -> list[Inputs]:
        asked.append(step)
        return made(step)

    with Prefetch(note, 0, 1000, CPU) as batches:
        for step, _ in batches:
            if step + 1 >= taken:
                break
    assert not threads()
    # It never runs further ahead than it may: what was taken, what waits, and one in hand.
    assert asked == list(range(len(asked))) and len(asked) <= max(1, taken) + AHEAD + 1


def test_nothing_to_do_is_nothing_done() -> None:
    with Prefetch(made, 7, 7, CPU) as batches:
        assert list(batches) == []
    assert not threads()
