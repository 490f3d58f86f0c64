"""Two ways to the same answer, measured in turns, and the line of the table that comes of it."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Row:
    """One line: what was done, the usual way's figure and Loupe's, and whether `reached` the `target`."""

    task: str
    usual: str
    loupe: str
    result: str
    target: str
    reached: bool | None  # None: shown for comparison, no target of its own


def faster(task: str, usual: float, loupe: float, at_least: float | None = None) -> Row:
    """A line about two durations in seconds and their ratio."""
    ratio = usual / loupe
    target = "" if at_least is None else f"≥ {at_least:g} ×"
    reached = None if at_least is None else ratio >= at_least
    return Row(task, duration(usual), duration(loupe), f"{ratio:,.3g} ×", target, reached)


def bounded(task: str, value: float, at_most: float, unit: str, usual: str = "") -> Row:
    """A line about one figure of Loupe's that has to stay below a bound."""
    shown = f"{value:.1e}" if 0 < value < 1e-3 else f"{value:,.3g}"
    return Row(task, usual, f"{shown} {unit}".strip(), "", f"≤ {at_most:g} {unit}".strip(), value <= at_most)


def in_turns(ways: dict[str, Callable[[], Any]], repetitions: int, prepare: Callable[[], Any] | None = None) -> dict:
    """Median seconds of each way. They take turns, so that a busy moment of the machine meets all of them.

    Args:
        ways: What is timed, by name. One round before the measurement is not counted.
        repetitions: Rounds that are.
        prepare: Called before every single call, not timed; what it returns is passed to the way.
    """
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for repetition in range(repetitions + 1):
        for name, way in ways.items():
            arguments = () if prepare is None else (prepare(),)
            began = time.perf_counter()
            way(*arguments)
            if repetition:
                seconds[name].append(time.perf_counter() - began)
    return {name: statistics.median(values) for name, values in seconds.items()}


def duration(seconds: float) -> str:
    """`seconds` for people: ``"1.25 s"``, ``"12.5 ms"``, ``"3.1 µs"``."""
    for size, unit in ((1, "s"), (1e-3, "ms")):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds / 1e-6:.3g} µs"


def markdown(rows: list[Row]) -> str:
    """The table, ready to be pasted."""
    lines = ["| task | usual way | Loupe | ratio | target | |", "|---|--:|--:|--:|--:|---|"]
    said = {True: "reached", False: "**not reached**", None: ""}
    lines += [
        f"| {row.task} | {row.usual} | {row.loupe} | {row.result} | {row.target} | {said[row.reached]} |"
        for row in rows
    ]
    return "\n".join(lines)
