"""Read the next steps' batches in one thread while this one computes; no worker processes.

Batches are a pure function of the step, so the thread holds no state that a checkpoint would need. What goes
wrong in it is raised where the step is asked for.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator

import torch

from trainer.objective import Inputs

AHEAD = 2


class Prefetch:
    """Iterate over (step, its micro-batches on the device) for the steps from ``first`` to ``last`` - 1."""

    def __init__(
        self, make: Callable[[int], list[Inputs]], first: int, last: int, device: torch.device
    ) -> None:
        self._queue: queue.Queue[tuple[int, list[Inputs] | Exception]] = queue.Queue(maxsize=AHEAD)
        self._stop = threading.Event()
        self._make, self._steps, self._device = make, range(first, last), device
        self._thread = threading.Thread(target=self._fill, name="prefetch", daemon=True)

    def __enter__(self) -> Prefetch:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        self._thread.join()

    def __iter__(self) -> Iterator[tuple[int, list[Inputs]]]:
        for _ in self._steps:
            step, made = self._queue.get()
            if isinstance(made, Exception):
                raise made
            yield step, made

    def _fill(self) -> None:
        if self._device.type == "cuda" and self._device.index is not None:
            # A thread starts on the first GPU, and pinning memory there would take room on it for every rank.
            torch.cuda.set_device(self._device)
        for step in self._steps:
            try:
                item: tuple[int, list[Inputs] | Exception] = (
                    step,
                    [inputs.to(self._device) for inputs in self._make(step)],
                )
            except Exception as error:  # whatever it is, the training thread must see it
                item = (step, error)
            while not self._stop.is_set():
                try:
                    self._queue.put(item, timeout=0.1)
                    break
                except queue.Full:
                    continue
            if self._stop.is_set() or isinstance(item[1], Exception):
                return
