"""Keep the manners towards each host: its robots.txt, its pace, how many connections, and when to let it be.

The pace is kept per host name, whatever the port and scheme; robots.txt per origin, as RFC 9309 has it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from pile_curate.fetch import names
from pile_curate.fetch.robots import Rules
from pile_curate.fetch.settings import Clock, Interrupted, Refused, Settings

BURST_SECONDS = 0.25
"""How far the byte rate may run ahead before a reader waits: shorter sleeps would cost more than they smooth."""


@dataclass(slots=True)
class _Host:
    slots: threading.BoundedSemaphore
    interval: float
    lock: threading.Lock = field(default_factory=threading.Lock)
    next_request: float = 0.0
    bytes_until: float = 0.0
    troubles: int = 0
    trouble: str = ""


class Hosts:
    """What is known of every host in this run, shared by all threads."""

    def __init__(self, settings: Settings, clock: Clock, stop: threading.Event) -> None:
        self.settings, self.clock, self.stop = settings, clock, stop
        self._lock = threading.Lock()
        self._hosts: dict[str, _Host] = {}
        self._rules: dict[str, Rules] = {}
        self._reading: dict[str, threading.Lock] = {}

    def _of(self, host: str) -> _Host:
        with self._lock:
            found = self._hosts.get(host)
            if found is None:
                rate = self.settings.requests_per_second
                found = _Host(
                    threading.BoundedSemaphore(self.settings.connections), 1.0 / rate if rate > 0 else 0.0
                )
                self._hosts[host] = found
            return found

    def slow_down(self, host: str, interval: float) -> None:
        """Keep at least ``interval`` seconds between requests to a host."""
        known = self._of(host)
        with known.lock:
            known.interval = max(known.interval, interval)

    def pause(self, host: str, seconds: float) -> None:
        """Send nothing to a host for a while, whichever thread asks."""
        known = self._of(host)
        with known.lock:
            known.next_request = max(known.next_request, self.clock.seconds() + seconds)

    @contextmanager
    def turn(self, host: str) -> Iterator[None]:
        """Hold one of the host's connections, after waiting for it and for the host's pace."""
        known = self._of(host)
        while not known.slots.acquire(timeout=0.5):
            self.check()
        try:
            self.check()
            with known.lock:
                self._not_given_up(host, known)
                at = max(self.clock.seconds(), known.next_request)
                known.next_request = at + known.interval
            self.clock.sleep(at - self.clock.seconds(), self.stop)
            self.check()
            yield
        finally:
            known.slots.release()

    def spend(self, host: str, count: int) -> None:
        """Wait as long as the byte rate asks for after ``count`` bytes have come."""
        rate = self.settings.bytes_per_second
        if rate <= 0:
            return
        known = self._of(host)
        with known.lock:
            now = self.clock.seconds()
            known.bytes_until = max(known.bytes_until, now) + count / rate
            ahead = known.bytes_until - now
        if ahead > BURST_SECONDS:
            self.clock.sleep(ahead, self.stop)

    def check(self) -> None:
        """Raise ``Interrupted`` if the run is ending."""
        if self.stop.is_set():
            raise Interrupted

    def answered(self, host: str) -> None:
        """Note that a host answered as it should."""
        known = self._of(host)
        with known.lock:
            known.troubles = 0

    def gave_up(self, host: str, reason: str) -> None:
        """Note that a file was given up because the host did not answer or could not serve."""
        known = self._of(host)
        with known.lock:
            known.troubles += 1
            known.trouble = reason

    def _not_given_up(self, host: str, known: _Host) -> None:
        if known.troubles >= self.settings.host_failures:
            raise Refused(
                f"{host} failed {known.troubles} times in a row and is left alone for this run: {known.trouble}"
            )

    def rules(self, url: str, read: Callable[[str], Rules]) -> Rules:
        """Return the robots.txt rules that hold for a URL; ``read`` fetches them, once an origin and run."""
        where = names.origin(url)
        with self._lock:
            lock = self._reading.setdefault(where, threading.Lock())
        with lock:
            if where not in self._rules:
                rules = read(f"{where}/robots.txt")
                self._rules[where] = rules
                self.slow_down(names.host(url), rules.delay)
            return self._rules[where]
