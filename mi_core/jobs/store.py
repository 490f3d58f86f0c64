"""Results on disk: one file each, checksummed, bounded, and safe to lose.

An entry is the SHA-256 of its payload followed by the payload: an npz archive of the result's arrays and one member
of JSON with everything else. Nothing is ever unpickled; classes are only those that the caller names.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import hashlib
import io
import json
import logging
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args, get_type_hints

import numpy as np

from mi_core.disk import cache_folder

if TYPE_CHECKING:
    from mi_core.result import Result

MAX_BYTES = 10**9
SUFFIX = ".result"
DIGEST_BYTES = 32
STALE_SECONDS = 3600  # a temporary file this old belongs to a process that died
STRUCTURE = "structure"

log = logging.getLogger(__name__)


class Store:
    """A folder of results, `<folder>/<key>.result`, shared by any number of processes.

    Where the folder cannot be written to, or the disk is full, nothing is kept and nobody is bothered.

    Args:
        folder: Made when the first result is put.
        max_bytes: Bound of all entries together; those not used for longest go first.
    """

    def __init__(self, folder: Path, max_bytes: int = MAX_BYTES) -> None:
        self.folder = Path(folder)
        self.max_bytes = max_bytes
        self._lock = threading.Lock()
        self._known_bytes: int | None = None  # at the last look, and what was written since
        self._written = 0
        self._warned = False

    def get(self, key: str, kind: Any) -> Result | None:
        """The result kept under `key`, or None; a damaged entry is removed.

        Args:
            key: What it was put under, such as ``"logit_lens/0a1b…"``.
            kind: Type of the result: its dataclass, or an annotation that names it.
        """
        path = self._path(key)
        try:
            raw = path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            return self._warn(error)
        digest, payload = raw[:DIGEST_BYTES], raw[DIGEST_BYTES:]
        try:
            if hashlib.sha256(payload).digest() != digest:
                raise ValueError("checksum")
            result = decode(payload, kind)
        except (ValueError, KeyError, TypeError) as error:
            log.info("removed the damaged cache entry %s (%s)", key, error)
            _remove(path)
            return None
        with contextlib.suppress(OSError):
            os.utime(path)
        return result

    def put(self, key: str, result: Result) -> None:
        """Keep a result: whole or not at all, whenever the process dies."""
        payload = encode(result)
        if len(payload) > self.max_bytes:
            return
        path = self._path(key)
        temporary = path.with_name(f".{path.stem}.{os.getpid()}.{threading.get_ident()}.tmp")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with temporary.open("wb") as file:
                file.write(hashlib.sha256(payload).digest())
                file.write(payload)
            os.replace(temporary, path)
        except OSError as error:
            _remove(temporary)
            self._warn(error)
            return
        self._bound(len(payload) + DIGEST_BYTES)

    def _path(self, key: str) -> Path:
        return self.folder / f"{key}{SUFFIX}"

    def _bound(self, written: int) -> None:
        """Look at the folder only when this process has written enough to matter."""
        with self._lock:
            self._written += written
            known = self._known_bytes
            if known is not None and known + self._written <= self.max_bytes and self._written < self.max_bytes // 16:
                return
            self._known_bytes, self._written = self._evict(), 0

    def _evict(self) -> int:
        """Remove the least recently used entries beyond the bound, down to nine tenths of it; bytes that remain."""
        entries = sorted(self._entries(), key=lambda entry: entry[0])
        total = sum(size for _, size, _ in entries)
        if total <= self.max_bytes:
            return total
        for _, size, path in entries:
            if total <= self.max_bytes * 9 // 10:
                break
            _remove(path)
            total -= size
        return total

    def _entries(self) -> Iterator[tuple[int, int, Path]]:
        """(time of last use, bytes, path) of every entry; what dead processes left half-written is removed."""
        for path in self.folder.glob("*/*"):
            if path.suffix not in (SUFFIX, ".tmp"):
                continue
            with contextlib.suppress(OSError):  # another process may have removed it
                stat = path.stat()
                if path.suffix == SUFFIX:
                    yield stat.st_mtime_ns, stat.st_size, path
                elif time.time() - stat.st_mtime > STALE_SECONDS:
                    _remove(path)

    def _warn(self, error: OSError) -> None:
        if not self._warned:
            self._warned = True
            log.warning("results are not kept on disk: %s", error)


def default_store() -> Store:
    """The store in the usual folder."""
    return Store(cache_folder())


def encode(result: Any) -> bytes:
    """A result as an npz archive.

    Raises:
        TypeError: It holds something that is not an array, a plain value, a tuple, a dict or a dataclass.
    """
    arrays: list[np.ndarray] = []
    structure = json.dumps(_structure(result, arrays)).encode()
    members = {f"array_{index}": array for index, array in enumerate(arrays)}
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **{STRUCTURE: np.frombuffer(structure, np.uint8)}, **members)
    return buffer.getvalue()


def decode(payload: bytes, kind: Any) -> Any:
    """The result in an npz archive; only dataclasses that `kind` reaches are built.

    Raises:
        ValueError, KeyError, TypeError: It is not such an archive, or holds another class.
    """
    with np.load(io.BytesIO(payload), allow_pickle=False) as members:
        structure = json.loads(members[STRUCTURE].tobytes())
        return _value(structure, members, dataclasses_in(kind))


def _structure(value: Any, arrays: list[np.ndarray]) -> Any:
    """`value` as JSON, its arrays put aside."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, np.ndarray):
        arrays.append(value)
        return {"array": len(arrays) - 1}
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, list | tuple):
        return [_structure(item, arrays) for item in value]
    if isinstance(value, dict):
        return {"dict": [[_structure(key, arrays), _structure(item, arrays)] for key, item in value.items()]}
    if dataclasses.is_dataclass(value):
        names = [field.name for field in dataclasses.fields(value) if field.init]
        fields = {name: _structure(getattr(value, name), arrays) for name in names}
        return {"class": _name(type(value)), "fields": fields}
    raise TypeError(f"A result cannot hold a {type(value).__name__}: use arrays, plain values, tuples or dataclasses.")


def _value(structure: Any, members: Any, classes: dict[str, type]) -> Any:
    """The inverse of `_structure`; sequences become tuples, arrays cannot be written to."""
    if isinstance(structure, list):
        return tuple(_value(item, members, classes) for item in structure)
    if not isinstance(structure, dict):
        return structure
    if "array" in structure:
        array = members[f"array_{structure['array']}"]
        array.setflags(write=False)
        return array
    if "dict" in structure:
        return {_value(k, members, classes): _value(v, members, classes) for k, v in structure["dict"]}
    fields = {name: _value(item, members, classes) for name, item in structure["fields"].items()}
    return classes[structure["class"]](**fields)


@functools.lru_cache(maxsize=256)
def dataclasses_in(kind: Any) -> dict[str, type]:
    """Every dataclass that an annotation mentions, itself or in its fields, by full name."""
    classes: dict[str, type] = {}
    pending = [kind]
    while pending:
        hint = pending.pop()
        pending += get_args(hint)
        if isinstance(hint, type) and dataclasses.is_dataclass(hint) and _name(hint) not in classes:
            classes[_name(hint)] = hint
            pending += get_type_hints(hint).values()
    return classes


def _name(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


def _remove(path: Path) -> None:
    with contextlib.suppress(OSError):
        path.unlink()
