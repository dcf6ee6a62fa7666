"""Test what all captions share: rolling lines, sentences over cues, sounds, credits."""

from __future__ import annotations

import random
import time

import pytest

from pile_curate.extract.credits import is_credit, without_credits
from pile_curate.extract.cues import Cue, joined, unrolled, without_sounds


def rolled(lines: list[str], still: bool = True) -> list[Cue]:
    """Show lines as YouTube does: each under the one before, then alone for 10 ms."""
    cues, above, at = [], "", 0.0
    for line in lines:
        cues.append(Cue(at, at + 2, (above, line)))
        if still:
            cues.append(Cue(at + 2, at + 2.01, (line, " ")))
        above, at = line, at + 2.01
    return cues


def said(cues: list[Cue]) -> list[str]:
    return [line for cue in cues for line in cue.lines]


def test_rolling_captions_are_collapsed_exactly_whatever_is_said_twice() -> None:
    draw = random.Random(5)
    for _ in range(300):
        lines = [
            draw.choice(["yes", "no", "so we go", "we go", "yes yes"]) for _ in range(draw.randint(4, 30))
        ]
        assert said(unrolled(rolled(lines), rolling=True)) == lines
    lines = [f"line {n}" for n in range(20)]
    assert said(unrolled(rolled(lines, still=False))) == lines


def test_a_pause_starts_afresh() -> None:
    cues = rolled(["a b", "c d", "e f", "g h"]) + [Cue(60, 61, ("g h",)), Cue(61, 62, ("g h", "i j"))]
    assert said(unrolled(cues)) == ["a b", "c d", "e f", "g h", "g h", "i j"]


def test_three_lines_roll_too() -> None:
    lines = [f"w{n}" for n in range(8)]
    cues = [Cue(n, n + 1, tuple(lines[max(0, n - 2) : n + 1])) for n in range(8)]
    assert said(unrolled(cues)) == lines


def test_typed_repeats_stay() -> None:
    cues = [
        Cue(n, n + 1, (text,)) for n, text in enumerate(["No.", "No.", "Why not?", "Because.", "Ah.", "Oh."])
    ]
    assert said(unrolled(cues)) == ["No.", "No.", "Why not?", "Because.", "Ah.", "Oh."]


def test_shadows_at_the_same_time_go() -> None:
    assert said(unrolled([Cue(1, 2, ("Hi",)), Cue(1, 2, ("Hi",))])) == ["Hi"]


def test_lines_that_grow_are_kept_once() -> None:
    words = "the tide comes in at noon".split()
    cues = [Cue(n, n + 1, (" ".join(words[: n + 1]),)) for n in range(len(words))]
    assert said(unrolled(cues)) == ["the tide comes in at noon"]


@pytest.mark.parametrize(
    ("cues", "text"),
    [
        ([("I was going",), ("home.",), ("Why?",)], "I was going home.\nWhy?"),
        (
            [
                (
                    "- Who?",
                    "- Me.",
                ),
                ("And you?",),
            ],
            "- Who?\n- Me.\nAnd you?",
        ),
        ([("— Non.", "— Si.")], "- Non.\n- Si."),
        ([("I waited...",), ("...and waited.",)], "I waited... and waited."),
        ([("I saw Mr.",), ("Pell.",)], "I saw Mr. Pell."),
        ([("It fell to",), ("-5 degrees.",)], "It fell to -5 degrees."),
        ([("I thought you--",), ("You thought.",)], "I thought you--\nYou thought."),
        ([("the lamp",), ("—and the oil—",), ("were gone.",)], "the lamp —and the oil— were gone."),
        ([("one >> two",)], "one\n- two"),
        ([('He said "go."',), ("So I went.",)], 'He said "go."\nSo I went.'),
        (
            [
                (
                    "灯台の",
                    "光が消えた",
                ),
                ("誰もいない",),
            ],
            "灯台の光が消えた\n誰もいない",
        ),
        ([("3 p.m.",), ("maybe later.",)], "3 p.m. maybe later."),
    ],
)
def test_cues_are_joined_into_sentences(cues: list[tuple[str, ...]], text: str) -> None:
    assert joined([Cue(n, n + 1, lines) for n, lines in enumerate(cues)]) == text


