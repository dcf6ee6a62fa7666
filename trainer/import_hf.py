"""Make a checkpoint of a model that ``transformers`` wrote: ``python -m trainer.import_hf --from DIR --out RUN``.

DIR holds ``config.json`` and ``model.safetensors``, or several such files and their index, of LlamaForCausalLM,
Qwen3ForCausalLM or GPT2LMHeadModel. RUN then holds a checkpoint that evaluate, generate, finetune and export take;
it has no optimizer state, so training cannot resume from it. What this model cannot compute is refused, naming the
key (hf/config.py). Weights of half precision become float32, without loss; pickles are never read.

A checkpoint belongs to a tokenizer. With ``--data`` the one in DIR must be the corpus's; without it, the checkpoint
keeps the sha256 of DIR's ``tokenizer.json`` and fits a corpus that was tokenised with that file.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from pile_curate.errors import PileCurateError, TokenFileError, TrainingError
from trainer import checkpoint
from trainer.hf.config import from_config
from trainer.hf.weights import from_tensors, shapes
from trainer.spelling import read_tokenizer
from trainer.tokens import load_mixture, tokenizer_of

WEIGHTS, INDEX = "model.safetensors", "model.safetensors.index.json"

# Buffers that older versions stored; they hold no weights.
_BUFFERS = (".rotary_emb.inv_freq", ".attn.bias", ".attn.masked_bias")


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object."""
    try:
        found = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise TrainingError(f"{path}: missing; give the folder that save_pretrained wrote") from None
    except (OSError, ValueError) as error:
        raise TrainingError(f"{path}: cannot be read: {error}") from error
    if not isinstance(found, dict):
        raise TrainingError(f"{path}: holds no JSON object")
    return found


def weight_files(folder: Path) -> list[Path]:
    """Return the safetensors files that hold a model's weights."""
    if (folder / WEIGHTS).is_file():
        return [folder / WEIGHTS]
    if (folder / INDEX).is_file():
        listed = read_json(folder / INDEX).get("weight_map")
        names = sorted({str(name) for name in listed.values()}) if isinstance(listed, dict) else []
        odd = [name for name in names if Path(name).name != name or not name.endswith(".safetensors")]
        if odd or not names:
            raise TrainingError(
                f"{folder / INDEX}: weight_map names {odd or 'no files'}, not safetensors beside it"
            )
        return [folder / name for name in names]
    pickles = sorted(path.name for pattern in ("*.bin", "*.pt", "*.pth") for path in folder.glob(pattern))
    if pickles:
        raise TrainingError(
            f"{folder / pickles[0]}: is a pickle, and loading it could run code; save the model again with"
            " save_pretrained(DIR), which writes safetensors"
        )
    raise TrainingError(f"{folder}: holds neither {WEIGHTS} nor {INDEX}")


def read_weights(folder: Path, wanted: dict[str, tuple[int, ...]]) -> dict[str, Tensor]:
    """Return the tensors ``wanted`` (name: shape) as float32; raises if one is missing, odd or left over."""
    found: dict[str, Tensor] = {}
    problems: list[str] = []
    for path in weight_files(folder):
        try:
            with safe_open(path, framework="pt") as file:
                for stored in sorted(file.keys()):
                    # Early GPT-2 files hold the body only, without its name.
                    name = f"transformer.{stored}" if f"transformer.{stored}" in wanted else stored
                    shape = tuple(file.get_slice(stored).get_shape())
                    if name in found:
                        problems.append(f"{stored} is there twice")
                    elif name == "lm_head.weight" and name not in wanted:
                        found[name] = file.get_tensor(stored).float()  # tied: compared below
                    elif name not in wanted:
                        problems += (
                            [] if stored.endswith(_BUFFERS) else [f"{stored} is not part of this model"]
                        )
                    elif shape != wanted[name]:
                        problems.append(f"{stored} is {shape}, config.json says {wanted[name]}")
                    elif not (tensor := file.get_tensor(stored)).is_floating_point():
                        problems.append(f"{stored} is {tensor.dtype}; quantised weights cannot be imported")
                    else:
                        found[name] = tensor.float()
        except (OSError, SafetensorError, ValueError) as error:
            raise TrainingError(f"{path}: cannot be read as safetensors: {error}") from error
    problems += [f"{name} is missing" for name in wanted if name not in found and not problems]
    if not problems and "lm_head.weight" not in wanted and "lm_head.weight" in found:
        head = found.pop("lm_head.weight")
        if not any(
            torch.equal(head, found[n]) for n in wanted if n.endswith(("embed_tokens.weight", "wte.weight"))
        ):
            problems.append("lm_head.weight differs from the embedding though tie_word_embeddings is true")
    if problems:
        more = f" and {len(problems) - 3} more" if len(problems) > 3 else ""
        raise TrainingError(f"{folder}: weights do not fit config.json: {'; '.join(problems[:3])}{more}")
    return found


