"""``why``: stage, rule, value and threshold, or the twin and its similarity, or the reject's reason."""

from __future__ import annotations

from pile_curate.report.why import explain, explain_many, explain_missing, explain_reject

DOCUMENT = {
    "doc_id": bytes(range(16)),
    "source": "wiki",
    "split": "train",
    "title": "Tide\n mill \x1b[31m",
    "url": "https://example.org/t",
    "key": "42",
    "file": "dump.xml.bz2",
    "record": 7,
    "licence": "CC-BY-SA-4.0",
    "consent": "author",
    "language": "en",
    "language_score": 0.9871,
    "words": 1234,
    "text_bytes": 7200,
    "extractor": "mediawiki 1",
}
KEPT = {"kept": True, "stage": "", "reason": "", "twin": None}
RULE = {
    "kept": False,
    "stage": "decide",
    "reason": "word_count",
    "measured": "12",
    "threshold": ">= 50",
    "twin": None,
}
NEAR = {
    "kept": False,
    "stage": "dedup",
    "reason": "near_duplicate",
    "twin": bytes(16),
    "jaccard": 0.8711,
    "cross_split": True,
}


def test_a_kept_document() -> None:
    text = explain(DOCUMENT, KEPT, shards=["shards/a.parquet"])
    assert text.splitlines()[0] == "document 000102030405060708090a0b0c0d0e0f"
    assert "KEPT" in text and "in shards/a.parquet" in text
    assert "title     Tide mill \ufffd[31m" in text and "\x1b" not in text
    assert "read from dump.xml.bz2, record 7" in text and "CC-BY-SA-4.0, consent author" in text
    assert "language en (0.99), 1,234 words, 7.0 KiB" in text


def test_a_rule_with_value_and_threshold() -> None:
    text = explain(DOCUMENT, RULE, failed=["word_count", "stop_word_count"])
    assert "DROPPED at decide: rule word_count" in text
    assert "measured 12, threshold >= 50" in text and "it also failed: stop_word_count" in text


def test_a_copy_names_its_twin() -> None:
    twin = {"doc_id": bytes(16), "source": "books", "split": "test", "title": "", "url": "https://x"}
    text = explain(DOCUMENT, NEAR, twin=twin)
    assert "DROPPED at dedup: near duplicate, nearly the text of a document that was kept" in text
    assert f"kept: {'00' * 16}  books  https://x" in text
    assert "0.8711" in text and "in another split (test)" in text
    assert f"kept: {'00' * 16}" in explain(DOCUMENT, NEAR)
    exact = explain(DOCUMENT, {**NEAR, "reason": "exact_duplicate", "jaccard": 1.0, "cross_split": False})
    assert "the same text as" in exact and "another split" not in exact


def test_before_select_nothing_is_decided() -> None:
    assert "UNDECIDED" in explain({"doc_id": "ab" * 16, "source": "s"}, None)


def test_a_reject() -> None:
    row = {
        "stage": "extract",
        "source": "wiki",
        "file": "a.xml",
        "record": 3,
        "key": "",
        "kind": "error",
        "reason": "truncated_record",
        "detail": "ends at byte 17",
    }
    text = explain_reject(row)
    assert "record of wiki: a.xml, record 3" in text
    assert "REJECTED at extract: truncated record (damage" in text and "ends at byte 17" in text
    assert "meant so" in explain_reject({**row, "kind": "policy", "reason": "redirect"})


def test_unknown_and_ambiguous_prefixes() -> None:
    assert "'ff'; 1,000 documents" in explain_missing("ff", 1000)
    text = explain_many("00", [DOCUMENT, {**DOCUMENT, "title": None}], more=True)
    assert text.startswith("More than 2 documents' ids begin with '00'") and "Tide mill" in text


def test_what_was_cut_from_a_kept_document() -> None:
    spans = [{"start": 10 * n, "end": 10 * n + 5, "kind": "repeated_paragraph"} for n in range(25)]
    kept = {**KEPT, "edits": 25, "removed_bytes": 2048}
    text = explain(DOCUMENT, kept, shards=["s"], edits=spans)
    assert "25 edits took 2.0 KiB from it" in text and "repeated paragraph: characters 10 to 15" in text
    assert "... and 5 more" in text
    assert "took" not in explain(DOCUMENT, KEPT, shards=["s"])


def test_a_document_without_anything_of_its_own() -> None:
    row = {
        **RULE,
        "stage": "edits",
        "reason": "all_paragraphs_repeated",
        "measured": "3 of 90 words left",
        "threshold": "at least 10",
    }
    text = explain(DOCUMENT, row)
    assert "DROPPED at edits: all paragraphs repeated" in text
    assert "measured 3 of 90 words left, threshold at least 10" in text


def test_unverified_copies_and_copies_by_url() -> None:
    text = explain(DOCUMENT, {**NEAR, "reason": "near_unverified_duplicate"})
    assert "UNVERIFIED" in text and "perhaps nearly the text of" in text
    assert "Estimated Jaccard similarity of their word shingles: 0.8711" in text
    text = explain(DOCUMENT, {**NEAR, "reason": "url_duplicate", "jaccard": None})
    assert "url duplicate, the same web address as a document" in text and "Jaccard" not in text
    twin = {"doc_id": bytes(16), "source": "b", "title": "t", "kept": False, "stage": "edits"}
    assert "dropped later, at edits" in explain(DOCUMENT, NEAR, twin=twin)
