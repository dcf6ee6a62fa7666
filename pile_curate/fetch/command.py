"""The command ``pile-curate fetch``: what it does with its arguments, what it prints, its exit status."""

from __future__ import annotations

import argparse
import fnmatch
import itertools
import os
import re
import sys
import threading
import time
import urllib.request
from collections.abc import Iterable, Iterator

from pile_curate.errors import FetchError, InputError, SetupError, SourceUnavailable
from pile_curate.fetch import catalogue, ledger, listing, run
from pile_curate.fetch.client import Client, Secret
from pile_curate.fetch.download import Download
from pile_curate.fetch.settings import Clock, Interrupted, Refused, Settings, Transient
from pile_curate.fetch.targets import Budget, Outcome
from pile_curate.storage import sha256_file

HEADS = 20
"""How many sizes a dry run asks for; the rest is estimated from these."""

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kMGT]?)i?B?")


def size(text: str | None) -> int | None:
    """Return bytes from ``10G`` (powers of 1000) or ``10Gi`` (of 1024)."""
    if text is None:
        return None
    found = _SIZE.fullmatch(text.strip())
    if not found:
        raise SetupError(f"{text!r} is no size; write bytes, or 500k, 20M, 10G, 1T (1000s) or 10Gi (1024s)")
    power = " kMGT".index(found.group(2) or " ")
    return int(float(found.group(1)) * (1024 if "i" in text else 1000) ** power)


def call(args: argparse.Namespace, clock: Clock | None = None) -> int:
    """Run the command and return 0, or raise; ``clock`` is for tests."""
    if args.list:
        print(catalogue_table())
        return 0
    if not args.to:
        raise SetupError("--to DIR is missing: the folder that the files go to")
    if args.verify:
        return verify(args.to)
    stop = threading.Event()
    client, entry, values = _client(args, clock or Clock(), stop)
    try:
        found = _found(args, client, entry, values)
        if args.dry_run:
            return _dry_run(args, client, found, entry)
        return _fetch(args, client, found, entry)
    except KeyboardInterrupt:
        stop.set()
        raise
    except (Refused, Transient) as error:
        raise FetchError(f"cannot list what there is to fetch: {error.reason}") from error
    except Interrupted as error:
        raise KeyboardInterrupt from error


def _client(
    args: argparse.Namespace, clock: Clock, stop: threading.Event
) -> tuple[Client, catalogue.Source | None, dict[str, str]]:
    if args.connections < 1 or args.requests_per_second <= 0 or (args.limit is not None and args.limit < 1):
        raise SetupError("--connections, --limit and --requests-per-second have to be above zero")
    own = bool(args.urls) or any("://" in word for word in args.source)
    if not args.source and not args.urls:
        raise SetupError("say what to fetch: a source (see --list), addresses, or --urls FILE")
    if not own and len(args.source) > 1:
        raise SetupError("one source at a time, each into a folder of its own")
    if own and any("://" not in word for word in args.source):
        raise SetupError("a source and addresses of your own go into folders of their own: run twice")
    entry = None if own else catalogue.source(args.source[0])
    given = dict(_pair(word) for word in args.set)
    if entry is None and given:
        raise SetupError("--set is for sources of the catalogue")
    if entry is not None and args.sums:
        raise SetupError("--sums is for addresses of your own; the catalogue knows its checksums")
    secrets: tuple[Secret, ...] = ()
    if entry is not None:
        catalogue.check_values(entry, given)
        if entry.key is not None:
            value = os.environ.get(entry.key.env, "")
            if not value:
                raise SourceUnavailable(
                    f"{entry.name} asks for an API key: put it into the variable {entry.key.env}. Get one at {entry.key.get}"
                )
            secrets = (Secret(entry.key.origin, entry.key.header, value),)
    settings = Settings(
        contact=args.contact,
        requests_per_second=args.requests_per_second,
        bytes_per_second=float(size(args.bytes_per_second) or 0),
        connections=args.connections,
        proxies=urllib.request.getproxies(),
    )
    return Client(settings, clock, stop, secrets), entry, given


def _pair(word: str) -> tuple[str, str]:
    key, equals, value = word.partition("=")
    if not (key and equals and value):
        raise SetupError(f"--set {word!r}: write KEY=VALUE")
    return key, value


def _found(
    args: argparse.Namespace, client: Client, entry: catalogue.Source | None, given: dict[str, str]
) -> list[listing.Found]:
    every: Iterable[listing.Found]
    if entry is None:
        lists = {where: _sum_list(where, client) for where in args.sums}
        every = listing.own(_own_urls(args), lists, keep_paths=args.keep_paths)
    else:
        every = listing.listed(entry, listing.values_of(entry, given, client), client)
    if args.match:
        every = (f for f in every if any(fnmatch.fnmatchcase(f.path, pattern) for pattern in args.match))
    found = list(itertools.islice(every, args.limit))
    if not found:
        raise FetchError(
            "nothing to fetch: the listing names no file"
            + (" that --match lets through" if args.match else "")
        )
    return found


def _sum_list(where: str, client: Client) -> str:
    if "://" in where:
        return client.text(where).decode("utf-8", "replace")
    try:
        with open(where, encoding="utf-8", errors="replace") as handle:
            return handle.read()
    except OSError as error:
        raise InputError(f"cannot read the checksum list {where!r}: {error.strerror}") from error


