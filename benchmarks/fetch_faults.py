"""Run every fault that a server may have against the fetcher, on the loopback, and print what came of it.

    python benchmarks/fetch_faults.py [PART OF A NAME ...] [--bytes N]

A row is one fault of ``tests/fetch_cases.py``: requests for the file, seconds (pauses between tries are not waited for,
but their sum is shown), the outcome, and whether the bytes on disk equal the server's. The exit status is 1 if any row
is not as expected. With ``--bytes N`` a good server also sends N bytes, to show the speed of the way to the disk:
the hash, the writes, and the server in the same process are all in it.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.fetch_cases import CASES, QUICK, fetch, run
from tests.fetch_server import Server, document


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", help="only faults whose name contains one of these")
    parser.add_argument("--bytes", type=int, default=0, help="size of a good file, for the speed")
    args = parser.parse_args()
    chosen = [case for case in CASES if not args.names or any(name in case.name for name in args.names)]
    print(
        f"{'fault':42s} {'requests':>8s} {'seconds':>8s} {'pauses':>8s}  {'outcome':9s} {'bytes':8s} as expected"
    )
    wrong = 0
    for case in chosen:
        with tempfile.TemporaryDirectory() as folder:
            begun = time.perf_counter()
            result = run(case, Path(folder))
            seconds = time.perf_counter() - begun
            outcome = result.outcome
            same = (
                "none"
                if not result.file.exists()
                else "equal"
                if result.file.read_bytes() == case.data
                else "DIFFER"
            )
        fine = outcome.state == case.state and same == ("equal" if case.state == "fetched" else "none")
        fine = fine and re.search(case.reason, outcome.reason) is not None
        wrong += not fine
        print(
            f"{case.name:42s} {len(result.server.asked()):8d} {seconds:8.2f} {sum(result.clock.slept):8.1f}  "
            f"{outcome.state:9s} {same:8s} {'yes' if fine else 'NO: ' + outcome.reason}"
        )
    print(f"{len(chosen)} faults, {wrong} not as expected")
    if args.bytes:
        speed(args.bytes)
    return 1 if wrong else 0


def speed(size: int) -> None:
    """Print how fast a good server's file gets to the disk."""
    server = Server()
    server.routes["/a.bin"] = document(bytes(size))
    with tempfile.TemporaryDirectory() as folder:
        begun = time.perf_counter()
        outcome = fetch(
            server,
            Path(folder),
            server.url("/a.bin"),
            path="a.bin",
            settings=replace(QUICK, read_timeout=30.0),
        )
        seconds = time.perf_counter() - begun
    server.close()
    print(f"{outcome.state} {size / 1e6:.0f} MB in {seconds:.2f} s: {size / 1e6 / seconds:.0f} MB/s")


if __name__ == "__main__":
    sys.exit(main())
