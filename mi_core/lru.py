"""What was used most recently stays in memory, bounded in bytes: results, opened SAEs, models, edited weights."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Collection, Hashable
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class LRU(Generic[Key, Value]):
    """Values by key, up to `max_bytes` in all: the least recently used go first. Any thread may use it.

    Args:
        max_bytes: Bound of all values together.
        size_of: Bytes of a value, asked once, when it is put.
        spared: How many of the most recently used stay, however large they are. With 0, a value larger than the bound
            is not held, and nothing goes for it.
        busy: Says which keys must not go now.
    """

    def __init__(
        self,
        max_bytes: int,
        size_of: Callable[[Value], int],
        spared: int = 0,
        busy: Callable[[], Collection[Key]] = tuple,
    ) -> None:
        self.max_bytes = max_bytes
        self.held_bytes = 0
        self._size_of = size_of
        self._spared = spared
        self._busy = busy
        self._lock = threading.RLock()
        self._entries: OrderedDict[Key, tuple[Value, int]] = OrderedDict()

    def __contains__(self, key: Key) -> bool:
        """Whether it is held; does not count as a use."""
        return key in self._entries

    def __len__(self) -> int:
        return len(self._entries)

    def values(self) -> list[Value]:
        """All that is held, the least recently used first; does not count as a use."""
        with self._lock:
            return [value for value, _ in self._entries.values()]

    def get(self, key: Key) -> Value | None:
        """The value of that key, which counts as used; None where there is none."""
        with self._lock:
            if key not in self._entries:
                return None
            self._entries.move_to_end(key)
            return self._entries[key][0]

    def put(self, key: Key, value: Value) -> list[Key]:
        """Hold a value in place of any former one of that key; returns the keys that went for it."""
        size = self._size_of(value)
        with self._lock:
            self._drop(key)
            if size > self.max_bytes and not self._spared:
                return []
            self._entries[key] = value, size
            self.held_bytes += size
            return self.trim()

    def trim(self, max_bytes: int | None = None, spared: int | None = None) -> list[Key]:
        """Let go until the rest fits, into `max_bytes` and sparing `spared` where given; returns the keys that went."""
        max_bytes = self.max_bytes if max_bytes is None else max_bytes
        gone = []
        with self._lock:
            busy = self._busy()
            for key in list(self._entries)[: len(self._entries) - (self._spared if spared is None else spared)]:
                if self.held_bytes <= max_bytes:
                    break
                if key not in busy:
                    self._drop(key)
                    gone.append(key)
        return gone

    def clear(self) -> None:
        """Let go of everything."""
        with self._lock:
            self._entries.clear()
            self.held_bytes = 0

    def _drop(self, key: Key) -> None:
        _, size = self._entries.pop(key, (None, 0))
        self.held_bytes -= size
