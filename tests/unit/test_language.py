import hashlib

import pytest

from pile_curate.errors import ModelError
from pile_curate.fasttext import SHIPPED, SHIPPED_SHA256, load_model
from pile_curate.language import identify

SENTENCES = {
    "en": "The harbour master wrote the names of all ships into a large book every evening.",
    "de": "Der Hafenmeister schrieb jeden Abend die Namen aller Schiffe in ein großes Buch.",
    "fr": "Le maître du port notait chaque soir les noms de tous les navires dans un grand livre.",
    "es": "El capitán del puerto anotaba cada noche los nombres de todos los barcos en un libro grande.",
    "ru": "Начальник порта каждый вечер записывал названия всех кораблей в большую книгу.",
    "ja": "港長は毎晩、すべての船の名前を大きな本に書き込んだ。",
    "ar": "كان مدير الميناء يكتب أسماء جميع السفن في كتاب كبير كل مساء.",
}


def test_known_languages_and_rounded_scores():
    found = identify(list(SENTENCES.values()))
    assert [language for language, _ in found] == list(SENTENCES)
    assert all(0.65 <= score <= 1 and score == round(score, 4) for _, score in found)


def test_white_space_does_not_change_the_answer_and_order_does_not_matter():
    texts = list(SENTENCES.values())
    folded = [text.replace(" ", "\n\t ") for text in texts]
    assert identify(folded) == identify(texts) == identify(texts[::-1])[::-1]


@pytest.mark.parametrize("text", ["", " \n", "12345 67", "\u200b", "----", "😀😀"])
def test_a_text_without_letters_is_undetermined(text):
    assert identify([text]) == [("und", 0.0)]


def test_the_shipped_model_is_the_one_that_was_checked():
    assert hashlib.sha256(SHIPPED.read_bytes()).hexdigest() == SHIPPED_SHA256
    assert (SHIPPED.parent / "NOTICE").read_text().startswith("lid.176.ftz")


def test_another_model_by_path_needs_its_sha256(tmp_path):
    copy = tmp_path / "copy.ftz"
    copy.write_bytes(SHIPPED.read_bytes())
    assert identify([SENTENCES["de"]], path=str(copy), sha256=SHIPPED_SHA256)[0][0] == "de"
    with pytest.raises(ModelError, match="expected 000"):
        load_model(str(copy), "0" * 64)
    with pytest.raises(ModelError, match="cannot be read"):
        load_model(str(tmp_path / "absent.bin"), SHIPPED_SHA256)
    junk = tmp_path / "junk.bin"
    junk.write_bytes(b"not a model" * 10)
    with pytest.raises(ModelError, match="not a model"):
        load_model(str(junk), hashlib.sha256(junk.read_bytes()).hexdigest())


def test_a_long_text_is_judged_by_all_of_it():
    opening = SENTENCES["ja"] * 40  # more than 1,000 characters
    book = opening + "\n" + (SENTENCES["de"] + "\n") * 400
    assert identify([book])[0][0] == "de"
