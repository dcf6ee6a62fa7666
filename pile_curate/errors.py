"""Name every way in which pile_curate refuses to go on.

Each message says what was wrong, which value, what is allowed, and what to do. ``code`` is a stable
name that scripts may match; the exit status of the command line is 2 for a user's mistake
(recipe, input, set-up), 3 for damaged data, 1 for anything else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


class PileCurateError(Exception):
    """The root of the tree: catch this to catch everything raised on purpose."""

    code = "PILE_CURATE"
    exit_status = 1


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong at one place: ``where`` is a path such as ``sources[2].weight``."""

    where: str
    what: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}" if self.where else self.what


class RecipeError(PileCurateError):
    """A recipe that cannot be used; carries every problem found, not the first."""

    code = "RECIPE"
    exit_status = 2

    def __init__(self, problems: Sequence[Problem], origin: str = "recipe") -> None:
        self.problems = tuple(problems)
        lines = "\n".join(f"  {p}" for p in self.problems)
        count = len(self.problems)
        super().__init__(f"{origin}: {count} problem{'s' if count != 1 else ''}\n{lines}")


class SetupError(PileCurateError):
    """The machine lacks something (Java, a model file, a writable folder); says how to mend it."""

    code = "SETUP"
    exit_status = 2


class ModelError(SetupError):
    """A model or tokenizer file is missing, unreadable or has another sha256 than asked for."""

    code = "MODEL"


class InputError(PileCurateError):
    """Raw input is missing or cannot be opened."""

    code = "INPUT"
    exit_status = 2


class SourceUnavailable(InputError):
    """A raw source cannot or may not be fetched over HTTP; says why, and what can be done instead."""

    code = "SOURCE_UNAVAILABLE"


class FetchError(PileCurateError):
    """Not every file could be fetched; what was fetched is kept, and running again goes on from there."""

    code = "FETCH"


class CorruptInput(InputError):
    """A raw stream is damaged: ``offset`` is the position (bytes, decompressed) of the last good byte."""

    code = "CORRUPT_INPUT"
    exit_status = 3

    def __init__(self, why: str, *, path: str = "", offset: int = 0) -> None:
        self.why, self.path, self.offset = why, path, offset
        super().__init__(f"{path or 'stream'}: {why} after {offset} bytes")


class LimitExceeded(CorruptInput):
    """A stream grew beyond its size or ratio cap (decompression bomb)."""

    code = "LIMIT"


class TooManyRejects(PileCurateError):
    """More raw records were damaged than the recipe's ``max_reject_fraction`` allows."""

    code = "TOO_MANY_REJECTS"
    exit_status = 3


class ConservationError(PileCurateError):
    """Records in do not equal records out: a defect in a reader, never the user's fault."""

    code = "CONSERVATION"


class DatasetError(PileCurateError):
    """A dataset directory cannot be used as asked."""

    code = "DATASET"


class DatasetMissing(DatasetError):
    """No committed manifest where one is needed; names the stage that writes it."""

    code = "DATASET_MISSING"
    exit_status = 2


class DatasetChanged(DatasetError):
    """A finished dataset was made from other inputs or settings; refuse unless asked to update."""

    code = "DATASET_CHANGED"
    exit_status = 2


class DatasetDamaged(DatasetError):
    """Files on disk do not agree with their manifest."""

    code = "DATASET_DAMAGED"
    exit_status = 3


class CommitLost(DatasetError):
    """Another run published this dataset first; this attempt's files are discarded."""

    code = "COMMIT_LOST"


class MixtureError(PileCurateError):
    """The asked-for mixture cannot be had; spells out the shortage per source."""

    code = "MIXTURE"
    exit_status = 2


class TokenFileError(PileCurateError):
    """A token file is truncated, of an unknown version, or disagrees with its index."""

    code = "TOKEN_FILE"
    exit_status = 3


class TrainingError(PileCurateError):
    """Training cannot start or go on (plan mismatch, loss not finite, disk full while saving)."""

    code = "TRAINING"
