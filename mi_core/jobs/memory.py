"""Results held in memory, bounded in bytes; immutable, so that everyone can share them without copies."""

from __future__ import annotations

import dataclasses
import sys
from collections import OrderedDict
from typing import Any

import numpy as np


class Memory:
    """The results used most recently, up to `max_bytes` in all. Not locked: its owner does that."""

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self.held_bytes = 0
        self._entries: OrderedDict[str, tuple[Any, int]] = OrderedDict()

    def get(self, key: str) -> Any | None:
        """The result of that key, or None."""
        if key not in self._entries:
            return None
        self._entries.move_to_end(key)
        return self._entries[key][0]

    def put(self, key: str, result: Any) -> None:
        """Hold a result, letting go of the least recently used; one larger than the bound is not held."""
        size = size_of(result)
        self.held_bytes -= self._entries.pop(key, (None, 0))[1]
        if size > self.max_bytes:
            return
        self._entries[key] = (result, size)
        self.held_bytes += size
        while self.held_bytes > self.max_bytes:
            _, (_, freed) = self._entries.popitem(last=False)
            self.held_bytes -= freed


def size_of(value: Any) -> int:
    """Bytes a result takes: its arrays, and roughly its strings and numbers."""
    if isinstance(value, np.ndarray):
        return value.nbytes + 112
    own = sys.getsizeof(value)
    if isinstance(value, dict):
        return own + sum(size_of(key) + size_of(item) for key, item in value.items())
    if isinstance(value, list | tuple):
        return own + sum(size_of(item) for item in value)
    if dataclasses.is_dataclass(value):
        return own + sum(size_of(getattr(value, field.name)) for field in dataclasses.fields(value))
    return own


def sealed(value: Any) -> Any:
    """The same value with arrays of its own that cannot be written to.

    An array that is a view would keep the whole tensor behind it alive, and one that can be written to could be
    changed under another session's eyes.
    """
    if isinstance(value, np.ndarray):
        copy = value.copy()
        copy.setflags(write=False)
        return copy
    if isinstance(value, dict):
        return {key: sealed(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return tuple(sealed(item) for item in value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        names = [field.name for field in dataclasses.fields(value) if field.init]
        return dataclasses.replace(value, **{name: sealed(getattr(value, name)) for name in names})
    return value
