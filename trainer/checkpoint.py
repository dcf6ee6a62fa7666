"""Save a run so that it goes on bit for bit, atomically, and load it without executing anything.

One checkpoint is a folder ``step-00000200``: ``state.pt`` (weights, optimizer, RNG) and
``checkpoint.json`` (step, plan hash, model, settings, tokenizer, sha256 of the state). It is written
under a temporary name, fsynced and renamed; only then does the small file ``latest`` name it. A crash or
a full disk at any point leaves the previous checkpoint valid. ``init`` is the model before training,
kept so that before and after can be compared.

State is read with ``weights_only=True``: a pickle that would run code is refused, not obeyed. The plan's
hash must be equal, because a run resumed on other data would silently see some documents twice.
"""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from pile_curate.errors import TrainingError
from pile_curate.files import atomic_write, fsync_dir
from trainer.config import ModelConfig
from trainer.model import GPT

FORMAT = 1
LATEST = "latest"
FIRST = "step-00000000"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A checkpoint's facts (``checkpoint.json``) and its state, loaded and checked."""

    path: Path
    facts: dict[str, Any]
    state: dict[str, Any]

    @property
    def step(self) -> int:
        """Steps done when it was saved."""
        return int(self.facts["step"])

    def model(self) -> GPT:
        """Build the model and load its weights."""
        model = GPT(ModelConfig.model_validate(self.facts["model"]))
        try:
            model.load_state_dict(self.state["model"])
        except (RuntimeError, KeyError) as error:
            raise TrainingError(f"{self.path}: weights do not fit the model it describes: {error}") from error
        return model


def save(
    root: Path, step: int, model: GPT, optimizer: torch.optim.Optimizer, facts: dict[str, Any], *, keep: int
) -> Path:
    """Write ``root/step-NNNNNNNN``, point ``latest`` at it, drop all but ``init`` and the last ``keep``."""
    final = root / f"step-{step:08d}"
    temporary = root / f".{final.name}.{os.getpid()}.tmp"
    state = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "rng": torch.get_rng_state()}
    try:
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True)
        with open(temporary / "state.pt", "wb") as out:
            torch.save(state, out)
            out.flush()
            os.fsync(out.fileno())
        described = {
            "format": FORMAT, "step": step, **facts,
            "model": model.config.model_dump(), "state_sha256": _sha256(temporary / "state.pt"),
        }  # fmt: skip
        atomic_write(str(temporary / "checkpoint.json"), (json.dumps(described, indent=1) + "\n").encode())
        fsync_dir(str(temporary))
        if final.exists():
            # Left by a run that died before it moved ``latest``, so nothing refers to it.
            shutil.rmtree(final)
        os.rename(temporary, final)
        fsync_dir(str(root))
        atomic_write(str(root / LATEST), f"{final.name}\n".encode())
    except (OSError, RuntimeError) as error:
        shutil.rmtree(temporary, ignore_errors=True)
        before = _latest(root) or "none"
        raise TrainingError(
            f"{final}: cannot save: {error}; the last good checkpoint is {before}; free space and --resume"
        ) from error
    for old in _steps(root)[:-keep]:
        if old != FIRST:
            shutil.rmtree(root / old)
    return final


def load(path: str | Path) -> Checkpoint:
    """Load a checkpoint: a step's folder, or ``ROOT/latest``, ``ROOT/init``, or ROOT for its latest."""
    folder = locate(Path(path))
    try:
        facts = json.loads((folder / "checkpoint.json").read_text("utf-8"))
        if not isinstance(facts, dict) or facts.get("format") != FORMAT:
            raise TrainingError(
                f"{folder}: not a checkpoint of format {FORMAT}; train again, or use what wrote it"
            )
        if _sha256(folder / "state.pt") != facts["state_sha256"]:
            raise TrainingError(f"{folder}/state.pt: damaged: its sha256 is not the one in checkpoint.json")
        state = torch.load(folder / "state.pt", map_location="cpu", weights_only=True)
    except (OSError, ValueError, KeyError, RuntimeError, EOFError) as error:
        raise TrainingError(f"{folder}: cannot be read: {type(error).__name__}: {error}") from error
    except pickle.UnpicklingError as error:
        raise TrainingError(
            f"{folder}/state.pt: holds more than tensors and plain values; loading it could run code"
        ) from error
    if not isinstance(state, dict) or not {"model", "optimizer", "rng"} <= set(state):
        raise TrainingError(f"{folder}/state.pt: lacks model, optimizer or rng; not a training checkpoint")
    return Checkpoint(folder, facts, state)


def locate(path: Path) -> Path:
    """Return the folder that a checkpoint's name stands for."""
    if (path / "checkpoint.json").is_file():
        return path
    root, name = (path, LATEST) if path.is_dir() else (path.parent, path.name)
    chosen = FIRST if name == "init" else _latest(root) if name == LATEST else None
    if chosen is None or not (root / chosen / "checkpoint.json").is_file():
        held = ", ".join(_steps(root)) or "none"
        raise TrainingError(
            f"{path}: no checkpoint; {root} holds {held}; train one with python -m trainer.train"
        )
    return root / chosen


def resume(checkpoint: Checkpoint, plan_hash: str, model: nn.Module, optimizer: torch.optim.Optimizer) -> int:
    """Restore weights, optimizer and RNG into a run whose plan has ``plan_hash``; return the steps done."""
    held = checkpoint.facts.get("plan")
    if held != plan_hash:
        raise TrainingError(
            f"{checkpoint.path}: was trained on plan {str(held)[:12]}, this run's is {plan_hash[:12]}: the"
            " token files, the mixture, seed, window or batch_tokens changed; restore them, or use --fresh"
        )
    try:
        model.load_state_dict(checkpoint.state["model"])
        optimizer.load_state_dict(checkpoint.state["optimizer"])
    except (RuntimeError, ValueError, KeyError) as error:
        raise TrainingError(
            f"{checkpoint.path}: does not fit this model: {error}; resume with its settings"
        ) from error
    torch.set_rng_state(checkpoint.state["rng"])
    return checkpoint.step


def clear(root: Path) -> None:
    """Remove a run's checkpoints: ``latest`` first, so that no crash leaves it naming nothing."""
    (root / LATEST).unlink(missing_ok=True)
    for name in _steps(root):
        shutil.rmtree(root / name)


def _latest(root: Path) -> str | None:
    try:
        return (root / LATEST).read_text("utf-8").strip() or None
    except OSError:
        return None


def _steps(root: Path) -> list[str]:
    return sorted(p.name for p in root.glob("step-*") if p.is_dir())


def _sha256(path: Path) -> str:
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
