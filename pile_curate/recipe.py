"""Read the recipe: the one YAML file that says what goes into a corpus, and under which rules.

``load_recipe`` reports every problem at once, each with its place in the file, the value and what is
allowed. The formats' options are checked by the formats' own models, which the caller passes in, because
the ground may not import the stages. Where data lies is not part of a recipe: a source's ``root`` or the
command line's ``--input NAME=DIR`` says it, and neither enters a fingerprint.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from typing import Any, cast

from pydantic import BaseModel, PrivateAttr, ValidationError

from pile_curate.errors import Problem, RecipeError
from pile_curate.recipe_checks import AMOUNTS, EVERY, contradictions, unknown_inputs
from pile_curate.recipe_errors import from_pydantic, show, to_problems
from pile_curate.recipe_models import DedupRules, LanguageRule, ModelFile, RecipeFile, SourceSpec
from pile_curate.recipe_settings import SourceSettings, settle
from pile_curate.recipe_yaml import Finding, Loc, parse

STAGES = (
    "extract", "annotate", "decontaminate", "decide", "dedup", "edits", "select", "metadata", "shard", "tokenize",
    "mix", "train", "report",
)  # fmt: skip
"""Stages that ``Recipe.part`` knows."""


class Recipe(RecipeFile):
    """A checked recipe. Its fields are the file's; ``settings(name)`` gives each source's resolved values."""

    _folder: str = PrivateAttr(default="")
    _settings: dict[str, SourceSettings] = PrivateAttr(default_factory=dict)

    def settings(self, name: str) -> SourceSettings:
        """Return a source's settings; an unknown name is a ``RecipeError``."""
        if name not in self._settings:
            known = ", ".join(sorted(self._settings))
            raise RecipeError([Problem("sources", f"no source is named {name!r}; there are {known}")])
        return self._settings[name]

    @property
    def names(self) -> tuple[str, ...]:
        """The sources' names in the order of the file."""
        return tuple(source.name for source in self.sources)

    def root(self, name: str) -> str:
        """Return the absolute folder or URI that a source's paths start from."""
        return self.settings(name).root

    def pile_set_name(self, name: str) -> str:
        """Return the name that a source's shard rows carry in ``meta.pile_set_name``."""
        return self.settings(name).pile_set_name

    @property
    def language_model(self) -> ModelFile | None:
        """The model of the recipe's own language block; a source may name another (see ``settings``)."""
        return self.language.model if isinstance(self.language, LanguageRule) else None

    @property
    def dedup_rules(self) -> DedupRules | None:
        """The dedup settings, or None when dedup is off."""
        return self.dedup if isinstance(self.dedup, DedupRules) else None

    @property
    def dedup_settings(self) -> DedupRules:
        """The dedup settings, the defaults when it is off: annotate measures signatures in either case."""
        return self.dedup_rules or DedupRules()

    def resolve(self, path: str) -> str:
        """Return a path of the recipe as an absolute path or URI; relative: from the recipe's folder."""
        return _absolute(path, self._folder)

    def part(self, stage: str) -> dict[str, Any]:
        """Return what of the recipe a stage's own result depends on, as JSON-able values.

        Upstream stages enter a fingerprint by their digests, so a part holds only what its stage reads
        itself; where data lies and how a block was written (defaults left out or spelt out) never enters.
        """
        if stage not in STAGES:
            raise RecipeError([Problem("", f"no stage is named {stage!r}; there are {', '.join(STAGES)}")])
        everyone = {name: self._settings[name] for name in sorted(self._settings)}
        asks = {source.name: _ask(source) for source in self.sources}
        match stage:
            case "extract":
                return {
                    "seed": self.seed,
                    "splits": _plain(self.splits),
                    "limits": _plain(self.limits),
                    "sources": {name: _extract_part(s) for name, s in everyone.items()},
                }
            case "annotate":
                rules = self.dedup_settings
                used = {name: s.language_model for name, s in everyone.items()}
                return {
                    "language_model": {n: m.sha256 if m else "lid.176.ftz" for n, m in used.items()},
                    "signature": {
                        "ngram": rules.ngram,
                        "permutations": rules.permutations,
                        "seed": rules.seed,
                    },
                }
            case "decide":
                return {
                    "licences": self.licences if isinstance(self.licences, str) else sorted(self.licences),
                    "sources": {n: _decide_part(s) for n, s in everyone.items()},
                }
            case "dedup":
                dedup = self.dedup_rules
                plain = _plain(dedup) | {"minimum_agreement": dedup.agreement} if dedup else {}
                plain.pop("paragraphs", None)  # the next stage's
                return {
                    "dedup": plain or None,
                    "priority": {name: s.priority for name, s in everyone.items()},
                    "group": {name: s.group for name, s in everyone.items()},
                }
            case "edits":
                cut = {name: s.paragraphs for name, s in everyone.items() if s.paragraphs}
                rules_of = [rules.model_dump(mode="json", exclude={"sources"}) for rules in cut.values()]
                return {
                    "paragraphs": rules_of[0] | {"keep": self.dedup_settings.keep} if cut else None,
                    "sources": list(cut),
                }
            case "shard":
                names = {name: s.pile_set_name for name, s in everyone.items()}
                return {"shards": _plain(self.shards), "pile_set_name": names}
            case "tokenize":
                training = self.tokenizer.training
                how = {"train": _plain(training)} if training else {"sha256": self.tokenizer.sha256}
                return {"seed": self.seed, "tokenizer": how}
            case "mix":
                about = {n: [s.pile_set_name, s.licence, s.consent] for n, s in everyone.items()}
                return {
                    "name": self.name,
                    "mixture": _plain(self.mixture),
                    "asks": asks,
                    "about": about,
                    "model": {"seed": self.seed, **self.model.model_dump(exclude_none=True)},
                }
            case "train":
                return {"seed": self.seed, "model": _plain(self.model)}
            case "report":
                before = [s for s in STAGES if s != "report"]
                return {"name": self.name, **{s: self.part(s) for s in before}}
            case _:  # decontaminate, select, metadata: everything they depend on comes from upstream
                return {}