def _own_urls(args: argparse.Namespace) -> Iterator[str]:
    yield from args.source
    if args.urls:
        try:
            with open(args.urls, encoding="utf-8") as handle:
                for line in handle:
                    address = line.partition(" #")[0].strip()
                    if address and not address.startswith("#"):
                        yield address
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"cannot read the list {args.urls!r}: {error}") from error


def _fetch(
    args: argparse.Namespace, client: Client, found: list[listing.Found], entry: catalogue.Source | None
) -> int:
    begun = time.monotonic()
    with ledger.opened(args.to) as book:
        wanted = run.targets(found, book.owners, entry.name if entry else "")
        budget = Budget(size(args.max_bytes))
        fetching = run.Fetching(client, book, budget, _report, _progress, recheck=args.recheck)
        outcomes = fetching.run(wanted)
    counts = {
        state: [o for o in outcomes if o.state == state]
        for state in ("fetched", "adopted", "fresh", "failed")
    }
    moved = sum(o.moved for o in outcomes)
    rest = len(wanted) - sum(map(len, counts.values()))
    print(
        f"{args.to}: {len(counts['fetched'])} fetched, {len(counts['fresh']) + len(counts['adopted'])} up to date, "
        f"{len(counts['failed'])} failed"
        + (f", {rest} left for another run" if rest else "")
        + f"; {human(moved)} in {client.requests} requests and {time.monotonic() - begun:.0f} s"
    )
    if entry is not None and entry.after:
        print(f"next: {' '.join(entry.after.split())}")
    if entry is not None and entry.format:
        print(f'in a recipe: format: {entry.format}, paths: ["{entry.paths}"], licence: {entry.licence}')
    if counts["failed"]:
        first = counts["failed"][0]
        raise FetchError(
            f"{len(counts['failed'])} of {len(wanted)} files failed, the first {first.target.path!r}: {first.reason}; "
            "what came is kept, run the same again to go on"
        )
    return 0


def _report(outcome: Outcome) -> None:
    path, reason = outcome.target.path, outcome.reason
    if outcome.state == "fetched":
        reason = f"{human(outcome.bytes)}, " + (
            "checked by " + ", ".join(outcome.verified)
            if outcome.verified
            else "UNCHECKED: nobody said how long it is"
        )
    print(f"{'up to date' if outcome.state == 'fresh' else outcome.state}: {path}: {reason}", file=sys.stderr)


def _progress(active: list[tuple[Download, float]]) -> None:
    for download, seconds in active:
        part = download.part
        whole = f" of {human(part.origin.total)}" if part.origin.total is not None else ""
        rate = f"{human(int(download.moved / max(seconds, 0.001)))}/s"
        print(f"fetching: {download.target.path}: {human(part.size)}{whole}, {rate}", file=sys.stderr)


def _dry_run(
    args: argparse.Namespace, client: Client, found: list[listing.Found], entry: catalogue.Source | None
) -> int:
    entries = ledger.read(args.to) if os.path.isdir(args.to) else {}
    owners = {path: str(row["url"]) for path, row in entries.items()}
    wanted = run.targets(found, owners, entry.name if entry else "")
    known = run.sizes(client, wanted, HEADS)
    for target in wanted:
        here = "  (here)" if target.path in entries else ""
        told = human(known[target.url]) if target.url in known else "?"
        print(f"{told:>10s}  {target.path}  {target.url}{here}")
    total = sum(known.values())
    about = (
        f", about {human(total // len(known) * len(wanted))} in all" if 0 < len(known) < len(wanted) else ""
    )
    print(
        f"{len(wanted)} files; {human(total)} for the {len(known)} of known size{about}; nothing was fetched"
    )
    return 0


def verify(root: str) -> int:
    """Hash every file of ``fetch.ledger`` again; raises ``FetchError`` if one differs."""
    entries = ledger.read(root)
    if not entries:
        raise InputError(f"{os.path.join(root, ledger.NAME)!r} lists no file")
    wrong = []
    for path, entry in sorted(entries.items()):
        file = os.path.join(root, path)
        if not os.path.isfile(file):
            wrong.append(f"{path}: missing")
        elif sha256_file(file) != (entry["sha256"], entry["bytes"]):
            wrong.append(f"{path}: differs from what was fetched")
    for line in wrong:
        print(line, file=sys.stderr)
    if wrong:
        raise FetchError(
            f"{len(wrong)} of {len(entries)} files are not as they were fetched, the first: {wrong[0]}"
        )
    print(f"{root}: {len(entries)} files are as they were fetched")
    return 0


def catalogue_table() -> str:
    """Return the catalogue as text: name, format, what it is, its parameters, or why it is not fetched."""
    lines = []
    for entry in catalogue.sources().values():
        pile = f" [{entry.pile}]" if entry.pile else ""
        reader = f" Read as {entry.format}." if entry.format else ""
        lines.append(f"{entry.name}{pile}: {' '.join(entry.about.split())}{reader}")
        if entry.instead:
            lines.append(
                f"    {'without consent, ' if not entry.consent else ''}not fetched: {' '.join(entry.instead.split())}"
            )
        if entry.key:
            lines.append(f"    needs an API key in {entry.key.env}, from {entry.key.get}")
        for name, parameter in entry.parameters.items():
            default = f" (default {parameter.default})" if parameter.default is not None else ""
            lines.append(f"    --set {name}=...: {parameter.about}{default}")
    return "\n".join(lines)


def human(count: int) -> str:
    """Return bytes for people to read."""
    number, unit = float(count), "B"
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if number < 1024 or unit == "TiB":
            break
        number /= 1024
    return f"{number:.0f} B" if unit == "B" else f"{number:.1f} {unit}"
