"""Test OPUS documents: sentences over times, tokens joined again, and what is no document."""

from __future__ import annotations

import time

import pytest

from pile_curate.extract.opus import OpusError, detokenized, read_opus


@pytest.mark.parametrize(
    ("tokens", "language", "text"),
    [
        ("I ca n't , and you 're late .", "en", "I can't, and you're late."),
        ("It 's John 's ( old ) dog !", "en", "It's John's (old) dog!"),
        ('" Stop , " he said , " now . "', "en", '"Stop," he said, "now."'),
        ("- No ! - Yes ?", "en", "- No! - Yes?"),
        ("We 're gon na pay $ 5 .", "en", "We're gonna pay $5."),
        ("the boys ' room", "en", "the boys' room"),
        ("I ’ m here , let 'em in", "en", "I’m here, let 'em in"),
        ("`` Go . '' He went ....", "en", "``Go.'' He went...."),
        ("rock n roll", "en", "rock n roll"),
        ("L' eau , c' est bon !", "fr", "L'eau, c'est bon !"),
        ("dell' acqua", "it", "dell'acqua"),
        ("¿ Qué pasa ?", "es", "¿Qué pasa?"),
        ("我 知道 了 。", "zh_cn", "我知道了。"),
        ("今日 は OK です", "ja", "今日は OK です"),
        ("", "en", ""),
    ],
)
def test_tokens_are_joined(tokens: str, language: str, text: str) -> None:
    assert detokenized([(token, None) for token in tokens.split()], language) == text


def test_the_parsed_tree_says_its_spaces() -> None:
    words = '<w misc="SpaceAfter=No">a</w><w misc="_">/</w><w misc="SpaceAfter=No">b</w><w misc="_">.</w>'
    found = read_opus(f"<document><s>{words}</s></document>".encode())
    assert found.cues[0].lines == ("a/ b.",) and found.tokenized


def test_times_lie_inside_sentences_and_are_carried_on() -> None:
    data = (
        b'<document id="7"><s><time id="T1S" value="00:00:01,500"/>One</s><s>two.<time id="T1E" value="00:00:03,0"/></s>'
        b'<s><time id="T2S" value="00:01:00,000"/>a<time id="T2E" value="00:01:02,000"/>'
        b'<time id="T3S" value="bad"/>b<time id="T3E" value="00:01:09,000"/></s></document>'
    )
    found = read_opus(data)
    assert [(c.start, c.end, c.lines) for c in found.cues] == [
        (1.5, None, ("One",)),
        (1.5, 3.0, ("two.",)),
        (60.0, 69.0, ("a", "b")),
    ]


def test_meta_is_named_by_section() -> None:
    data = b"<document><meta><source><year>1999</year></source><x>1</x></meta><s>a</s></document>"
    assert read_opus(data).meta == {"source.year": "1999", "x": "1"}


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"<document><s>", "xml_error"),
        (b"", "xml_error"),
        (b"\xff\xfe\x00", "xml_error"),
        (b"<html/>", "not_opus"),
        (b'<!DOCTYPE d [<!ENTITY a "b">]><document>&a;</document>', "xml_entities"),
        (b"<document><s>caf\xe9</s></document>", "xml_error"),
    ],
)
def test_damage_says_why(data: bytes, reason: str) -> None:
    with pytest.raises(OpusError) as caught:
        read_opus(data)
    assert caught.value.reason == reason


def test_a_million_facts_are_not_kept() -> None:
    begun = time.process_time()
    found = read_opus(b"<document><meta>" + b"<a>b</a>" * 200_000 + b"</meta><s>x</s></document>")
    assert time.process_time() - begun < 1.5 and found.meta == {"a": "b"}


@pytest.mark.parametrize("tag", ["s", "w", "meta"])
def test_a_hundred_thousand_nested_tags_cost_linear_time(tag: str) -> None:
    nested = f"<{tag}>" * 100_000 + "x" + f"</{tag}>" * 100_000
    begun = time.process_time()
    read_opus(
        f"<document>{'<s>' if tag == 'w' else ''}{nested}{'</s>' if tag == 'w' else ''}</document>".encode()
    )
    assert time.process_time() - begun < 1.5
