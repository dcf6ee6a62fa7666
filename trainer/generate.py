"""Continue a prompt with a trained checkpoint: ``python -m trainer.generate --data OUT --prompt "Once"``.

The context starts with the end-of-text token, as every document did in training. Past keys and values
are cached, so a token costs one position; when the window is full, generation goes on from its later
half, encoded anew, because rotary positions beyond the window were never trained.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from tokenizers import Tokenizer
from torch import Tensor

from pile_curate.errors import PileCurateError, TokenFileError, TrainingError
from trainer.attention import Cache
from trainer.evaluate import load_checkpoint
from trainer.model import GPT
from trainer.tokens import load_mixture, tokenizer_of
from trainer.train import set_threads


def pick(logits: Tensor, temperature: float, top_k: int, generator: torch.Generator) -> int:
    """Draw a token from logits (V,); temperature 0 takes the likeliest, top_k 0 means no cut."""
    if temperature == 0:
        return int(logits.argmax())
    if top_k:
        least = logits.topk(min(top_k, len(logits))).values[-1]
        logits = logits.masked_fill(logits < least, float("-inf"))
    return int(torch.multinomial((logits / temperature).softmax(dim=0), 1, generator=generator))


@torch.no_grad()
def generate(
    model: GPT, prompt: Sequence[int], *, eos_id: int, tokens: int, temperature: float = 0.8, top_k: int = 50,
    seed: int = 0,
) -> Iterator[int]:  # fmt: skip
    """Yield up to ``tokens`` tokens after the prompt; stop at the end-of-text token, which is not yielded."""
    generator = torch.Generator().manual_seed(seed)
    model.eval()
    window = model.config.window
    context = [eos_id, *prompt][-window:]
    device = model.embedding.weight.device
    caches: list[Cache] = []
    for _ in range(tokens):
        if not caches or caches[0].length + 1 > window:
            if caches:
                context = context[-(window // 2) :]
            caches = [Cache() for _ in model.blocks]
            fresh = context
        else:
            fresh = context[-1:]
        hidden = model(torch.tensor([fresh], device=device), caches=caches)[0, -1]  # (C,)
        token = pick((model.vocabulary @ hidden).float().cpu(), temperature, top_k, generator)
        if token == eos_id:
            return
        context.append(token)
        yield token


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status."""
    parser = argparse.ArgumentParser(prog="python -m trainer.generate", description="Continue a prompt.")
    parser.add_argument("--data", type=Path, required=True, help="output directory with mixture.json")
    parser.add_argument("--checkpoint", default="latest", help="a folder, or latest or init (of DATA/model)")
    parser.add_argument("--prompt", default="", help="text to continue (default: start a document)")
    parser.add_argument("--tokens", type=int, default=128, help="at most this many new tokens")
    parser.add_argument("--temperature", type=float, default=0.8, help="0 takes the likeliest token")
    parser.add_argument("--top-k", type=int, default=50, help="draw among the k likeliest; 0: among all")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, help="CPU threads (default: all this process may use)")
    parser.add_argument("--device", default="cpu", help="cpu or cuda (default cpu)")
    args = parser.parse_args(arguments)
    try:
        if args.temperature < 0 or args.top_k < 0:
            raise TrainingError(f"temperature {args.temperature} and top-k {args.top_k} must be 0 or more")
        set_threads(args.threads)
        path, _, eos_id = tokenizer_of(args.data, load_mixture(args.data))
        if not path.is_file():
            raise TokenFileError(f"{path}: missing; run the tokenize stage again")
        tokenizer = Tokenizer.from_file(str(path))
        model = load_checkpoint(args.data, args.checkpoint).model().to(args.device)
        prompt = tokenizer.encode(args.prompt, add_special_tokens=False).ids
        drawn = generate(
            model, prompt, eos_id=eos_id, tokens=args.tokens, temperature=args.temperature,
            top_k=args.top_k, seed=args.seed,
        )  # fmt: skip
        # Decoded as a whole: a character may span tokens.
        print(tokenizer.decode([*prompt, *drawn], skip_special_tokens=False))
        return 0
    except PileCurateError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_status


if __name__ == "__main__":
    sys.exit(main())
