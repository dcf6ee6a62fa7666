"""Continue prompts with a trained checkpoint: ``python -m trainer.generate --data OUT --prompt "Once"``.

The context starts with the end-of-text token, as every document did in training. Past keys and values
are cached, so a token costs one position; when the window is full, generation goes on from its later
half, encoded anew, because rotary positions beyond the window were never trained.

One sample is printed as it comes; several (``--samples``, ``--prompts FILE``) as JSON, one object a line. Sample
i of a prompt is drawn with seed + i, so it is the same whatever else is drawn.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from tokenizers import Tokenizer
from torch import Tensor

from pile_curate.errors import InputError, PileCurateError, TokenFileError, TrainingError
from trainer.attention import Cache
from trainer.evaluate import load_checkpoint
from trainer.model import GPT
from trainer.tokens import load_mixture, tokenizer_of
from trainer.train import device_of, set_threads

UNFINISHED = "\ufffd"
"""What a tokenizer decodes the beginning of a character to."""


def pick(
    logits: Tensor, temperature: float, top_k: int, generator: torch.Generator, top_p: float = 1.0
) -> int:
    """Draw a token from logits (V,).

    ``temperature`` 0 takes the likeliest. ``top_k`` keeps the k likeliest, 0 all; of those ``top_p`` keeps the
    fewest whose probability together is at least p (nucleus sampling: Holtzman et al., 2020, section 3.1).
    """
    if temperature == 0:
        return int(logits.argmax())
    if not top_k and top_p >= 1:
        return int(torch.multinomial((logits / temperature).softmax(dim=0), 1, generator=generator))
    held = logits.topk(min(top_k or len(logits), len(logits)))  # in descending order
    chances = (held.values / temperature).softmax(dim=0)
    before = chances.cumsum(dim=0) - chances
    chances = chances.masked_fill(before >= top_p, 0)  # the likeliest has nothing before it, so it stays
    return int(held.indices[torch.multinomial(chances, 1, generator=generator)])


@torch.no_grad()
def generate(
    model: GPT, prompt: Sequence[int], *, eos_id: int, tokens: int, temperature: float = 0.8, top_k: int = 50,
    top_p: float = 1.0, seed: int = 0, vocab_size: int | None = None,
) -> Iterator[int]:  # fmt: skip
    """Yield up to ``tokens`` tokens after the prompt; stop at the end-of-text token, which is not yielded.

    ``vocab_size`` leaves out rows of the model that are no token of the tokenizer. Raises for a masked model.
    """
    if not model.config.causal:
        raise TrainingError(
            "a masked model (objective mlm) cannot continue a text; generate with one trained with objective causal"
        )
    generator = torch.Generator().manual_seed(seed)
    model.eval()
    window = model.config.window
    context = [eos_id, *prompt][-window:]
    device = model.embedding.weight.device
    vocabulary = model.vocabulary[:vocab_size]
    caches: list[Cache] = []
    for _ in range(tokens):
        if not caches or caches[0].length + 1 > window:
            if caches:
                context = context[-(window // 2) :]
            caches = [Cache(window) for _ in model.blocks]
            fresh = context
        else:
            fresh = context[-1:]
        hidden = model(torch.tensor([fresh], device=device), caches=caches)[0, -1]  # (C,)
        logits = (vocabulary @ hidden).float().cpu()
        token = pick(logits, temperature, top_k, generator, top_p)
        if token == eos_id:
            return
        context.append(token)
        yield token


class Text:
    """Turn tokens into text as they come, cut before the first of ``stops``.

    A token may end within a character, and the text so far within a stop string: what is not certain yet is
    held back. The prompt's last tokens are decoded with the first new one, since some tokenizers write a
    token differently at the start of a text.
    """

    def __init__(self, tokenizer: Tokenizer, prompt: Sequence[int], stops: Sequence[str] = ()) -> None:
        self._tokenizer, self._stops = tokenizer, stops
        self._ids = list(prompt[-8:])
        self._known = self._decode()
        self._text, self._sent = "", 0
        self.stopped = False

    def _decode(self) -> str:
        text: str = self._tokenizer.decode(self._ids, skip_special_tokens=False)
        return text

    def add(self, token: int) -> str:
        """Take the next token; return the text that has become certain."""
        self._ids.append(token)
        text = self._decode()
        if text.endswith(UNFINISHED) and len(self._ids) < 64:
            return ""
        self._take(text)
        return self._certain(whole=False)

    def rest(self) -> str:
        """Return what was held back, when no more tokens come."""
        if not self.stopped:
            self._take(self._decode())
        return self._certain(whole=True)

    def _take(self, text: str) -> None:
        self._text += text[len(self._known) :]
        self._ids = self._ids[-8:]
        self._known = self._decode()

    def _certain(self, *, whole: bool) -> str:
        if self.stopped:
            return ""
        found = [at for stop in self._stops if (at := self._text.find(stop)) >= 0]
        end = min(found, default=len(self._text))
        self.stopped = bool(found)
        if not found and not whole:
            # The longest end of the text that a stop string might begin with.
            end -= max(
                (n for s in self._stops for n in range(1, len(s)) if self._text.endswith(s[:n])), default=0
            )
        piece, self._sent = self._text[self._sent : end], max(self._sent, end)
        return piece


def read_prompts(path: Path) -> list[str]:
    """Return a file's lines as prompts; raises if it cannot be read or has none."""
    try:
        prompts = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"--prompts {path}: cannot be read as UTF-8 text: {error}") from error
    if not prompts:
        raise InputError(f"--prompts {path}: is empty; write one prompt a line")
    return prompts


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m trainer.generate", description="Continue prompts.")
    parser.add_argument("--data", type=Path, required=True, help="output directory with mixture.json")
    parser.add_argument("--checkpoint", default="latest", help="a folder, or latest or init (of DATA/model)")
    given = parser.add_mutually_exclusive_group()
    given.add_argument("--prompt", default="", help="text to continue (default: start a document)")
    given.add_argument("--prompts", type=Path, metavar="FILE", help="a file of prompts, one a line")
    parser.add_argument("--samples", type=int, default=1, help="continuations of each prompt (default 1)")
    parser.add_argument("--tokens", type=int, default=128, help="at most this many new tokens")
    parser.add_argument("--temperature", type=float, default=0.8, help="0 takes the likeliest token")
    parser.add_argument("--top-k", type=int, default=50, help="draw among the k likeliest; 0: among all")
    parser.add_argument("--top-p", type=float, default=1.0, help="of those, the fewest that make up p")
    parser.add_argument(
        "--stop", action="append", default=[], metavar="STRING", help="end before this text; may be repeated"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, help="CPU threads (default: all this process may use)")
    parser.add_argument("--device", default="cpu", help="cpu or cuda (default cpu)")
    return parser


