"""Try again, later each time: how long to wait, and when to give up."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from pile_curate.fetch import names
from pile_curate.fetch.hosts import Hosts
from pile_curate.fetch.settings import Refused, Settings, Transient


class Patience:
    """Count the failures of one file and wait between them, longer each time; give up in the end."""

    def __init__(self, hosts: Hosts, url: str, retries: int | None = None) -> None:
        self.hosts, self.url = hosts, url
        self.retries = hosts.settings.retries if retries is None else retries
        self.failures = 0

    def failed(self, error: Transient) -> None:
        """Wait before the next try, or raise ``Refused`` if there were enough."""
        settings, host = self.hosts.settings, names.host(self.url)
        self.failures += 1
        if error.wait is not None and error.wait > settings.longest_wait:
            self.hosts.gave_up(host, error.reason)
            raise Refused(f"{error.reason} and asks to wait {error.wait:.0f} seconds; run again after that")
        if self.failures > self.retries:
            self.hosts.gave_up(host, error.reason)
            raise Refused(f"{error.reason}; given up after {self.failures} tries")
        wait = backoff(settings, self.url, self.failures)
        if error.wait is not None:
            wait = max(error.wait, wait if error.wait > 0 else 0.0)
        if error.busy:
            self.hosts.pause(error.busy, wait)
        self.hosts.clock.sleep(wait, self.hosts.stop)
        self.hosts.check()

    def progressed(self) -> None:
        """Start counting anew: the file has grown."""
        self.failures = 0


def backoff(settings: Settings, url: str, failures: int) -> float:
    """Return the pause before the next try: doubled each time, spread by a hash of URL and try, not by chance."""
    top = min(settings.longest_backoff, settings.backoff * 2.0 ** min(failures - 1, 30))
    raw = hashlib.blake2b(f"{failures} {url}".encode(), digest_size=8).digest()
    return top * (0.5 + int.from_bytes(raw, "big") / 2.0**65)


def retry_after(text: str, now: datetime) -> float | None:
    """Return the seconds that a Retry-After header asks for, in seconds or as a date; None if it says neither."""
    if text.isascii() and text.isdigit():
        return float(text[:12])
    try:
        when = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError):
        return None
    return max(0.0, (when.replace(tzinfo=when.tzinfo or UTC) - now).total_seconds())
