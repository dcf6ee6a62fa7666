"""Turn losses into the figures people compare, and show them: bits per byte, MFU, tables, the JSONL log.

Bits per byte = Σ nll / (ln 2 · Σ UTF-8 bytes of the text): unlike perplexity it does not depend on the
tokenizer, so two curations with their own tokenizers can be compared (Gao et al., 2020, section 3.1).
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from pile_curate.errors import TrainingError
from trainer.model import GPT

PEAK_FLOPS = {
    "H100 PCIe": 756e12, "H100 NVL": 835e12, "H100": 989e12, "H200": 989e12, "B200": 2250e12, "A100": 312e12,
    "L40S": 362e12, "L4": 121e12, "A10G": 70e12, "RTX 4090": 165e12, "MI300X": 1307e12,
}  # fmt: skip
"""Dense bf16 peaks of the vendors' data sheets; a device not listed has no MFU rather than a wrong one."""


def bits_per_byte(nll: float, text_bytes: int) -> float | None:
    """Return nll (nats) as bits per byte of text; None without bytes.

    >>> bits_per_byte(math.log(2) * 8, 1)
    8.0
    """
    return nll / (math.log(2) * text_bytes) if text_bytes else None


def figures(documents: int, tokens: int, text_bytes: int, nll: float) -> dict[str, Any]:
    """Return the figures of a set of documents from its sums; ``nll`` in nats over ``tokens`` tokens."""
    loss = nll / tokens if tokens else None
    return {
        "documents": documents,
        "tokens": tokens,
        "bytes": text_bytes,
        "loss": loss,
        # exp overflows a float above 709 nats a token, which only a diverged model reaches.
        "perplexity": math.exp(loss) if loss is not None and loss < 700 else None,
        "bits_per_byte": bits_per_byte(nll, text_bytes),
    }


def flops_per_token(model: GPT, *, causal: bool = False) -> float:
    """Return 6N + 12·L·d·T: forward and backward of the matrices, plus attention over a full window.

    N leaves out an untied embedding and learned positions, which are looked up, not multiplied (Chowdhery et
    al., 2022, appendix B); d is the width of all heads. ``causal`` counts the half of attention that a causal
    model needs, 6·L·d·T.
    """
    config = model.config
    matrices = model.parameter_count(embedding=config.tied)
    if model.positions is not None:
        matrices -= model.positions.weight.numel()
    heads = config.heads * config.head_dim
    return 6.0 * matrices + (6.0 if causal else 12.0) * config.layers * heads * config.window


def peak_flops(device: torch.device) -> float | None:
    """Return the device's peak, or None when it is not known."""
    if device.type != "cuda":
        return None
    name = torch.cuda.get_device_name(device)
    return next((peak for key, peak in PEAK_FLOPS.items() if key in name), None)


class Progress:
    """Say how fast a run goes and how long it will take, from steps timed since it started."""

    def __init__(
        self, steps: int, done: int, batch_tokens: int, model: GPT, device: torch.device, devices: int = 1
    ) -> None:
        self.steps, self.first, self.batch_tokens = steps, done, batch_tokens
        peak = peak_flops(device)
        self.flops, self.peak = flops_per_token(model), None if peak is None else peak * devices
        self.start = self.last = time.monotonic()
        self.last_step = done

    def measure(self, step: int) -> dict[str, float | None]:
        """Return tokens/s since the last call, MFU (None if unknown) and seconds left at the mean pace."""
        now = time.monotonic()
        rate = (step - self.last_step) * self.batch_tokens / max(now - self.last, 1e-9)
        left = (now - self.start) / max(1, step - self.first) * (self.steps - step)
        self.last, self.last_step = now, step
        return {
            "tokens_per_second": round(rate, 1),
            "mfu": None if self.peak is None else round(rate * self.flops / self.peak, 4),
            "seconds_left": round(left, 1),
        }


class Log:
    """Append one JSON object a line; a line is whole or absent after a crash. ``board``: TensorBoard, too."""

    def __init__(self, path: Path, *, board: bool = False) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._board: Any = None
        if board:
            try:
                from torch.utils.tensorboard import SummaryWriter
            except ImportError as error:
                raise TrainingError("--tensorboard needs the package tensorboard; install it") from error
            self._board = SummaryWriter(str(path.parent / "tensorboard"))  # type: ignore[no-untyped-call]
        self._stream = open(path, "a", encoding="utf-8", buffering=1)  # noqa: SIM115

    def write(self, **fields: Any) -> None:
        """Write one line."""
        self._stream.write(json.dumps(fields) + "\n")
        if self._board is not None and fields.get("event") == "step":
            for name, value in fields.items():
                if isinstance(value, (int, float)) and name != "step":
                    self._board.add_scalar(f"train/{name}", value, fields["step"])

    def close(self) -> None:
        """Close the file."""
        self._stream.close()
        if self._board is not None:
            self._board.close()


def table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Return rows as aligned text; the first column to the left, numbers to the right, None as a dash.

    >>> print(table(["source", "bpb"], [["wiki", 2.5], ["all", None]]))
    source     bpb
    wiki    2.5000
    all          -
    """
    cells = [[str(h) for h in head], *[[_cell(value) for value in row] for row in rows]]
    widths = [max(len(row[i]) for row in cells) for i in range(len(head))]
    lines = []
    for row in cells:
        first, *rest = [
            cell.ljust(width) if i == 0 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join([first, *rest]).rstrip())
    return "\n".join(lines)


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.4f}" if abs(value) < 1000 else f"{value:,.1f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def show(result: Mapping[str, Any]) -> str:
    """Return one evaluation as a table."""
    last = "accuracy" if "accuracy" in result["overall"] else "bits_per_byte"
    keys = ["documents", "tokens", "bytes", "loss", "perplexity", last]
    rows = [[row["source"], *(row[key] for key in keys)] for row in result["sources"]]
    rows.append(["overall", *(result["overall"][key] for key in keys)])
    return table(["source", *keys[:-1], last.replace("bits_per_byte", "bits/byte")], rows)


def comparison(before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    """Return two evaluations side by side, one line a source and one overall."""
    key = "accuracy" if "accuracy" in after["overall"] else "bits_per_byte"
    if ("accuracy" in before["overall"]) != (key == "accuracy"):
        raise TrainingError(
            f"of {before['label']} and {after['label']} one is of a masked, the other of a causal model: they answer"
            " other questions; compare two of one kind"
        )
    earlier = {row["source"]: row for row in [*before["sources"], {"source": "overall", **before["overall"]}]}
    rows = []
    for row in [*after["sources"], {"source": "overall", **after["overall"]}]:
        old = earlier.get(row["source"], {})
        was, now = old.get(key), row[key]
        change = None if was is None or now is None else now - was
        rows.append(
            [row["source"], row["documents"], row["bytes"], old.get("loss"), row["loss"], was, now, change]
        )
    b, a = before["label"], after["label"]
    what = key.replace("bits_per_byte", "bits/byte")
    head = ["source", "documents", "bytes", f"loss {b}", f"loss {a}", f"{what} {b}", f"{what} {a}", "change"]
    return table(head, rows)
