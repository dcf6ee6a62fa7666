"""Show that generation draws what it says, ends where it says, and that its cache changes nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from trainer import generate as generation
from trainer.config import resolve
from trainer.generate import Text, generate, pick
from trainer.model import GPT
from trainer.train import main as train_main

Build = Callable[..., Path]
LOGITS = torch.tensor([0.4, 0.3, 0.15, 0.1, 0.05]).log()


def drawn(count: int = 4000, logits: torch.Tensor = LOGITS, **how: Any) -> list[float]:
    """Return the share of each token among ``count`` draws."""
    given = {"temperature": 1.0, "top_k": 0, **how}
    random = torch.Generator().manual_seed(1)
    tokens = [pick(logits, generator=random, **given) for _ in range(count)]
    return [tokens.count(i) / count for i in range(len(logits))]


def near(*shares: float) -> Any:
    return pytest.approx(list(shares), abs=0.03)  # four standard deviations of 4,000 draws


def test_no_cut_draws_by_probability() -> None:
    assert drawn() == near(0.4, 0.3, 0.15, 0.1, 0.05)


def test_temperature_sharpens_flattens_and_at_zero_takes_the_likeliest() -> None:
    squares = [p * p for p in (0.4, 0.3, 0.15, 0.1, 0.05)]
    assert drawn(temperature=0.5) == near(*(s / sum(squares) for s in squares))
    assert drawn(temperature=1e6) == near(*[0.2] * 5)
    assert drawn(10, temperature=0) == [1, 0, 0, 0, 0]
    assert drawn(10, logits=LOGITS.flip(0), temperature=0, top_p=0.5) == [0, 0, 0, 0, 1]


@pytest.mark.parametrize("order", [[0, 1, 2, 3, 4], [4, 2, 0, 3, 1]])
def test_top_k_and_top_p_keep_the_likeliest_wherever_they_stand(order: list[int]) -> None:
    logits = torch.empty(5)
    logits[order] = LOGITS  # place order[i] has the i-th likeliest

    def shares(**how: Any) -> list[float]:
        found = drawn(logits=logits, **how)
        return [found[i] for i in order]

    assert shares(top_k=2) == near(4 / 7, 3 / 7, 0, 0, 0)
    assert shares(top_k=99) == near(0.4, 0.3, 0.15, 0.1, 0.05)
    # The fewest that make up p: 0.4 alone is not 0.5, with 0.3 it is.
    assert shares(top_p=0.5) == near(4 / 7, 3 / 7, 0, 0, 0)
    assert shares(top_p=0.39) == near(1, 0, 0, 0, 0)
    assert shares(top_p=0.71) == near(8 / 17, 6 / 17, 3 / 17, 0, 0)
    assert shares(top_p=1e-9) == near(1, 0, 0, 0, 0)
    # Top-p counts among what top-k left: 4/7 is above 0.5.
    assert shares(top_k=2, top_p=0.5) == near(1, 0, 0, 0, 0)
    assert sum(share == 0 for share in shares(top_k=3)) == 2


def test_the_same_seed_draws_the_same(net: GPT) -> None:
    def tokens(seed: int) -> list[int]:
        return list(generate(net, [5], eos_id=0, tokens=12, temperature=2.0, top_k=0, seed=seed))

    assert tokens(1) == tokens(1) != tokens(2)


@pytest.fixture
def net(tiny: dict[str, Any]) -> GPT:
    model, random = GPT(resolve(tiny).model(257)), torch.Generator().manual_seed(4)
    with torch.no_grad():
        for weight in model.parameters():
            weight.normal_(0.0, 0.3, generator=random)
    return model


def uncached(net: GPT, prompt: list[int], tokens: int) -> list[int]:
    """Take the likeliest token over and over, encoding everything anew; the window goes on from its later half."""
    context, found, window = [0, *prompt][-net.config.window :], [], net.config.window
    for number in range(tokens):
        if number and len(context) > window:
            context = context[-(window // 2) :]
        with torch.no_grad():
            logits = net(torch.tensor([context]))[0, -1] @ net.vocabulary.T
        token = int(logits.argmax())
        if token == 0:
            break
        found.append(token)
        context.append(token)
    return found


@pytest.mark.parametrize("positions", ["rotary", "learned"])
@pytest.mark.parametrize("length", [0, 3, 14, 15, 16, 40])
def test_greedy_with_the_cache_equals_greedy_without_beyond_the_window(
    tiny: dict[str, Any], positions: str, length: int
) -> None:
    net = GPT(resolve({**tiny, "positions": positions, "tied": False}).model(257))
    random = torch.Generator().manual_seed(6)
    with torch.no_grad():
        for weight in net.parameters():
            weight.normal_(0.0, 0.3, generator=random)
        net.vocabulary[0] = 0  # so the end of text is never the likeliest
    prompt = [7 + i for i in range(length)]
    found = list(generate(net, prompt, eos_id=0, tokens=50, temperature=0))
    assert found == uncached(net, prompt, 50) and len(found) == 50


def test_rows_that_are_no_token_are_never_drawn(net: GPT) -> None:
    with torch.no_grad():
        net.embedding.weight[200:] = net.embedding.weight[5] * 10
    tokens = list(generate(net, [5], eos_id=0, tokens=30, top_k=0, temperature=5.0, vocab_size=200))
    assert tokens and max(tokens) < 200


# Text as it comes


@pytest.fixture
def tokenizer() -> Tokenizer:
    vocab = {"<|endoftext|>": 0}
    for character in sorted(pre_tokenizers.ByteLevel.alphabet()):
        vocab[character] = len(vocab)
    made = Tokenizer(models.BPE(vocab=vocab, merges=[]))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    made.decoder = decoders.ByteLevel()
    return made


def pieces(tokenizer: Tokenizer, text: str, *stops: str, prompt: str = "Once ") -> tuple[list[str], int]:
    """Return what comes piece by piece, and how many tokens were taken."""
    out, ids, taken = Text(tokenizer, tokenizer.encode(prompt).ids, stops), tokenizer.encode(text).ids, 0
    found = []
    for token in ids:
        found.append(out.add(token))
        taken += 1
        if out.stopped:
            return found, taken
    return [*found, out.rest()], taken


def test_text_comes_by_whole_characters_and_is_all_there(tokenizer: Tokenizer) -> None:
    text = "Grüße 👩‍🚀 日本語 \ufffd!"
    found, _ = pieces(tokenizer, text)
    assert "".join(found) == text and "ü" in found and "👩" in found
    assert found[0] == "G"  # as it comes, not at the end
    # Bytes that never become a character are there at the end, too.
    out = Text(tokenizer, [], [])
    half = tokenizer.encode("é").ids[:1]
    assert out.add(half[0]) + out.rest() == "\ufffd"


@pytest.mark.parametrize(
    ("text", "stops", "kept", "taken"),
    [
        ("abc\n\ndef", ["\n\n"], "abc", 5),
        ("abc", ["x"], "abc", 3),
        ("abc", ["a"], "", 1),
        ("aaab", ["aab"], "a", 4),
        ("one two", ["zzz", "two"], "one ", 7),
        ("one two", ["two", "ne"], "o", 3),
        ("ends in half a st", ["stop"], "ends in half a st", 17),
        ("日本語", ["本"], "日", 6),
        ("no stop in the prompt", ["Once"], "no stop in the prompt", 21),
    ],
)
def test_a_stop_string_ends_the_text_at_once_and_is_cut(
    tokenizer: Tokenizer, text: str, stops: list[str], kept: str, taken: int
) -> None:
    found, count = pieces(tokenizer, text, *stops)
    assert ("".join(found), count) == (kept, taken)


def test_no_piece_ever_shows_a_part_of_a_stop_string(tokenizer: Tokenizer) -> None:
    found, _ = pieces(tokenizer, "ab<|en ok <|end|> more", "<|end|>")
    assert "".join(found) == "ab<|en ok "
    assert found[2:6] == ["", "", "", ""] and found[6] == "<|en "


# The command


def test_the_command_streams_stops_samples_and_reads_prompts(
    build: Build, tiny: dict[str, Any], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    data = build({"a": [40] * 8}, model=tiny)
    assert train_main(["--data", str(data), "--threads", "1", "--max-epochs", "99", "--steps", "30"]) == 0
    base = ["--data", str(data), "--threads", "1", "--tokens", "40"]
    capsys.readouterr()

    def said(*more: str) -> str:
        assert generation.main([*base, *more]) == 0
        return capsys.readouterr().out

    whole = said("--prompt", "the cat")
    assert whole.startswith("the cat") and whole == said("--prompt", "the cat") and len(whole) > 20
    letter = whole[12]
    cut = said("--prompt", "the cat", "--stop", letter, "--stop", "never")
    assert cut == "the cat" + whole[7:].split(letter)[0] + "\n"
    several = [json.loads(line) for line in said("--prompt", "the cat", "--samples", "3").splitlines()]
    assert [row["sample"] for row in several] == [0, 1, 2] and len({row["text"] for row in several}) == 3
    assert (
        several[0]["text"] == whole[7:-1]
        and several[1]["text"] == said("--prompt", "the cat", "--seed", "1")[7:-1]
    )
    (tmp_path / "prompts.txt").write_text("a dog\nthe cat\n")
    listed = [json.loads(line) for line in said("--prompts", str(tmp_path / "prompts.txt")).splitlines()]
    assert [row["prompt"] for row in listed] == ["a dog", "the cat"] and listed[1]["text"] == whole[7:-1]
    (tmp_path / "empty.txt").write_text("")
    for more, status, message in (
        (["--prompts", str(tmp_path / "empty.txt")], 2, "one prompt a line"),
        (["--prompts", str(tmp_path / "none.txt")], 2, "cannot be read"),
        (["--top-p", "0"], 1, "top-p 0.0 must be above 0"),
        (["--top-p", "nan"], 1, "top-p nan"),
        (["--temperature", "nan"], 1, "temperature nan"),
        (["--top-k", "-1"], 1, "top-k -1"),
        (["--samples", "0"], 1, "samples 0"),
        (["--stop", ""], 1, "--stop needs a text"),
    ):
        assert generation.main([*base, *more]) == status
        assert message in capsys.readouterr().err
