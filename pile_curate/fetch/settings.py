"""Say how patient, how fast and under which name to fetch; and tell the time, so that tests need not wait."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from pile_curate import __version__
from pile_curate.errors import SetupError

PRODUCT = "pile-curate"
"""The product token that robots.txt files may name (RFC 9309, section 2.2.1)."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Every limit of a run. Seconds, bytes and counts; 0 means no limit where a comment says so."""

    contact: str = ""  # a mail address or page, told to servers in the user agent
    requests_per_second: float = 1.0  # per host; a Crawl-delay or a source's own pace may only slow it down
    bytes_per_second: float = 0.0  # per host; 0: no limit
    connections: int = 1  # at once, per host
    connect_timeout: float = 20.0
    read_timeout: float = 60.0  # without a single byte
    stall_seconds: float = 60.0  # below ``slowest`` for this long is a stall too
    slowest: float = 1024.0  # bytes a second
    retries: int = 8  # failures in a row without progress
    backoff: float = 1.0  # doubled with each failure
    longest_backoff: float = 300.0
    longest_wait: float = 3600.0  # a server that asks for a longer pause is left alone
    redirects: int = 5
    host_failures: int = 3  # files in a row that end without an answer; then the host is left alone
    sync_bytes: int = 64 << 20  # of a part that a crash of the machine may cost
    proxies: Mapping[str, str] = field(default_factory=dict)  # scheme to proxy, as the environment has it

    @property
    def agent(self) -> str:
        """The User-Agent: product, version, and whom to write to."""
        return f"{PRODUCT}/{__version__} ({self.contact})" if self.contact else f"{PRODUCT}/{__version__}"

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[\x20-\x27\x2a-\x7e]*", self.contact):
            raise SetupError(
                f"the contact {self.contact!r} goes into a header: printable ASCII without parentheses"
            )


class Clock:
    """The time of the machine. Tests put in its place one whose sleeps cost nothing."""

    def seconds(self) -> float:
        """Return seconds that only ever grow."""
        return time.monotonic()

    def now(self) -> datetime:
        """Return the date and time, in UTC."""
        return datetime.now(UTC)

    def sleep(self, seconds: float, stop: threading.Event) -> None:
        """Wait, or until ``stop`` is set."""
        if seconds > 0:
            stop.wait(seconds)


class Transient(Exception):
    """A failure that trying again may mend; ``wait`` is the pause asked for, ``busy`` the host that asked all to slow down."""

    def __init__(self, reason: str, *, wait: float | None = None, busy: str = "") -> None:
        super().__init__(reason)
        self.reason, self.wait, self.busy = reason, wait, busy


class Refused(Exception):
    """A failure of one file that trying again does not mend."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Interrupted(Exception):
    """The run is ending: the user asked, or something happened that ends it for every file."""
