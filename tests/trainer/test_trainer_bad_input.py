"""Show what a user sees, and with which exit status, when input, settings, disk or checkpoint are wrong."""

from __future__ import annotations

import json
import os
import pickle
import resource
import socket
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import torch
from torch.distributed.checkpoint.filesystem import FileSystemReader

from pile_curate.errors import TokenFileError
from pile_curate.shards.tokens import HEADER, MAGIC, TokenWriter
from trainer import checkpoint
from trainer import evaluate as evaluation
from trainer import generate as generation
from trainer.config import resolve
from trainer.masked import Masking
from trainer.model import GPT
from trainer.tokens import load_mixture, open_sources
from trainer.train import main

Build = Callable[..., Path]
Change = Callable[[dict[str, Any]], Any]
ROOT = Path(__file__).parents[2]


@pytest.fixture
def data(build: Build, tiny: dict[str, Any]) -> Path:
    return build(
        {"a": [30] * 20, "b": [5] * 60},
        validation={"a": [20], "b": [20]},
        model={**tiny, "steps": 4, "log_every": 1},
    )


def refused(capsys: pytest.CaptureFixture[str], data: Path, *more: str, run: Any = main) -> tuple[int, str]:
    """Run a command that must fail; return its exit status and what it says, one error without a traceback."""
    capsys.readouterr()
    status = run(["--data", str(data), "--threads", "1", *more])
    said = capsys.readouterr().err
    assert status != 0 and said.startswith("error: ") and "Traceback" not in said
    return status, said


def rewrite(root: Path, change: Change) -> None:
    mixture = load_mixture(root)
    change(mixture)
    (root / "mixture.json").write_text(json.dumps(mixture))


def part(root: Path, ending: str, source: str = "a") -> Path:
    return next(root.glob(f"tokens/train/{source}/*{ending}"))


# Token files


@pytest.mark.parametrize("ending", [".bin", ".idx", ".docs.parquet"])
def test_a_missing_token_file(data: Path, capsys: pytest.CaptureFixture[str], ending: str) -> None:
    path = part(data, ending)
    path.unlink()
    status, said = refused(capsys, data)
    assert status == 3 and f"{path}: missing" in said


@pytest.mark.parametrize(
    ("ending", "kept"), [(".bin", -6), (".bin", 0), (".idx", -8), (".idx", 20), (".docs.parquet", -9)]
)
def test_a_truncated_token_file(
    data: Path, capsys: pytest.CaptureFixture[str], ending: str, kept: int
) -> None:
    path = part(data, ending)
    path.write_bytes(path.read_bytes()[:kept])
    status, said = refused(capsys, data)
    assert status == 3 and path.name in said and ("truncated" in said or "cannot be read as Parquet" in said)


@pytest.mark.parametrize(
    ("at", "new", "message"),
    [
        (0, b"NOTMEGATRON"[:9], "not a Megatron index"),
        (9, struct.pack("<Q", 2), "version 2"),
        (17, b"\x06", "dtype code 6"),
        (18, struct.pack("<Q", 5), "5 sequences"),
        (18, struct.pack("<QQ", 2**62, 2**62 + 1), "truncated"),
        (HEADER.size, struct.pack("<i", -3), "not at least 1"),
        (HEADER.size, struct.pack("<i", 1), "its index says"),
        (-8, struct.pack("<q", 7), "document index is not"),
    ],
)
def test_a_corrupt_index(
    data: Path, capsys: pytest.CaptureFixture[str], at: int, new: bytes, message: str
) -> None:
    path = part(data, ".idx")
    raw = bytearray(path.read_bytes())
    assert raw.startswith(MAGIC)
    at %= len(raw)
    raw[at : at + len(new)] = new
    path.write_bytes(raw)
    status, said = refused(capsys, data)
    assert status == 3 and message in said and path.stem in said


@pytest.mark.parametrize("what", ["documents", "tokens"])
def test_counts_that_disagree(data: Path, capsys: pytest.CaptureFixture[str], what: str) -> None:
    rewrite(data, lambda m: m["sources"][0]["parts"]["train"][0].update({what: 7}))
    status, said = refused(capsys, data)
    assert status == 3 and f"{what}, mixture.json says 7; run tokenize and mix again" in said


