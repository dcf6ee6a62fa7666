"""Write the demo's patents as the office's weekly files: one in the APS layout of 1984, one zip of XML of 2012."""

from __future__ import annotations

import io
import textwrap
import zipfile
from typing import Any
from xml.sax.saxutils import escape

from pile_curate.demo.dumps import load


def dumps() -> dict[str, bytes]:
    """Return relative path to bytes; the APS file ends inside a patent, the zip holds a sequence listing, too."""
    data = load("uspto.yaml")
    text = "HHHHHT        APS1        ISSUE - 840612\n" + "".join(_aps(patent) for patent in data["aps"])
    cut = _aps(data["aps"][0] | {"number": "999000146"}).partition("SUMMARY")[0]
    return {
        "uspto/pftaps19840612_wk24.txt": (text + cut).replace("\n", "\r\n").encode("ascii"),
        "uspto/ipg120103.zip": _zip(data["grants"]),
    }


def _field(tag: str, text: str) -> str:
    """Return a field with its continuation lines, broken as the office's were: at column 80, behind hyphens too."""
    first, *rest = textwrap.wrap(text, 74)
    return "".join([f"{tag:<5}{first}\n", *(f"      {line}\n" for line in rest)])


def _aps(patent: dict[str, Any]) -> str:
    head = f"PATN\nWKU  {patent['number']}\nSRC  6\nAPT  {'4' if 'design' in patent else '1'}\n"
    head += _field("TTL", patent["title"]) + f"ISD  {patent['date']}\nINVT\nNAM  {patent['inventor']}\n"
    head += f"CLAS\nOCL  {patent['us_class']}\n"
    if "design" in patent:
        return head + "DCLM\n" + _field("PAR", patent["design"])
    body = f"ICL  {patent['ipc']}\nABST\n" + _field("PAL", patent["abstract"])
    body += "BSUM\nPAC  BACKGROUND OF THE INVENTION\nPAR  1. Field of the Invention\n" + _field(
        "PAR", patent["field"]
    )
    body += "PAR  2. Description of the Prior Art\n"
    body += "".join(_field("PAR", paragraph) for paragraph in patent["background"])
    body += "PAC  SUMMARY OF THE INVENTION\n" + _field("PAR", patent["summary"])
    return head + body + "CLMS\nSTM  What is claimed is:\nNUM  1.\n" + _field("PAR", f"1. {patent['claim']}")


def _zip(grants: list[dict[str, Any]]) -> bytes:
    listing = (
        '<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE sequence-cwu SYSTEM "us-sequence-listing.dtd" [ ]>\n'
        '<sequence-cwu id="SEQLST-0"><number>1</number></sequence-cwu>\n'
    )
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as archive:
        for name, body in (
            ("ipg120103lst.txt", "".join(f"{patent['number']}\n" for patent in grants)),
            ("ipg120103.xml", "".join(map(_grant, grants)) + listing),
        ):
            info = zipfile.ZipInfo(name, (2012, 1, 3, 0, 0, 0))
            info.compress_type, info.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
            archive.writestr(info, body.encode("utf-8"))
    return sink.getvalue()


def _grant(patent: dict[str, Any]) -> str:
    names = ("section", "class", "subclass", "main-group", "subgroup")
    symbol = "".join(f"<{name}>{part}</{name}>" for name, part in zip(names, patent["ipc"], strict=True))
    inventors = "".join(
        f"<inventor><addressbook><last-name>{last}</last-name><first-name>{first}</first-name></addressbook></inventor>"
        for first, last in patent["inventors"]
    )
    paragraphs = "".join(f"<p>{text}</p>\n" for text in patent["background"])  # these hold markup
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE us-patent-grant SYSTEM "us-patent-grant-v42-2006-08-23.dtd" [ ]>
<us-patent-grant lang="EN" dtd-version="v4.2 2006-08-23" country="US" date-publ="{patent["date"]}">
<us-bibliographic-data-grant>
<publication-reference><document-id><country>US</country><doc-number>{patent["number"]:>08}</doc-number>\
<kind>{patent["kind"]}</kind><date>{patent["date"]}</date></document-id></publication-reference>
<classifications-ipcr><classification-ipcr>{symbol}</classification-ipcr></classifications-ipcr>
<invention-title id="d2e43">{escape(patent["title"])}</invention-title>
<us-parties><inventors>{inventors}</inventors></us-parties>
</us-bibliographic-data-grant>
<description id="description">
<?BRFSUM description="Brief Summary" end="lead"?>
<heading id="h-0001" level="1">TECHNICAL FIELD</heading>
<p>{escape(patent["field"])}</p>
<heading id="h-0002" level="1">BACKGROUND</heading>
{paragraphs}<heading id="h-0003" level="1">SUMMARY</heading>
<p>{escape(patent["summary"])}</p>
<?BRFSUM description="Brief Summary" end="tail"?>
</description>
<claims><claim><claim-text><b>1</b>. {escape(patent["claim"])}</claim-text></claim></claims>
</us-patent-grant>
"""
