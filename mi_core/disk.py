"""Where Loupe keeps on disk what can be computed again, and how it is written: whole or not at all."""

from __future__ import annotations

import contextlib
import os
import uuid
from collections.abc import Iterator
from pathlib import Path


def cache_folder() -> Path:
    """The folder that LOUPE_CACHE names, else `cache` beside `mi_core`."""
    return Path(os.environ.get("LOUPE_CACHE") or Path(__file__).parents[1] / "cache")


@contextlib.contextmanager
def whole(path: Path) -> Iterator[Path]:
    """A file beside `path` to write to, which takes its place once it is written; gone where that fails.

    Raises:
        OSError: It cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(f".{uuid.uuid4().hex}.tmp")  # others, in this process too, may write the same one
    try:
        yield unfinished
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)


def state(path: Path) -> tuple[str, int, int, int]:
    """Of a file: a change that keeps size and date, as of a copy, is seen by the file system's own time of it."""
    stat = path.stat()
    return str(path), stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns
