"""The word rule: known answers, the shipped table, and the kernel against the plain statement."""

from __future__ import annotations

import unicodedata

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pile_curate import unicode_tables, word_hashes, words
from tests import reference


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        (" \t\n.,;!", []),
        ("It's 3.14", ["it", "s", "3", "14"]),
        ("Straße STRASSE ẞ", ["straße", "strasse", "ß"]),  # simple folding: one code point stays one
        ("İstanbul", ["İstanbul"]),  # U+0130 has only a full and a Turkic folding
        ("ΣΊΣΥΦΟΣ σίσυφος", ["σίσυφοσ", "σίσυφοσ"]),
        ("e\u0301tude", ["e\u0301tude"]),  # marks stay, no normal form
        ("étude", ["étude"]),
        ("\u0301a \u0301 b\u0301\u0302", ["a", "b\u0301\u0302"]),  # a mark after no letter separates
        ("हिन्दी भाषा", ["हिन्दी", "भाषा"]),
        ("東京タワー2020年", ["東", "京", "タ", "ワ", "ー", "2020", "年"]),
        ("ﾊﾟｰ々〻", ["ﾊ", "ﾟ", "ｰ", "々", "〻"]),
        ("ที่นี่ ๒๕๖๗", ["ที่", "นี่", "๒๕๖๗"]),  # letters with their marks; digits are not letters
        ("ខ្មែរ བོད", ["ខ្", "មែ", "រ", "བོ", "ད"]),
        ("abc東def", ["abc", "東", "def"]),
        ("한국어 텍스트", ["한국어", "텍스트"]),  # Hangul is written with spaces
        ("x²½Ⅷ", ["x²½ⅷ"]),
        ("𝐀𐐀𠀀", ["𝐀𐐨", "𠀀"]),
        ("a_b-c\u200dd", ["a", "b", "c", "d"]),
    ],
)
def test_split_known_answers(text: str, expected: list[str]) -> None:
    assert words.split(text) == expected


def test_table_is_what_the_generator_writes() -> None:
    if unicodedata.unidata_version != unicode_tables.UNICODE_VERSION:
        pytest.skip(f"this Python has Unicode {unicodedata.unidata_version}; the table is of another version")
    with open(unicode_tables.__file__, encoding="utf-8") as file:
        assert file.read() == words.render_tables()


def test_table_of_old_characters_holds_under_any_python() -> None:
    old = [c for c in range(0x3000) if unicodedata.ucd_3_2_0.category(chr(c)) not in ("Cn", "Co")]
    kind = words.tables().kind
    for code in old:
        category = unicodedata.category(chr(code))[0]
        allowed = {"L": (words.WORD, words.LETTER), "N": (words.WORD,), "M": (words.MARK,)}
        assert kind[code] in allowed.get(category, (words.SEPARATOR,)), hex(code)


def kernel_words(raw: bytes, size: int = 7) -> list[int]:
    data = np.frombuffer(raw, np.uint8)
    table, out = word_hashes.lookup(), np.zeros(size, np.uint64)
    found: list[int] = []
    i = 0
    while i < data.size:
        i, count = word_hashes.hash_words(data, i, data.size, table.kind, table.utf8, out)
        found += [int(h) for h in out[:count]]
    return found


PIECES = st.sampled_from(
    ["a", "Bc", "ß", "é", "e\u0301", "\u0345", "東", "ー", "ท", "ี่", "Ж", "\u212a", "𐐀", "𠀀", "9", "٣", " ", ". ", "\x00",
     "\u00ad", "internationalisation", "abcdefgh", "ABCDEFGHI", "\u20dd", "ı", "\ufffd"]
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.one_of(st.text(), st.lists(PIECES, max_size=40).map("".join)))
def test_kernel_equals_the_rule_on_any_text(text: str) -> None:
    text = text.encode("utf-8", "replace").decode()
    assert kernel_words(text.encode()) == [reference.word_hash(w) for w in words.split(text)]


