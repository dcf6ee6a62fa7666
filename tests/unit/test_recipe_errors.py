"""What a wrong recipe is told: every problem at once, its place and line, the value, what is allowed."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict

from pile_curate.errors import RecipeError
from pile_curate.recipe import load_recipe, parse_recipe
from pile_curate.recipe_yaml import parse


class Options(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)
    languages: tuple[str, ...] = ()
    keep: bool = True


FORMATS: dict[str, type[BaseModel]] = {"warc": Options, "code": Options}


def source(**more: Any) -> dict[str, Any]:
    base = {
        "name": "web",
        "format": "warc",
        "paths": ["*.gz"],
        "licence": "MIT",
        "consent": "tos",
        "weight": 1,
    }
    return base | more


def problems(raw: Any, **more: Any) -> dict[str, str]:
    with pytest.raises(RecipeError) as caught:
        parse_recipe(raw, formats=FORMATS, prose={}, **more)
    return {problem.where: problem.what for problem in caught.value.problems}


def of(*sources: dict[str, Any], **top: Any) -> dict[str, str]:
    return problems({"version": 1, "name": "demo", "sources": list(sources) or [source()]} | top)


BAD = """\
version: 2
nam: x
seed: "12"
sources:
  - name: Web
    format: wrac
    paths: "x/*.gz"
    licence: Apache 2
    consent: autor
    weight: -1
    epochs: 2
    cleaning: {ftfy: yes, normal_form: nfd, unescape_html: maybe}
    language: of
    quality: [gopher_qualty, {signal: word_cout, min: 5}, {signal: word_count, min: 9, max: 3}]
  - name: code
    format: code
    paths: [../a, /b]
    licence: MIT
    consent: author
    consent: tos
    options: {langs: [1], keep: x}
    tokens: 1e6
