"""Print the tables of ``docs/scale.md`` for given constants: what a corpus of N documents costs on paper.

    python benchmarks/scale_model.py [--documents 1e9,1e10] [--cores 256,2048] [--set NAME=VALUE ...]

``Constants`` names every number that the estimate depends on. Those that a benchmark measures are marked with
where they come from; their defaults are cautious guesses until a quiet run replaces them with ``--set``.
"""

from __future__ import annotations

import argparse
import math
from dataclasses import dataclass, fields, replace


@dataclass(frozen=True)
class Constants:
    """What the estimate depends on: bytes, shares of the documents, microseconds and MB/s of one core."""

    text_bytes: float = 4000  # a web page's text
    stored: float = 0.4  # Parquet bytes per byte of text
    shingles: float = 650  # distinct, a document
    exact: float = 0.15  # share that repeats a text exactly
    clustered: float = 0.25  # share of representatives in a component of two or more
    marked: float = 0.20  # share of documents whose sets are made
    dropped: float = 0.30  # share of all documents
    edges: float = 1.5  # a document: summary "edges" / documents
    rounds: float = 8  # of large and small star
    signature: float = 504  # bytes: 126 values of 4
    narrow: float = 100  # bytes a document, twins
    keys: float = 19 * 16  # bytes a representative
    row: float = 650  # bytes a clustered row
    measure: float = 60  # MB/s a core: decode, digest, signature, annotations
    write: float = 80  # MB/s a core: decode, filter, encode
    sets: float = 50  # MB/s a core: read marked texts, shingle, write sets
    twins_us: float = 4
    bands_us: float = 14  # a representative: 19 keys cut, shuffled, linked
    round_us: float = 5  # an edge and round
    run_us: float = 12  # a clustered row: sent, sorted, pruned, written
    walk_us: float = 15  # a clustered row
    name_us: float = 8  # a dropped document
    idle: float = 1.7  # core time paid for over core time used: stragglers, waiting, starting
    price: float = 0.05  # dollars a core-hour: on demand, 4 GB a core, local disk
    split: float = 256 * 2**20  # Parquet bytes a part
    meeting_rows: float = 2**20
    key_rows: float = 2**22
    run_rows: float = 100_000
    edge_bound: float = 16e6


def size(count: float) -> str:
    """Return bytes as people say them."""
    for unit, factor in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6)):
        if count >= factor:
            return (
                f"{count / factor:,.1f} {unit}" if count < 100 * factor else f"{count / factor:,.0f} {unit}"
            )
    return f"{count:,.0f} B"


def steps(n: float, cores: float, c: Constants) -> list[tuple[str, float, float, float, float]]:
    """Return (step, bytes shuffled, bytes of files written, tasks, core-hours used)."""
    reps, text = n * (1 - c.exact), n * c.text_bytes
    members, edges = reps * c.clustered, n * c.edges
    readers = min(text * c.stored / c.split, 3 * cores)
    driver = edges <= c.edge_bound
    dropped, hour = n * c.dropped, 3600e6
    meetings, targets, runs = n / c.meeting_rows, 19 * n / c.key_rows, members / c.run_rows
    sets = 8 * c.shingles * n * c.marked
    rounds = 0 if driver else c.rounds
    return [
        ("measure", 0, n * (c.signature + 80), readers, text / c.measure / 3600e6),
        ("twins", n * (c.narrow + 16 + 32 * c.exact), 16 * n * c.exact, meetings, n * c.twins_us / hour),
        ("bands", reps * c.keys, 16 * edges, targets, reps * c.bands_us / hour),
        ("connect", 120 * edges * rounds, 16 * edges * rounds, targets if rounds else 1,
         edges * (c.round_us * rounds + 0.2) / hour),
        ("runs", members * c.row, members * c.row, runs, members * c.run_us / hour),
        ("sets", 48 * n * c.marked, sets, readers, n * c.marked * c.text_bytes / c.sets / 3600e6),
        ("walk", 0, 25 * dropped, runs, members * c.walk_us / hour),
        ("names", dropped * 192, dropped * 80, 19 * n * c.dropped / c.key_rows, dropped * c.name_us / hour),
        ("write", 0, text * c.stored * (1 - c.dropped), readers, text / c.write / 3600e6),
    ]  # fmt: skip


def table(n: float, cores: float, c: Constants) -> str:
    """Return the steps for n documents as Markdown, with the sums below."""
    rows = steps(n, cores, c)
    lines = [f"{n:.0e} documents, {size(n * c.text_bytes)} of text, {cores:,.0f} cores:", ""]
    lines += ["| step | shuffled | files written | tasks | core-hours |", "|---|--:|--:|--:|--:|"]
    for name, shuffled, files, tasks, hours in rows:
        moved, left = (size(shuffled) if shuffled else "-"), (size(files) if files else "-")
        lines.append(f"| {name} | {moved} | {left} | {math.ceil(tasks):,} | {hours:,.1f} |")
    shuffled, files, hours = (sum(row[i] for row in rows) for i in (1, 2, 4))
    lines.append(f"| all | {size(shuffled)} | {size(files)} | | {hours:,.0f} |")
    paid = hours * c.idle
    lines += [
        "",
        f"Paid for: {paid:,.0f} core-hours, ${paid * c.price:,.0f}; {60 * paid / cores:,.0f} minutes.",
    ]
    return "\n".join(lines)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--documents", default="1e9,1e10")
    parser.add_argument("--cores", default="256,2048", help="one number for each of --documents")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE")
    options = parser.parse_args()
    known = {field.name for field in fields(Constants)}
    constants = Constants()
    for assignment in options.set:
        name, _, value = assignment.partition("=")
        if name not in known:
            parser.error(f"no constant {name!r}; there are {', '.join(sorted(known))}")
        constants = replace(constants, **{name: float(value)})
    counts, cores = options.documents.split(","), options.cores.split(",")
    if len(counts) != len(cores):
        parser.error(f"{len(counts)} numbers of documents, {len(cores)} of cores; give as many")
    for count, some in zip(counts, cores, strict=True):
        print(table(float(count), float(some), constants), end="\n\n")


if __name__ == "__main__":
    main()
