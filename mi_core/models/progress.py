"""How long work tells how far it is."""

from __future__ import annotations

from collections.abc import Callable

#: Called with (steps done, steps in all), and with what there is so far where an analysis says so.
Progress = Callable[..., None]


def silent(done: int, total: int, partial: object = None) -> None:
    """Tells nobody: the progress of whoever asks for none."""
