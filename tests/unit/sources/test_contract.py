"""The contract that every format in SOURCES keeps: golden pair, conservation under damage, indifference to splits."""

from __future__ import annotations

import json
import pickle
import random
from dataclasses import asdict
from pathlib import Path

import pytest
from pydantic import ValidationError

from pile_curate.sources import SOURCES
from pile_curate.sources.base import Raw, SourceFormat, Split
from tests.source_harness import (
    GOLDEN,
    Extracted,
    as_json,
    expectation,
    extract,
    golden_input,
    golden_options,
    golden_run,
)

POINTS = 40
"""Damages of each kind tried on each golden file; enough to meet every state of every framing."""

SMALL = 4096
"""Bytes of a file that is cut at every tenth byte; longer ones are cut at ``POINTS`` places."""

pytestmark = pytest.mark.parametrize("name", SOURCES)


def files(name: str) -> list[Path]:
    found = golden_input(name)
    assert found, f"write the golden pair tests/golden/{name}/ (see tests/golden/README.md)"
    return found


def damaged(name: str, tmp_path: Path, path: Path, data: bytes) -> Extracted:
    """Extract one golden file with other bytes."""
    (tmp_path / path.name).write_bytes(data)
    return extract(name, tmp_path, [path.name], golden_options(name))


def test_is_complete(name: str) -> None:
    fmt = SOURCES[name]
    assert isinstance(fmt, SourceFormat) and fmt.name == name
    assert fmt.version >= 1 and fmt.summary and fmt.suffixes
    about = fmt.about
    assert about.where.startswith("https://") and all(asdict(about).values())


def test_golden_input_gives_the_expected_outcomes(name: str) -> None:
    expected = json.loads(expectation(name).read_text("utf-8"))
    assert as_json(golden_run(name)) == expected


def test_golden_input_is_conserved_and_its_keys_are_unique(name: str) -> None:
    result = golden_run(name)
    assert result.records == result.tally.records > 0
    keys = result.keys()
    assert keys and len(set(keys)) == len(keys)
    assert all(document.text.strip() for document in result.documents)


def test_truncated_files_are_conserved(name: str, tmp_path: Path) -> None:
    for path in files(name):
        data = path.read_bytes()
        small = len(data) <= SMALL
        for cut in range(0, len(data), 10 if small else -(-len(data) // POINTS)):
            result = damaged(name, tmp_path, path, data[:cut])
            assert result.records == result.tally.records, (
                f"{path.name} cut after {cut} bytes: {result.reasons}"
            )


def test_flipped_bytes_are_conserved(name: str, tmp_path: Path) -> None:
    draw = random.Random(name)
    for path in files(name):
        data = path.read_bytes()
        for _ in range(POINTS if data else 0):
            at = draw.randrange(len(data))
            broken = data[:at] + bytes([data[at] ^ draw.randrange(1, 256)]) + data[at + 1 :]
            result = damaged(name, tmp_path, path, broken)
            assert result.records == result.tally.records, f"{path.name} flipped at {at}: {result.reasons}"


def test_noise_is_conserved(name: str, tmp_path: Path) -> None:
    noise = random.Random(7).randbytes(5000)
    for path in files(name):
        for data in (noise, path.read_bytes()[: len(noise)] + noise, b"\n" * 3000):
            result = damaged(name, tmp_path, path, data)
            assert result.records == result.tally.records, f"{path.name}: {result.reasons}"


def test_an_empty_file_is_reported(name: str, tmp_path: Path) -> None:
    for path in files(name):
        result = damaged(name, tmp_path, path, b"")
        assert result.documents == [] and result.records == result.tally.records
        assert result.rejects, f"an empty {path.name} vanished"


def test_every_file_is_tallied_with_its_hash(name: str) -> None:
    result = golden_run(name)
    assert {f.rel for f in result.tally.files} >= {str(p.relative_to(GOLDEN / name)) for p in files(name)}
    assert all(len(f.sha256) == 64 for f in result.tally.files)


def test_cutting_and_order_change_nothing(name: str) -> None:
    fmt, options = SOURCES[name], golden_options(name)
    validated = fmt.Options.model_validate(options)
    patterns = [str(p.relative_to(GOLDEN / name)) for p in files(name)]
    whole = as_json(golden_run(name))
    listed = fmt.discover(str(GOLDEN / name), patterns, validated)
    one_each = [Split((file,)) for file in listed]
    for splits in (one_each, one_each[::-1], fmt.splits(listed[::-1], validated, 200)[::-1]):
        again = as_json(extract(name, GOLDEN / name, options=options, splits=splits))
        assert again == whole


def test_parsing_is_pure_and_survives_the_pipe(name: str) -> None:
    fmt = SOURCES[name]
    validated = fmt.Options.model_validate(golden_options(name))
    patterns = [str(p.relative_to(GOLDEN / name)) for p in files(name)]
    listed = fmt.discover(str(GOLDEN / name), patterns, validated)
    from pile_curate.files import Tally

    for split in fmt.splits(listed, validated):
        for raw in fmt.frames(split, validated, Tally()):
            if isinstance(raw, Raw):
                sent = pickle.loads(pickle.dumps(raw))
                first, second = (
                    fmt.parse(raw, validated),
                    fmt.parse(sent, pickle.loads(pickle.dumps(validated))),
                )
                assert first == second
                assert sum(outcome.records for outcome in first) == raw.records
                assert all((o.rel, o.record) == (raw.rel, raw.record) for o in first)


def test_unknown_options_are_refused(name: str) -> None:
    with pytest.raises(ValidationError):
        SOURCES[name].Options.model_validate({"no_such_option": 1})


def test_options_round_trip_through_a_recipe(name: str) -> None:
    options = SOURCES[name].Options()
    assert SOURCES[name].Options.model_validate(json.loads(options.model_dump_json())) == options
