"""Fetch many files: hosts side by side, within a host one after the other, until done, interrupted, or broken."""

from __future__ import annotations

import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from pile_curate.fetch import names
from pile_curate.fetch.client import Client
from pile_curate.fetch.download import Download
from pile_curate.fetch.ledger import Ledger
from pile_curate.fetch.listing import Found
from pile_curate.fetch.settings import Interrupted, Refused, Transient
from pile_curate.fetch.targets import Budget, Outcome, Target

MOST_THREADS = 32
PROGRESS_SECONDS = 30.0
GRACE_SECONDS = 5.0
"""How long an interrupt waits for threads to close their parts; one that hangs in the network is left behind."""


def targets(found: Iterable[Found], ledger_owners: dict[str, str], source: str) -> list[Target]:
    """Return what to fetch, each URL once, with its final path."""
    unique = {item.url: item for item in found}
    paths = names.assign(((item.url, item.path) for item in unique.values()), ledger_owners)
    return [
        Target(item.url, paths[item.url], item.size, item.sums, item.sum_url, item.immutable, source)
        for item in unique.values()
    ]


@dataclass(slots=True)
class Fetching:
    """One run over targets; ``report`` is called for each outcome, from one thread at a time."""

    client: Client
    ledger: Ledger
    budget: Budget
    report: Callable[[Outcome], None]
    progress: Callable[[list[tuple[Download, float]]], None]  # what is under way, and for how many seconds
    recheck: bool = False

    def run(self, wanted: Sequence[Target]) -> list[Outcome]:
        """Fetch the targets and return their outcomes in the given order.

        Raises ``KeyboardInterrupt`` after the parts are safe, or the error that ended the run (disk full, ...).
        """
        queues: dict[str, deque[int]] = defaultdict(deque)
        for number, target in enumerate(wanted):
            queues[names.host(target.url)].append(number)
        outcomes: dict[int, Outcome] = {}
        active: dict[int, tuple[Download, float]] = {}
        fatal: list[BaseException] = []
        lock, stop = threading.Lock(), self.client.hosts.stop
        # Waited for instead of joining: in CPython 3.11 an interrupted join takes a running thread for ended.
        ended = threading.Semaphore(0)

        # A host comes as often as it may have connections; a thread stays with it until its files are done.
        turns = deque(queue for queue in queues.values() for _ in range(self.client.settings.connections))
        count = min(MOST_THREADS, len(turns))

        def work() -> None:
            try:
                while not stop.is_set():
                    try:
                        queue = turns.popleft()
                    except IndexError:
                        return
                    serve(queue)
            finally:
                ended.release()

        def serve(queue: deque[int]) -> None:
            while not stop.is_set():
                try:
                    number = queue.popleft()
                except IndexError:
                    return
                download = Download(
                    self.client, self.ledger, wanted[number], self.budget, recheck=self.recheck
                )
                with lock:
                    active[number] = (download, time.monotonic())
                try:
                    outcome = download.run()
                except Exception as error:
                    with lock:
                        fatal.append(error)
                    stop.set()
                    return
                with lock:
                    del active[number]
                    outcomes[number] = outcome
                    self.report(outcome)
                if outcome.state == "over":
                    for rest in queues.values():
                        rest.clear()  # a later file might fit still; its size must not decide what is fetched

        for number in range(count):
            threading.Thread(target=work, name=f"fetch-{number}", daemon=True).start()
        waiting, told = count, time.monotonic()
        try:
            while waiting:
                waiting -= ended.acquire(timeout=0.2)
                if time.monotonic() - told >= PROGRESS_SECONDS:
                    told = time.monotonic()
                    with lock:
                        self.progress([(d, told - since) for d, since in active.values()])
        except KeyboardInterrupt:
            stop.set()
            until = time.monotonic() + GRACE_SECONDS
            while waiting and time.monotonic() < until:
                waiting -= ended.acquire(timeout=0.2)
            raise
        if fatal:
            raise fatal[0]
        return [outcomes[number] for number in sorted(outcomes)]


def sizes(client: Client, wanted: Sequence[Target], most: int) -> dict[str, int]:
    """Return URL to size: as listed, else asked for with HEAD, at most ``most`` times."""
    known: dict[str, int] = {}
    asked = 0
    for target in wanted:
        if target.size is not None:
            known[target.url] = target.size
        elif asked < most:
            asked += 1
            try:
                with client.open("HEAD", target.url) as answer:
                    if answer.length is not None:
                        known[target.url] = answer.length
            except (Refused, Transient):
                continue  # a server need not know HEAD; its size stays unknown
            except Interrupted:
                break
    return known
