"""Cleaning: known answers for each step, equality with ftfy, idempotence."""

from __future__ import annotations

import io
import json
import os
import unicodedata
from pathlib import Path

import pytest
from ftfy import TextFixerConfig, fix_text
from ftfy.badness import BADNESS_RE
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from pile_curate.clean import CODE, PRESETS, PROSE, CleaningConfig, _ftfy, _suspect, clean

ALL_ON = CleaningConfig(unescape_html=True, character_width=True, straight_quotes=True)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("voil\u00c3\u00a0", "voilà"),
        ("â€œquotedâ€\u009d", "“quoted”"),
        ("Ð¿Ñ€Ð¸Ð²ÐµÑ‚", "привет"),
        ("cafe\u0301", "café"),
        ("ﬁne ﬂuid", "fine fluid"),
        ("AT&amp;T and &eacute;tude", "AT&T and étude"),
        ("in HTML write &lt; for < itself", "in HTML write &lt; for < itself"),
        ("a\r\nb\rc\x0bd\x0ce\u2028f\u2029g", "a\nb\nc\nd\ne\nf\n\ng"),
        ("a\x00b\x1bc\x7fd\ufeffe\ufffff", "abcdef"),
        ("1\u00a0000\u202f000", "1 000 000"),
        ("hy\u00adphen", "hyphen"),
        ("\n\n  indented\nend  \t\n\n\n\n\nnext \n", "  indented\nend\n\nnext"),
        ("\ud83d\ude00 and \ud800 alone", "😀 and \ufffd alone"),
        ("“curly” quotes stay, 全角，標點！too", "“curly” quotes stay, 全角，標點！too"),
        ("زمان\u200cبندی", "زمان\u200cبندی"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("", ""),
        (" \n\t\n", ""),
    ],
)
def test_prose(raw: str, expected: str) -> None:
    assert clean(raw) == expected


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (
            "\ufeffif x:  \r\n\treturn '\u00c3\u00a9'\r\n\n\n\n\nend",
            "if x:  \n\treturn '\u00c3\u00a9'\n\n\n\n\nend",
        ),
        ("a\x00\x0cb\u2028c", "ab\u2028c"),
        ("s = 'cafe\u0301 \u00a0&amp;'\n", "s = 'cafe\u0301 \u00a0&amp;'\n"),
    ],
)
def test_code_keeps_everything_but_line_ends_and_controls(raw: str, expected: str) -> None:
    assert clean(raw, CODE) == expected


def test_each_step_can_be_switched_off() -> None:
    raw = "ﬁ \u00c3\u00a9 cafe\u0301\u00a0\x01 \n\n\n\n“q” Ａ&amp;"
    off = {
        "ftfy": (False, "ﬁ \u00c3\u00a9 café"),
        "unescape_html": (False, "&amp;"),
        "latin_ligatures": (False, "ﬁ"),
        "character_width": (True, "A&"),
        "straight_quotes": (True, '"q"'),
        "normal_form": ("none", "cafe\u0301"),
        "control_characters": ("keep", "\x01"),
        "plain_spaces": (False, "\u00a0"),
        "trailing_blanks": (False, " \n"),
        "max_newlines": (None, "\n\n\n\n"),
    }
    for field, (value, sign) in off.items():
        assert sign in clean(raw, PROSE.model_copy(update={field: value})), field
        assert sign not in clean(raw), field


def test_config_is_strict() -> None:
    for bad in ({"ftyf": True}, {"ftfy": "yes"}, {"normal_form": "NFKC"}, {"max_newlines": 0}):
        with pytest.raises(ValidationError):
            CleaningConfig.model_validate(bad)
    for preset in PRESETS.values():
        assert CleaningConfig.model_validate(json.loads(preset.model_dump_json())) == preset


def test_nested_entities_do_not_stall() -> None:
    assert clean("&" + "amp;" * 200_000 + "eacute;") == "é"


# Characters that meet in mojibake, entities, controls: far more telling than text drawn from all of Unicode.
TRICKY = st.text(
    alphabet=st.one_of(
        st.sampled_from(list("abc Z\n\n\t\r.,;&<>#xÃÂâ€™œŒÐÑØÙàé°²«»‹›“”’…–\xa0\xad\x80\x85\x9f\u2028\ufeff\ud800\udc00ﬁＡВЂГўβ€√‚│▀¢ª"
                             "\u0301")),
        st.characters(),
    ),
    max_size=60,
)  # fmt: skip
WORDS = st.lists(
    st.sampled_from(["&amp;", "&lt;", "&eacute;", "&#233;", "&amp;amp;", "Ã©", "Ã ", "â€™", "Â ", "été", "naïve", "\n", " ",
                     "слово", "вЂ", "\x1b[1m", "ﬂ", "\x0c", "日本語、", "<", "caf\u00c3\u00a9".encode().decode("latin-1")]),
    max_size=12,
).map("".join)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.one_of(TRICKY, WORDS), st.sampled_from([PROSE, CODE, ALL_ON]))
def test_idempotent_and_storable(text: str, config: CleaningConfig) -> None:
    once = clean(text, config)
    assert clean(once, config) == once
    once.encode("utf-8")
    assert "\r" not in once and "\x00" not in once


@settings(max_examples=300, deadline=None)
@given(st.one_of(TRICKY, WORDS), st.booleans())
def test_skipping_lines_gives_what_ftfy_gives(text: str, everything: bool) -> None:
    text = text.encode("utf-8", "replace").decode("utf-8")
    config = ALL_ON if everything else PROSE.model_copy(update={"unescape_html": False})
    fixer = TextFixerConfig(
        unescape_html=everything, fix_character_width=everything, uncurl_quotes=everything,
        fix_line_breaks=False, fix_surrogates=False, remove_control_chars=False, normalization=None, explain=False,
    )  # fmt: skip
    text = text.replace("&amp;amp;", "")  # runs of these are folded first, to the same end
    assert _ftfy(text, config) == fix_text(text, fixer)


@settings(max_examples=500, deadline=None)
@given(st.from_regex(BADNESS_RE, fullmatch=True), st.text("aé \n", max_size=2))
def test_whatever_ftfy_calls_bad_is_suspect(bad: str, around: str) -> None:
    assert _suspect(False, False, False, False).search(around + bad + around)


@pytest.mark.skipif("PILE_CURATE_SAMPLES" not in os.environ, reason="PILE_CURATE_SAMPLES is not set")
def test_real_text_is_cleaned_as_ftfy_would() -> None:
    import zstandard

    samples = Path(os.environ["PILE_CURATE_SAMPLES"])
    with open(samples / "jsonl_zst/nltk-000.jsonl.zst", "rb") as raw:
        lines = io.TextIOWrapper(zstandard.ZstdDecompressor().stream_reader(raw), encoding="utf-8")
        texts = [json.loads(line)["text"] for line, _ in zip(lines, range(400), strict=False)]
    texts += [p.read_text("latin-1")[:30_000] for p in sorted((samples / "gutenberg").glob("*.txt"))]
    for text in texts:
        config = PROSE.model_copy(update={"unescape_html": False})
        fixer = TextFixerConfig(
            unescape_html=False, fix_character_width=False, uncurl_quotes=False, explain=False,
        )  # fmt: skip
        ours = clean(text, config)
        theirs = unicodedata.normalize("NFC", fix_text(text, fixer))
        assert ours.split() == clean(theirs, config.model_copy(update={"ftfy": False})).split()
        assert clean(ours, config) == ours
