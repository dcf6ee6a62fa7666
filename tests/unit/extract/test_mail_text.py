"""Test which lines of a mail are the sender's own: history, forwards, signatures, notices, and the styles."""

from __future__ import annotations

import time

import pytest

from pile_curate.extract.mail_mime import Mail, Part
from pile_curate.extract.mail_quotes import mended
from pile_curate.extract.mail_text import Body, MailStyle, body_of


def body(text: str, subject: str = "x", kind: str = "plain", **style: object) -> Body:
    return body_of(Mail({}, [Part(text, kind)]), subject, MailStyle(**style))  # type: ignore[arg-type]


def text(*args: str, **style: object) -> str:
    return body(*args, **style).text


OUTLOOK = """ -----Original Message-----
From: \tFerris, Tilda
Sent:\tWednesday, November 15, 2000 4:41 AM
To:\tBrandt, Odo
Cc:\tGray, Nell;
\tLund, Matti
Subject:\tcranes

The old words.
"""
BARE = OUTLOOK.partition("\n")[2]
NOTES = """Odo Brandt
11/13/2000 04:10 PM
To: Tilda Ferris/HBR/ECT@ECT
cc: Nell Gray/HBR/ECT@ECT
Subject: cranes

The old words.
"""
FORWARD = "---------------------- Forwarded by Tilda Ferris/HBR/ECT on 11/15/2000 \n10:00 AM -------------------\n\n\n"


@pytest.mark.parametrize(
    "history",
    [
        OUTLOOK,
        BARE,
        NOTES,
        "________________________________\n" + BARE,
        "-----Ursprüngliche Nachricht-----\nVon: A\nGesendet: heute\nAn: B\nBetreff: c\n\nThe old words.",
        "On Monday, 3 May 2004 at 10:00, Tilda wrote:\n> The old words.\n> More of them.",
        "On Mon, 3 May 2004, Tilda Ferris from the harbour office\n<t@x.example> wrote:\n\n> The old words.",
        "Am 3.5.2004 schrieb Tilda:\n> The old words.",
        "At 10:00 3/5/2004, Tilda wrote:\nThe old words.",
        "From:  Odo Brandt on 05/01/2001 10:00 AM\nTo:\tTilda Ferris/HBR@ECT\ncc:\t\nSubject:\tcranes\n\nThe old words.",
    ],
)
def test_history_below_a_reply_is_dropped(history):
    found = body("My own answer.\n\n\n" + history)
    assert found.text == "My own answer." and found.left_out and found.own
    assert "The old words." in text("My own answer.\n\n" + history, quoted="keep")
    marked = text("My own answer.\n\n" + history, quoted="mark")
    assert marked.startswith("My own answer.\n\n>") and "> The old words." in marked


def test_nothing_but_history_leaves_nothing():
    found = body(OUTLOOK)
    assert found.text == "" and found.left_out > 3 and not found.own


def test_a_forward_is_content():
    for message in (
        FORWARD + NOTES,
        FORWARD + "The old words.",
        "---------- Forwarded message ----------\n" + BARE,
    ):
        found = body("For you.\n\n" + message)
        assert found.text == "For you.\n\nThe old words." and found.forwarded
    assert text(OUTLOOK, "FW: cranes") == "The old words."
    assert text(FORWARD + FORWARD + NOTES) == "The old words."


def test_history_inside_a_forward_goes():
    assert text(FORWARD + "Passed on.\n\n" + OUTLOOK) == "Passed on."


def test_short_quotations_that_are_answered_stay():
    mail = "On 3 May 2004, A wrote:\n> Is it late?\n\nYes.\n\n> Very late?\nNo.\n\n> the rest\n> of it"
    assert text(mail) == "> Is it late?\n\nYes.\n\n> Very late?\n\nNo."
    long = "\n".join(["> line"] * 40) + "\n\nYes."
    assert text(long) == "Yes."


def test_marks_of_depth_and_initials_become_one_kind():
    assert text(">> a\n> b\nJD> c\n\nown", quoted="mark") == "> > a\n> b\n> c\n\nown"


