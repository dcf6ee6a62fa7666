"""Write the demo's papers as PDF, in one and two columns, with running heads and page numbers."""

from __future__ import annotations

from typing import Any

from pile_curate.demo.dumps import load
from pile_curate.demo.pdf_writer import HEIGHT, WIDTH, Placed, column, pdf, width

_TOP, _BOTTOM = 700.0, 90.0


def dumps() -> dict[str, bytes]:
    """Return the papers, a scan without text, and a file that ends too early."""
    papers = load("papers.yaml")
    files = {f"philpapers/{paper['name']}.pdf": _paper(paper) for paper in papers}
    files["philpapers/SCAN.pdf"] = pdf([[]], {"Title": "A page that was only photographed"})
    files["philpapers/CUT.pdf"] = _paper(papers[0])[:400]
    return files


def _paper(paper: dict[str, Any]) -> bytes:
    """Set a paper: the title across the page, then the text in columns."""
    wide = paper["columns"] == 1
    measure, xs = (440.0, (86.0,)) if wide else (225.0, (72.0, 315.0))
    lines = column(paper["paragraphs"], 0, 0, measure, 11 if wide else 10)
    pages: list[list[Placed]] = []
    while lines:
        number = len(pages)
        page: list[Placed] = []
        if number:
            head = f"{paper['author']}: {paper['title']}"
            page.append((WIDTH - 72 - width(head, 9), HEIGHT - 50, 9, head))
        else:
            page += [(72, _TOP, 17, paper["title"]), (72, _TOP - 24, 11, paper["author"])]
        for x in xs:
            y = _TOP if number else _TOP - 60
            while lines and y > (_BOTTOM if number else 420.0):
                shift, _, size, text = lines.pop(0)
                page.append((x + shift, y, size, text))
                y -= 1.25 * size
        page.append((WIDTH / 2 - 4, 50, 9, str(number + 1)))
        pages.append(page)
    info = {"Title": paper["title"], "Author": paper["author"], "CreationDate": "D:20110502100000Z"}
    return pdf(pages, info)
