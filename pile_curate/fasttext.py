"""Load a fastText model once a process, and only if its sha256 is the one asked for.

The shipped model is ``lid.176.ftz`` (176 languages, compressed, CC BY-SA 3.0; its notice lies beside it).
"""

from __future__ import annotations

import functools
import hashlib
from pathlib import Path
from typing import Any

from pile_curate.errors import ModelError

SHIPPED = Path(__file__).parent / "models" / "lid.176.ftz"
SHIPPED_SHA256 = "8f3472cfe8738a7b6099e8e999c3cbfae0dcd15696aac7d7738a8039db603e83"


@functools.lru_cache(maxsize=4)
def load_model(path: str | None = None, sha256: str | None = None) -> Any:
    """Return the fastText model at ``path`` (default: the shipped one), checked by its sha256.

    Raises ``ModelError`` if the file is missing, has another sha256, or cannot be read by fastText.
    """
    file = Path(path) if path else SHIPPED
    wanted = sha256 if path else SHIPPED_SHA256
    try:
        found = hashlib.sha256(file.read_bytes()).hexdigest()
    except OSError as err:
        hint = (
            "Install pile_curate again (the model is taken at build time)."
            if not path
            else "Mend `language.model.path`."
        )
        raise ModelError(f"language model {file} cannot be read ({err.strerror}). {hint}") from err
    if wanted and found != wanted.lower():
        raise ModelError(f"language model {file} has sha256 {found}, expected {wanted}.")
    import fasttext

    # The bindings print a deprecation warning through this hook on every load.
    fasttext.FastText.eprint = lambda *args, **kwargs: None
    try:
        return fasttext.load_model(str(file))
    except ValueError as err:
        raise ModelError(f"{file} is not a model that fastText can read: {err}") from err
