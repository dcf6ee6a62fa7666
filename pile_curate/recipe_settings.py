"""Resolve what holds for each source: the recipe's defaults with the source's overrides laid over them.

An override written as a mapping replaces only the keys it names. For formats that are not prose (code,
mathematics) the defaults are other ones: cleaning preset ``code``, no language rule, no quality rules,
because those rules were published for prose and would drop most programs. A format of prose may name presets
that do not fit it (``SourceOptions.unfit``); they are off unless the source asks for them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import BaseModel

from pile_curate.clean import PRESETS, CleaningConfig
from pile_curate.recipe_models import (
    DedupRules,
    LanguageRule,
    ModelFile,
    ParagraphRules,
    QualityRules,
    RecipeFile,
    Rule,
    SourceSpec,
)

M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class SourceSettings:
    """Everything that holds for one source, after defaults and overrides; picklable for the tasks."""

    name: str
    format: str
    options: Any
    """The format's Options model."""
    paths: tuple[str, ...]
    root: str
    """Absolute path or URI."""
    licence: str
    consent: str
    pile_set_name: str
    priority: int
    group: str
    cleaning: CleaningConfig
    language: LanguageRule | None
    """None: the language is measured, but no rule applies."""
    language_model: ModelFile | None
    """The model that the language is measured with; None is the shipped one."""
    quality: QualityRules | None
    """None: the signals are measured, but no rule applies."""
    paragraphs: ParagraphRules | None
    """None: the source's documents stay whole."""


def settle(
    recipe: RecipeFile,
    source: SourceSpec,
    options: BaseModel,
    *,
    prose: bool,
    resolve: Callable[[str], str],
    root: str = "",
) -> SourceSettings:
    """Return a source's settings; ``resolve`` makes its paths absolute, ``root`` overrides its root."""
    top_language = recipe.language if isinstance(recipe.language, LanguageRule) else None
    language = top_language if prose else None
    if source.language is not None:
        base = top_language or LanguageRule()
        language = _overlay(base, source.language) if isinstance(source.language, LanguageRule) else None

    model = (language or top_language or LanguageRule()).model

    top_quality = _quality(recipe.quality, QualityRules())
    quality = top_quality if prose else None
    if source.quality is not None:
        quality = _quality(source.quality, top_quality or QualityRules())
    elif quality is not None:
        unfit: tuple[str, ...] = getattr(type(options), "unfit", ())
        quality = _overlay(quality, presets=tuple(name for name in quality.presets if name not in unfit))

    plain = _cleaning(recipe.cleaning, PRESETS["prose"]) if prose else PRESETS["code"]
    return SourceSettings(
        name=source.name,
        format=source.format,
        options=options,
        paths=source.paths,
        root=root or resolve(source.root or "."),
        licence=source.licence,
        consent=source.consent,
        pile_set_name=source.pile_set_name or source.name,
        priority=source.priority,
        group=f"group:{source.group}" if source.group else f"source:{source.name}",
        cleaning=_cleaning(source.cleaning, plain),
        language=language,
        language_model=_overlay(model, path=resolve(model.path)) if model else None,
        quality=quality,
        paragraphs=_paragraphs(recipe, source.name, prose),
    )


def _paragraphs(recipe: RecipeFile, name: str, prose: bool) -> ParagraphRules | None:
    rules = recipe.dedup.paragraph_rules if isinstance(recipe.dedup, DedupRules) else None
    if rules is None:
        return None
    return rules if (prose if rules.sources is None else name in rules.sources) else None


def _overlay(base: M, over: M | None = None, **values: Any) -> M:
    given = {key: getattr(over, key) for key in over.model_fields_set} if over is not None else {}
    return base.model_copy(update={**given, **values})


def _cleaning(choice: CleaningConfig | str | None, base: CleaningConfig) -> CleaningConfig:
    if isinstance(choice, CleaningConfig):
        return _overlay(base, choice)
    return PRESETS[choice] if choice else base


def _quality(choice: QualityRules | tuple[str | Rule, ...] | str, base: QualityRules) -> QualityRules | None:
    if isinstance(choice, QualityRules):
        return _overlay(base, choice)
    if isinstance(choice, str):  # "off"
        return None
    presets = tuple(item for item in choice if isinstance(item, str))
    rules = tuple(item for item in choice if isinstance(item, Rule))
    return _overlay(base, presets=presets, rules=rules)
