"""List the raw files that a recipe's patterns name, in an order that no file system can change."""

from __future__ import annotations

import fnmatch
import os
import posixpath
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pile_curate.errors import InputError
from pile_curate.storage import is_remote, join, remote

_MAGIC = frozenset("*?[")


@dataclass(frozen=True, slots=True)
class RawFile:
    """One raw file: ``path`` opens it, ``rel`` (posix, relative to the source's root) names it for ever."""

    path: str
    rel: str
    size: int
    mtime_ns: int = 0
    etag: str = ""


def discover(root: str, patterns: Sequence[str]) -> list[RawFile]:
    """Return the files that the patterns name below ``root``, each once, sorted by relative path.

    A pattern is a path, a glob (``*``, ``?``, ``[...]`` within a name, ``**`` for any depth) or a folder,
    which means every file below it. Hidden files count; case matters. Symbolic links are followed if they
    stay inside the root, except that ``**`` and folders do not descend into linked folders (the files are
    found under their own names).

    Raises ``InputError`` for a pattern that matches nothing, that leaves the root, or that meets a link out
    of the root or something that is no regular file.
    """
    found: dict[str, RawFile] = {}
    for pattern in patterns:
        parts = _parts(pattern)
        hits = list(_remote_hits(root, parts) if is_remote(root) else _local_hits(root, parts))
        if not hits:
            raise InputError(
                f"the pattern {pattern!r} matches no file below {root!r}; "
                "patterns are relative to the source's root and case matters"
            )
        for hit in hits:
            found[hit.rel] = hit
    return [found[rel] for rel in sorted(found)]


def _parts(pattern: str) -> tuple[str, ...]:
    if not pattern or pattern.startswith("/") or is_remote(pattern) or os.path.isabs(pattern):
        raise InputError(f"the pattern {pattern!r} must be relative to the source's root")
    parts = tuple(part for part in pattern.split("/") if part not in ("", "."))
    if ".." in parts:
        raise InputError(f"the pattern {pattern!r} may not contain '..': it would leave the source's root")
    return parts


def _local_hits(root: str, parts: tuple[str, ...]) -> Iterator[RawFile]:
    if not os.path.isdir(root):
        raise InputError(f"the source's root {root!r} is not a folder")
    real = os.path.realpath(root)
    for rel in sorted(set(_walk(real, "", parts))):
        path = os.path.join(real, rel)
        try:
            info = os.stat(path)
        except OSError as error:
            raise InputError(f"cannot look at {path!r}: {error.strerror}") from error
        if not stat.S_ISREG(info.st_mode):
            raise InputError(f"{path!r} is not a regular file; name the files more narrowly")
        yield RawFile(path, _portable(rel), info.st_size, info.st_mtime_ns)


def _walk(root: str, rel: str, parts: tuple[str, ...]) -> Iterator[str]:
    """Yield the relative paths of files below ``rel`` that match the remaining pattern parts."""
    here = os.path.join(root, rel) if rel else root
    if not parts:
        if os.path.isdir(here):
            yield from _walk(root, rel, ("**",))
        elif rel:
            yield rel
        return
    first, rest = parts[0], parts[1:]
    if not _MAGIC & set(first):
        inner = f"{rel}/{first}" if rel else first
        path = os.path.join(root, inner)
        if os.path.lexists(path):
            if os.path.islink(path):
                _inside(root, path)
            if not rest or os.path.isdir(path):
                yield from _walk(root, inner, rest)
        return
    if first == "**" and rest:
        yield from _walk(root, rel, rest)
    for entry in _entries(here):
        inner = f"{rel}/{entry.name}" if rel else entry.name
        if first != "**" and not fnmatch.fnmatchcase(entry.name, first):
            continue
        link = entry.is_symlink()
        if link:
            _inside(root, entry.path)
        folder = entry.is_dir()
        if first == "**":
            if folder and not link:
                yield from _walk(root, inner, parts)
            elif not folder and not rest:
                yield inner
        elif not rest:
            yield from _walk(root, inner, ())
        elif folder:
            yield from _walk(root, inner, rest)


def _entries(path: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(path) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        raise InputError(f"cannot list {path!r}: {error.strerror}") from error


def _inside(root: str, path: str) -> None:
    """Refuse a link that leads out of the root: a dump must not be able to name the machine's files."""
    target = os.path.realpath(path)
    if target != root and not target.startswith(root.rstrip(os.sep) + os.sep):
        raise InputError(f"{path!r} is a symbolic link that leads outside the source's root, to {target!r}")


def _portable(rel: str) -> str:
    """Make a name that is not UTF-8 storable as text, the same way everywhere."""
    return os.fsencode(rel).decode("utf-8", "backslashreplace")


def _remote_hits(root: str, parts: tuple[str, ...]) -> Iterator[RawFile]:
    from pyarrow import fs as pafs

    system, base = remote(root)
    base = base.rstrip("/")
    fixed: list[str] = []
    for part in parts:
        if _MAGIC & set(part):
            break
        fixed.append(part)
    start = "/".join([base, *fixed])
    info = system.get_file_info(start)
    if info.type == pafs.FileType.File:
        infos = [info]
    else:
        infos = system.get_file_info(pafs.FileSelector(start, allow_not_found=True, recursive=True))
    for info in infos:
        rel = posixpath.relpath(info.path, base)
        if info.type == pafs.FileType.File and matches(tuple(rel.split("/")), parts):
            yield RawFile(join(root, rel), rel, info.size or 0, info.mtime_ns or 0)


def matches(path: tuple[str, ...], pattern: tuple[str, ...]) -> bool:
    """Say whether a path's parts match a pattern's; a pattern that ends at a folder matches all below."""
    if not pattern:
        return True
    if pattern[0] == "**":
        return any(matches(path[i:], pattern[1:]) for i in range(len(path) + (0 if pattern[1:] else 1)))
    return bool(path) and fnmatch.fnmatchcase(path[0], pattern[0]) and matches(path[1:], pattern[1:])