def test_layouts_and_gaps() -> None:
    cues = [Cue(0, 1, ("One.",)), Cue(1, 2, ("Two.",)), Cue(9, 10, ("Three",)), Cue(10, 11, ("four",))]
    assert joined(cues) == "One.\nTwo.\nThree four"
    assert joined(cues, gap=4) == "One.\nTwo.\n\nThree four"
    assert joined(cues, gap=4, layout="paragraphs") == "One. Two.\n\nThree four"
    assert joined([], gap=4) == "" and joined([Cue(None, None, ("x",))], gap=4) == "x"


def test_automatic_captions_of_scripts_without_spaces_join_tightly() -> None:
    cues = [Cue(0, 1, ("今日は",)), Cue(1, 2, ("パンです",))]
    assert joined(cues, layout="paragraphs", tight=True) == "今日はパンです"
    assert joined(cues, layout="paragraphs") == "今日は パンです"


@pytest.mark.parametrize(
    ("line", "left"),
    [
        ("[door slams] Who is it?", "Who is it?"),
        ("(SIGHS)", ""),
        ("- (sighs) No.", "-   No."),
        ("I met him (the tall one) there.", "I met him (the tall one) there."),
        ("♪ la la ♪", "la la"),
        ("# la la #", "la la"),
        ("[ __ ] this", "[ __ ] this"),
        ("【音楽】", ""),
        ("- [music]", ""),
        ("Number #5 is mine", "Number #5 is mine"),
    ],
)
def test_sounds_go(line: str, left: str) -> None:
    assert " ".join(without_sounds(Cue(0, 1, (line,))).lines) == left


@pytest.mark.parametrize(
    ("text", "edge", "credit"),
    [
        ("Subtitles by the night shift", False, True),
        ("Downloaded from www.OpenSubtitles.org", False, True),
        ("Synced and corrected by gull", False, True),
        ("Sous-titres par Jean", False, True),
        ("Untertitel: M. Meer", False, True),
        ("Translation: A. Gull", True, True),
        ("It was translated by monks.", False, False),
        ("Übersetzung von M. Meer", True, True),
        ("Für Übersetzungen keine Zeit.", True, False),
        ("The captions are wrong.", True, False),
        ("字幕组:灯塔", True, True),
        ("I said sync. Watch it.", False, False),
        ("Translator: Ann Gull Reviewer: M. Meer", True, True),
        ("Translator: Ann Gull Reviewer: M. Meer", False, False),
        ("Traductor: Ana Gull Revisor: M. Meer", True, True),
        ("翻译人员: 李 校对人员: 王", True, True),
        ("The translator: he says that he will stay.", True, False),
        ("Untertitelung des ZDF, 2020", False, True),
        ("Die Untertitelung des Films ist schlecht.", False, False),
        ("Copyright Möwe 2021", True, True),
        ("The copyright of 2021 is mine, he said", True, False),
        ("Subs by Gull", True, True),
        ("Subs by the dozen lay in the bay.", False, False),
        ("Tekstet av Mette", False, True),
    ],
)
def test_credits(text: str, edge: bool, credit: bool) -> None:
    assert is_credit(text, edge) is credit


def test_every_sure_sign_is_hinted_at() -> None:
    import re

    from pile_curate.extract import credits

    # Each alternative of the expression, cut at its top level, holds a hint in its plain letters.
    depth, parts = 0, [""]
    for letter in credits._SURE.pattern:
        depth += (letter == "(") - (letter == ")")
        if letter == "|" and not depth:
            parts.append("")
        else:
            parts[-1] += letter
    for part in parts:
        plain = re.sub(r"\[([^\]]).*?\]", r"\1", part.replace("\\.", ".").replace("[íi]", "i"))
        assert any(hint in plain for hint in credits._HINTS), part


def test_credits_are_counted() -> None:
    cues = [
        Cue(n, n + 1, (text,)) for n, text in enumerate(["www.example.org", *["Hello."] * 20, "Subs by us"])
    ]
    kept, removed = without_credits(cues)
    assert removed == 2 and len(kept) == 20


@pytest.mark.parametrize(
    "unit", ["[", "(", "(a)", "(A) ", "x\n", "♪ ", "- ", ">>", "… ", "(a", "[a]", " # ", "www.a", "a.b-"]
)
def test_hostile_lines_cost_linear_time(unit: str) -> None:
    begun = time.process_time()
    cue = Cue(0, 1, tuple((unit * (200_000 // len(unit))).split("\n")))
    joined([without_sounds(cue)])
    without_credits([cue])
    unrolled([cue, cue])
    assert time.process_time() - begun < 1.0
