from types import SimpleNamespace

import pyarrow as pa

from pile_curate.quality.rules import PRESETS, bounds_text, evaluate
from pile_curate.schema import GOPHER_QUALITY, GOPHER_REPETITION, SIGNALS


def batch(*rows):
    plain = {name: 0.0 for name in SIGNALS} | {
        "word_count": 500.0, "mean_word_length": 5.0, "alpha_word_fraction": 0.95, "stop_word_count": 5.0,
        "language": "en", "language_score": 0.9, "text_bytes": 3000,
    }  # fmt: skip
    return pa.RecordBatch.from_pylist([plain | row for row in rows])


def settings(language=None, quality=None):
    return SimpleNamespace(language=language, quality=quality)


GOPHER = SimpleNamespace(presets=("gopher_quality", "gopher_repetition"), languages=("en",), rules=())


def test_presets_name_exactly_the_published_signals():
    assert tuple(PRESETS["gopher_quality"]) == GOPHER_QUALITY
    assert tuple(PRESETS["gopher_repetition"]) == GOPHER_REPETITION


def test_a_threshold_itself_stays_and_the_next_value_goes():
    rows = [
        {"word_count": 50.0},
        {"word_count": 49.0},
        {"word_count": 100_001.0},
        {"duplicate_line_fraction": 0.3},
    ]
    found = evaluate(batch(*rows), settings(quality=GOPHER))
    assert found["rule"] == ["", "gopher_quality.word_count", "gopher_quality.word_count", ""]
    assert found["measured"][1] == "49" and found["threshold"][1] == "at least 50 and at most 100000"


def test_presets_spare_other_languages():
    found = evaluate(
        batch({"word_count": 3.0}, {"word_count": 3.0, "language": "de"}), settings(quality=GOPHER)
    )
    assert found["rule"] == ["gopher_quality.word_count", ""]


def test_language_comes_first_and_every_failure_is_listed():
    rule = SimpleNamespace(min_score=0.65, allow=("de", "en"))
    rows = [{"language": "fr", "language_score": 0.5, "word_count": 1.0}, {"language_score": 0.65}]
    found = evaluate(batch(*rows), settings(language=rule, quality=GOPHER))
    assert found["rule"] == ["language", ""]
    assert found["threshold"][0] == "one of de, en" and found["measured"][0] == "fr"
    assert found["failed"][0] == ["language", "language_score"]


def test_own_rules_and_their_languages():
    own = SimpleNamespace(signal="text_bytes", min=None, max=1000.0, languages=("en",))
    quality = SimpleNamespace(presets=(), languages=("en",), rules=(own,))
    found = evaluate(batch({}, {"language": "de"}), settings(quality=quality))
    assert found["rule"] == ["rule.text_bytes", ""] and found["measured"][0] == "3000"


def test_no_rules_keep_everything():
    assert evaluate(batch({"word_count": 0.0}), settings())["rule"] == [""]


def test_bounds_in_words():
    assert bounds_text(2, None) == "at least 2" and bounds_text(None, 0.1) == "at most 0.1"
