"""Write the demo's link corpus, saved pages, documentation and tables: OpenWebText2's layout, html, docs, parquet."""

from __future__ import annotations

import io
import json
from html import escape
from typing import Any

import zstandard

from pile_curate.demo.books_dump import tar


def dumps() -> dict[str, bytes]:
    """Return every dump of this module."""
    from pile_curate.demo.dumps import load

    data = load("pages.yaml")
    return {
        **openwebtext2(data["links"]),
        **saved(data["html"]),
        **docs(data["docs"]),
        **tables(data["tables"]),
    }


def openwebtext2(links: list[dict[str, Any]]) -> dict[str, bytes]:
    """Return a tar of monthly ``.jsonl.zst`` files, as OpenWebText2 is published; the second is cut inside a frame."""
    lines = [
        json.dumps(
            {"text": f"{link['title']}\n\n{link['text'].strip()}", "meta": {"url": link["url"]}}
        ).encode()
        + b"\n"
        for link in links
    ]
    pack = zstandard.ZstdCompressor(level=3).compress
    first = pack(lines[0] + lines[1]) + pack(b'{"text": "a line that was cut\n' + lines[2])
    second = pack(lines[3]) + pack(lines[0])[:200]
    return {
        "openwebtext2/openwebtext2.tar": tar(
            {"2019-03.jsonl.zst": first, "2019-04.jsonl.zst": second, "LICENSE.txt": b"A demonstration.\n"}
        )
    }


def saved(pages: list[dict[str, Any]]) -> dict[str, bytes]:
    """Return a mirrored site: pages with navigation around them, a style sheet, and a page that is only links."""
    menu = '<nav><ul><li><a href="/">Home</a></li><li><a href="/news">News</a></li><li><a href="/map">Map</a></li></ul></nav>'
    found: dict[str, bytes] = {}
    for page in pages:
        link = f'<link rel="canonical" href="{page["url"]}">' if page["url"] else ""
        licence = f'<a rel="license" href="{page["licence"]}">Licence</a>' if page["licence"] else ""
        body = "".join(f"<p>{escape(part)}</p>\n" for part in page["text"].strip().split("\n\n"))
        markup = (
            f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{page["title"]}</title>{link}</head>\n'
            f"<body>{menu}<main><h1>{page['title']}</h1>\n{body}</main><footer>{licence}</footer></body></html>\n"
        )
        found[f"site/riverside.example/{page['path']}"] = markup.encode()
    found["site/riverside.example/index.html"] = f"<html><body>{menu}</body></html>\n".encode()
    found["site/riverside.example/style.css"] = b"main { max-width: 40em }\n"
    return found


def docs(tree: dict[str, Any]) -> dict[str, bytes]:
    """Return a documentation tree with its licence, and a page in no encoding that can be told."""
    files = {f"docs/gauge/{path}": text.encode() for path, text in tree["files"].items()}
    files["docs/gauge/LICENSE"] = tree["licence_text"].encode()
    files["docs/gauge/docs/old.md"] = "# 水位\n\n観測所の水位を読みます。\n".encode("shift_jis")
    return files


def tables(rows: list[dict[str, Any]]) -> dict[str, bytes]:
    """Return a hub's layout: two shards of Parquet with a row that is null, and a shard that is cut."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    def shard(part: list[dict[str, Any]]) -> bytes:
        table = pa.table(
            {
                "id": [row["id"] for row in part],
                "text": [row["text"] for row in part],
                "licence": ["CC-BY-4.0"] * len(part),
            }
        )
        sink = io.BytesIO()
        pq.write_table(table, sink, compression="zstd", row_group_size=2)
        return sink.getvalue()

    first = shard([*rows[:2], {"id": "lost", "text": None}])
    return {
        "tables/data/train-00000-of-00003.parquet": first,
        "tables/data/train-00001-of-00003.parquet": shard(rows[2:]),
        "tables/data/train-00002-of-00003.parquet": first[: len(first) // 2],
    }
