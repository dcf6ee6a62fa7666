"""Read Stack Exchange data dumps (``Posts.xml``): a question with its best answers is one document.

One record is one ``<row …/>``. Questions and answers lie far apart in the file, so this format is threaded: rows
become parts, grouped by site and question. The text follows The Pile's layout (``Q:`` title, body, ``A:``
answer …; EleutherAI/stackexchange-dataset, pairer.py, which keeps at most 3 answers: the accepted one and those
that score 3 or more). Here the accepted answer comes first, and the least score is 1 by default, because on
small sites 3 loses most of what its readers found useful.

Licences: https://meta.stackexchange.com/q/347758. A post is under the licence that held when its current text was
published: CC BY-SA 2.5 before 2011-04-08, 3.0 before 2018-05-02, 4.0 since. The dump's ``ContentLicense`` says
it; where that column is missing, the date of the last edit decides, else that of creation.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar, Literal

from pydantic import Field

from pile_curate.errors import InputError
from pile_curate.extract.fragment import fragment_text
from pile_curate.extract.xml import XmlError, parse_element
from pile_curate.files import RawFile, Tally
from pile_curate.sources.base import (
    SPLIT_BYTES,
    About,
    Document,
    Outcome,
    Raw,
    Reject,
    SourceFormat,
    SourceOptions,
    Split,
)
from pile_curate.sources.parts import unused, without_copies
from pile_curate.sources.xmldump import aligned_splits, xml_records

_ROW, _ROOT_END = b"<row ", b"</posts>"
_LICENCES = (("2011-04-08", "CC-BY-SA-2.5"), ("2018-05-02", "CC-BY-SA-3.0"))
_POST_TYPES = {
    "3": "orphaned tag wiki", "4": "tag wiki excerpt", "5": "tag wiki", "6": "moderator nomination", "7": "wiki placeholder",
    "8": "privilege wiki", "9": "article", "10": "help article", "12": "collection", "13": "moderator questionnaire",
    "14": "announcement", "15": "collective discussion", "17": "collective collection",
}  # fmt: skip
_DUPLICATE_BANNER = re.compile(r"\A> Possible Duplicate:?[^\n]*\n(?:>[^\n]*\n)*\n*")


class StackExchangeOptions(SourceOptions):
    """Which answers a question is kept with."""

    site: str | None = Field(
        None,
        description="Site (beer.stackexchange.com); by default the name of the folder that holds Posts.xml.",
    )
    max_answers: int = Field(3, ge=1, description="Most answers in a document, the accepted one included.")
    min_score: int = Field(1, description="Least score of an answer that was not accepted. The Pile's is 3.")
    unanswered: Literal["reject", "keep"] = Field(
        "reject", description="Questions without an answer that may be used."
    )


def site_of(rel: str, options: StackExchangeOptions) -> str:
    """Return the site that a file belongs to; "" if neither the option nor a folder says it."""
    if options.site:
        return options.site
    folder = posixpath.basename(posixpath.dirname(rel))
    return folder.removesuffix(".7z").removesuffix("-Posts")


def post_licence(row: dict[str, str]) -> str:
    """Return a post's SPDX licence: as the dump says, else by the date of its current text.

    >>> post_licence({"CreationDate": "2010-01-01T00:00:00.000", "LastEditDate": "2014-01-01T00:00:00.000"})
    'CC-BY-SA-3.0'
    """
    said = row.get("ContentLicense", "").strip()
    if re.fullmatch(r"CC BY-SA \d\.\d", said):
        return said.replace(" ", "-")
    date = row.get("LastEditDate") or row.get("CreationDate", "")
    return next((licence for until, licence in _LICENCES if date[:10] < until), "CC-BY-SA-4.0")


def _tags(text: str) -> list[str]:
    """Read ``<hops><ale>`` (until 2023) or ``|hops|ale|``."""
    return [tag for tag in re.split(r"[<>|]+", text) if tag]


def _integer(text: str) -> int | None:
    return int(text) if re.fullmatch(r"-?[0-9]{1,18}", text) else None


class StackExchangeSource(SourceFormat):
    """Stack Exchange ``Posts.xml``, plain or compressed; plain files are read in parallel."""

    name: ClassVar[str] = "stackexchange"
    version: ClassVar[int] = 1
    summary: ClassVar[str] = "Stack Exchange dumps (Posts.xml): a question with its best answers"
    suffixes: ClassVar[tuple[str, ...]] = ("Posts.xml", "Posts.xml.gz", "Posts.xml.zst", "Posts.xml.bz2")
    Options: ClassVar[type[SourceOptions]] = StackExchangeOptions
    about: ClassVar[About] = About(
        publisher="Stack Exchange, at the Internet Archive",
        where="https://archive.org/details/stackexchange",
        licence="CC-BY-SA-4.0",
        consent="author",
        size="about 100 GB for Posts.xml of Stack Overflow",
        splits="plain files at rows; threads meet once, by question",
        example="*/Posts.xml",
    )
    threaded: ClassVar[bool] = True

    def discover(self, root: str, patterns: Sequence[str], options: StackExchangeOptions) -> list[RawFile]:
        """List the files; each must have a site, because post numbers begin at 1 on every site."""
        files = super().discover(root, patterns, options)
        for file in files:
            if not site_of(file.rel, options):
                raise InputError(
                    f"{file.rel!r} lies in no folder named after its site; move it into one "
                    "(beer.stackexchange.com/Posts.xml) or set the option 'site'"
                )
        return files

    def splits(self, files: Sequence[RawFile], options: Any, target: int = SPLIT_BYTES) -> list[Split]:
        """Cut plain files at rows."""
        return aligned_splits(files, _ROW, target)

    def frames(self, split: Split, options: StackExchangeOptions, tally: Tally) -> Iterator[Raw | Reject]:
        """Yield each ``<row …/>``."""
        yield from xml_records(split, tally, _ROW, b"", _ROOT_END, lambda file: {})

    def parse(self, raw: Raw, options: StackExchangeOptions) -> list[Outcome]:
        """Turn one row into a part of a thread, its body as text, or a reject."""
        size = len(raw.body)

        def reject(
            reason: str, detail: str = "", kind: Literal["policy", "error"] = "error", key: str = ""
        ) -> list[Outcome]:
            return [Reject(reason, raw.rel, raw.record, detail, key, kind, raw_bytes=size)]

        try:
            row = dict(parse_element(raw.body).attrib)
        except XmlError as error:
            return reject("xml_error", str(error))
        site = site_of(raw.rel, options)
        post, kind = _integer(row.get("Id", "")), row.get("PostTypeId", "")
        if post is None or not site:
            return reject("no_post_id", f"site {site!r}, Id {row.get('Id')!r}: both are needed")
        key = f"{site}/{post}"
        if kind not in ("1", "2"):
            return reject("post_type", _POST_TYPES.get(kind, f"PostTypeId {kind!r}"), "policy", key)
        question = post if kind == "1" else _integer(row.get("ParentId", ""))
        score = _integer(row.get("Score", "0"))
        if question is None or score is None:
            return reject(
                "bad_post", f"ParentId {row.get('ParentId')!r}, Score {row.get('Score')!r}", key=key
            )
        meta = {
            "thread": f"{site}/{question}",
            "post": post,
            "question": kind == "1",
            "score": score,
            "accepted": _integer(row.get("AcceptedAnswerId", "")),
            "tags": _tags(row.get("Tags", "")),
            "created": row.get("CreationDate", ""),
            "author": row.get("OwnerUserId") or row.get("OwnerDisplayName", ""),
        }
        text = fragment_text(row.get("Body", ""))
        if kind == "1":
            text = _DUPLICATE_BANNER.sub("", text)
        return [
            Document(
                key=key,
                text=text,
                rel=raw.rel,
                record=raw.record,
                title=" ".join(row.get("Title", "").split()),
                licence=post_licence(row),
                raw_bytes=size,
                meta=meta,
            )
        ]

    def assemble(
        self, thread: str, parts: Sequence[Document], options: StackExchangeOptions
    ) -> list[Outcome]:
        """Make a question and its best answers one document; every part that is not in it is rejected by reason."""
        unique, outcomes = without_copies(parts)
        questions = [part for part in unique if part.meta["question"]]
        answers = [part for part in unique if not part.meta["question"]]
        if not questions:
            return outcomes + [
                unused(part, "orphan_answer", f"the dump holds no question {thread}") for part in answers
            ]
        question = questions[0]
        best, rest = _best(question, answers, options)
        if not best and options.unanswered == "reject":
            outcomes.append(
                unused(
                    question,
                    "no_answer",
                    f"{len(answers)} answers, none accepted or scoring {options.min_score}",
                )
            )
            return outcomes + [unused(part, "answer_not_used", "the question is not used") for part in rest]
        outcomes.append(_document(thread, question, best))
        return outcomes + [unused(part, "answer_not_used", f"score {part.meta['score']}") for part in rest]


def _best(
    question: Document, answers: Sequence[Document], options: StackExchangeOptions
) -> tuple[list[Document], list[Document]]:
    """Split answers into used and unused: the accepted one first, then by score, then the older number."""
    accepted = question.meta["accepted"]
    ranked = sorted(answers, key=lambda a: (a.meta["post"] != accepted, -a.meta["score"], a.meta["post"]))
    usable = [
        a for a in ranked if a.text and (a.meta["post"] == accepted or a.meta["score"] >= options.min_score)
    ]
    best = usable[: options.max_answers]
    chosen = {answer.key for answer in best}
    return best, [answer for answer in ranked if answer.key not in chosen]


def _document(thread: str, question: Document, best: Sequence[Document]) -> Document:
    used = [question, *best]
    asked = "\n\n".join(part for part in (question.title, question.text) if part)
    site, _, number = thread.rpartition("/")
    return Document(
        key=thread,
        text="\n\n".join([f"Q:\n\n{asked}", *(f"A:\n\n{answer.text}" for answer in best)]),
        rel=question.rel,
        record=question.record,
        url=f"https://{site}/questions/{number}",
        title=question.title,
        licence=" AND ".join(sorted({part.licence for part in used if part.licence})),
        records=len(used),
        raw_bytes=sum(part.raw_bytes for part in used),
        meta={
            "site": site,
            "tags": question.meta["tags"],
            "score": question.meta["score"],
            "created": question.meta["created"],
            "answers": [answer.meta["post"] for answer in best],
            "answer_scores": [answer.meta["score"] for answer in best],
            "authors": list(dict.fromkeys(part.meta["author"] for part in used if part.meta["author"])),
        },
    )