def tokenizer_facts(folder: Path, stated: dict[str, Any], data: Path | None) -> dict[str, Any]:
    """Return what the checkpoint says of its tokenizer; with ``data``, that corpus's, if they are the same."""
    path = folder / "tokenizer.json"
    if data is not None:
        mixture = load_mixture(data)
        ours, _, _ = tokenizer_of(data, mixture)
        if not path.is_file():
            raise TokenFileError(
                f"{path}: missing, so nothing shows that the model knows the tokens of {data}"
            )
        # Saving again may change what is around it, but not how text becomes tokens.
        left, right = (json.loads(read_tokenizer(p).to_str()) for p in (path, ours))
        odd = [key for key in ("model", "normalizer", "pre_tokenizer") if left[key] != right[key]]
        if odd:
            raise TokenFileError(
                f"{path}: is not the tokenizer of {data} (its {', '.join(odd)} differ); tokenise a corpus with it"
                " first (tokenizer in the recipe)"
            )
        return dict(mixture["tokenizer"])
    eos = stated.get("eos_token_id")
    facts = {"vocab_size": stated["vocab_size"], "eos_id": eos[0] if isinstance(eos, list) and eos else eos}
    if path.is_file():
        facts["sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
    return facts


def import_model(folder: Path, out: Path, *, data: Path | None = None, window: int | None = None) -> Path:
    """Write the model of ``folder`` as a checkpoint below ``out``; return the checkpoint's folder.

    ``window`` keeps only so many positions: evaluation and generation then use windows of that size.
    """
    if (out / checkpoint.LATEST).exists():
        raise TrainingError(f"{out}: holds a run already; choose another folder")
    stated = read_json(folder / "config.json")
    config = from_config(stated, str(folder / "config.json"))
    if window is not None and not 2 <= window <= config.window:
        raise TrainingError(f"window {window} must be between 2 and the model's {config.window}")
    facts = tokenizer_facts(folder, stated, data)
    tensors = from_tensors(read_weights(folder, shapes(config)), config)
    config = config.model_copy(update={"window": window or config.window})
    if config.positions == "learned":
        tensors["positions.weight"] = tensors["positions.weight"][: config.window]
    return checkpoint.save(
        out, 0, {f"model.{name}": tensor.contiguous() for name, tensor in tensors.items()},
        {"plan": None, "settings": {}, "steps": 0, "recipe": None, "tokenizer": facts,
         "model": config.model_dump(), "imported": {"folder": folder.name, "model_type": stated["model_type"]}},
        keep=1,
    )  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m trainer.import_hf",
        description="Make a checkpoint of a model that transformers wrote.",
    )
    parser.add_argument("--from", dest="folder", type=Path, required=True, help="what save_pretrained wrote")
    parser.add_argument("--out", type=Path, required=True, help="new folder for the checkpoint")
    parser.add_argument("--data", type=Path, help="corpus whose tokenizer the model must have")
    parser.add_argument("--window", type=int, help="keep fewer positions than the model has")
    args = parser.parse_args(arguments)
    try:
        path = import_model(args.folder, args.out, data=args.data, window=args.window)
        held = checkpoint.load(path)
        print(
            f"{path}: {held.facts['imported']['model_type']}, {held.model().parameter_count():,} parameters"
        )
        return 0
    except PileCurateError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_status


if __name__ == "__main__":
    sys.exit(main())