@settings(max_examples=300, deadline=None)
@given(st.lists(st.one_of(st.binary(max_size=6), PIECES.map(str.encode)), max_size=20).map(b"".join))
def test_kernel_takes_bytes_that_are_not_utf8_as_separators(raw: bytes) -> None:
    assert kernel_words(raw) == [reference.word_hash(w) for w in reference.words_of(raw)]


def test_every_code_point_alone_and_between_letters() -> None:
    codes = [c for c in range(words.CODE_POINTS) if not 0xD800 <= c < 0xE000]
    step = [chr(c) for c in codes if c < 0x3100 or 0xA000 <= c < 0xABFF or c >= 0xF900 or c % 97 == 0]
    text = " ".join(step[:20000]) + "".join(f" x{c}y" for c in step[:12000:3])
    assert kernel_words(text.encode(), 4096) == [reference.word_hash(w) for w in words.split(text)]


@pytest.mark.parametrize(
    "broken",
    [b"\xc0\xaf", b"\xe0\x80\xaf", b"\xf0\x80\x80\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xff", b"\xe2\x82", b"\xf0\x9f\x98"],
)  # fmt: skip
def test_malformed_utf8_known_answers(broken: bytes) -> None:
    expected = [reference.word_hash("a"), reference.word_hash("b")]
    assert kernel_words(b"a" + broken + b"b") == expected
    assert kernel_words(b"a b" + broken) == expected


def test_a_truncated_character_never_reads_the_next_document() -> None:
    texts = pa.array([b"caf\xc3", b"\xa9 au lait"], pa.binary())
    buffers, table, out = word_hashes.text_buffers(texts), word_hashes.lookup(), np.zeros(9, np.uint64)
    _, count = word_hashes.hash_words(
        buffers.data, buffers.offsets[0], buffers.offsets[1], table.kind, table.utf8, out
    )
    assert [int(h) for h in out[:count]] == [reference.word_hash("caf")]


CUT = ["é", "Ж", "ς", "東", "か", "한", "ệ", "、", "，", "ā", "ท", "𐐀"]


@pytest.mark.parametrize("character", CUT)
@pytest.mark.parametrize("before", [0, 30, 61, 62, 63, 64])
def test_a_character_cut_by_the_documents_end_or_by_another_byte(character: str, before: int) -> None:
    """The bytes that would complete it follow in the buffer, and enough of them for 64 to be read at once."""
    raw = character.encode()
    table, out = word_hashes.lookup(), np.zeros(400, np.uint64)
    for size in range(1, len(raw) + 1):
        document = b"x" * before + raw[:size]
        data = np.frombuffer(document + raw[size:] + "follows東é ".encode() * 20, np.uint8)
        _, count = word_hashes.hash_words(data, 0, len(document), table.kind, table.utf8, out)
        expected = [reference.word_hash(w) for w in reference.words_of(document)]
        assert [int(h) for h in out[:count]] == expected
        broken = document + b"A" + raw[size:] + b" then" * 20
        assert kernel_words(broken, 64) == [reference.word_hash(w) for w in reference.words_of(broken)]


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.one_of(st.text(max_size=8), PIECES, st.sampled_from(CUT)), min_size=20, max_size=120).map(
        "".join
    )
)
def test_kernel_equals_the_rule_on_blocks_of_any_script(text: str) -> None:
    text = text.encode("utf-8", "replace").decode()
    assert kernel_words(text.encode(), 512) == [reference.word_hash(w) for w in words.split(text)]


def test_text_buffers_refuses_other_types_by_name() -> None:
    with pytest.raises(TypeError, match="int64; allowed: string"):
        word_hashes.text_buffers(pa.array([1]))
    with pytest.raises(TypeError, match="ChunkedArray"):
        word_hashes.text_buffers(pa.chunked_array([["a"]]))
