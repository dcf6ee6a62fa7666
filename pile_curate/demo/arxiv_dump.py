"""Pack the demo's papers as arXiv does: a tar of gzipped TeX files and gzipped tars, with what it also holds."""

from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import Mapping

from pile_curate.demo.dumps import load

_MTIME = 1_704_067_200  # 2024-01-01


def dumps() -> dict[str, bytes]:
    """Return relative path to bytes; a withdrawn paper, a scanned one and a torn one are among the papers."""
    data = load("arxiv.yaml")
    members: dict[str, bytes] = {}
    for paper in data["papers"]:
        if "files" in paper:
            body = _tar({name: text.encode("utf-8") for name, text in paper["files"].items()})
        else:
            body = paper["single"].encode("latin-1" if paper.get("latin1") else "utf-8")
        members[f"{_folder(paper['id'])}.gz"] = gzip.compress(body, mtime=0)
    stub = b"%auto-ignore\nThis paper has been withdrawn, because its author was mistaken.\n"
    members[f"{_folder(data['withdrawn'])}.gz"] = gzip.compress(stub, mtime=0)
    members[f"{_folder(data['scanned'])}.pdf"] = b"%PDF-1.4\n% a scan, of which nothing is read\n"
    whole = members[f"{_folder(data['papers'][1]['id'])}.gz"]
    members[f"{_folder(data['torn'])}.gz"] = whole[: len(whole) // 2]
    return {"arxiv/arXiv_src_2401_001.tar": _tar(members)}


def _folder(identifier: str) -> str:
    """Return a paper's path in the bulk tar: ``2401/2401.00001``, ``9901/hep-th9901001``."""
    flat = identifier.replace("/", "")
    return f"{identifier.rpartition('/')[2][:4]}/{flat}"


def _tar(files: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, body in files.items():
            info = tarfile.TarInfo(name)
            info.size, info.mtime = len(body), _MTIME
            archive.addfile(info, io.BytesIO(body))
    return buffer.getvalue()
