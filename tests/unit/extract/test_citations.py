"""Citation markers leave no trace, and stay where the sentence needs them."""

from __future__ import annotations

import time

import pytest

from pile_curate.extract.citations import marker, without_markers


def cite(text: str, *, all_kinds: bool = False) -> str:
    """Read ``{12}`` as a cross reference to a reference, and take the markers out."""
    parts = text.replace("}", "{").split("{")
    wrapped = [marker(part, all_kinds=all_kinds) if i % 2 else part for i, part in enumerate(parts)]
    return without_markers("".join(wrapped))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("It rose [{1}].", "It rose."),
        ("It rose [{1},{2}–{4}], and fell ({5}; {6}).", "It rose, and fell."),
        ("It rose {[7]} slowly.", "It rose slowly."),
        ("It rose {(7)}.", "It rose."),
        ("It rose [{1}], [{2}] and [{3}]; later [{4}] it fell.", "It rose; later it fell."),
        ("It rose.{1},{2} Then it fell.", "It rose. Then it fell."),
        ("It rose ([{1}]–4), by (10 [{3}]).", "It rose, by (10)."),
        ("It rose [1–{3}].", "It rose."),
        ("It rose (see {1} and references therein).", "It rose."),
        ("It rose (Figure 2, [{1}]).", "It rose (Figure 2)."),
        ("It rose ([{1}]; p < 0.01).", "It rose (p < 0.01)."),
        ("Holm et al. [{10}] showed it.", "Holm et al. showed it."),
        ("As Holm et al. [{10}].", "As Holm et al."),
        ("It is described in [{3}].", "It is described in [3]."),
        ("See refs. {3},{4}.", "See refs. 3,4."),
        ("[{3}] showed it. [{4}] denied it.", "[3] showed it. [4] denied it."),
        ("It rose. [{3}] Then it fell.", "It rose. Then it fell."),
        ("It rose.{3}Then it fell.", "It rose. Then it fell."),
        ("It rose{*}.", "It rose."),
        ("Holm ({2004}) saw it ({Moss, 2005}; {Reed et al., 1999a,b}).", "Holm (2004) saw it (Moss, 2005; Reed et al., 1999a,b)."),
        ("[{1}, p. 7] No brackets [are lost] (here).", "[1, p. 7] No brackets [are lost] (here)."),
        ("Nothing to do [12].", "Nothing to do [12]."),
    ],
)  # fmt: skip
def test_markers(text: str, expected: str) -> None:
    assert cite(text) == expected


def test_names_and_years_go_if_asked_but_not_out_of_a_sentence() -> None:
    assert cite("It rose ({Moss, 2005}; {Reed, 1999}).", all_kinds=True) == "It rose."
    assert cite("{Moss} saw it (see {Reed, 1999}).", all_kinds=True) == "Moss saw it."


def test_rubbish_is_read_in_linear_time() -> None:
    begin = time.process_time()
    mark = marker("1")
    for piece in (f"[{mark}", f"({mark}, ", f" {mark} and", "[" * 10 + mark, f"{mark}]", "\x01", "\x02n"):
        without_markers(piece * 20_000)
    assert time.process_time() - begin < 2
