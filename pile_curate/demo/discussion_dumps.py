"""Turn the demo's discussions, court opinions and exercises into the raw formats of their publishers."""

from __future__ import annotations

import bz2
import gzip
import html
import io
import json
import random
import tarfile
import textwrap
from typing import Any

import zstandard

from pile_curate.demo.dumps import load

_TIME = 1_500_000_000
_COLUMNS = (
    "id,date_created,date_modified,author_str,per_curiam,joined_by_str,type,sha1,page_count,download_url,local_path,"
    "plain_text,html,html_lawbox,html_columbia,html_anon_2020,xml_harvard,html_with_citations,extracted_by_ocr,"
    "author_id,cluster_id"
)


def dumps() -> dict[str, bytes]:
    """Return relative path to bytes of the four dumps; each holds a record that is broken."""
    return {**hackernews(), **reddit(), **freelaw(), **mathematics()}


def _lines(records: list[dict[str, Any]], broken: str) -> bytes:
    """Return JSON lines; the broken one stands in the middle."""
    lines = [json.dumps(record, ensure_ascii=False) for record in records]
    lines.insert(len(lines) // 2, broken)
    return "".join(f"{line}\n" for line in lines).encode("utf-8")


def _parents(comments: list[list[Any]], first: int) -> list[tuple[int, int | None]]:
    """Return (number, parent's number or None) of each comment, from their depths."""
    above: list[int] = []
    out: list[tuple[int, int | None]] = []
    for number, comment in enumerate(comments, first):
        depth = comment[1]
        out.append((number, above[depth - 1] if depth else None))
        above[depth:] = [number]
    return out


def hackernews() -> dict[str, bytes]:
    """Return items as the Firebase API gives them, in the order of their numbers, in two files that share threads."""
    items: list[dict[str, Any]] = []
    number = 7100
    for story in load("discussions.yaml")["hackernews"]:
        parents = _parents(story["comments"], number)
        number += len(parents)
        item = {"by": story["by"], "id": story["id"], "score": story["score"], "time": _TIME + story["id"]}
        item |= {"title": story["title"], "type": story.get("type", "story"), "url": story["url"]}
        item |= {"text": html.escape(story["text"]), "descendants": len(parents)}
        item["kids"] = [node for node, parent in parents if parent is None]
        items.append({name: value for name, value in item.items() if value not in ("", [])})
        for text, votes in story.get("options", []):
            option = {"id": number, "poll": story["id"], "text": text, "score": votes, "type": "pollopt"}
            items.append({"by": story["by"], "time": _TIME + story["id"], **option})
            number += 1
        for (author, _, text), (node, parent) in zip(story["comments"], parents, strict=True):
            base = {"id": node, "parent": parent or story["id"], "time": _TIME + node, "type": "comment"}
            said = "<p>".join(html.escape(part) for part in text.split("\n\n"))
            items.append({**base, "by": author, "text": said} if text else {**base, "deleted": True})
    items.sort(key=lambda item: int(item["id"]))
    half = len(items) // 3
    return {
        "hackernews/items-000.jsonl": _lines(items[:half], '{"id": 6999, "type": "comment", "text": "Cut'),
        "hackernews/items-001.jsonl.gz": gzip.compress(_lines(items[half:], "null"), mtime=0),
    }


def reddit() -> dict[str, bytes]:
    """Return a file of submissions and one of comments."""
    posts: list[dict[str, Any]] = []
    comments: list[dict[str, Any]] = []
    number = 1
    for post in load("discussions.yaml")["reddit"]:
        facts = {"id": post["id"], "author": post["author"], "score": post["score"], "over_18": False}
        facts |= {
            "subreddit": post["subreddit"],
            "created_utc": _TIME + number,
            "is_self": "link" not in post,
        }
        facts |= {"title": html.escape(post["title"], quote=False)}
        facts |= {"selftext": html.escape(post["text"], quote=False)}
        posts.append(facts | {"url": post.get("link", f"https://www.reddit.com/comments/{post['id']}/")})
        parents = _parents(post["comments"], number)
        for (author, _, score, text), (node, parent) in zip(post["comments"], parents, strict=True):
            above = f"t3_{post['id']}" if parent is None else f"t1_c{parent}"
            base = {"id": f"c{node}", "link_id": f"t3_{post['id']}", "parent_id": above, "score": score}
            said = {
                "body": html.escape(text, quote=False) or "[removed]",
                "author": author if text else "[deleted]",
            }
            comments.append(base | said | {"subreddit": post["subreddit"], "created_utc": _TIME + node})
        number += len(parents)
    packed = zstandard.ZstdCompressor(level=3).compress
    return {
        "reddit/RS_2017-07.zst": packed(_lines(posts, '{"id": "hb9", "title": "Cut')),
        "reddit/RC_2017-07.zst": packed(
            _lines(comments, '{"id": "c99", "body": "No submission", "link_id": 7}')
        ),
    }


def freelaw() -> dict[str, bytes]:
    """Return one court's opinions as bulk CSV and the other's as bulk JSON, each with one that is broken."""
    rows: list[str] = []
    members: dict[str, bytes] = {}
    for opinion in load("opinions.yaml")["opinions"]:
        form, text = opinion["form"], _opinion_text(opinion)
        kind = "040dissent" if opinion["author"] == "Gull" else "010combined"
        if opinion["court"] == "harbctapp":
            facts = {
                "id": opinion["id"],
                "date_created": f"{opinion['date']} 08:00:00+00",
                "type": kind,
                form: text,
            }
            facts |= {
                "author_str": opinion["author"],
                "cluster_id": opinion["cluster"],
                "extracted_by_ocr": "f",
            }
            rows.append(",".join(_quoted(facts.get(name, "")) for name in _COLUMNS.split(",")) + "\n")
        else:
            address = "/api/rest/v3/{}/{}/".format
            facts = {"resource_uri": address("opinions", opinion["id"]), form: text, "type": kind}
            facts |= {"cluster": address("clusters", opinion["cluster"]), "case_name": opinion["title"]}
            facts |= {"date_filed": opinion["date"], "author_str": opinion["author"]}
            members[f"{opinion['id']}.json"] = json.dumps(facts, indent=2).encode("utf-8")
    rows.insert(1, rows[0][:600].replace("41001", "41000") + "\n")
    members["41999.json"] = b'{"resource_uri": "/api/rest/v3/opinions/41999/", "html": "<p>Cut'
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    table = f"{_COLUMNS}\n{''.join(rows)}".encode()
    return {
        "freelaw/opinions-2024-05-31.csv.bz2": bz2.compress(table),
        "freelaw/quaydist.tar.gz": gzip.compress(buffer.getvalue(), mtime=0),
    }


def _quoted(value: Any) -> str:
    escaped = str(value).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _opinion_text(opinion: dict[str, Any]) -> str:
    """Return an opinion as the publisher of its form stores it."""
    if opinion.get("unreadable"):
        return "Unable to extract the content from this file. Please try reading the original."
    paragraphs: list[str] = opinion["paragraphs"]
    form = opinion["form"]
    if form == "plain_text":
        return _pages(opinion, paragraphs)
    if form == "xml_harvard":
        body = "".join(
            f'<p id="b{i}">{html.escape(text, quote=False)}</p>\n' for i, text in enumerate(paragraphs)
        )
        return f'<opinion type="dissent">\n<author id="b">{opinion["author"]}, J., dissenting.</author>\n{body}</opinion>'
    if form == "html_with_citations":
        lines = "\n\n".join("   " + textwrap.fill(text, 64) for text in paragraphs)
        cited = html.escape(lines, quote=False).replace(
            "3 Quay 77", '</pre><span class="citation no-link">3 Quay 77</span><pre class="inline">'
        )
        return f'<pre class="inline">{cited}\n</pre>'
    turned = '<span class="star-pagination">*312</span>'
    marked = (html.escape(text, quote=False).replace("*312", turned) for text in paragraphs)
    return f"<center><b>{html.escape(opinion['title'])}</b></center>\n" + "".join(
        f"<p>{text}</p>\n" for text in marked
    )


def _pages(opinion: dict[str, Any], paragraphs: list[str]) -> str:
    """Return text as it comes out of a PDF file: pages of 25 lines, with heads, or with numbers in the margin."""
    lines = [f"{'':8}{opinion['title'].upper()}", ""]
    for text in paragraphs:
        lines += textwrap.fill(text, 62, initial_indent="     ").split("\n")
    pages = [lines[at : at + 25] for at in range(0, len(lines), 25)]
    if opinion.get("pleading"):
        numbered = ("\n".join(f"{i:3}  {line}" for i, line in enumerate(page, 1)) for page in pages)
        return "".join(f"{page}\n{'':30}{number}\n\f" for number, page in enumerate(numbered, 1))
    heads = (opinion["head"].format(page=number) for number in range(1, len(pages) + 1))
    return "".join(f"{head}\n\n{chr(10).join(page)}\n\f" for head, page in zip(heads, pages, strict=True))


def mathematics() -> dict[str, bytes]:
    """Return exercises in the data set's layout: a tar.gz with a folder for each grade, and one question without answer."""
    draw = random.Random(2019)
    files: dict[str, list[str]] = {}
    for folder, most in (("train-easy", 20), ("train-hard", 900), ("interpolate", 300)):
        sums, steps = (
            files[f"{folder}/arithmetic__add_or_sub.txt"],
            files[f"{folder}/algebra__linear_1d.txt"],
        ) = [], []
        for _ in range(220):
            a, b = draw.randint(1, most), draw.randint(1, most)
            question, answer = draw.choice(
                [
                    (f"What is {a} plus {b}?", a + b),
                    (f"Subtract {a} from {b}.", b - a),
                    (f"Calculate {a} - {b} + {a}.", 2 * a - b),
                    (f"What is the difference between {a} and {b}?", abs(a - b)),
                ]
            )
            sums += [question, str(answer)]
            x, k = draw.randint(-most, most), draw.randint(2, 9)
            steps += [f"Solve {k}*x + {a} = {k * x + a} for x.", str(x)]
    files["interpolate/algebra__linear_1d.txt"].append("Solve 2*x = 6 for x.")
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, lines in files.items():
            data = "".join(f"{line}\n" for line in lines).encode("ascii")
            info = tarfile.TarInfo(f"mathematics_dataset-v1.0/{name}")
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return {"dm_mathematics/mathematics_dataset-v1.0.tar.gz": gzip.compress(buffer.getvalue(), mtime=0)}
