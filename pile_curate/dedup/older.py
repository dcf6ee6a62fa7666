"""Open the output of an earlier run, whose documents come first and are never dropped."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from typing import Any

from pile_curate import manifest
from pile_curate.dedup import DedupSettings
from pile_curate.errors import InputError
from pile_curate.row_files import Columns, RowFile, discover


@dataclass(frozen=True)
class Older:
    """The kept documents of an earlier run: where, with which columns, and the digest of their rows."""

    directory: str
    files: list[RowFile]
    columns: Columns
    digest: str
    rows: int

    @staticmethod
    def open(directory: str, settings: DedupSettings, columns: Columns) -> Older:
        """Return the earlier run's output; raise ``InputError`` if its settings are not these.

        The earlier documents were chosen by their settings, so that old and new together equal one run over both
        only if these are the same.
        """
        found = manifest.find(directory)
        if found is None or "settings" not in found.facts:
            raise InputError(
                f"--against {directory!r} is no finished output of dedup (it has no manifest.json with settings); run "
                "dedup on the older corpus first"
            )
        mine = json.loads(json.dumps({**asdict(settings), "minimum_agreement": settings.agreement}))
        theirs: dict[str, Any] = found.facts["settings"]
        names = [name for name in mine if mine[name] != theirs.get(name)]
        if names:
            told = ", ".join(f"{name} {theirs.get(name)!r} there, {mine[name]!r} here" for name in names)
            raise InputError(
                f"--against {directory!r} was made with other settings: {told}; use the same ones"
            )
        old = Columns(**found.facts["columns"])
        if columns.url is not None:
            raise InputError(
                "--against and --url-column do not go together: an older output holds the documents that it kept, and "
                "not the URLs of those that it dropped; leave one of them out"
            )
        for what in ("source", "split"):
            if (getattr(old, what) is None) != (getattr(columns, what) is None):
                raise InputError(
                    f"--against {directory!r}: a {what} column was given to one run only; give it to both or to none"
                )
        listed = {entry.path for entry in found.files if entry.table == "data"}
        paths = [os.path.join(directory, path) for path in sorted(listed)]
        return Older(directory, discover(paths) if paths else [], old, found.digest, found.rows)

    def facts(self) -> dict[str, Any]:
        """Return what the summary says."""
        return {"directory": self.directory, "rows": self.rows, "digest": self.digest}
