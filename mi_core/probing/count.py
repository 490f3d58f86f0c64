"""How far a probing is, in steps that are texts that were read or probes that were fitted."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from mi_core.models.progress import Progress

T = TypeVar("T")


class Count:
    """Steps done, told to `progress` one by one; what was kept from before counts as read.

    Args:
        progress: Called with (steps done, steps in all).
        texts: Texts to read in all.
        fits: The most probes to fit.
    """

    def __init__(self, progress: Progress, texts: int, fits: int) -> None:
        self.progress, self.total, self.done = progress, texts + fits, 0

    def tick(self) -> None:
        """One more probe is about to be fitted."""
        self._tell(self.done + 1)

    def read(self, reading: Callable[[Callable[[int], None]], T]) -> T:
        """What `reading(passed)` gives, which calls `passed` with the texts that it has read."""
        before = self.done
        return reading(lambda texts: self._tell(before + texts))

    def so_far(self, partial: object) -> None:
        """Hands on what there is."""
        self.progress(self.done, self.total, partial)

    def _tell(self, done: int) -> None:
        self.done = min(done, self.total)
        self.progress(self.done, self.total)
