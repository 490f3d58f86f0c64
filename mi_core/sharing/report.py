"""A report: pinned results with their numbers, as one document of plain values; and what is read back from it.

The document is what the file of a report holds (`charts.report`), as JSON: numbers with all their digits, so that the
same file is opened again, and shows the numbers that it was written with where they cannot be computed anew.
"""

from __future__ import annotations

import datetime
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from mi_core.errors import InputError
from mi_core.phrases import listed
from mi_core.result import Result, units_of
from mi_core.sharing import pin as pins
from mi_core.sharing.caption import caption
from mi_core.sharing.export import plain, versions
from mi_core.sharing.pin import Pin

VERSION = 1
MARK = "loupe_report"
MOST, MOST_BYTES = 50, 60_000_000  # results and bytes of a report that is opened
DATA = re.compile(r'<script type="application/json" id="loupe-report">(.*?)</script>', re.DOTALL)


@dataclass(frozen=True)
class Opened:
    """A report that was read: its title, its pins, and by their ids what it holds of each result.

    `left_out` says what could not be read.
    """

    title: str
    pins: tuple[Pin, ...]
    stored: Mapping[str, Mapping[str, Any]]
    left_out: tuple[str, ...]


def made(pin: Pin, result: Result, chart: Mapping[str, Any] | None) -> dict[str, Any]:
    """What a report holds of a result: finding, caption, checks, table, chart, and the same as Python and as a command.

    Args:
        pin: What was pinned.
        result: What its request gave.
        chart: Its specification with rows of plain values, as from `charts.ready.with_rows`; None for a table alone.
    """
    reading, frame = result.reading(), result.tables()[pin.table]
    return {
        "finding": reading.title,
        "sentences": list(reading.sentences),
        "caption": list(caption(pin.request, result)),
        "checks": [
            {"name": check.name, "error": plain(check.error), "tolerance": check.tolerance, "passed": check.passed}
            for check in result.checks
        ],
        "table": {"name": pin.table, "units": units_of(result, {pin.table: frame})[pin.table], **_columns(frame)},
        "chart": chart,
        "python": pin.request.as_python(),
        "command": pin.request.as_command(),
    }


def entry(pin: Pin, made: Mapping[str, Any]) -> dict[str, Any]:
    """What was made of a result, now or when its report was written, with what its person says of it.

    The claim sheet is {} where none was written; evidence that was not touched is what the result says for itself.
    """
    sheet = pin.sheet and pin.sheet | ({"evidence": evidence(made)} if pin.evidence is None else {})
    return {**made, "pin": pin.as_dict(), "sheet": sheet}


def document(title: str, entries: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """A report of these results, in their order, written now."""
    return {
        MARK: VERSION,
        "title": title.encode("utf-8", "replace").decode("utf-8"),
        "written": datetime.datetime.now().astimezone().isoformat(timespec="minutes"),
        "versions": versions(),
        "results": list(entries),
    }


def evidence(made: Mapping[str, Any]) -> str:
    """What a result says for itself: its finding, its sentences, and how many of its self-checks hold."""
    checks = made["checks"]
    held = sum(check["passed"] for check in checks)
    said = [f"{made['finding']}.", *made["sentences"]]
    if checks:
        of = "Its self-check holds" if held == len(checks) == 1 else f"{held} of {len(checks)} self-checks hold"
        said.append(f"{of}.")
    return " ".join(said)


def read(content: bytes) -> Opened:
    """A report from its file: the HTML file, or the JSON within it.

    Raises:
        InputError: It is no report of Loupe's, one of another version, or a damaged one.
    """
    if len(content) > MOST_BYTES:
        raise _not_read(f"it has more than {MOST_BYTES // 1_000_000} MB")
    text = content.decode("utf-8", "replace")
    if not text.lstrip("\ufeff \n\r\t").startswith("{"):
        found = DATA.search(text)
        if found is None:
            raise _not_read("it is no report that Loupe wrote")
        text = found[1]
    try:
        written = json.loads(text, parse_constant=_no_number)
        # half characters, which JSON may spell, fit into no file
        written = json.loads(json.dumps(written, ensure_ascii=False).encode("utf-8", "replace"))
    except (ValueError, RecursionError):
        raise _not_read("it is damaged") from None
    if not isinstance(written, dict) or MARK not in written:
        raise _not_read("it is no report that Loupe wrote")
    if written[MARK] != VERSION:
        raise _not_read(f"it is of another version ({str(written[MARK])[:20]}; this Loupe reads {VERSION})")
    return _opened(written)


def _opened(written: Mapping[str, Any]) -> Opened:
    results = written.get("results")
    if not isinstance(results, list) or not all(isinstance(result, dict) for result in results):
        raise _not_read("it is damaged")
    kept, stored, left_out = [], {}, []
    for number, result in enumerate(results[:MOST], 1):
        try:
            pin = pins.read(result.get("pin"))
            stored[pin.id] = _checked(result)
            kept.append(pin)
        except InputError as error:
            left_out.append(f"Result {number} is left out. {error.message}")
    if len(results) > MOST:
        left_out.append(f"Results after the first {MOST} are left out.")
    title = written.get("title")
    return Opened(str(title)[:300] if isinstance(title, str) else "", tuple(kept), stored, tuple(left_out))


def _checked(result: Mapping[str, Any]) -> dict[str, Any]:
    """The stored part of a result, if it has the shape of an entry. Raises InputError."""
    try:
        table = result["table"]
        names = [str(name) for name in table["columns"]]
        rows = [[_cell(value) for value in row] for row in table["rows"]]
        if any(len(row) != len(names) for row in rows):
            raise ValueError("rows of unequal length")
        return {
            "finding": str(result["finding"]),
            "sentences": [str(text) for text in result["sentences"]],
            "caption": [str(text) for text in result["caption"]],
            "checks": [_check(check) for check in result["checks"]],
            "table": {
                "name": str(table["name"]),
                "units": {str(name): str(unit) for name, unit in table["units"].items()},
                "columns": names,
                "rows": rows,
            },
            "chart": result["chart"] if _is_harmless(result["chart"]) else None,
            "python": str(result["python"]),
            "command": str(result["command"]),
        }
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError):
        raise pins.damaged("a part of it is missing or damaged") from None


