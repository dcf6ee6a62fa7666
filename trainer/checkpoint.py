"""Save a run so that it goes on bit for bit, atomically, and load it without executing anything.

One checkpoint is a folder ``step-00000200``: tensors as torch's distributed checkpoint writes them (weights,
optimizer, loss scale; each rank its own file, so another number of ranks can read them) and
``checkpoint.json`` (step, plan hash, model, settings, tokenizer, sha256 of every file). It is written under
a temporary name, fsynced and renamed; only then does the small file ``latest`` name it. A crash or a full
disk at any point leaves the previous checkpoint valid. ``init`` is the model before training, kept so that
before and after can be compared. No state of a random generator is kept: what a step draws is a function of
seed, step and rank.

The index of a distributed checkpoint is a pickle. It is read with a list of the classes such an index holds, and
refused if it names anything else or holds anything but tensors: a checkpoint can lie, but it cannot run code.
The plan's hash must be equal, because a run resumed on other data would silently see some documents twice.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import os
import pickle
import shutil
import warnings
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.checkpoint.api import CheckpointException
from torch.distributed.checkpoint.filesystem import FileSystemReader, FileSystemWriter
from torch.distributed.checkpoint.metadata import Metadata, StorageMeta, TensorStorageMetadata
from torch.distributed.checkpoint.state_dict_loader import load as load_distributed
from torch.distributed.checkpoint.state_dict_saver import save as save_distributed

from pile_curate.errors import TrainingError
from pile_curate.files import atomic_write, fsync_dir
from trainer.config import ModelConfig
from trainer.model import GPT
from trainer.parallel import World

FORMAT = 2
LATEST = "latest"
FIRST = "step-00000000"

INDEX_CLASSES = {
    *(
        ("torch.distributed.checkpoint.metadata", name)
        for name in ("Metadata", "MetadataIndex", "StorageMeta", "TensorStorageMetadata", "TensorProperties",
                     "ChunkStorageMetadata", "BytesStorageMetadata", "_MEM_FORMAT_ENCODING")
    ),
    ("torch.distributed.checkpoint.filesystem", "_StorageInfo"), ("torch.serialization", "_get_layout"),
    ("torch", "Size"), ("pathlib", "PosixPath"), ("pathlib", "PurePosixPath"), ("collections", "OrderedDict"),
}  # fmt: skip
"""What the index of a distributed checkpoint is made of, besides torch's data types."""


