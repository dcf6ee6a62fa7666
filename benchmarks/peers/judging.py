"""Judge what a deduplication dropped against the exact truth of ``dedup_truth``.

The figures, for a set of dropped documents D and the kept rest K, at a threshold t:

* *right*: members of D with Jaccard >= t, or an equal digest, to some member of K. *Precision* is
  right / |D|. A tool that groups by chains drops documents whose only near-duplicates it dropped as well:
  ``chained``. ``apart`` counts drops that have no near-duplicate at all, kept or dropped.
* *left*: what is still to be dropped from K: the oracle's drops in a walk over K alone. *Recall* is
  right / (right + left). It asks of no tool that it keep the same member of a pair as the oracle.
* *oracle recall*: the share of the oracle's drops (longest kept) that are in D; only a tool with the same order
  can reach 1.

Jaccard is that of the project's own word rule for everybody. A tool with another rule (no letters of their own
for Han, numbers made equal, ...) sees other sets, so a drop with 0.75 here may be 0.8 there; ``far`` counts
the drops whose best match anywhere is below 0.7, which no such nuance explains.
"""

from __future__ import annotations

import glob
import math
import os
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.peers.truth import Truth, oracle

EDGES = tuple(round(0.65 + 0.05 * step, 2) for step in range(8))
"""The bins of Jaccard: [0.65, 0.70) ... [0.95, 1.00), and [1, 1] is part of the last."""

Rows = npt.NDArray[np.bool_]


def judge(truth: Truth, dropped: Rows, threshold: str = "0.8") -> dict[str, Any]:
    """Return the figures above for the rows that were dropped."""
    kept = ~dropped
    best_kept = _best(truth, kept)
    best_any = np.maximum(_best(truth, kept | dropped), _best(truth, kept | dropped, later=True))
    right = dropped & _repeats(truth, kept, threshold)
    copies = _repeats(truth, kept | dropped, threshold)
    left = int((oracle(truth, threshold, kept) >= 0).sum())
    expected = oracle(truth, threshold) >= 0
    wrong = dropped & ~right
    return {
        "documents": len(truth.ids),
        "kept": int(kept.sum()),
        "dropped": int(dropped.sum()),
        "oracle": int(expected.sum()),
        "oracle_recall": _share(int((dropped & expected).sum()), int(expected.sum())),
        "left": left,
        "recall": _share(int(right.sum()), int(right.sum()) + left),
        "precision": _share(int(right.sum()), int(dropped.sum())),
        "wrong": int(wrong.sum()),
        "chained": int((wrong & copies).sum()),
        "apart": int((wrong & ~copies).sum()),
        "far": int((wrong & (best_any < 0.7)).sum()),
        "documents_by_jaccard": [
            {
                "low": low,
                "high": high,
                "documents": int(inside.sum()),
                "dropped": int((inside & dropped).sum()),
            }
            for low, high, inside in _bins(best_kept)
        ],
    }


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 1.0


def _repeats(truth: Truth, kept: Rows, threshold: str) -> Rows:
    """Say of each row whether another row of ``kept`` has its digest or reaches the threshold with it."""
    near = truth.reach(threshold)
    found = np.zeros(len(truth.ids), np.bool_)
    found[truth.left[near & kept[truth.right]]] = True
    found[truth.right[near & kept[truth.left]]] = True
    members = np.bincount(truth.twins, weights=kept)
    return found | (members[truth.twins] - kept > 0)


def _best(truth: Truth, among: Rows, later: bool = False) -> npt.NDArray[np.float64]:
    """Return each row's best Jaccard with an earlier (in the total order), or later, row of ``among``; 0 below 0.65."""
    best = np.zeros(len(truth.ids))
    turned = (truth.rank[truth.left] < truth.rank[truth.right]) == later
    mine = np.where(turned, truth.left, truth.right)
    other = np.where(turned, truth.right, truth.left)
    usable = among[other]
    np.maximum.at(best, mine[usable], truth.jaccard[usable])
    return best


