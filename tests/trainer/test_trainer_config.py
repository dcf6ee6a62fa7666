"""Show that wrong settings are refused, all at once, with what is allowed."""

from __future__ import annotations

import pytest

from pile_curate.errors import RecipeError
from trainer.config import resolve
from trainer.optim import learning_rate


def test_the_command_line_wins_over_the_recipe_and_the_recipe_over_the_preset() -> None:
    settings = resolve({"preset": "tiny", "window": 128, "steps": 5}, {"steps": 9, "seed": None})
    assert (settings.window, settings.steps, settings.seed, settings.layers) == (128, 9, 0, 4)


def test_nothing_given_is_the_tiny_preset() -> None:
    assert resolve(None).preset == "tiny"


def test_all_problems_come_at_once_with_a_hint() -> None:
    with pytest.raises(RecipeError) as caught:
        resolve({"learning_rat": 1, "window": "wide", "steps": 0})
    text = str(caught.value)
    assert "did you mean learning_rate?" in text and "model.window" in text and "model.steps" in text


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"batch_tokens": 1000}, "multiple of window"),
        ({"heads": 3}, "even whole number"),
        ({"kv_heads": 3}, "multiple of kv_heads"),
        ({"hidden": 300}, "multiple of 16"),
        ({"preset": "huge"}, "not one of tiny"),
        ({"learning_rate": float("nan")}, "learning_rate"),
    ],
)
def test_contradictions_are_named(wrong: dict[str, object], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        resolve(wrong)


def test_the_rate_warms_up_and_comes_down() -> None:
    settings = resolve({"learning_rate": 1.0, "warmup_steps": 10})
    rates = [learning_rate(step, 100, settings) for step in range(100)]
    assert rates.index(max(rates)) in (9, 10) and max(rates) == 1.0
    assert all(a >= b for a, b in zip(rates[10:], rates[11:], strict=False))
    assert rates[-1] == pytest.approx(0.1, abs=0.001)
