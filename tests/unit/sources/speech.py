"""Share what the tests of the spoken sources use: a folder of files in, outcomes by reason and key out."""

from __future__ import annotations

import gzip
import io
import tarfile
import zipfile
from pathlib import Path
from typing import Any

from pile_curate.sources.base import Document
from tests.source_harness import Extracted, extract


def read(name: str, folder: Path, files: dict[str, bytes | str], **options: Any) -> Extracted:
    """Extract files; what was counted equals what came out."""
    for rel, data in files.items():
        path = folder / rel
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data.encode() if isinstance(data, str) else data)
    result = extract(name, folder, ["**/*"], options)
    assert result.records == result.tally.records
    return result


def only(result: Extracted) -> Document:
    """Return the one document."""
    (document,) = result.documents
    return document


def reasons(result: Extracted) -> dict[str, str]:
    """Return each reject's reason by its key's last part."""
    return {reject.key.rpartition("/")[2] or reject.rel: reject.reason for reject in result.rejects}


def tar_of(files: dict[str, bytes], packed: bool = True) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return gzip.compress(buffer.getvalue(), mtime=0) if packed else buffer.getvalue()


def zip_of(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return buffer.getvalue()