def load_recipe(
    path: str,
    *,
    formats: Mapping[str, type[BaseModel]],
    prose: Mapping[str, bool],
    inputs: Mapping[str, str] | None = None,
) -> Recipe:
    """Read, check and resolve a recipe file.

    ``formats`` maps each format's name to its Options model, ``prose`` says which formats hold prose
    (missing: yes), ``inputs`` maps source names to the folders or URIs given on the command line; the name ``*``
    stands for every source that has none otherwise.
    Raises ``RecipeError`` with every problem found.
    """
    try:
        with open(path, encoding="utf-8-sig") as stream:
            text = stream.read()
    except OSError as error:
        what = f"cannot be read: {error.strerror or error}; give the path of a recipe (a YAML file)"
        raise RecipeError([Problem("", what)], path) from error
    except UnicodeDecodeError as error:
        raise RecipeError([Problem("", f"is not UTF-8: byte {error.start} cannot be read")], path) from error
    parsed = parse(text)
    if parsed.data is None and parsed.findings:
        raise RecipeError(to_problems(parsed.findings, parsed.lines), path)
    return _build(
        parsed.data, formats, prose, inputs or {}, os.path.dirname(os.path.abspath(path)), path,
        parsed.lines, parsed.findings,
    )  # fmt: skip


def parse_recipe(
    raw: Mapping[str, Any],
    *,
    formats: Mapping[str, type[BaseModel]],
    prose: Mapping[str, bool],
    inputs: Mapping[str, str] | None = None,
    folder: str = ".",
) -> Recipe:
    """Check and resolve a recipe given as plain values (tests, notebooks)."""
    return _build(raw, formats, prose, inputs or {}, os.path.abspath(folder), "recipe", {}, [])