def _check(check: Mapping[str, Any]) -> dict[str, Any]:
    error = None if check["error"] is None else float(check["error"])
    tolerance = float(check["tolerance"])
    return {
        "name": str(check["name"]),
        "error": error,
        "tolerance": tolerance,
        "passed": error is not None and error <= tolerance,
    }


def _cell(value: Any) -> Any:
    if value is None or isinstance(value, str | bool) or abs(value) <= pins.LARGEST:
        return value
    raise ValueError("no plain value")


def _is_harmless(chart: Any) -> bool:
    """Whether a stored chart asks for nothing outside itself: no address, no picture, no link."""
    if isinstance(chart, dict):
        return not {"url", "href", "embedOptions"} & chart.keys() and all(map(_is_harmless, chart.values()))
    return all(map(_is_harmless, chart)) if isinstance(chart, list) else True


def agreement(stored: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """How the numbers of a result that was computed anew compare with those that were stored, in a sentence.

    Args:
        stored: The table of the stored entry.
        now: That of the new one.
    """
    if stored["columns"] != now["columns"] or len(stored["rows"]) != len(now["rows"]):
        return "Computed anew here: its table has other rows than the stored one."
    gaps = {
        name: _gap([row[at] for row in stored["rows"]], [row[at] for row in now["rows"]])
        for at, name in enumerate(now["columns"])
    }
    other = [name for name, gap in gaps.items() if gap is None]
    if other:
        return f"Computed anew here: it differs from the stored one in {listed(other)}."
    name = max(gaps, key=lambda name: gaps[name] or 0.0, default="")
    if not name or not gaps[name]:
        return "Computed anew here: the same numbers as stored."
    return f"Computed anew here: it differs from the stored numbers by up to {gaps[name]:.1e} in {name}."


def _gap(before: Sequence[Any], after: Sequence[Any]) -> float | None:
    """The largest difference of two columns of numbers; None where they differ in anything else."""
    largest = 0.0
    for one, other in zip(before, after, strict=True):
        if one == other:
            continue
        if isinstance(one, bool | str) or isinstance(other, bool | str) or one is None or other is None:
            return None
        gap = abs(float(one) - float(other))
        largest = max(largest, gap if math.isfinite(gap) else math.inf)
    return largest


def frame(table: Mapping[str, Any]) -> pd.DataFrame:
    """The table of an entry."""
    return pd.DataFrame(table["rows"], columns=table["columns"])


def _columns(frame: pd.DataFrame) -> dict[str, Any]:
    """Names once, then rows of plain values; NaN and infinities become None."""
    columns = [[plain(value) for value in frame[name].tolist()] for name in frame.columns]
    return {"columns": list(frame.columns), "rows": [list(row) for row in zip(*columns, strict=True)]}


def _not_read(why: str) -> InputError:
    return InputError(f"This file cannot be opened: {why}.", "report")


def _no_number(name: str) -> None:
    raise ValueError(f"{name} is not JSON")
