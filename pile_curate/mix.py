"""Plan the mixture: from what was asked and what there is to how often each source is seen.

Every source asks for a weight, for epochs, or for tokens. Epochs and tokens are served first; weights
share the rest of ``mixture.total``. When all give weights and there is no total, the source that runs out
first (smallest size / weight) is seen exactly once, so nothing is repeated. All arithmetic is in exact
fractions, so that a plan is the same everywhere and a source that meets the epoch cap does not break it by
a rounding error; figures are rounded only when they are reported.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
from typing import Any, Literal

from pile_curate import hashing
from pile_curate.errors import MixtureError, Problem
from pile_curate.recipe import Recipe

MIX_VERSION = 1
"""Version of the mixture document's layout."""

GIB = 1 << 30
TRAIN = "train"
_Exact = Mapping[str, Fraction]


@dataclass(frozen=True, slots=True)
class SplitCounts:
    """What one split of a source holds: documents, UTF-8 bytes of text, tokens with one end-of-text each."""

    documents: int
    bytes: int
    tokens: int


@dataclass(frozen=True, slots=True)
class SourceCounts:
    """What a source holds, by split; a split that is not named holds nothing."""

    name: str
    splits: Mapping[str, SplitCounts]

    @property
    def train(self) -> SplitCounts:
        """The split that training sees."""
        return self.splits.get(TRAIN, SplitCounts(0, 0, 0))


@dataclass(frozen=True, slots=True)
class Ask:
    """What the recipe asks of a source: exactly one of the three."""

    name: str
    weight: float | None = None
    epochs: float | None = None
    tokens: int | None = None

    @property
    def given(self) -> dict[str, float]:
        """The keys that are set."""
        pairs = (("weight", self.weight), ("epochs", self.epochs), ("tokens", self.tokens))
        return {key: value for key, value in pairs if value is not None}


@dataclass(frozen=True, slots=True)
class MixtureRow:
    """One source's place in the mixture; counts are effective ones (epochs × what there is), rounded."""

    name: str
    asked: Mapping[str, float]
    weight: float
    epochs: float
    documents: int
    bytes: int
    tokens: int
    available: Mapping[str, SplitCounts]


@dataclass(frozen=True, slots=True)
class MixturePlan:
    """A checked mixture: the rows' ``weight`` add up to 1, their sizes in ``unit`` to ``total``."""

    unit: Literal["tokens", "bytes"]
    total: int
    max_epochs: float
    rows: tuple[MixtureRow, ...]


def plan(
    counts: Sequence[SourceCounts],
    asks: Sequence[Ask],
    *,
    unit: Literal["tokens", "bytes"] = "tokens",
    total: int | None = None,
    max_epochs: float = 4.0,
) -> MixturePlan:
    """Return the mixture, in the order of ``asks``, or raise ``MixtureError`` with all problems spelt out."""
    have = {source.name: source for source in counts}
    _check(have, asks, unit, total)
    size = {ask.name: getattr(have[ask.name].train, unit) for ask in asks}
    epochs = {ask.name: _exact(ask.epochs) for ask in asks if ask.epochs is not None}
    epochs |= {
        ask.name: Fraction(ask.tokens, have[ask.name].train.tokens) for ask in asks if ask.tokens is not None
    }
    fixed = sum((epochs[name] * size[name] for name in epochs), Fraction(0))
    share = _shares(asks)
    rest = Fraction(0)
    if share:
        rest = total - fixed if total is not None else min(size[name] / share[name] for name in share)
        if rest <= 0:
            raise MixtureError(
                f"mixture.total is {total:,} {unit}, but the sources with epochs or tokens take "
                f"{_round(fixed):,} of them already; raise the total, ask for less, or weigh them too"
            )
        epochs |= {name: share[name] * rest / size[name] for name in share}
    _check_epochs(asks, epochs, size, share, fixed, unit, total, _exact(max_epochs))
    exact = [epochs[ask.name] * size[ask.name] for ask in asks]
    whole = _round(fixed + rest) if total is None else total
    sizes = _apportion(exact, whole)
    rows = []
    for ask, amount, rounded in zip(asks, exact, sizes, strict=True):
        train, often = have[ask.name].train, epochs[ask.name]
        effective = {key: _round(often * getattr(train, key)) for key in ("documents", "bytes", "tokens")}
        rows.append(
            MixtureRow(
                name=ask.name,
                asked=ask.given,
                weight=float(amount / (fixed + rest)),
                epochs=float(often),
                available=dict(sorted(have[ask.name].splits.items())),
                **{**effective, unit: rounded},
            )
        )
    return MixturePlan(unit, whole, max_epochs, tuple(rows))


