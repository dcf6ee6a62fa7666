"""Write a checkpoint as ``transformers`` loads it: ``python -m trainer.export --data OUT --to DIR``.

DIR gets ``model.safetensors`` (float32), ``config.json``, ``generation_config.json`` and the tokenizer;
``AutoModelForCausalLM.from_pretrained(DIR)`` then gives equal logits (hf/config.py says of which class). A document
begins after the end-of-text token, as in training: put ``tokenizer.bos_token_id`` before a prompt.

DIR is written under a temporary name, fsynced and renamed: it is there as a whole or not at all. The weights are in
memory twice. The way back is ``trainer.import_hf``.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import save_file

from pile_curate.errors import PileCurateError, TokenFileError, TrainingError
from pile_curate.files import fsync_dir
from trainer.evaluate import load_checkpoint
from trainer.hf.config import family, to_config
from trainer.hf.weights import to_tensors
from trainer.model import GPT
from trainer.spelling import read_tokenizer
from trainer.tokens import load_mixture, tokenizer_of


def export(model: GPT, tokenizer: Path, eos_id: int, to: Path) -> str:
    """Write ``model`` and its ``tokenizer.json`` into the new folder ``to``; return the ``model_type``."""
    kind = family(model.config)
    if to.exists() and (not to.is_dir() or any(to.iterdir())):
        raise TrainingError(f"{to}: exists; choose another folder or remove it")
    stated = {
        "config.json": to_config(model.config, eos_id),
        "generation_config.json": {"bos_token_id": eos_id, "eos_token_id": eos_id, "pad_token_id": eos_id},
        "tokenizer_config.json": tokenizer_config(tokenizer, eos_id, model.config.window),
    }
    held = {name: parameter.detach().cpu() for name, parameter in model.named_parameters()}
    to = to.absolute()
    temporary = to.parent / f".{to.name}.{os.getpid()}.tmp"
    try:
        temporary.mkdir(parents=True)
        save_file(to_tensors(held, model.config), temporary / "model.safetensors", metadata={"format": "pt"})
        shutil.copyfile(tokenizer, temporary / "tokenizer.json")
        for name, content in stated.items():
            (temporary / name).write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", "utf-8")
        # safetensors writes for the owner alone; others may read what they may read beside it.
        shutil.copymode(temporary / "config.json", temporary / "model.safetensors")
        for path in temporary.iterdir():
            with open(path, "rb") as stream:
                os.fsync(stream.fileno())
        fsync_dir(str(temporary))
        os.rename(temporary, to)
        fsync_dir(str(to.parent))
    except (OSError, SafetensorError) as error:
        raise TrainingError(f"{to}: cannot be written: {error}") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return kind


def tokenizer_config(path: Path, eos_id: int, window: int) -> dict[str, Any]:
    """Return ``tokenizer_config.json``: the end-of-text token is also what a document begins after."""
    tokenizer = read_tokenizer(path)
    eos = tokenizer.id_to_token(eos_id)
    if eos is None:
        raise TokenFileError(f"{path}: has no token {eos_id}, which mixture.json calls the end of text")
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast", "bos_token": eos, "eos_token": eos,
        "model_max_length": window, "clean_up_tokenization_spaces": False,
    }  # fmt: skip
    unknown = json.loads(tokenizer.to_str())["model"].get("unk_token")
    return config | ({"unk_token": unknown} if isinstance(unknown, str) else {})


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m trainer.export", description="Write a checkpoint as transformers loads it."
    )
    parser.add_argument("--data", type=Path, required=True, help="output directory with mixture.json")
    parser.add_argument("--checkpoint", default="latest", help="a folder, or latest or init (of DATA/model)")
    parser.add_argument("--to", type=Path, required=True, help="new folder for model and tokenizer")
    args = parser.parse_args(arguments)
    try:
        path, _, eos_id = tokenizer_of(args.data, load_mixture(args.data))
        held = load_checkpoint(args.data, args.checkpoint)
        kind = export(held.model(), path, eos_id, args.to)
        print(f"{args.to}: {held.path.name} as {kind}; AutoModelForCausalLM.from_pretrained loads it")
        return 0
    except PileCurateError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_status


if __name__ == "__main__":
    sys.exit(main())
