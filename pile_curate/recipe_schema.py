"""Export the recipe as JSON Schema, so that editors complete and check it and other tools can read it.

``python -m pile_curate.recipe --write schemas/`` writes ``recipe.schema.json``; a test fails when that file
and the models differ. The schema says a little less than ``load_recipe``: contradictions between blocks
(a total that is needed, names used twice) are found only by loading.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from pile_curate.recipe_checks import AMOUNTS
from pile_curate.recipe_models import RecipeFile

SCHEMA_FILE = "recipe.schema.json"
REGISTRY = "pile_curate.sources:SOURCES"
"""Where the formats are registered; named, not imported, because the ground may not import the stages."""


def json_schema(formats: Mapping[str, type[BaseModel]]) -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of a recipe whose sources have these formats."""
    models: list[type[BaseModel]] = [RecipeFile, *(formats[name] for name in sorted(formats))]
    refs, schema = models_json_schema([(model, "validation") for model in models])
    definitions = schema["$defs"]
    top = definitions.pop("RecipeFile")
    source = definitions["SourceSpec"]
    source["properties"]["format"]["enum"] = sorted(formats)
    source["oneOf"] = [{"required": [amount]} for amount in AMOUNTS]
    source["allOf"] = [
        {
            "if": {"properties": {"format": {"const": name}}, "required": ["format"]},
            "then": {"properties": {"options": refs[formats[name], "validation"]}},
        }
        for name in sorted(formats)
    ]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "pile_curate recipe",
        **{key: value for key, value in top.items() if key != "title"},
        "$defs": dict(sorted(definitions.items())),
    }


def registered_formats(registry: str = REGISTRY) -> dict[str, type[BaseModel]]:
    """Return the Options model of every registered source format."""
    module, _, attribute = registry.partition(":")
    sources = getattr(importlib.import_module(module), attribute)
    return {name: source.Options for name, source in sources.items()}


def schema_text(formats: Mapping[str, type[BaseModel]]) -> str:
    """Return the schema as it is written to disk."""
    return json.dumps(json_schema(formats), indent=2, ensure_ascii=False) + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the schema file into a folder."""
    parser = argparse.ArgumentParser(prog="python -m pile_curate.recipe", description=main.__doc__)
    parser.add_argument(
        "--write", metavar="DIR", required=True, help="folder to write recipe.schema.json into"
    )
    parser.add_argument(
        "--formats", metavar="MODULE:NAME", default=REGISTRY, help="registry of the source formats"
    )
    options = parser.parse_args(arguments)
    path = os.path.join(options.write, SCHEMA_FILE)
    os.makedirs(options.write, exist_ok=True)
    with open(path, "w", encoding="utf-8") as stream:
        stream.write(schema_text(registered_formats(options.formats)))
    print(path)
    return 0