def _check(have: Mapping[str, SourceCounts], asks: Sequence[Ask], unit: str, total: int | None) -> None:
    problems: list[Problem] = []
    if not asks:
        problems.append(Problem("", "no source asks for anything; a mixture needs at least one"))
    names = [ask.name for ask in asks]
    for name in sorted(set(have) - set(names)):
        problems.append(Problem(name, "has counts but asks for nothing"))
    for name in sorted({name for name in names if names.count(name) > 1}):
        problems.append(Problem(name, "asks more than once"))
    for ask in asks:
        if len(ask.given) != 1 or min(ask.given.values()) <= 0:
            problems.append(
                Problem(ask.name, f"asks for {ask.given}; it takes one of weight, epochs, tokens, above 0")
            )
        if ask.name not in have:
            problems.append(Problem(ask.name, "has no counts"))
        elif not getattr(have[ask.name].train, unit) or (ask.tokens and not have[ask.name].train.tokens):
            problems.append(
                Problem(
                    ask.name,
                    f"has no train {unit}: every document was dropped or lies in another split; the report "
                    "says why; mend the rules, or take the source out of the recipe",
                )
            )
    weighted = sum(ask.weight is not None for ask in asks)
    if total is None and 0 < weighted < len(asks):
        problems.append(
            Problem("mixture.total", "is needed when weights share what epochs or tokens leave over")
        )
    if total is not None and not weighted and asks:
        problems.append(Problem("mixture.total", "contradicts the sources, which all give epochs or tokens"))
    if problems:
        raise MixtureError("the mixture cannot be made\n" + "\n".join(f"  {problem}" for problem in problems))


def _check_epochs(
    asks: Sequence[Ask], epochs: _Exact, size: Mapping[str, int], share: _Exact, fixed: Fraction,
    unit: str, total: int | None, cap: Fraction,
) -> None:  # fmt: skip
    """Refuse a source that would be seen too often; say what is short and what would fit."""
    over = [ask for ask in asks if epochs[ask.name] > cap]
    if not over:
        return
    lines = [
        f"{len(over)} of {len(asks)} sources would be seen more than {float(cap):g} times (mixture.max_epochs)"
    ]
    for ask in over:
        need, most = epochs[ask.name] * size[ask.name], cap * size[ask.name]
        (key, value), *_ = ask.given.items()
        lines.append(
            f"  {ask.name}: {key} {value:g} asks for {float(epochs[ask.name]):.4g} epochs; "
            f"it has {size[ask.name]:,} {unit}, needs {_round(need):,}, may give {int(most):,}: "
            f"{_up(need - most):,} short (or {_up(need / cap - size[ask.name]):,} more {unit} of its own)"
        )
    worst = max(epochs[ask.name] for ask in over)
    ways = [f"raise mixture.max_epochs to {_up(worst * 100) / 100:g}", "add data"]
    if all(ask.weight is not None for ask in over):
        room = fixed + min(cap * size[name] / share[name] for name in share)
        now = f" (it is {total:,})" if total is not None else ""
        ways.insert(0, f"lower mixture.total to {int(room):,} {unit}, the largest that fits{now}")
        ways.insert(1, "lower these weights")
    else:
        ways.insert(0, "ask these sources for less")
    raise MixtureError("\n".join(lines) + "\n  what to do: " + ", or ".join(ways))