def _bins(values: npt.NDArray[np.float64]) -> list[tuple[float, float, Rows]]:
    tops = (*EDGES[1:-1], 1.0)
    pairs = zip(EDGES[:-1], tops, strict=True)
    return [(low, high, (values >= low) & ((values < high) | (high == 1.0))) for low, high in pairs]


def found_probability(jaccard: float, bands: int, rows: int, minimum: int) -> tuple[float, float]:
    """Return P(share a band) and P(share a band and agree in >= minimum positions) of independent positions.

    Each of bands x rows positions agrees with probability J. The second is P(agree >= m) less that of agreeing
    so often without one full band, which is a convolution of the bands' own distributions.

    >>> [round(p, 4) for p in found_probability(0.8, 18, 7, 83)]
    [0.9855, 0.9855]
    """
    one = [math.comb(rows, i) * jaccard**i * (1 - jaccard) ** (rows - i) for i in range(rows + 1)]
    anyhow, unshared = np.ones(1), np.ones(1)
    for _ in range(bands):
        anyhow, unshared = np.convolve(anyhow, one), np.convolve(unshared, one[:-1])
    return float(1 - unshared.sum()), float(anyhow[minimum:].sum() - unshared[minimum:].sum())


def signature_table(truth: Truth, bands: int = 18, rows: int = 7, minimum: int = 83) -> list[dict[str, Any]]:
    """Return, for each bin of Jaccard, how many pairs the signatures find, and what theory expects of these pairs.

    *Found*: the pair shares a band and agrees in at least ``minimum`` positions. ``expected`` is the mean of
    ``found_probability`` over the pairs' own Jaccards, so it is no matter where in the bin they lie.
    """
    grid = np.linspace(0.6, 1, 401)
    theory = np.array([found_probability(j, bands, rows, minimum) for j in grid])
    both = truth.band & (truth.agreement >= minimum)
    table = []
    for low, high, inside in _bins(truth.jaccard):
        pairs = int(inside.sum())
        row: dict[str, Any] = {"low": low, "high": high, "pairs": pairs}
        if pairs:
            own = truth.jaccard[inside]
            row["band"], row["band_expected"] = (
                float(truth.band[inside].mean()),
                _mean_at(own, grid, theory[:, 0]),
            )
            row["found"], row["expected"] = float(both[inside].mean()), _mean_at(own, grid, theory[:, 1])
        table.append(row)
    return table


def _mean_at(values: npt.NDArray[np.float64], grid: Any, theory: Any) -> float:
    return float(np.interp(values, grid, theory).mean())


def identifier(value: Any) -> str:
    """Return an id as the truth names it: text, also from the binary keys that ``duplicates`` may hold."""
    if not isinstance(value, bytes):
        return str(value)
    try:
        from pile_curate.row_files import key_text
    except ImportError:
        return value.decode()
    return str(key_text(value))


def mask_of(truth: Truth, kept_ids: list[str]) -> Rows:
    """Return the rows that are not among the kept ids; an unknown or repeated id is an error."""
    row = {name: number for number, name in enumerate(truth.ids.tolist())}
    dropped = np.ones(len(row), np.bool_)
    for name in kept_ids:
        if name not in row:
            raise ValueError(f"document {name!r} is in the output and not in the input")
        if not dropped[row[name]]:
            raise ValueError(f"document {name!r} is in the output twice")
        dropped[row[name]] = False
    return dropped


def read_columns(folder: str, columns: list[str]) -> pa.Table:
    """Return columns of all Parquet files below a folder."""
    paths = sorted(glob.glob(os.path.join(folder, "**", "*.parquet"), recursive=True))
    return pa.concat_tables([pq.read_table(path, columns=columns) for path in paths])


def kept_ids(output: str, id_column: str = "id") -> list[str]:
    """Return the ids in the ``data`` folder of an output of ``pile-curate dedup``."""
    return [
        str(name) for name in read_columns(os.path.join(output, "data"), [id_column])[id_column].to_pylist()
    ]


