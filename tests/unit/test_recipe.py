"""The recipe: what it resolves to, what each stage's part covers, and its published schema."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any, ClassVar, get_args

import jsonschema
import pytest
import yaml
from pydantic import BaseModel, ConfigDict

from pile_curate.clean import CODE, PROSE
from pile_curate.dedup import VERIFY, DedupSettings
from pile_curate.dedup.paragraphs import UNITS
from pile_curate.errors import RecipeError
from pile_curate.hashing import fingerprint
from pile_curate.recipe import STAGES, Recipe, load_recipe, parse_recipe
from pile_curate.recipe_models import DedupRules, ParagraphRules, ReferenceModel
from pile_curate.recipe_schema import json_schema, registered_formats, schema_text
from pile_curate.recipe_schema import main as schema_main

ROOT = Path(__file__).parents[2]


class CodeOptions(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)
    languages: tuple[str, ...] = ()
    tests: bool = True


class WarcOptions(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


FORMATS: dict[str, type[BaseModel]] = {"warc": WarcOptions, "code": CodeOptions}
PROSE_FORMATS = {"warc": True, "code": False}


def source(name: str = "web", **more: Any) -> dict[str, Any]:
    base = {
        "name": name,
        "format": "warc",
        "paths": ["*.gz"],
        "licence": "MIT",
        "consent": "tos",
        "weight": 1,
    }
    return base | more


def build(*sources: dict[str, Any], inputs: dict[str, str] | None = None, **top: Any) -> Recipe:
    raw = {"version": 1, "name": "demo", "sources": list(sources) or [source()]} | top
    return parse_recipe(raw, formats=FORMATS, prose=PROSE_FORMATS, inputs=inputs, folder="/data")


def test_presets_that_do_not_fit_a_format_are_off_unless_the_source_names_them() -> None:
    class Papers(WarcOptions):
        unfit: ClassVar[tuple[str, ...]] = ("gopher_repetition",)

    raw = {"version": 1, "name": "demo", "sources": [source(), source("own", quality=["gopher_repetition"])]}
    recipe = parse_recipe(raw, formats={"warc": Papers}, prose=PROSE_FORMATS)
    rules = [recipe.settings(name).quality for name in recipe.names]
    assert [r.presets for r in rules if r] == [("gopher_quality",), ("gopher_repetition",)]


def test_one_input_may_stand_for_every_source_without_a_root() -> None:
    recipe = build(source(), source("b"), source("c", root="own"), inputs={"*": "/all", "b": "/b"})
    assert [recipe.root(name) for name in recipe.names] == ["/all", "/b", "/data/own"]


def test_a_minimal_recipe_has_the_documented_defaults() -> None:
    recipe = build()
    settings = recipe.settings("web")
    assert settings.cleaning == PROSE
    assert settings.language is not None and settings.language.min_score == 0.65
    assert settings.quality is not None and settings.quality.languages == ("en",)
    assert settings.pile_set_name == "web"
    assert recipe.splits.validation == 0.005 and recipe.mixture.max_epochs == 4
    assert recipe.dedup_rules == DedupRules() and recipe.tokenizer.training is not None


@pytest.mark.parametrize(
    ("permutations", "threshold", "expected"),
    [(126, 0.8, 83), (128, 0.8, 85), (126, 1.0, 126), (16, 0.1, 0), (100, 0.5, 30)],
)
def test_minimum_agreement_follows_the_norm(permutations: int, threshold: float, expected: int) -> None:
    rules = DedupRules(permutations=permutations, threshold=threshold, bands=1, rows=1)
    assert rules.agreement == expected
    assert DedupRules(minimum_agreement=7).agreement == 7
    assert DedupRules(verify="estimate", permutations=100, threshold=0.07).agreement == 7
    for verify in ("exact", "estimate", "none"):
        rules = DedupRules(permutations=permutations, threshold=threshold, bands=1, rows=1, verify=verify)
        settings = DedupSettings(
            permutations=permutations, threshold=threshold, bands=1, rows=1, verify=verify
        )
        assert rules.agreement == settings.agreement


def test_dedups_settings_know_every_key_and_default_of_the_recipe() -> None:
    rules, settings = DedupRules(), DedupSettings()
    assert set(DedupRules.model_fields) - {"paragraphs"} == set(DedupSettings.__slots__) - {
        "priorities",
        "groups",
    }
    for name in set(DedupRules.model_fields) - {"paragraphs"}:
        assert getattr(rules, name) == getattr(settings, name), name
    assert set(get_args(DedupRules.model_fields["verify"].annotation)) == set(VERIFY)
    assert set(get_args(ParagraphRules.model_fields["unit"].annotation)) == set(UNITS)


def test_paragraphs_are_cut_in_prose_or_where_the_recipe_says() -> None:
    sources = (source("a"), source("b"), source("src", format="code"))
    assert not any(build(*sources).settings(name).paragraphs for name in ("a", "b", "src"))
    recipe = build(*sources, dedup={"paragraphs": {"max_copies": 3}})
    assert recipe.settings("a").paragraphs == ParagraphRules(max_copies=3) == recipe.settings("b").paragraphs
    assert recipe.settings("src").paragraphs is None
    recipe = build(*sources, dedup={"paragraphs": {"sources": ["src", "b"]}})
    assert [bool(recipe.settings(name).paragraphs) for name in ("a", "b", "src")] == [False, True, True]
    assert recipe.part("edits")["sources"] == ["b", "src"]
    assert build(*sources, dedup={"paragraphs": "off"}).part("edits")["paragraphs"] is None


def test_formats_that_are_not_prose_get_light_cleaning_and_no_rules() -> None:
    recipe = build(source(), source("src", format="code", options={"languages": ["python"]}))
    settings = recipe.settings("src")
    assert (settings.cleaning, settings.language, settings.quality) == (CODE, None, None)
    assert settings.options == CodeOptions(languages=("python",))


def test_an_override_replaces_only_the_keys_it_names() -> None:
    recipe = build(
        source(
            language={"min_score": 0.3},
            cleaning={"normal_form": "none"},
            quality={"rules": [{"signal": "word_count", "min": 9}]},
        ),
        source("src", format="code", cleaning={"ftfy": True}, language={"allow": ["en"]}, quality=[]),
        source("list", quality=["gopher_repetition", {"signal": "text_bytes", "max": 5}], language="off"),
        source("raw", cleaning="code", quality="off"),
        language={"min_score": 0.8, "allow": ["en", "no"]},
        cleaning={"max_newlines": 3},
        quality={"presets": ["gopher_quality"], "languages": ["no"]},
    )
    web, code, listed, raw = (recipe.settings(name) for name in ("web", "src", "list", "raw"))
    assert web.language is not None and (web.language.min_score, web.language.allow) == (0.3, ("en", "no"))
    assert (web.cleaning.normal_form, web.cleaning.max_newlines) == ("none", 3)
    assert web.quality is not None and web.quality.presets == ("gopher_quality",)
    assert web.quality.rules[0].min == 9 and web.quality.languages == ("no",)
    assert code.cleaning == CODE.model_copy(update={"ftfy": True})
    assert code.language is not None and (code.language.min_score, code.language.allow) == (0.8, ("en",))
    assert code.quality is not None and code.quality.presets == () and code.quality.rules == ()
    assert listed.language is None and listed.quality is not None
    assert (listed.quality.presets, listed.quality.rules[0].max) == (("gopher_repetition",), 5)
    assert raw.cleaning == CODE and raw.quality is None


def test_a_source_may_switch_on_what_the_recipe_switches_off() -> None:
    recipe = build(
        source(), source("b", language={"min_score": 0.1}, quality={}), language="off", quality="off"
    )
    assert recipe.settings("web").language is None and recipe.settings("web").quality is None
    settings = recipe.settings("b")
    assert settings.language is not None and settings.language.min_score == 0.1
    assert settings.quality is not None and settings.quality.presets


def test_roots_come_from_the_command_line_then_the_source_then_the_recipes_folder(monkeypatch: Any) -> None:
    monkeypatch.chdir("/tmp")
    recipe = build(
        source(), source("b", root="sub/dir"), source("c", root="s3://bucket/x"), source("d", root="/abs"),
        inputs={"d": "here", "c": "gs://other"},
    )  # fmt: skip
    assert [recipe.root(name) for name in recipe.names] == [
        "/data",
        "/data/sub/dir",
        "gs://other",
        "/tmp/here",
    ]


def test_paths_of_models_start_at_the_recipes_folder() -> None:
    sha = "0" * 64
    recipe = build(
        tokenizer={"path": "t/tokenizer.json", "sha256": sha},
        language={"model": {"path": "../m.bin", "sha256": sha}},
    )
    assert recipe.tokenizer.path == "/data/t/tokenizer.json" and recipe.tokenizer.training is None
    assert recipe.language_model is not None and recipe.language_model.path == "/m.bin"
    assert recipe.settings("web").language_model == recipe.language_model
    own = build(source(language={"model": {"path": "x.bin", "sha256": sha}}), source("b"), language="off")
    mine = own.settings("web").language_model
    assert mine is not None and mine.path == "/data/x.bin" and own.settings("b").language_model is None
    assert build(language="off").language_model is None


def test_a_recipe_travels_to_other_processes() -> None:
    recipe = build(source("src", format="code", options={"tests": False}))
    copy = pickle.loads(pickle.dumps(recipe))
    assert copy.settings("src") == recipe.settings("src") and copy.part("report") == recipe.part("report")


def parts(recipe: Recipe) -> dict[str, str]:
    return {stage: fingerprint(recipe.part(stage)) for stage in STAGES if stage != "report"}


CHANGES: list[tuple[dict[str, Any], dict[str, Any], set[str]]] = [
    ({"weight": 2}, {}, {"mix"}),
    ({"root": "/elsewhere"}, {}, set()),
    ({"priority": 3}, {}, {"dedup"}),
    ({"group": "g"}, {}, {"dedup"}),
    ({"pile_set_name": "Web"}, {}, {"shard", "mix"}),
    ({"licence": "0BSD"}, {}, {"extract", "mix"}),
    ({"paths": ["*.warc"]}, {}, {"extract"}),
    ({"cleaning": {"ftfy": False}}, {}, {"extract"}),
    ({"quality": {"rules": [{"signal": "word_count", "min": 5}]}}, {}, {"decide"}),
    ({"language": "off"}, {}, {"decide"}),
    ({}, {"seed": 5}, {"extract", "tokenize", "mix", "train"}),
    ({}, {"splits": {"validation": 0.1}}, {"extract"}),
    ({}, {"dedup": {"threshold": 0.7}}, {"dedup"}),
    ({}, {"dedup": {"ngram": 7}}, {"annotate", "dedup"}),
    ({}, {"dedup": "off"}, {"dedup"}),
    ({}, {"dedup": {"verify": "estimate"}}, {"dedup"}),
    ({}, {"dedup": {"urls": True}}, {"dedup"}),
    ({}, {"dedup": {"paragraphs": {}}}, {"edits"}),
    ({}, {"dedup": {"paragraphs": {"sources": ["web"]}}}, {"edits"}),
    ({}, {"dedup": {"paragraphs": "off", "verify": "exact"}}, set()),
    ({}, {"language": {"model": {"path": "m.bin", "sha256": "a" * 64}}}, {"annotate"}),
    ({}, {"shards": {"max_bytes": 9999}}, {"shard"}),
    ({}, {"tokenizer": {"path": "t.json", "sha256": "b" * 64}}, {"tokenize"}),
    ({}, {"mixture": {"max_epochs": 9}}, {"mix"}),
    ({}, {"model": {"steps": 3}}, {"mix", "train"}),
    ({}, {"mixture": {"unit": "tokens", "total": None}, "dedup": {}, "language": {"min_score": 0.65}}, set()),
]


@pytest.mark.parametrize(("of_source", "of_top", "stages"), CHANGES)
def test_a_change_reaches_exactly_the_stages_that_read_it(
    of_source: dict[str, Any], of_top: dict[str, Any], stages: set[str]
) -> None:
    before, after = parts(build()), parts(build(source(**of_source), **of_top))
    assert {stage for stage in before if before[stage] != after[stage]} == stages


def test_the_order_of_sources_and_paths_is_in_no_part_but_the_reports_text_stays() -> None:
    one = build(source("a", paths=["x", "y"]), source("b"))
    two = build(source("b"), source("a", paths=["y", "x"]))
    assert parts(one) == parts(two)
    json.dumps(one.part("report"))
    with pytest.raises(RecipeError, match="no stage is named 'decid'"):
        one.part("decid")


def test_schema_accepts_what_loads_and_refuses_what_does_not() -> None:
    schema = json_schema(FORMATS)
    jsonschema.Draft202012Validator.check_schema(schema)
    check = jsonschema.Draft202012Validator(schema)
    raw = {
        "version": 1,
        "name": "demo",
        "sources": [source(), source("c", format="code", options={"tests": True})],
    }
    assert check.is_valid(raw)
    for wrong in (
        {"nam": "x"},
        {"version": 2},
        {"sources": []},
        {"sources": [source(epochs=2)]},
        {"sources": [source(options={"tests": True})]},
        {"sources": [source(format="code", options={"tests": 1})]},
        {"language": "of"},
        {"quality": [{"signal": "nothing", "min": 1}]},
        {"dedup": {"verify": "some"}},
        {"dedup": {"paragraphs": {"min_words": 0}}},
        {"dedup": {"paragraphs": True}},
    ):
        assert not check.is_valid(raw | wrong), wrong


def test_the_published_schema_is_the_codes_own() -> None:
    published = (ROOT / "schemas" / "recipe.schema.json").read_text("utf-8")
    assert published == schema_text(registered_formats()), (
        "run: python -m pile_curate.recipe --write schemas/"
    )


def test_the_samples_recipe_loads_and_fits_the_schema() -> None:
    from pile_curate.sources import SOURCES

    path = ROOT / "tests" / "recipes" / "samples.yaml"
    prose = {name: form.prose for name, form in SOURCES.items()}
    recipe = load_recipe(str(path), formats=registered_formats(), prose=prose, inputs={"web": "/s"})
    assert {spec.format for spec in recipe.sources} <= set(SOURCES)
    assert recipe.root("web") == "/s" and recipe.root("nltk") == str(path.parent)
    assert recipe.settings("python").quality is None and recipe.settings("python").cleaning == CODE
    jsonschema.Draft202012Validator(json_schema(registered_formats())).validate(
        yaml.safe_load(path.read_text())
    )


def test_model_keys_and_presets_are_the_trainers() -> None:
    config = pytest.importorskip("trainer.config")
    assert set(ReferenceModel.model_fields) <= set(config.Settings.model_fields)
    for preset in config.PRESETS:
        assert build(model={"preset": preset}).model.preset == preset
    assert config.resolve(build().model.model_dump(exclude_none=True)).preset == "tiny"


def test_the_schema_is_written_by_one_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert schema_main(["--write", str(tmp_path / "new")]) == 0
    written = Path(capsys.readouterr().out.strip())
    assert written.name == "recipe.schema.json"
    assert written.read_text("utf-8") == schema_text(registered_formats())
