"""Abstracts of PubMed: what publishers left at their ends."""

from xml.etree.ElementTree import fromstring

import pytest

from pile_curate.extract.medline import abstract_text


def text(inner: str) -> str:
    return abstract_text(fromstring(f"<Abstract><AbstractText>{inner}</AbstractText></Abstract>"))


@pytest.mark.parametrize(
    "notice",
    [
        "Copyright 2001 Quay Press, Inc. All rights reserved.",
        "(c) 2001 Quay Press.",
        "© 2014 Quay Press, Inc.",
        "[Copyright (c) 2003, Quay]",
        "Crown Copyright © 2009. Published by Quay Ltd. All rights reserved.",
        "Published by Quay Inc. All rights reserved.",
        "All rights reserved.",
    ],
)
def test_copyright_notices_go(notice: str) -> None:
    assert text(f"The tide rose. {notice}") == "The tide rose."


@pytest.mark.parametrize(
    "sentence",
    [
        "The tide rose (c. 2001 m). It fell in 2002.",
        "Copyright 2001 was a bad year.",
        "Did the copyright 2001 law help? It did.",
        "All rights were reserved for gulls.",
    ],
)
def test_sentences_stay(sentence: str) -> None:
    assert text(sentence) == sentence


def test_a_blank_before_a_point_goes() -> None:
    assert text("(Quay 1 number, NCT01234567 .).") == "(Quay 1 number, NCT01234567.)."
