"""NIH ExPORTER: rows of CSV in any state, zips, encodings, and the last abstract of an application."""

from __future__ import annotations

import gzip
import io
import random
import time
import zipfile
from pathlib import Path
from typing import Any

import pytest

from pile_curate.files import Caps
from pile_curate.sources.nih_frames import START, RowCounter, _RowFramer
from tests.source_harness import Extracted, extract

HEAD = "APPLICATION_ID,ABSTRACT_TEXT\r\n"


def run(root: Path, files: dict[str, bytes | str], target: int = 1 << 28, **options: Any) -> Extracted:
    for name, body in files.items():
        (root / name).write_bytes(body.encode() if isinstance(body, str) else body)
    result = extract("nih_exporter", root, ["*"], options, target=target)
    assert result.records == result.tally.records
    return result


def texts(result: Extracted) -> dict[str, str]:
    return {document.key: document.text for document in result.documents}


def zipped(files: dict[str, str | bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, body in files.items():
            archive.writestr(name, body)
    return buffer.getvalue()


def test_fields_hold_lines_and_quotation_marks(tmp_path: Path) -> None:
    rows = '1000001,"One ""gull"",\r\nand\r\n\r\nanother"\r\n\r\n1000002,plain\r\n"1000003","quoted id"'
    result = run(tmp_path, {"RePORTER_PRJABS_C_FY2001.csv": "\ufeff" + HEAD + rows})
    assert texts(result) == {
        "1000001": 'One "gull",\nand\n\nanother',
        "1000002": "plain",
        "1000003": "quoted id",
    }
    assert result.documents[0].meta["fiscal_year"] == 2001


def test_a_stray_quotation_mark_costs_its_row(tmp_path: Path) -> None:
    result = run(
        tmp_path,
        {
            "a.csv": HEAD
            + '1000001,"open\r\nmore\r\n1000002,"whole"\r\n1000003,"a "b" c"\r\n1000004,"last"\r\n'
        },
    )
    assert texts(result) == {"1000002": "whole", "1000004": "last"}
    assert result.reasons == {"unclosed_quote": 1, "bad_row": 1}


def test_encodings(tmp_path: Path) -> None:
    body = (HEAD + "1000001,caf\u00e9 \u2013 x\r\n").encode(
        "cp1252"
    ) + "1000002,caf\u00e9 \u2013 x\r\n".encode()
    result = run(tmp_path, {"a.csv": body})
    assert set(texts(result).values()) == {"café – x"}
    assert {d.meta["encoding"] for d in result.documents} == {"utf-8", "windows-1252"}


def test_the_last_abstract_wins(tmp_path: Path) -> None:
    result = run(tmp_path, {
        "RePORTER_PRJABS_C_FY2019.csv": HEAD + "1000001,old\r\n1000002,same\r\n1000003,kept\r\n",
        "RePORTER_PRJABS_C_FY2020.csv.gz": gzip.compress((HEAD + "1000001,new\r\n1000002,same\r\n1000003,N/A\r\n").encode()),
    })  # fmt: skip
    assert texts(result) == {"1000001": "new", "1000002": "same", "1000003": "kept"}
    assert result.reasons == {"superseded": 1, "duplicate_record": 1, "no_abstract": 1}


def test_projects_lend_titles_and_facts(tmp_path: Path) -> None:
    projects = "APPLICATION_ID,ACTIVITY,FY,ORG_NAME,PROJECT_TITLE\r\n1000001,R01,2020,A COLLEGE,On gulls\r\n1000009,R01,2020,X,Alone\r\n"
    files: dict[str, bytes | str] = {
        "RePORTER_PRJABS_C_FY2020.csv": HEAD + "1000001,They fly.\r\n",
        "RePORTER_PRJ_C_FY2020.csv": projects,
    }
    result = run(tmp_path, files)
    assert texts(result) == {"1000001": "On gulls\n\nThey fly."}
    assert (
        result.documents[0].meta["organisation"] == "A COLLEGE"
        and result.documents[0].meta["fiscal_year"] == 2020
    )
    assert result.reasons == {"project_row": 2}
    assert texts(run(tmp_path, {}, title=False)) == {"1000001": "They fly."}


def test_a_file_without_its_header(tmp_path: Path) -> None:
    assert texts(run(tmp_path, {"a.csv": "1000001,one\r\n1000002,two\r\n"})) == {
        "1000001": "one",
        "1000002": "two",
    }


def test_zips(tmp_path: Path) -> None:
    rows = HEAD + "".join(f'{1000000 + i},"gull {i}"\r\n' for i in range(3000))
    whole = zipped(
        {
            "a.csv": rows,
            "../../b.csv": HEAD + "1999999,outside\r\n",
            "notes.pdf": b"%PDF",
            "c.zip": zipped({"d.csv": rows}),
        }
    )
    result = run(tmp_path, {"a.zip": whole})
    assert len(result.documents) == 3001 and result.reasons == {"not_a_csv": 2}
    (tmp_path / "a.zip").write_bytes(whole[: len(whole) // 2])
    assert run(tmp_path, {}).reasons == {"corrupt_file": 1}
    at = whole.index(b"a.csv") + 3000
    broken = run(tmp_path, {"a.zip": whole[:at] + b"\xff\xff\xff" + whole[at + 3 :]})
    assert broken.reasons["corrupt_file"] >= 1 and not broken.tally.files[0].complete
    odd = run(tmp_path, {"a.zip": zipped({"a.csv": rows}, zipfile.ZIP_LZMA)})
    assert odd.reasons == {"corrupt_file": 1}


def test_a_zip_bomb_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pile_curate.sources.nih_frames.DEFAULT_CAPS", Caps(ratio=500, ratio_after=1 << 20))
    bomb = zipped({"a.csv": b"0" * (8 << 20)})
    begin = time.process_time()
    result = run(tmp_path, {"a.zip": bomb}, max_row_bytes=1 << 16)
    assert result.reasons.keys() == {"truncated_record", "corrupt_file"}
    assert time.process_time() - begin < 1


def test_long_rows_are_rejected_and_reading_goes_on(tmp_path: Path) -> None:
    rows = f'1000001,"{"x" * 300_000}"\r\n1000002,"{"y " * 100_000}"\r\n1000003,"short"\r\n'
    result = run(tmp_path, {"a.csv": HEAD + rows}, max_row_bytes=250_000)
    assert set(texts(result)) == {"1000002", "1000003"} and result.reasons == {"row_too_long": 1}


def test_large_files_are_cut_and_nothing_changes(tmp_path: Path) -> None:
    rows = "".join(f'{1000000 + i},"gull {i},\r\nline ""two""\r\n12, three"\r\n' for i in range(400))
    whole = run(tmp_path, {"a.csv": HEAD + rows})
    cut = run(tmp_path, {}, target=1000)
    assert len(cut.tally.files) > 10
    assert texts(cut) == texts(whole) and len(texts(whole)) == 400


def test_framer_and_counter_agree_on_any_input_and_cut() -> None:
    draw = random.Random(3)
    pieces = [
        b"\n",
        b'"',
        b"1000001,",
        b'1000002,"',
        b"x",
        b",",
        b"\r\n",
        b" ",
        b"APPLICATION_ID",
        b'""',
        b"123456,a",
    ]
    for _ in range(500):
        data = b"".join(draw.choice(pieces) for _ in range(30))
        cuts = sorted(draw.randrange(len(data) + 1) for _ in range(draw.randrange(8)))
        for head in (b"", b"APPLICATION_ID,ABSTRACT_TEXT\n"):
            counter, framer, found = RowCounter(), _RowFramer(0, 1 << 20), []
            joined = head + data
            for begin, end in zip([0, *cuts], [*cuts, len(joined)], strict=True):
                counter.feed(joined[begin:end])
                found += list(framer.feed(joined[begin:end]))
            found += list(framer.finish())
            header = (
                bool(found)
                and b"APPLICATION_ID" in found[0][1].partition(b"\n")[0]
                and not START.match(found[0][1])
            )
            assert counter.close() == len(found) - header, joined