def check_named(truth: Truth, output: str, dropped: Rows, threshold: str = "0.8") -> list[str]:
    """Check every drop of ``pile-curate dedup`` against the texts; return what is wrong, one line each.

    Each dropped document has one row in ``duplicates``; the document that it names is kept, precedes it in the
    total order, has its digest (kind exact) or Jaccard >= threshold with it, and the Jaccard is the stated one.
    """
    row = {name: number for number, name in enumerate(truth.ids.tolist())}
    pair = {ab: i for i, ab in enumerate(zip(truth.left.tolist(), truth.right.tolist(), strict=True))}
    ratio, problems, listed = Fraction(threshold), [], set()
    table = read_columns(os.path.join(output, "duplicates"), ["doc_id", "kept_id", "jaccard", "kind"])
    for entry in table.to_pylist():
        name, other = identifier(entry["doc_id"]), identifier(entry["kept_id"])
        here, there = row.get(name, -1), row.get(other, -1)
        said = f"{name} names {other} ({entry['kind']}, {entry['jaccard']})"
        if here < 0 or there < 0:
            problems.append(f"{said}: no such document")
            continue
        if here in listed:
            problems.append(f"{said}: listed twice")
        listed.add(here)
        if not dropped[here] or dropped[there]:
            problems.append(f"{said}: the one is not dropped or the other not kept")
        if truth.rank[there] > truth.rank[here]:
            problems.append(f"{said}: it comes later in the total order")
        twins = truth.twins[here] == truth.twins[there]
        at = pair.get((min(here, there), max(here, there)))
        exact = (
            Fraction(int(truth.shared[at]), int(truth.union[at])) if at is not None else Fraction(int(twins))
        )
        if (entry["kind"] == "exact") != twins or not (twins or exact >= ratio):
            problems.append(
                f"{said}: equal digests {bool(twins)}, Jaccard {float(exact):.4f} (0: below 0.65)"
            )
        elif entry["jaccard"] != float(round(exact, 4)):
            problems.append(f"{said}: the Jaccard is {float(round(exact, 4))}")
    missing = int(dropped.sum()) - len(listed)
    return problems + ([f"{missing} dropped documents are not in duplicates"] if missing else [])


def render_tables(truth: Truth, figures: dict[str, Any]) -> str:
    """Return the recall tables for a terminal."""
    lines = ["Jaccard        pairs  share a band (theory)  found (theory)   documents  dropped"]
    for pairs, documents in zip(signature_table(truth), figures["documents_by_jaccard"], strict=True):
        line = f"[{pairs['low']:.2f}, {pairs['high']:.2f}{']' if pairs['high'] == 1 else ')'} {pairs['pairs']:7d}"
        if pairs["pairs"]:
            line += f"     {pairs['band']:.4f} ({pairs['band_expected']:.4f})"
            line += f"   {pairs['found']:.4f} ({pairs['expected']:.4f})"
        share = f"{documents['dropped'] / documents['documents']:9.4f}" if documents["documents"] else ""
        lines.append(f"{line:56s}{documents['documents']:9d}{share}")
    lines.append(
        "pairs: all of this Jaccard, by our signatures (18 bands of 7, agreement >= 83 of 126), beside theory"
    )
    lines.append(
        "documents: by the best Jaccard with an earlier kept document; dropped is the share of these"
    )
    return "\n".join(lines)


def render(figures: dict[str, Any]) -> str:
    """Return the figures on two lines."""
    f = figures
    return (
        f"kept {f['kept']} of {f['documents']}, dropped {f['dropped']} (the oracle {f['oracle']}):"
        f" {f['oracle_recall']:.4f} of the oracle's drops; recall {f['recall']:.4f} ({f['left']} left)\n"
        f"precision {f['precision']:.4f}: {f['wrong']} wrong drops ({f['chained']} have their copy among the dropped,"
        f" {f['apart']} have none, {f['far']} none above 0.7)"
    )


def report_ours(truth: Truth, output: str, threshold: str = "0.8", id_column: str = "id") -> str:
    """Judge an output folder of ``pile-curate dedup`` and check each of its drops."""
    dropped = mask_of(truth, kept_ids(output, id_column))
    figures = judge(truth, dropped, threshold)
    problems = check_named(truth, output, dropped, threshold)
    checked = f"every drop checked: {len(problems)} problems"
    return "\n".join([render(figures), "\n".join([checked, *problems[:20]]), render_tables(truth, figures)])
