"""What is drawn of a result, made once for everyone who looks at it: charts ready for the browser, tables, words."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from typing import Any, TypeVar

from mi_core.jobs.memory import size_of
from mi_core.lru import LRU

DRAWN_BYTES = 96 * 2**20

T = TypeVar("T")


class Drawn:
    """Things made from results, up to `max_bytes` in all; `made` counts how often something was.

    A thing belongs to one result, to the function that makes it and to what that is told: nobody is shown another's.
    """

    def __init__(self, max_bytes: int) -> None:
        self.made = 0
        self._memory = LRU(max_bytes, size_of)
        self._lock = threading.Lock()

    @property
    def held_bytes(self) -> int:
        """Bytes that are held now."""
        return self._memory.held_bytes

    def __call__(self, result: Any, make: Callable[..., T], *args: Any, **view: Any) -> T:
        """`make(result, *args, **view)`, made once; shared, so it must not be changed.

        Args:
            result: The object itself is what counts, not its values, which nobody compares.
            make: A pure function.
            args: Values whose `repr` tells them apart.
            view: The same, by name.
        """
        key = repr((id(result), make.__module__, make.__qualname__, args, sorted(view.items())))
        with self._lock:
            of, thing = self._memory.get(key) or (None, None)
        if of is not None and of() is result:  # an id is used again once its object is gone
            return thing
        thing = make(result, *args, **view)
        with self._lock:
            self.made += 1
            self._memory.put(key, (weakref.ref(result), thing))
        return thing


drawn = Drawn(DRAWN_BYTES)