class _Index(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in INDEX_CLASSES:
            return getattr(importlib.import_module(module), name)
        if module == "torch" and isinstance(getattr(torch, name, None), torch.dtype):
            return getattr(torch, name)
        raise pickle.UnpicklingError(f"it names {module}.{name}")


class _Reader(FileSystemReader):
    def __init__(self, path: Path, names: Collection[str]) -> None:
        super().__init__(path)
        self._names = names

    def read_metadata(self, *args: Any, **kwargs: Any) -> Metadata:
        with open(Path(self.path) / ".metadata", "rb") as stream:
            index = _Index(stream).load()
        if not isinstance(index, Metadata) or not all(
            isinstance(entry, TensorStorageMetadata) for entry in index.state_dict_metadata.values()
        ):
            raise pickle.UnpicklingError("it is no index of tensors")
        for place in index.storage_data.values():
            if place.relative_path not in self._names:
                raise pickle.UnpicklingError(f"it reads {place.relative_path!r}, no file of this checkpoint")
        index.storage_meta = StorageMeta(load_id=self.load_id)
        return index


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint's facts (``checkpoint.json``), its files checked."""

    path: Path
    facts: dict[str, Any]

    @property
    def step(self) -> int:
        """Steps done when it was saved."""
        return int(self.facts["step"])

    @cached_property
    def shapes(self) -> dict[str, tuple[torch.Size, torch.dtype]]:
        """Shape and type of every tensor it holds."""
        index = _Reader(self.path, self.facts["files"]).read_metadata()
        return {
            name: (entry.size, entry.properties.dtype)
            for name, entry in index.state_dict_metadata.items()
            if isinstance(entry, TensorStorageMetadata)
        }

    def tensors(self, prefix: str = "") -> dict[str, Tensor]:
        """Read the tensors whose names start with ``prefix`` into this process's memory."""
        held = {
            name: torch.empty(size, dtype=kind)
            for name, (size, kind) in self.shapes.items()
            if name.startswith(prefix)
        }
        self.read_into(held)
        return held

    def read_into(self, held: Mapping[str, Tensor], *, world: World | None = None) -> None:
        """Read into existing tensors, sharded or not; raises if one is missing or of another shape."""
        wrong = [
            f"{name}: {tuple(tensor.shape)} here, {tuple(self.shapes[name][0]) if name in self.shapes else 'none'}"
            for name, tensor in held.items()
            if name not in self.shapes or self.shapes[name][0] != tensor.shape
        ]
        if wrong:
            more = f" and {len(wrong) - 3} more" if len(wrong) > 3 else ""
            raise TrainingError(
                f"{self.path}: does not fit this model: {'; '.join(wrong[:3])} there{more};"
                " resume with its settings"
            )
        alone = world is None or world.size == 1
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # that there is but one process is known
            reader = _Reader(self.path, self.facts["files"])
            try:
                load_distributed(dict(held), storage_reader=reader, no_dist=alone)
            except CheckpointException as error:
                raise TrainingError(
                    f"{self.path}: its tensors cannot be read: {_cause(error)}; take another checkpoint"
                ) from error

    def model(self) -> GPT:
        """Build the model and load its weights."""
        model = GPT(ModelConfig.model_validate(self.facts["model"]))
        self.read_into({f"model.{name}": p.detach() for name, p in model.named_parameters()})
        return model


def save(
    root: Path, step: int, tensors: dict[str, Tensor], facts: Mapping[str, Any], *, keep: int,
    world: World | None = None,
) -> Path:  # fmt: skip
    """Write ``root/step-NNNNNNNN``, point ``latest`` at it, drop all but ``init`` and the last ``keep``.

    With several ranks all call it; an error of one is raised on all.
    """
    final, temporary = root / f"step-{step:08d}", root / f".step-{step:08d}.tmp"
    first = world is None or world.rank == 0
    problem = ""
    try:
        if first:
            shutil.rmtree(temporary, ignore_errors=True)
            temporary.mkdir(parents=True)
        if world is not None:
            world.barrier()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            writer = FileSystemWriter(temporary, sync_files=True)
            save_distributed(tensors, storage_writer=writer, no_dist=world is None or world.size == 1)
        if first:
            _finish(temporary, final, {"format": FORMAT, "step": step, **facts})
    except (OSError, RuntimeError, CheckpointException) as error:
        problem = _cause(error)
    if world is not None and world.size > 1:
        problems: list[str] = [""] * world.size
        dist.all_gather_object(problems, problem)
        problem = next(filter(None, problems), "")
    if problem:
        if first:
            shutil.rmtree(temporary, ignore_errors=True)
        before = _latest(root) or "none"
        raise TrainingError(
            f"{final}: cannot save: {problem}; the last good checkpoint is {before}; free space and --resume"
        )
    if first:
        for old in _steps(root)[:-keep]:
            if old != FIRST:
                shutil.rmtree(root / old)
    return final


def _finish(temporary: Path, final: Path, facts: dict[str, Any]) -> None:
    """Describe what was written, give it its name, and only then point ``latest`` at it."""
    root = final.parent
    facts["files"] = {path.name: _sha256(path) for path in sorted(temporary.iterdir())}
    atomic_write(str(temporary / "checkpoint.json"), (json.dumps(facts, indent=1) + "\n").encode())
    fsync_dir(str(temporary))
    if final.exists():
        # Left by a run that died before it moved ``latest``, so nothing refers to it.
        shutil.rmtree(final)
    os.rename(temporary, final)
    fsync_dir(str(root))
    atomic_write(str(root / LATEST), f"{final.name}\n".encode())


def load(path: str | Path) -> Checkpoint:
    """Open a checkpoint: a step's folder, or ``ROOT/latest``, ``ROOT/init``, or ROOT for its latest."""
    folder = locate(Path(path))
    try:
        facts = json.loads((folder / "checkpoint.json").read_text("utf-8"))
        if not isinstance(facts, dict) or facts.get("format") != FORMAT:
            raise TrainingError(
                f"{folder}: not a checkpoint of format {FORMAT}; train again, or use what wrote it"
            )
        for name, stated in facts["files"].items():
            if os.path.basename(name) != name or _sha256(folder / name) != stated:
                raise TrainingError(f"{folder}/{name}: damaged: its sha256 is not the one in checkpoint.json")
        held = Checkpoint(folder, facts)
        if not held.shapes:
            raise TrainingError(f"{folder}: holds no tensors; not a training checkpoint")
    except (OSError, ValueError, KeyError, AttributeError, EOFError) as error:
        raise TrainingError(f"{folder}: cannot be read: {type(error).__name__}: {error}") from error
    except pickle.UnpicklingError as error:
        raise TrainingError(
            f"{folder}/.metadata: not the index of a checkpoint ({error}); loading it could run code or read"
            " other files"
        ) from error
    return held


def locate(path: Path) -> Path:
    """Return the folder that a checkpoint's name stands for."""
    if (path / "checkpoint.json").is_file():
        return path
    root, name = (path, LATEST) if path.is_dir() else (path.parent, path.name)
    chosen = FIRST if name == "init" else _latest(root) if name == LATEST else None
    if chosen is None or chosen not in _steps(root) or not (root / chosen / "checkpoint.json").is_file():
        held = ", ".join(_steps(root)) or "none"
        raise TrainingError(
            f"{path}: no checkpoint; {root} holds {held}; train one with python -m trainer.train"
        )
    return root / chosen


def resume(held: Checkpoint, plan_hash: str, tensors: Mapping[str, Tensor], world: World) -> int:
    """Restore weights, optimizer and loss scale into a run whose plan has ``plan_hash``; return the steps done."""
    stated = held.facts.get("plan")
    if stated is None:
        raise TrainingError(
            f"{held.path}: was imported and has no optimizer state, so no run can resume from it; evaluate, sample or"
            " finetune it, or train into another folder (--out)"
        )
    if stated != plan_hash:
        raise TrainingError(
            f"{held.path}: was trained on plan {str(stated)[:12]}, this run's is {plan_hash[:12]}: the"
            " token files, the mixture, seed, window or batch_tokens changed; restore them, or use --fresh"
        )
    held.read_into(tensors, world=world)
    return held.step


def clear(root: Path) -> None:
    """Remove a run's checkpoints: ``latest`` first, so that no crash leaves it naming nothing."""
    (root / LATEST).unlink(missing_ok=True)
    for name in _steps(root):
        shutil.rmtree(root / name)


def _cause(error: BaseException) -> str:
    """Return what went wrong in one line. Torch wraps what a rank met; the cause is what helps."""
    cause = next(iter(error.failures.values()))[0] if isinstance(error, CheckpointException) else error
    return " ".join(f"{type(cause).__name__}: {cause}".split())[:500]


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