def test_documents_that_disagree_with_the_index(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = part(data, ".docs.parquet")
    rows = pq.read_table(path)
    pq.write_table(rows.slice(1), path)
    status, said = refused(capsys, data)
    assert status == 3 and "19 documents where the index has 20" in said


def test_a_vocabulary_larger_than_the_token_type(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rewrite(data, lambda m: m["tokenizer"].update(vocab_size=70_000))
    status, said = refused(capsys, data)
    assert status == 3 and "stores uint16, too small for a vocabulary of 70000" in said


def test_a_token_outside_the_vocabulary(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with TokenWriter(part(data, ".bin").with_suffix(""), "<u2", source="a") as writer:
        for i in range(20):
            writer.add(bytes([i]) * 16, [300 if i % 2 else 5] * 100, 100)
    rewrite(data, lambda m: m["sources"][0]["parts"]["train"][0].update(tokens=2020))
    status, said = refused(capsys, data, "--steps", "20")
    assert status == 3 and "source a: token 300 in a vocabulary of 257" in said
    # Evaluation finds it, too, whatever the tokenizer.
    net = GPT(resolve(load_mixture(data)["model"]).model(257))
    (source, _) = open_sources(data, load_mixture(data), "train")
    for masking in (None, Masking(256, 0, 0.15)):
        with pytest.raises(TokenFileError, match="source a: token 300 in a vocabulary of 257"):
            evaluation.score_source(net, source, [0, 1], "train", 0, masking)


# The mixture


def test_a_source_with_zero_tokens(
    build: Build, tiny: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    status, said = refused(capsys, build({"a": [30], "empty": []}, model=tiny))
    assert status == 1 and "no train tokens in empty" in said and "pile-curate why" in said


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda m: m["sources"][0]["achieved"].update(weight=0.9), "add up to "),
        (lambda m: m["sources"][0]["achieved"].update(weight=-0.1), "a has weight -0.1"),
        (lambda m: m["sources"][0]["achieved"].update(weight=float("nan")), "a has weight nan"),
        (lambda m: m["sources"][0]["achieved"].update(weight=float("inf")), "a has weight inf"),
        (lambda m: m["sources"][0]["achieved"].update(epochs=-1), "a has epochs -1"),
        (lambda m: m["sources"][0]["achieved"].update(epochs=float("nan")), "a has epochs nan"),
        (lambda m: m["sources"][0]["achieved"].update(epochs=float("inf")), "a: inf"),
        (lambda m: m["sources"][0]["achieved"].update(epochs="two"), "a has epochs 'two'"),
        (lambda m: m["sources"][0].pop("achieved"), "a has weight None"),
        (lambda m: [s["achieved"].update(epochs=0) for s in m["sources"]], "every source has weight 0"),
        (lambda m: m.update(max_epochs=float("nan")), "max_epochs nan must be above 0"),
        (lambda m: m.update(max_epochs=-2), "max_epochs -2.0 must be above 0"),
    ],
)
def test_weights_and_epochs_that_cannot_be(
    data: Path, capsys: pytest.CaptureFixture[str], change: Change, message: str
) -> None:
    rewrite(data, change)
    status, said = refused(capsys, data)
    assert status == 2 and message in said


def test_an_epoch_cap_that_cannot_be_met(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, said = refused(capsys, data, "--max-epochs", "0.5", "--steps", "50")
    assert status == 2 and "epochs, where 0.5 are allowed" in said and "steps would fit" in said


@pytest.mark.parametrize("version", [0, 2, "1", None])
def test_a_mixture_of_an_unknown_version(
    data: Path, capsys: pytest.CaptureFixture[str], version: object
) -> None:
    rewrite(data, lambda m: m.update(version=version))
    status, said = refused(capsys, data)
    assert status == 3 and f"version {version!r}, where 1 is known" in said


@pytest.mark.parametrize(
    ("text", "message"),
    [("{", "not JSON"), ("[]", "no list 'sources'"), ('{"version": 1, "sources": [3]}', "not named, each once"),
     ('{"version": 1, "sources": [{"name": "a"}, {"name": "a"}]}', "not named, each once"),
     ('{"version": 1, "sources": []}', "its tokenizer lacks path, vocab_size, eos_id")],
)  # fmt: skip
def test_a_mixture_that_is_none(
    data: Path, capsys: pytest.CaptureFixture[str], text: str, message: str
) -> None:
    (data / "mixture.json").write_text(text)
    status, said = refused(capsys, data)
    assert status == 3 and message in said


def test_no_mixture_at_all(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, said = refused(capsys, tmp_path)
    assert status == 2 and "run the mix stage first" in said


def test_a_window_longer_than_all_the_data(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, said = refused(capsys, data, "--window", "65536", "--batch-tokens", "65536")
    assert status == 1 and "window 65536 is longer than all the data" in said and "smaller window" in said


def test_windows_that_the_ranks_cannot_share(data: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    command = [
        sys.executable,
        "-m",
        "trainer.train",
        "--data",
        str(data),
        "--threads",
        "1",
        "--batch-tokens",
        "48",
    ]
    world = {
        **os.environ,
        "WORLD_SIZE": "2",
        "LOCAL_WORLD_SIZE": "2",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": port,
    }
    ranks = [
        subprocess.Popen(command, cwd=ROOT, env={**world, "RANK": str(r), "LOCAL_RANK": str(r)}, stderr=subprocess.PIPE, text=True)
        for r in range(2)
    ]  # fmt: skip
    for rank in ranks:
        said = rank.communicate(timeout=120)[1]
        assert (
            rank.returncode == 1 and "batch_tokens 48 is 3 windows, which 2 ranks cannot share evenly" in said
        )


# The command line


@pytest.mark.parametrize("run", [main, evaluation.main, generation.main])
@pytest.mark.parametrize("more", [["--colour", "red"], ["--threads", "many"], []])
def test_unknown_flags_and_values_show_the_usage(
    run: Any, more: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        run(more and ["--data", "x", *more])
    assert stopped.value.code == 2 and "usage: python -m trainer." in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--steps", "0"], "model.steps"),
        (["--learning-rate", "nan"], "model.learning_rate"),
        (["--optimizer", "sgd"], "model.optimizer"),
        (["--dropout", "1"], "model.dropout"),
        (["--mask-rate", "1.5", "--objective", "mlm"], "model.mask_rate"),
        (["--next-sentence"], "next_sentence needs objective mlm"),
        (["--batch-tokens", "100"], "multiple of window"),
    ],
)
def test_settings_that_cannot_be(
    data: Path, capsys: pytest.CaptureFixture[str], more: list[str], message: str
) -> None:
    status, said = refused(capsys, data, *more)
    assert status == 2 and message in said


@pytest.mark.parametrize("run", [main, evaluation.main, generation.main])
def test_threads_and_devices_that_are_not_there(
    data: Path, capsys: pytest.CaptureFixture[str], run: Any
) -> None:
    status, said = refused(capsys, data, "--threads", "0", run=run)
    assert status == 1 and "--threads 0 must be at least 1" in said
    for name in ("gpu", "meta"):
        status, said = refused(capsys, data, "--device", name, run=run)
        assert status == 1 and f"--device {name}: not a device; use cpu, cuda" in said
    missing = f"cuda:{torch.cuda.device_count()}" if torch.cuda.is_available() else "cuda"
    status, said = refused(capsys, data, "--device", missing, run=run)
    assert status == 1 and "this torch sees" in said and "use --device cpu" in said


# Checkpoints


@pytest.fixture
def trained(data: Path) -> Path:
    assert main(["--data", str(data), "--threads", "1"]) == 0
    return data


def resigned(folder: Path, index: Any = None) -> Path:
    """Write an index if one is given, and state the files' sha256 as they are now."""
    if index is not None:
        (folder / ".metadata").write_bytes(pickle.dumps(index))
    facts = json.loads((folder / "checkpoint.json").read_text())
    facts["files"] = {name: checkpoint._sha256(folder / name) for name in facts["files"]}
    (folder / "checkpoint.json").write_text(json.dumps(facts))
    return folder


def test_a_full_disk_while_saving_keeps_the_last_checkpoint(
    trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = checkpoint.load(trained / "model").tensors()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    # Writing beyond the limit fails with EFBIG, as Python ignores the signal: as real as a full disk.
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        status, said = refused(capsys, trained, "--resume", "--steps", "8")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert status == 1 and "cannot save" in said and "last good checkpoint is step-00000004" in said
    assert "free space and --resume" in said
    assert not list((trained / "model").glob(".*tmp"))
    after = checkpoint.load(trained / "model").tensors()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert main(["--data", str(trained), "--threads", "1", "--resume", "--steps", "8"]) == 0
    assert checkpoint.load(trained / "model").step == 8


def test_a_disk_too_full_for_the_log_is_an_error_not_a_traceback(
    trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, ((trained / "model" / "log.jsonl").stat().st_size + 10, hard))
    try:
        status, said = refused(capsys, trained, "--resume", "--steps", "8")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert status == 1 and "File too large" in said
    assert checkpoint.load(trained / "model").step == 4


def test_a_checkpoint_of_another_plan(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for more in (["--seed", "1"], ["--window", "32"]):
        status, said = refused(capsys, trained, "--resume", "--steps", "8", *more)
        assert status == 1 and "was trained on plan" in said and "or use --fresh" in said
    rewrite(trained, lambda m: m["tokenizer"].update(sha256="1" * 64))
    status, said = refused(capsys, trained, "--resume", "--steps", "8")
    assert status == 1 and "was trained on plan" in said


@pytest.mark.parametrize("run", [evaluation.main, generation.main])
def test_a_checkpoint_of_another_tokenizer(
    trained: Path, capsys: pytest.CaptureFixture[str], run: Any
) -> None:
    known = json.loads((trained / "mixture.json").read_text())["tokenizer"]["sha256"]
    rewrite(trained, lambda m: m["tokenizer"].update(sha256="1" * 64))
    status, said = refused(capsys, trained, run=run)
    assert (
        status == 1
        and f"was trained with another tokenizer (sha256 {known[:12]})" in said
        and "111111111111" in said
    )


@pytest.mark.parametrize(
    "elsewhere", ["../../secret.distcp", "/etc/hostname", "checkpoint.json", "stray.distcp"]
)
def test_an_index_that_reads_another_file(
    trained: Path, capsys: pytest.CaptureFixture[str], elsewhere: str
) -> None:
    folder = checkpoint.locate(trained / "model")
    (tensors,) = folder.glob("*.distcp")
    for copy in (trained / "secret.distcp", folder / "stray.distcp"):
        copy.write_bytes(tensors.read_bytes())
    index = FileSystemReader(folder).read_metadata()
    place = next(p for p in index.storage_data.values() if p.relative_path == tensors.name)
    place.relative_path = elsewhere
    resigned(folder, index)
    status, said = refused(capsys, trained, "--resume", "--steps", "8")
    assert status == 1 and f"it reads {elsewhere!r}, no file of this checkpoint" in said


def test_a_latest_that_points_elsewhere(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    os.rename(checkpoint.locate(trained / "model"), trained / "elsewhere")
    (trained / "model" / "latest").write_text("../elsewhere\n")
    status, said = refused(capsys, trained, run=evaluation.main)
    assert status == 1 and "no checkpoint" in said


def test_a_truncated_tensor_file(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = checkpoint.locate(trained / "model")
    (tensors,) = folder.glob("*.distcp")
    tensors.write_bytes(tensors.read_bytes()[:2000])
    status, said = refused(capsys, trained, "--resume", "--steps", "8")
    assert status == 1 and "damaged: its sha256 is not the one in checkpoint.json" in said
    resigned(folder)  # even one that states the truncated file's sha256
    for run, more in ((main, ["--resume", "--steps", "8"]), (evaluation.main, [])):
        status, said = refused(capsys, trained, *more, run=run)
        assert status == 1 and "its tensors cannot be read" in said


def test_a_pickle_in_the_tensor_file_is_not_run(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = checkpoint.locate(trained / "model")
    (tensors,) = folder.glob("*.distcp")
    bait = trained / "ran"

    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return (os.mkdir, (str(bait),))

    torch.save(Trap(), trained / "trap")
    raw, index = tensors.read_bytes(), FileSystemReader(folder).read_metadata()
    for trap in ((trained / "trap").read_bytes(), pickle.dumps(Trap())):
        tensors.write_bytes(raw + trap)
        for place in index.storage_data.values():
            place.offset, place.length = len(raw), len(trap)
        resigned(folder, index)
        for run, more in ((main, ["--resume", "--steps", "8"]), (evaluation.main, [])):
            status, said = refused(capsys, trained, *more, run=run)
            assert status == 1 and "its tensors cannot be read" in said and not bait.exists()
    # The trap does work where it is loaded carelessly.
    torch.load(trained / "trap", weights_only=False)
    assert bait.exists()
