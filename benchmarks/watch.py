"""Run a command and say what it and everything it starts needed: seconds, CPU, peak memory by kind of process.

    python benchmarks/watch.py [--interval 0.1] [--json FILE] [--limit SECONDS] -- COMMAND ...

Reads /proc, so Linux only, and needs no package. Descendants are found by parent, by session, and once seen
they are remembered, so one whose parent died still counts; what left the session before it was seen does not.

Kinds: ``driver_jvm``, ``executor_jvm``, ``daemon_jvm`` (a standalone master or worker), ``python_driver``
(any Python that is no worker), ``python_worker``, ``other``. With a local master the executor lives in the
driver's JVM. Peaks are per process (the largest of its kind); VmHWM is the kernel's own maximum, so
what lies between two samples is not lost, except in a process's last interval. RSS counts pages of files
and shared pages in full, ``anon`` (RssAnon) only what would have to be swapped; a sum over processes counts shared
pages once each process, so the total of ``anon`` is the safer figure.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field

TICK = os.sysconf("SC_CLK_TCK")
KINDS = ("driver_jvm", "executor_jvm", "daemon_jvm", "python_driver", "python_worker", "other")


@dataclass(slots=True)
class Peak:
    """The largest process of a kind, in bytes, the kind's largest sums at one moment, and how many it had."""

    rss: int = 0
    anon: int = 0
    sum_rss: int = 0
    sum_anon: int = 0
    processes: int = 0


@dataclass(slots=True)
class Usage:
    """What a command needed. ``cpu`` and ``written`` (bytes sent towards disks) cover all of its processes."""

    returncode: int = 0
    wall: float = 0.0
    cpu: float = 0.0
    written: int = 0
    total_rss: int = 0
    total_anon: int = 0
    timed_out: bool = False
    peaks: dict[str, Peak] = field(default_factory=dict)

    def as_dict(self) -> dict[str, object]:
        """Return plain values for JSON."""
        return asdict(self)

    def render(self) -> str:
        """Return some lines for people."""
        lines = [
            f"exit {self.returncode}, {self.wall:.2f} s, {self.cpu:.2f} CPU s, {mib(self.written)} MiB written, "
            f"peak of all: {mib(self.total_rss)} MiB RSS, {mib(self.total_anon)} MiB anonymous"
        ]
        for kind, peak in self.peaks.items():
            lines.append(
                f"  {kind:<14} {peak.processes:3d} processes; largest {mib(peak.rss):6d} MiB RSS, "
                f"{mib(peak.anon):6d} anonymous; together {mib(peak.sum_rss):6d}, {mib(peak.sum_anon):6d}"
            )
        return "\n".join(lines)


def mib(size: int) -> int:
    """Return mebibytes, rounded."""
    return round(size / 2**20)


def kind_of(command: bytes) -> str:
    """Return the kind of a process from its command line (arguments end with NUL)."""
    arguments = command.split(b"\0")
    program = os.path.basename(arguments[0])
    if program == b"java":
        if b"CoarseGrainedExecutorBackend" in command:
            return "executor_jvm"
        if b"org.apache.spark.deploy.worker.Worker" in command or b"deploy.master.Master" in command:
            return "daemon_jvm"
        return "driver_jvm"
    if b"pyspark.daemon" in command or b"pyspark.worker" in command or b"pyspark/daemon" in command:
        return "python_worker"
    return "python_driver" if b"python" in program or b"pypy" in program else "other"


@dataclass(slots=True)
class _Process:
    kind: str = "other"
    cpu: float = 0.0
    written: int = 0


class Sampler:
    """Follow one process and its descendants; ``sample`` reads /proc once."""

    def __init__(self, root: int) -> None:
        self._root, self._seen = root, dict[tuple[int, int], _Process]()
        self.usage = Usage()

    def sample(self) -> int:
        """Take one sample; return how many processes live."""
        table = _table()
        known = {pid for pid, row in table.items() if (pid, row[2]) in self._seen}
        known |= {pid for pid, row in table.items() if pid == self._root or row[1] == self._root}
        size = -1
        while size != len(known):  # parents may have larger numbers than children
            size = len(known)
            known |= {pid for pid, row in table.items() if row[0] in known}
        sums: dict[str, list[int]] = {}
        for pid in known:
            _, _, started, cpu = table[pid]
            status = _status(pid)
            process = self._seen.setdefault((pid, started), _Process())
            process.cpu = max(process.cpu, cpu)
            if status is None:
                continue
            kind, rss, high, anon = status
            process.kind = kind
            process.written = max(process.written, _written(pid))
            peak = self.usage.peaks.setdefault(kind, Peak())
            peak.rss, peak.anon = max(peak.rss, high), max(peak.anon, anon)
            both = sums.setdefault(kind, [0, 0])
            both[0] += rss
            both[1] += anon
        for kind, (rss, anon) in sums.items():
            peak = self.usage.peaks[kind]
            peak.sum_rss, peak.sum_anon = max(peak.sum_rss, rss), max(peak.sum_anon, anon)
        self.usage.total_rss = max(self.usage.total_rss, sum(rss for rss, _ in sums.values()))
        self.usage.total_anon = max(self.usage.total_anon, sum(anon for _, anon in sums.values()))
        return len(known)

    def finish(self) -> Usage:
        """Return the figures, kinds in a fixed order."""
        for process in self._seen.values():
            if process.kind in self.usage.peaks:
                self.usage.peaks[process.kind].processes += 1
        self.usage.cpu = sum(process.cpu for process in self._seen.values())
        self.usage.written = sum(process.written for process in self._seen.values())
        self.usage.peaks = {kind: self.usage.peaks[kind] for kind in KINDS if kind in self.usage.peaks}
        return self.usage

    def living(self) -> list[int]:
        """Return the processes seen that still live, without the root."""
        table = _table()
        return [pid for pid, row in table.items() if (pid, row[2]) in self._seen and pid != self._root]