@pytest.mark.parametrize(
    "mail",
    [
        "From here on I walked.\n\nDate: not yet.",
        "To: be or not to be.",
        "I wrote: it is late.",
        "a > b\nb > c",
    ],
)
def test_prose_that_looks_like_history_stays(mail):
    assert text(mail, unwrap=False) == mail


SIGNATURE = "Tilda Ferris\nHarbour Office\nPhone: 555-010-4477\nt@x.example"
NOTICE = (
    "This e-mail is confidential and may be privileged. It is for the sole use of the intended\n"
    "recipient. If you have received this in error, delete it and notify the sender."
)
FOOTER = "_______________________________________________\nkilns mailing list\nhttp://lists.example/mailman/listinfo/kilns"


def test_signatures_and_notices():
    for end in (
        f"-- \n{SIGNATURE}",
        SIGNATURE,
        f"{SIGNATURE}\n\n{NOTICE}",
        f"-- \n{SIGNATURE}\n{FOOTER}",
        NOTICE,
        FOOTER,
    ):
        assert text(f"The crane is late.\n\nTilda\n\n{end}") == "The crane is late.\n\nTilda"
    mail = f"The crane is late.\n\n-- \n{SIGNATURE}\n\n{NOTICE}"
    assert text(mail, signatures="mark").endswith(f"late.\n\n-- \n{SIGNATURE}")
    assert text(mail, signatures="keep").endswith(f"late.\n\n{SIGNATURE}")
    assert "privileged" in text(mail, disclaimers="keep")


@pytest.mark.parametrize(
    "end",
    [
        "Call me at 555-010-4477\nOdo",
        "Please send it to t@x.example\nor to o@x.example",
        "See http://x.example\nOdo",
    ],
)
def test_sentences_with_contact_data_are_no_signature(end):
    assert text(end) == end
    assert text(f"The crane is late.\n\n{end}") == f"The crane is late.\n\n{end}"


def test_undecoded_quoted_printable_is_mended():
    assert (
        mended("a line=20\nso=\n it goes, don=01,t =01&ask=018=20\n") == "a line \nso it goes, don’t “ask” \n"
    )
    for whole in ("x=20 is a sum", "E=mc2\na=b\n"):
        assert mended(whole) == whole


def test_flowed_text_is_joined():
    flowed = "One sentence that \ngoes on.\n\n> quoted that \n> goes on\n\nEnd.\n-- \nsig"
    assert text(flowed, "x", "flowed") == "One sentence that goes on.\n\n> quoted that goes on\n\nEnd."
    assert text("a b \nc", "x", "flowed_delsp") == "a bc"


def test_lines_are_joined_where_they_were_filled_and_lists_keep_theirs():
    mail = (
        "The schedule depends on three things that we do not control at all: the\n"
        "tide tables, the survey of the north crane, and the number of barges in\n"
        "the river.\n\n1. tables\n2. a survey that takes long\n   and is late\n\nA short\nverse\n"
    )
    assert text(mail) == (
        "The schedule depends on three things that we do not control at all: the tide tables, the survey of the north "
        "crane, and the number of barges in the river.\n\n1. tables\n2. a survey that takes long and is late\n\nA short\nverse"
    )
    assert "at all: the\ntide" in text(mail, unwrap=False)


def test_marks_of_attachments_go():
    assert (
        text("See this.\n\n - tide table.xls\n<< File: a.doc >>\n(See attached file: b.doc)\n[IMAGE]")
        == "See this."
    )


@pytest.mark.parametrize(
    "line",
    [
        "> " * 5000,
        "From: a\n" * 3,
        "On 1 ",
        "-" * 3000,
        "a@b.example ",
        "\t" * 3000,
        "_" * 300 + "\n",
        "wrote:",
        "\n",
        "> x\n\n",
    ],
)
def test_cost_is_linear(line):
    start = time.process_time()
    body(line * (100_000 // len(line)))
    assert time.process_time() - start < 0.8


def test_a_part_of_a_million_lines_is_not_looked_into():
    start = time.process_time()
    assert len(text("> a\nb\n" * 500_000)) > 2_000_000
    assert time.process_time() - start < 0.5