def _check(args: argparse.Namespace) -> None:
    if not (0 <= args.temperature < float("inf") and args.top_k >= 0):
        raise TrainingError(f"temperature {args.temperature} and top-k {args.top_k} must be 0 or more")
    if not 0 < args.top_p <= 1:
        raise TrainingError(f"top-p {args.top_p} must be above 0 and at most 1")
    if args.samples < 1 or args.tokens < 0:
        raise TrainingError(f"samples {args.samples} must be at least 1, tokens {args.tokens} at least 0")
    if "" in args.stop:
        raise TrainingError("--stop needs a text; an empty one would stop everything at once")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status."""
    args = _parser().parse_args(arguments)
    try:
        _check(args)
        set_threads(args.threads)
        device = device_of(args.device)
        path, vocab_size, eos_id = tokenizer_of(args.data, load_mixture(args.data))
        if not path.is_file():
            raise TokenFileError(f"{path}: missing; run the tokenize stage again")
        prompts = read_prompts(args.prompts) if args.prompts else [args.prompt]
        tokenizer = Tokenizer.from_file(str(path))
        model = load_checkpoint(args.data, args.checkpoint).model().to(device)
        one = len(prompts) * args.samples == 1
        for prompt in prompts:
            ids = tokenizer.encode(prompt, add_special_tokens=False).ids
            for sample in range(args.samples):
                drawn = generate(
                    model, ids, eos_id=eos_id, tokens=args.tokens, temperature=args.temperature,
                    top_k=args.top_k, top_p=args.top_p, seed=args.seed + sample, vocab_size=vocab_size,
                )  # fmt: skip
                pieces = _pieces(drawn, Text(tokenizer, ids, args.stop))
                if not one:
                    text = "".join(pieces)
                    row = {"prompt": prompt, "sample": sample, "text": text}
                    print(json.dumps(row, ensure_ascii=False), flush=True)
                    continue
                first = next(pieces, "")  # before the prompt is printed, so that an error stands alone
                print(prompt + first, end="", flush=True)
                for piece in pieces:
                    print(piece, end="", flush=True)
                print()
        return 0
    except PileCurateError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_status


def _pieces(drawn: Iterator[int], text: Text) -> Iterator[str]:
    for token in drawn:
        yield text.add(token)
        if text.stopped:
            return
    yield text.rest()


if __name__ == "__main__":
    sys.exit(main())
