"""Find what types alone cannot say: keys that contradict each other, names used twice, unknown formats.

The checks read the raw values, not the models, and step over whatever has a wrong type, so that these
problems are reported together with the type errors and not one round later.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from pydantic import BaseModel

from pile_curate.components import UNCONSENTED
from pile_curate.recipe_errors import did_you_mean, show
from pile_curate.recipe_models import DedupRules, Mixture, QualityRules, Splits
from pile_curate.recipe_yaml import Finding, Loc

EVERY = "*"
"""In ``--input *=DIR``: every source that has no root otherwise."""
AMOUNTS = ("weight", "epochs", "tokens")
_LID_176 = """
af als am an ar arz as ast av az azb ba bar bcl be bg bh bn bo bpy br bs bxr ca cbk ce ceb ckb co cs cv
cy da de diq dsb dty dv el eml en eo es et eu fa fi fr frr fy ga gd gl gn gom gu gv he hi hif hr hsb ht
hu hy ia id ie ilo io is it ja jbo jv ka kk km kn ko krc ku kv kw ky la lb lez li lmo lo lrc lt lv mai mg
mhr min mk ml mn mr mrj ms mt mwl my myv mzn nah nap nds ne new nl nn no oc or os pa pam pfl pl pms pnb
ps pt qu rm ro ru rue sa sah sc scn sco sd sh si sk sl so sq sr su sv sw ta te tg th tk tl tr tt tyv ug
uk ur uz vec vep vi vls vo wa war wuu xal xmf yi yo yue zh
"""
LANGUAGES = frozenset(_LID_176.split())
"""The labels of lid.176.ftz (Joulin et al., arXiv 1607.01759): ISO 639-1, and 639-3 where there is none."""
_MEANT = {
    "ger": "de", "deu": "de", "jpn": "ja", "jp": "ja", "spa": "es", "chi": "zh", "zho": "zh",
    "cn": "zh", "kr": "ko", "ua": "uk", "gr": "el", "cz": "cs", "dk": "da", "se": "sv", "nb": "no",
    "nob": "no", "pol": "pl", "por": "pt",
}  # fmt: skip
"""Codes in use elsewhere whose first two letters would mislead."""


def contradictions(raw: Mapping[str, Any], formats: Mapping[str, type[BaseModel]]) -> Iterator[Finding]:
    """Yield every contradiction in a recipe read from YAML."""
    sources: list[tuple[Loc, dict[str, Any]]] = [
        (("sources", i), s) for i, s in enumerate(_list(raw.get("sources"))) if isinstance(s, dict)
    ]
    yield from _names(sources)
    yield from _consent(raw, sources)
    for loc, source in sources:
        yield from _source(loc, source, formats)
    yield from _mixture(raw, sources)
    yield from _splits(_dict(raw.get("splits")))
    yield from _dedup(_dict(raw.get("dedup")), sources)
    yield from _tokenizer(raw.get("tokenizer"))
    yield from _model(_dict(raw.get("model")))
    top_model = _dict(raw.get("language")).get("model") is not None
    top_allow = _dict(raw.get("language")).get("allow")
    blocks: list[tuple[Loc, Mapping[str, Any]]] = [((), raw), *sources]
    for loc, block in blocks:
        if not top_model and _dict(block.get("language")).get("model") is None:
            yield from _languages(loc, block)
        yield from _rules((*loc, "quality"), block.get("quality"), _allowed(block, top_allow))


def _names(sources: list[tuple[Loc, dict[str, Any]]]) -> Iterator[Finding]:
    first: dict[str, int] = {}
    for loc, source in sources:
        name = source.get("name")
        if not isinstance(name, str):
            continue
        if name in first:
            yield Finding(
                (*loc, "name"),
                f"{show(name)} is the name of sources[{first[name]}] already; names must differ",
            )
        first.setdefault(name, int(loc[1]))


def _consent(raw: Mapping[str, Any], sources: list[tuple[Loc, dict[str, Any]]]) -> Iterator[Finding]:
    """Refuse what nobody agreed to, unless the recipe says that it is meant."""
    if sources and all(source.get("enabled") is False for _, source in sources):
        yield Finding(("sources",), "are all off; enable one at least")
    for loc, source in sources:
        name, consent = source.get("pile_set_name"), source.get("consent")
        if name in UNCONSENTED and consent in ("author", "tos"):
            yield Finding(
                (*loc, "consent"),
                f'{show(consent)} is not so: nobody agreed to {name}; write "public", or another pile_set_name if '
                "these are other documents",
            )
        off = source.get("enabled") is False or raw.get("allow_unconsented") is True
        if consent == "public" and not off:
            yield Finding(
                (*loc, "consent"),
                '"public" means that nobody agreed to this use, and such sources are refused; write enabled: false, '
                "or allow_unconsented: true at the top of the recipe if you may use it",
            )


def _source(loc: Loc, source: dict[str, Any], formats: Mapping[str, type[BaseModel]]) -> Iterator[Finding]:
    kind = source.get("format")
    if isinstance(kind, str) and kind not in formats:
        hint = did_you_mean(kind, formats)
        yield Finding(
            (*loc, "format"), f"{show(kind)} is not a format; it takes one of {_names_of(formats)}{hint}"
        )
    given = [key for key in AMOUNTS if source.get(key) is not None]
    if len(given) != 1:
        has = " and ".join(given) or "none"
        yield Finding(loc, f"give exactly one of {', '.join(AMOUNTS)}; this source has {has}")
    for index, path in enumerate(_list(source.get("paths"))):
        if isinstance(path, str) and (path.startswith("/") or "://" in path or ".." in path.split("/")):
            yield Finding(
                (*loc, "paths", index),
                f"{show(path)} leaves the source's root; write a path below it and set root (or --input "
                f"{source.get('name', 'NAME')}=DIR) to the folder or URI",
            )


def _mixture(raw: Mapping[str, Any], sources: list[tuple[Loc, dict[str, Any]]]) -> Iterator[Finding]:
    mixture = _dict(raw.get("mixture"))
    total = _number(mixture.get("total"))
    cap = _number(mixture.get("max_epochs", Mixture().max_epochs))
    weighted = [loc for loc, source in sources if source.get("weight") is not None]
    fixed = [
        loc for loc, source in sources if source.get("epochs") is not None or source.get("tokens") is not None
    ]
    if weighted and fixed and mixture.get("total") is None:
        yield Finding(
            ("mixture", "total"),
            f"is needed: {_count(fixed)} epochs or tokens and {_count(weighted)} a weight, and weights share "
            "what is left of the total",
        )
    if fixed and not weighted and total is not None:
        yield Finding(
            ("mixture", "total"),
            "contradicts the sources: all give epochs or tokens, so the total follows from them; remove it, "
            "or give a source a weight instead",
        )
    asked = [_number(source.get("tokens")) or 0 for _, source in sources]
    if weighted and total is not None and mixture.get("unit", "tokens") == "tokens" and sum(asked) >= total:
        yield Finding(
            ("mixture", "total"),
            f"{show(mixture['total'])} leaves nothing for the weights: the sources' tokens add up to "
            f"{int(sum(asked))}",
        )
    for loc, source in sources:
        epochs = _number(source.get("epochs"))
        if epochs is not None and cap is not None and epochs > cap:
            yield Finding(
                (*loc, "epochs"),
                f"{show(source['epochs'])} is more than mixture.max_epochs ({cap:g}); lower it or raise that",
            )


def _splits(splits: dict[str, Any]) -> Iterator[Finding]:
    default = Splits()
    validation = _number(splits.get("validation", default.validation))
    test = _number(splits.get("test", default.test))
    if validation is not None and test is not None and validation + test >= 1:
        yield Finding(
            ("splits",),
            f"validation ({validation:g}) and test ({test:g}) leave nothing for train; keep the sum below 1",
        )


def _dedup(dedup: dict[str, Any], sources: list[tuple[Loc, dict[str, Any]]]) -> Iterator[Finding]:
    default = DedupRules()
    bands, rows, k, m = (
        _number(dedup.get(key, getattr(default, key)))
        for key in ("bands", "rows", "permutations", "minimum_agreement")
    )
    if bands is not None and rows is not None and k is not None and bands * rows > k:
        yield Finding(
            ("dedup",), f"bands x rows ({bands:g} x {rows:g} = {bands * rows:g}) exceeds permutations ({k:g})"
        )
    if m is not None and k is not None and m > k:
        yield Finding(
            ("dedup", "minimum_agreement"), f"{m:g} exceeds permutations ({k:g}): nothing would be near"
        )
    if (
        dedup.get("scope") == "per_group"
        and sources
        and not any(source.get("group") for _, source in sources)
    ):
        yield Finding(("dedup", "scope"), '"per_group" needs a group at one source at least; none has one')
    if m is not None and dedup.get("verify") in ("estimate", "none"):
        yield Finding(
            ("dedup", "minimum_agreement"),
            f"has no effect with verify {show(dedup['verify'])}: the threshold alone decides on candidates; remove it, "
            'or write verify: "exact"',
        )
    names = [str(source.get("name")) for _, source in sources]
    for index, name in enumerate(_list(_dict(dedup.get("paragraphs")).get("sources"))):
        if isinstance(name, str) and name not in names:
            hint = did_you_mean(name, names)
            yield Finding(
                ("dedup", "paragraphs", "sources", index),
                f"{show(name)} names no source; the sources are {', '.join(names)}{hint}",
            )


def _tokenizer(tokenizer: Any) -> Iterator[Finding]:
    if not isinstance(tokenizer, dict):
        return
    path, sha, train = (tokenizer.get(key) for key in ("path", "sha256", "train"))
    if train is not None and path is not None:
        yield Finding(("tokenizer",), "give either train, or path with sha256; this has both")
    if path is not None and sha is None:
        yield Finding(
            ("tokenizer", "sha256"), "is needed with path, so that another file of that name is refused"
        )
    if sha is not None and path is None:
        yield Finding(("tokenizer", "path"), "is needed with sha256")


def _model(model: dict[str, Any]) -> Iterator[Finding]:
    batch, window = _number(model.get("batch_tokens")), _number(model.get("window"))
    if batch and window and batch % window:
        near = max(1, round(batch / window)) * window
        yield Finding(
            ("model", "batch_tokens"),
            f"{batch:g} is not a multiple of window ({window:g}); {near:g} is the nearest",
        )


def _allowed(block: Mapping[str, Any], top: Any) -> Any:
    language = block.get("language")
    return None if language == "off" else _dict(language).get("allow", top)


def _languages(loc: Loc, block: Mapping[str, Any]) -> Iterator[Finding]:
    lists: list[tuple[Loc, Any]] = [((*loc, "language", "allow"), _dict(block.get("language")).get("allow"))]
    quality = block.get("quality")
    lists.append(((*loc, "quality", "languages"), _dict(quality).get("languages")))
    lists += [
        ((*where, "languages"), rule.get("languages"))
        for where, rule in _rule_list((*loc, "quality"), quality)
    ]
    for where, codes in lists:
        for index, code in enumerate(_list(codes)):
            if isinstance(code, str) and code not in LANGUAGES:
                meant = _MEANT.get(code.lower()) or (
                    code.lower() if code.lower() in LANGUAGES else code[:2].lower()
                )
                hint = f"; did you mean {meant!r}?" if meant in LANGUAGES else ""
                yield Finding(
                    (*where, index),
                    f"{show(code)} is not a language that lid.176.ftz knows; it uses ISO 639-1 codes "
                    f"(en, de, zh), three letters for want of two; language.model names another model{hint}",
                )


def _rules(loc: Loc, quality: Any, allow: Any) -> Iterator[Finding]:
    low: dict[str, tuple[float, Loc]] = {}
    high: dict[str, tuple[float, Loc]] = {}
    for where, rule in _rule_list(loc, quality):
        least, most = _number(rule.get("min")), _number(rule.get("max"))
        signal = str(rule.get("signal"))
        if rule.get("min") is None and rule.get("max") is None:
            yield Finding(where, "gives neither min nor max, so it tests nothing; give one or both")
        elif least is not None and most is not None and least > most:
            yield Finding(where, f"min ({least:g}) is greater than max ({most:g}): no document could stay")
        elif rule.get("languages") is None:
            if least is not None and least > low.get(signal, (float("-inf"), loc))[0]:
                low[signal] = (least, where)
            if most is not None and most < high.get(signal, (float("inf"), loc))[0]:
                high[signal] = (most, where)
    for signal in sorted(set(low) & set(high)):
        if low[signal][0] > high[signal][0]:
            yield Finding(
                max(low[signal][1], high[signal][1], key=str),
                f"two rules contradict each other: {signal} >= {low[signal][0]:g} and <= {high[signal][0]:g}",
            )
    named, allow = _list(_dict(quality).get("languages")), _list(allow)
    presets = _dict(quality).get("presets", QualityRules().presets)
    if presets and named and allow and not set(map(str, named)) & set(map(str, allow)):
        yield Finding(
            (*loc, "languages"),
            f"{show(named)} has no language of language.allow ({show(allow)}), so no preset would apply",
        )


def _rule_list(loc: Loc, quality: Any) -> list[tuple[Loc, dict[str, Any]]]:
    """Return the rules of both ways of writing ``quality``: a list, or a mapping with ``rules``."""
    base: Loc = loc if isinstance(quality, list) else (*loc, "rules")
    rules = quality if isinstance(quality, list) else _list(_dict(quality).get("rules"))
    return [((*base, index), rule) for index, rule in enumerate(rules) if isinstance(rule, dict)]


def unknown_inputs(inputs: Mapping[str, str], raw: Mapping[str, Any]) -> Iterator[Finding]:
    """Yield one finding for each ``--input NAME=DIR`` that names no source."""
    names = [str(s.get("name")) for s in _list(raw.get("sources")) if isinstance(s, dict)]
    for name in sorted(set(inputs) - {*names, EVERY}):
        close = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        yield Finding(
            (f"--input {name}",), f"no source has this name{hint}; the sources are {', '.join(sorted(names))}"
        )


def _names_of(known: Mapping[str, Any]) -> str:
    return ", ".join(show(name) for name in sorted(known))


def _count(locs: list[Loc]) -> str:
    return "1 source gives" if len(locs) == 1 else f"{len(locs)} sources give"


def _as(kind: type[Any]) -> Callable[[Any], Any]:
    return lambda value: value if isinstance(value, kind) else kind()


_dict: Callable[[Any], dict[str, Any]] = _as(dict)
_list: Callable[[Any], list[Any]] = _as(list)


def _number(value: Any) -> float | None:
    return value if isinstance(value, (int, float)) and not isinstance(value, bool) else None