def _build(
    raw: Any,
    formats: Mapping[str, type[BaseModel]],
    prose: Mapping[str, bool],
    inputs: Mapping[str, str],
    folder: str,
    origin: str,
    lines: Mapping[Loc, int],
    findings: list[Finding],
) -> Recipe:
    if not isinstance(raw, Mapping):
        what = f"holds {show(raw)}; a recipe is a mapping with at least version, name and sources"
        raise RecipeError([Problem("", what)], origin)
    raw, findings = dict(raw), list(findings)
    recipe: Recipe | None = None
    try:
        # JSON mode: lists become tuples, as the frozen models want them, and still nothing is converted
        recipe = Recipe.model_validate_json(json.dumps(raw))
    except ValidationError as error:
        findings += from_pydantic(error, RecipeFile)
    except (TypeError, ValueError) as error:
        findings.append(Finding((), f"holds a value that YAML does not have: {error}"))
    findings += contradictions(raw, formats)
    findings += unknown_inputs(inputs, raw)
    options: list[Any] = []
    sources = raw.get("sources")
    for index, source in enumerate(sources if isinstance(sources, list) else []):
        kind, given = (
            (source.get("format"), source.get("options")) if isinstance(source, dict) else (None, None)
        )
        if isinstance(kind, str) and kind in formats and isinstance(given or {}, dict):
            try:
                options.append(formats[kind].model_validate_json(json.dumps(given or {})))
            except ValidationError as error:
                findings += from_pydantic(error, formats[kind], ("sources", index, "options"))
    if findings or recipe is None:
        raise RecipeError(to_problems(findings, lines), origin)
    enabled = [(s, chosen) for s, chosen in zip(recipe.sources, options, strict=True) if s.enabled]
    recipe = _settled(recipe, folder, tuple(source for source, _ in enabled))
    for source, chosen in enabled:
        given = inputs.get(source.name) or (inputs.get(EVERY) if source.root is None else None)
        root = _absolute(given, os.getcwd()) if given else ""
        is_prose = prose.get(source.format, True)
        recipe._settings[source.name] = settle(
            recipe, source, chosen, prose=is_prose, resolve=recipe.resolve, root=root
        )
    return recipe


def _settled(recipe: Recipe, folder: str, sources: tuple[SourceSpec, ...]) -> Recipe:
    """Keep the sources that are on, and make the recipe's own paths absolute, so that every process finds them."""
    updates: dict[str, Any] = {"sources": sources}
    if recipe.opt_out is not None:
        updates["opt_out"] = _absolute(recipe.opt_out, folder)
    model = recipe.language_model
    if model is not None:
        pinned = model.model_copy(update={"path": _absolute(model.path, folder)})
        updates["language"] = cast(LanguageRule, recipe.language).model_copy(update={"model": pinned})
    if recipe.tokenizer.path is not None:
        path = _absolute(recipe.tokenizer.path, folder)
        updates["tokenizer"] = recipe.tokenizer.model_copy(update={"path": path})
    absolute = recipe.model_copy(update=updates)
    absolute._folder = folder
    return absolute


def _absolute(path: str, folder: str) -> str:
    if "://" in path:
        return path
    return os.path.normpath(os.path.join(os.path.abspath(folder), os.path.expanduser(path)))


def _plain(model: BaseModel | None) -> dict[str, Any]:
    return model.model_dump(mode="json") if model is not None else {}


def _ask(source: SourceSpec) -> dict[str, float]:
    return {key: value for key in AMOUNTS if (value := getattr(source, key)) is not None}


def _extract_part(s: SourceSettings) -> dict[str, Any]:
    return {
        "format": s.format,
        "options": _plain(s.options),
        "cleaning": _plain(s.cleaning),
        "licence": s.licence,
        "consent": s.consent,
        "paths": sorted(s.paths),
    }


def _decide_part(s: SourceSettings) -> dict[str, Any]:
    language = _plain(s.language.model_copy(update={"model": None})) if s.language else None
    return {"language": language, "quality": _plain(s.quality) if s.quality else None}


if __name__ == "__main__":
    from pile_curate.recipe_schema import main

    sys.exit(main())