dedup: {bands: 20, treshold: 0.8, scope: globl}
limits: false
"""


def test_every_problem_of_a_file_is_reported_at_once_with_place_and_line(tmp_path: Path) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(BAD)
    with pytest.raises(RecipeError) as caught:
        load_recipe(str(path), formats=FORMATS, prose={}, inputs={"cod": "x"})
    found = {problem.where: problem.what for problem in caught.value.problems}
    expected = {
        "--input cod": r"no source has this name; did you mean 'code'\?",
        "name": r"required key is missing",
        "version": r"^2 is not allowed; it takes 1 \(line 1\)$",
        "nam": r"unknown key; did you mean 'name'; allowed here: allow_unconsented, cleaning, .*\(line 2\)$",
        "seed": r'"12" is not allowed; it takes a whole number >= 0 .*; write 12 \(line 3\)$',
        "sources[0]": r"exactly one of weight, epochs, tokens; this source has weight and epochs \(line 5\)",
        "sources[0].name": r'"Web" is not allowed; .* matching',
        "sources[0].format": r"one of \"code\", \"warc\"; did you mean 'warc'\?",
        "sources[0].paths": r'write \["x/\*\.gz"\]',
        "sources[0].licence": r"did you mean 'Apache-2.0'\?",
        "sources[0].consent": r"one of \"author\", \"tos\", \"public\"; did you mean 'author'\?",
        "sources[0].weight": r"-1 is not allowed; it takes a number > 0",
        "sources[0].cleaning.ftfy": r"true or false; write true",
        "sources[0].cleaning.normal_form": r"did you mean 'NFC'\?",
        "sources[0].cleaning.unescape_html": r'takes true or false or "auto"',
        "sources[0].language": r"keys from min_score, allow, model or \"off\".*did you mean 'off'\?",
        "sources[0].quality[0]": r"did you mean 'gopher_quality'\?",
        "sources[0].quality[1].signal": r"did you mean 'word_count'\?",
        "sources[0].quality[2]": r"min \(9\) is greater than max \(3\)",
        "sources[1].paths[0]": r"leaves the source's root.*--input code=DIR",
        "sources[1].paths[1]": r"leaves the source's root",
        "sources[1].consent": r"duplicate key; it stands on line 19 already \(line 20\)",
        "sources[1].options.langs": r"did you mean 'languages'; allowed here: keep, languages",
        "sources[1].options.keep": r"true or false",
        "sources[1].tokens": r"write 1000000",
        "mixture.total": r"is needed",
        "dedup": r"20 x 7 = 140\) exceeds permutations \(126\)",
        "dedup.treshold": r"did you mean 'threshold'",
        "dedup.scope": r"did you mean 'global'\?",
        "limits": r"false is not allowed; it takes a mapping with keys from max_reject_fraction",
    }
    for where, pattern in expected.items():
        assert re.search(pattern, found.pop(where)), where
    assert not found
    assert str(caught.value).startswith(f"{path}: 30 problems\n")


@pytest.mark.parametrize(
    ("top", "where", "pattern"),
    [
        ({"splits": {"validation": 0.6, "test": 0.4}}, "splits", "leave nothing for train"),
        ({"tokenizer": {"train": {}, "path": "x", "sha256": "a" * 64}}, "tokenizer", "either train, or path"),
        ({"tokenizer": {"path": "x"}}, "tokenizer.sha256", "is needed with path"),
        ({"tokenizer": {"sha256": "a" * 64}}, "tokenizer.path", "is needed with sha256"),
        ({"model": {"batch_tokens": 1000, "window": 256}}, "model.batch_tokens", "1024 is the nearest"),
        ({"dedup": {"minimum_agreement": 127}}, "dedup.minimum_agreement", "exceeds permutations"),
        ({"dedup": {"scope": "per_group"}}, "dedup.scope", "needs a group"),
        ({"language": {"allow": ["eng"]}}, "language.allow[0]", "did you mean 'en'"),
        ({"language": {"allow": ["jp"]}}, "language.allow[0]", "did you mean 'ja'"),
        ({"language": {"allow": []}}, "language.allow", "non-empty list"),
        (
            {"language": {"allow": ["de"]}, "quality": {"languages": ["en"]}},
            "quality.languages",
            "no preset would",
        ),
        ({"quality": {"rules": [{"signal": "text_bytes"}]}}, "quality.rules[0]", "neither min nor max"),
        (
            {"quality": {"rules": [{"signal": "text_bytes", "min": 9}, {"signal": "text_bytes", "max": 3}]}},
            "quality.rules[1]",
            "contradict each other: text_bytes >= 9 and <= 3",
        ),
        ({"mixture": {"total": "6_000"}}, "mixture.total", "write 6000"),
        ({"language": False}, "language", "write off"),
        ({"min_score": 0.5}, "min_score", "belongs under language or sources"),
        ({"limits": {"cpu_seconds": float("inf")}}, "limits.cpu_seconds", "Infinity is not allowed"),
    ],
)
def test_a_contradiction_names_its_place(top: dict[str, Any], where: str, pattern: str) -> None:
    found = of(**top)
    assert list(found) == [where]
    assert pattern in found[where]


@pytest.mark.parametrize(
    ("sources", "mixture", "where", "pattern"),
    [
        ([source(), source()], {}, "sources[1].name", "the name of sources[0] already"),
        ([source(weight=None)], {}, "sources[0]", "has none"),
        (
            [source(), source(name="b", weight=None, epochs=1)],
            {},
            "mixture.total",
            "1 source gives epochs or tokens",
        ),
        ([source(weight=None, epochs=1)], {"total": 5}, "mixture.total", "contradicts the sources"),
        ([source(weight=None, epochs=5)], {}, "sources[0].epochs", "more than mixture.max_epochs (4)"),
        (
            [source(), source(name="b", weight=None, tokens=9)],
            {"total": 9},
            "mixture.total",
            "9 leaves nothing for the weights",
        ),
    ],
)
def test_contradictory_asks(
    sources: list[dict[str, Any]], mixture: dict[str, Any], where: str, pattern: str
) -> None:
    found = of(*sources, mixture=mixture)
    assert list(found) == [where] and pattern in found[where]


def test_languages_of_another_model_are_not_checked_against_the_shipped_one() -> None:
    language = {"model": {"path": "x.bin", "sha256": "0" * 64}, "allow": ["eng_Latn"]}
    raw = {"version": 1, "name": "demo", "sources": [source()], "language": language, "quality": "off"}
    recipe = parse_recipe(raw, formats=FORMATS, prose={}, folder="/f")
    assert recipe.language_model is not None and recipe.language_model.path == "/f/x.bin"


@pytest.mark.parametrize(
    ("text", "pattern"),
    [
        ("", "the file is empty"),
        ("- a\n- b\n", "a recipe is a mapping"),
        ("a: [1\nb: 2\n", r"not YAML: .*column 2 \(line 2\)"),
        ("a: b: c\n", r"not YAML: .*\(line 1\)"),
        ("a: 1\n---\nb: 2\n", "not YAML: expected a single document"),
        ("a: &x [*x]\n", "too many or too deeply nested"),
        ("a: !!python/object:os.system {}\n", "(?s)a: unknown key"),
        ("a: !!binary aGk=\n", "tag !!binary is not allowed"),
        ("? [1]\n: 2\n", "a key must be a word"),
        ("{" * 5000, "not YAML"),
    ],
)
def test_a_file_that_is_no_recipe(tmp_path: Path, text: str, pattern: str) -> None:
    path = tmp_path / "r.yaml"
    path.write_text(text)
    with pytest.raises(RecipeError, match=pattern):
        load_recipe(str(path), formats=FORMATS, prose={})


def test_an_alias_bomb_is_refused(tmp_path: Path) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 10)]
    (tmp_path / "r.yaml").write_text("\n".join(lines))
    with pytest.raises(RecipeError, match="too many"):
        load_recipe(str(tmp_path / "r.yaml"), formats=FORMATS, prose={})


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="No such file"):
        load_recipe(str(tmp_path / "none.yaml"), formats=FORMATS, prose={})
    (tmp_path / "latin.yaml").write_bytes(b"name: caf\xe9\n")
    with pytest.raises(RecipeError, match="not UTF-8: byte 9"):
        load_recipe(str(tmp_path / "latin.yaml"), formats=FORMATS, prose={})


def test_scalars_are_those_of_yaml_1_2() -> None:
    text = "[no, off, yes, 010, 1e-3, 12:30, 2024-01-01, ~, .5, 0x1f, 0o17, true, 1_000, -.inf, '1', -7]"
    assert parse(text).data == [
        "no", "off", "yes", 10, 0.001, "12:30", "2024-01-01", None, 0.5, 31, 15, True, "1_000",
        float("-inf"), "1", -7,
    ]  # fmt: skip


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_subnormal=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
KEYS = ["version", "name", "seed", "sources", "cleaning", "language", "quality", "dedup", "splits", "limits",
        "shards", "tokenizer", "mixture", "model", "licences"]  # fmt: skip
SOURCE_KEYS = ["name", "format", "paths", "root", "licence", "consent", "weight", "epochs", "tokens", "priority",
               "options", "cleaning", "language", "quality", "group"]  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(st.sampled_from(KEYS), JSON), st.dictionaries(st.sampled_from(SOURCE_KEYS), JSON))
def test_any_value_anywhere_is_answered_with_problems_never_another_error(
    top: dict[str, Any], of_source: dict[str, Any]
) -> None:
    raw = {"version": 1, "name": "demo", "sources": [source() | of_source]} | top
    try:
        parse_recipe(raw, formats=FORMATS, prose={})
    except RecipeError as error:
        assert error.problems
        assert all(problem.what and "~settings" not in problem.where for problem in error.problems)


def test_dedups_levels_say_what_is_allowed() -> None:
    found = of(dedup={"verify": "exat", "urls": "yes", "paragraphs": {"min_wrds": 3, "sources": ["wbe"]}})
    assert '"exact", "estimate", "none"; did you mean \'exact\'?' in found["dedup.verify"]
    assert "true or false; write true" in found["dedup.urls"]
    assert "did you mean 'min_words'" in found["dedup.paragraphs.min_wrds"]
    assert "names no source; the sources are web; did you mean 'web'?" in found["dedup.paragraphs.sources[0]"]
    found = of(dedup={"verify": "none", "minimum_agreement": 3})
    assert 'no effect with verify "none"' in found["dedup.minimum_agreement"]
    assert '"off"' in of(dedup={"paragraphs": True})["dedup.paragraphs"]


def fine(*sources: dict[str, Any], **top: Any) -> tuple[str, ...]:
    raw = {"version": 1, "name": "demo", "sources": list(sources)} | top
    return parse_recipe(raw, formats=FORMATS, prose={}).names


def test_what_nobody_agreed_to_is_refused_unless_it_is_meant() -> None:
    assert "allow_unconsented: true" in of(source(consent="public"))["sources[0].consent"]
    assert fine(source(consent="public"), allow_unconsented=True) == ("web",)
    assert fine(source(), source(name="other", consent="public", enabled=False)) == ("web",)


def test_a_component_without_consent_cannot_claim_any() -> None:
    found = of(source(pile_set_name="Books3", consent="author"), allow_unconsented=True)
    assert "nobody agreed to Books3" in found["sources[0].consent"]


def test_a_source_that_is_off_is_checked_and_not_there() -> None:
    assert "sources[1].format" in of(source(), source(name="other", enabled=False, format="wrac"))
    assert "are all off" in of(source(enabled=False))["sources"]