def _shares(asks: Sequence[Ask]) -> dict[str, Fraction]:
    weights = {ask.name: _exact(ask.weight) for ask in asks if ask.weight is not None}
    whole = sum(weights.values(), Fraction(0))
    return {name: weight / whole for name, weight in weights.items()}


def _apportion(exact: Sequence[Fraction], total: int) -> list[int]:
    """Round so that the sum is ``total``: the largest remainders are rounded up, the earlier on a tie."""
    floors = [int(value) for value in exact]
    order = sorted(range(len(exact)), key=lambda i: (floors[i] - exact[i], i))
    for index in order[: total - sum(floors)]:
        floors[index] += 1
    return floors


def _exact(value: float) -> Fraction:
    """Return the decimal number that was written in the recipe, not its binary neighbour."""
    return Fraction(str(value))


def _round(value: Fraction) -> int:
    return int(value + Fraction(1, 2))


def _up(value: Fraction) -> int:
    return -int(-value // 1)


def pile_table(components: Iterable[tuple[str, int, float]]) -> list[tuple[str, float, float]]:
    """Return (name, weight in percent, effective GiB) from (name, bytes, epochs): arXiv 2101.00027, Table 1."""
    rows = list(components)
    counts = [SourceCounts(name, {TRAIN: SplitCounts(0, size, 0)}) for name, size, _ in rows]
    made = plan(counts, [Ask(name, epochs=epochs) for name, _, epochs in rows], unit="bytes")
    return [(row.name, round(100 * row.weight, 2), round(row.bytes / GIB, 2)) for row in made.rows]


def build_mixture(
    recipe: Recipe,
    made: MixturePlan,
    *,
    shards: Mapping[str, Sequence[Mapping[str, Any]]],
    parts: Mapping[str, Mapping[str, Sequence[Mapping[str, Any]]]],
    licences: Mapping[str, Mapping[str, int]],
    tokenizer: Mapping[str, Any],
    left_out: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Return the mixture document that the trainer, ``materialize`` and the report read.

    ``shards`` lists each source's shard files, ``parts`` its token parts by split, ``licences`` its kept
    documents by SPDX expression; ``left_out`` says why a source of the recipe has no row. Paths are relative to the
    output directory. ``digest`` covers what the mixture means (asked, achieved, available, licences, tokenizer), not
    how files were cut or named, so it is the same for every partitioning.
    """
    sources: list[dict[str, Any]] = []
    listings: list[dict[str, Any]] = []
    for row in made.rows:
        settings = recipe.settings(row.name)
        effective = {"documents": row.documents, "bytes": row.bytes, "tokens": row.tokens}
        sources.append(
            {
                "name": row.name,
                "pile_set_name": settings.pile_set_name,
                "licence": settings.licence,
                "consent": settings.consent,
                "asked": dict(row.asked),
                "achieved": {"weight": round(row.weight, 12), "epochs": round(row.epochs, 12), **effective},
                "available": {split: asdict(count) for split, count in row.available.items()},
                "licences": dict(sorted(licences.get(row.name, {}).items())),
            }
        )
        by_split = sorted(parts.get(row.name, {}).items())
        listings.append(
            {
                "shards": sorted((dict(s) for s in shards.get(row.name, ())), key=lambda s: str(s["path"])),
                "parts": {
                    split: sorted((dict(part) for part in found), key=lambda p: str(p["prefix"]))
                    for split, found in by_split
                },
            }
        )
    meaning = {
        "version": MIX_VERSION,
        "name": recipe.name,
        "unit": made.unit,
        "total": made.total,
        "max_epochs": made.max_epochs,
        "model": {"seed": recipe.seed, **recipe.model.model_dump(exclude_none=True)},
        **({"left_out": dict(sorted(left_out.items()))} if left_out else {}),
    }
    known = {key: tokenizer.get(key) for key in ("sha256", "vocab_size", "eos_id")}
    digest = hashing.fingerprint({**meaning, "sources": sources, "tokenizer": known})
    full = [{**source, **listing} for source, listing in zip(sources, listings, strict=True)]
    return {**meaning, "sources": full, "tokenizer": dict(tokenizer), "digest": digest}