def _table() -> dict[int, tuple[int, int, int, float]]:
    """Return every process: parent, session, start in ticks since boot, CPU seconds of its own."""
    found = {}
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            with open(f"/proc/{name}/stat", "rb") as stream:
                raw = stream.read()
        except OSError:  # it ended meanwhile
            continue
        rest = raw[raw.rindex(b")") + 2 :].split()  # the name in parentheses may hold anything
        if rest[0] in (b"Z", b"X"):
            continue
        found[int(name)] = (int(rest[1]), int(rest[3]), int(rest[19]), (int(rest[11]) + int(rest[12])) / TICK)
    return found


def _status(pid: int) -> tuple[str, int, int, int] | None:
    """Return kind, RSS, its maximum so far, and anonymous RSS; None for a process that ended."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as stream:
            command = stream.read()
        with open(f"/proc/{pid}/status", "rb") as stream:
            lines = stream.read().splitlines()
    except OSError:
        return None
    values = {line[:6]: line for line in lines if line[:3] in (b"VmR", b"VmH", b"Rss")}
    if b"VmRSS:" not in values:
        return None
    rss, high, anon = (int(values[k].split()[1]) << 10 for k in (b"VmRSS:", b"VmHWM:", b"RssAno"))
    return kind_of(command), rss, high, anon


def _written(pid: int) -> int:
    """Return how many bytes a process caused to be sent to disks; 0 where the kernel does not say."""
    try:
        with open(f"/proc/{pid}/io", "rb") as stream:
            return int(stream.read().split(b"\nwrite_bytes: ")[1].split(b"\n")[0])
    except (OSError, IndexError):
        return 0


def watch(
    command: Sequence[str],
    *,
    env: Mapping[str, str] | None = None,
    cwd: str | None = None,
    interval: float = 0.1,
    limit: float | None = None,
    stdout: int | None = None,
    output: str | None = None,
) -> Usage:
    """Run a command in a session of its own and return what it needed; on Ctrl-C or SIGTERM it is ended, and all below it.

    ``env`` is the whole environment; ``output`` names a file for both of its streams (else ``stdout`` as
    ``subprocess`` takes it). After ``limit`` seconds it is killed and ``timed_out`` is set. Python workers that
    outlive their driver are killed at the end.
    """
    with contextlib.ExitStack() as stack:
        streams: dict[str, object] = {"stdout": stdout}
        if output is not None:
            streams = {"stdout": stack.enter_context(open(output, "wb")), "stderr": subprocess.STDOUT}
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        started = time.perf_counter()
        process = subprocess.Popen(list(command), env=env, cwd=cwd, start_new_session=True, **streams)  # type: ignore[call-overload]
        sampler = Sampler(process.pid)
        if threading.current_thread() is threading.main_thread():
            before_term = signal.signal(signal.SIGTERM, _interrupt)
            stack.callback(signal.signal, signal.SIGTERM, before_term)
        try:
            while True:
                began = time.perf_counter()
                sampler.sample()
                if limit is not None and began - started > limit:
                    sampler.usage.timed_out = True
                    break
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(max(interval, 10 * (time.perf_counter() - began)))
                    break
        finally:
            wall = time.perf_counter() - started
            if process.poll() is None:
                _end(process)
            for pid in sampler.living():
                with contextlib.suppress(OSError):
                    os.kill(pid, signal.SIGKILL)
    usage = sampler.finish()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)  # includes the last interval, but not orphans
    reaped = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    usage.cpu = max(usage.cpu, reaped)
    usage.wall, usage.returncode = wall, process.returncode
    return usage


def _interrupt(number: int, frame: object) -> None:
    """End this process in the ordinary way, so that what it started is ended too."""
    raise SystemExit(128 + number)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ask the command's process group to end, and kill it after ten seconds."""
    for sign in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(OSError):
            os.killpg(process.pid, sign)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(10)
            return


def main() -> int:
    """Run the command of the command line and print its figures to standard error."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--interval", type=float, default=0.1)
    parser.add_argument("--limit", type=float)
    parser.add_argument("--json", help="a file for the figures")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    options = parser.parse_args()
    command = options.command[1:] if options.command[:1] == ["--"] else options.command
    if not command:
        parser.error("no command; write it after --")
    usage = watch(command, interval=options.interval, limit=options.limit)
    print(usage.render(), file=sys.stderr)
    if options.json:
        with open(options.json, "w", encoding="utf-8") as sink:
            json.dump(usage.as_dict(), sink, indent=1)
    return usage.returncode


if __name__ == "__main__":
    sys.exit(main())
