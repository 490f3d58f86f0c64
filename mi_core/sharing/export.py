"""Results as files: CSV, Parquet and HTML tables, and JSON with everything a reader needs to trust the numbers."""

from __future__ import annotations

import functools
import html
import importlib.metadata
import io
import json
import math
import platform
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from mi_core import __version__
from mi_core.errors import InputError
from mi_core.jobs.code_version import code_version
from mi_core.jobs.request import Request
from mi_core.models.tokens import visible
from mi_core.result import Result, units_of
from mi_core.sharing import cells
from mi_core.sharing.workbook import workbook

LIBRARIES = ("torch", "transformers", "transformer-lens", "sae-lens", "numpy", "pandas")
FRAME_FORMATS = ("csv", "csv-excel", "csv-raw", "xlsx", "json", "parquet", "html")
BYTE_ORDER_MARK = "\N{ZERO WIDTH NO-BREAK SPACE}".encode()
ROWS_IN_TEXT = 60
ROWS_IN_JSON = 5_000_000  # as Python values these take several gigabytes


def frame_bytes(frame: pd.DataFrame, format: str) -> bytes:
    """One table as a file.

    Args:
        frame: A tidy table of a result; token text is written as it is, but for CSV.
        format: ``"csv"`` (UTF-8; text that a spreadsheet would run as a formula gets an apostrophe in front),
            ``"csv-excel"`` (the same with the mark by which Excel knows UTF-8), ``"csv-raw"`` (text as it is),
            ``"xlsx"`` (text as it is, in cells of text), ``"json"`` (a list of rows), ``"parquet"`` or ``"html"``.

    Raises:
        ValueError: There is no such format.
    """
    writers: dict[str, Callable[[], bytes]] = {
        "csv": lambda: cells.csv(frame),
        "csv-excel": lambda: BYTE_ORDER_MARK + cells.csv(frame),
        "csv-raw": lambda: cells.csv(frame, as_it_is=True),
        "xlsx": lambda: workbook({"table": frame}),
        "json": lambda: dumps(rows(frame)).encode("utf-8"),
        "parquet": lambda: _parquet(frame),
        "html": lambda: html_page({"table": frame}, "Table").encode("utf-8"),
    }
    if format not in writers:
        raise ValueError(f"format must be one of {', '.join(FRAME_FORMATS)}, got {format!r}")
    return writers[format]()


def as_json(request: Request, result: Result) -> str:
    """Request, versions, tables and self-checks of one result; numbers that do not exist are null."""
    return dumps(as_dict(request, result)) + "\n"


def as_dict(request: Request, result: Result) -> dict[str, Any]:
    """What `as_json` writes: analysis, model, settings, versions, tables {name: [row…]}, units and checks.

    `model` is None where there is none, `edits` only there if some are on. `units` are {table: {column: unit}}.

    Raises:
        InputError: So many rows that writing them would fill the memory.
    """
    tables = result.tables()
    if (n_rows := sum(map(len, tables.values()))) > ROWS_IN_JSON:
        raise InputError(
            f"These {n_rows:,} rows are too many for JSON: choose csv or parquet, a shorter prompt, or one layer or "
            "head where there is such a setting.",
            "format",
        )
    return {
        "analysis": request.analysis,
        "model": request.model or None,
        "settings": plain(request.bound()),
        **({"edits": json.loads(request.edits)} if request.edits else {}),
        "versions": versions(),
        "tables": {name: rows(frame) for name, frame in tables.items()},
        "units": units_of(result, tables),
        "checks": [
            {"name": check.name, "error": plain(check.error), "tolerance": check.tolerance, "passed": check.passed}
            for check in result.checks
        ],
    }


def rows(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of a table as plain values; NaN and infinities become None."""
    columns = {name: [plain(value) for value in frame[name].tolist()] for name in frame.columns}
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def as_text(frames: Mapping[str, pd.DataFrame], result: Result) -> str:
    """For a terminal: the finding, the tables with whitespace made visible, and the self-checks."""
    reading = result.reading()
    parts = [reading.title, *reading.sentences]
    for name, frame in frames.items():
        shown = frame.head(ROWS_IN_TEXT).map(readable)
        parts += ["", f"{name}:", shown.to_string(index=False, na_rep="–", float_format=lambda x: f"{x:.4g}")]
        if len(frame) > len(shown):
            parts.append(f"… and {len(frame) - len(shown):,} more rows; --format csv writes them all.")
    parts.append("")
    for check in result.checks:
        verdict = "holds" if check.passed else "DOES NOT HOLD"
        parts.append(f"Self-check: {check.name}: {verdict} (error {check.error:.1e}, tolerance {check.tolerance:.0e})")
    return "\n".join(parts).rstrip() + "\n"


def html_page(frames: Mapping[str, pd.DataFrame], title: str, sentences: tuple[str, ...] = ()) -> str:
    """A page of its own, without scripts; every text is escaped."""
    body = [f"<p>{html.escape(sentence)}</p>" for sentence in sentences]
    for name, frame in frames.items():
        shown = frame.map(readable)
        body += [f"<h2>{html.escape(name)}</h2>", shown.to_html(index=False, na_rep="–", border=0)]
    style = (
        "body{font:15px system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem}"
        "table{border-collapse:collapse;font-variant-numeric:tabular-nums}"
        "td,th{padding:.2rem .6rem;text-align:left;border-bottom:1px solid #8884}"
    )
    title = html.escape(title)
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title><style>{style}</style>'
        f"<h1>{title}</h1>{''.join(body)}</html>\n"
    )


@functools.cache
def versions() -> dict[str, str]:
    """What the numbers were computed with; `loupe_code` is a hash of all that computes."""
    libraries = {name: importlib.metadata.version(name) for name in LIBRARIES}
    return {"loupe": __version__, "loupe_code": code_version(), "python": platform.python_version(), **libraries}


def readable(value: Any) -> Any:
    """Token text with its whitespace visible; sentences as they are."""
    is_plain = not isinstance(value, str) or (value == value.strip() and value.isprintable())
    return value if is_plain else visible(value)


def _parquet(frame: pd.DataFrame) -> bytes:
    buffer = io.BytesIO()
    frame.to_parquet(buffer, index=False)
    return buffer.getvalue()


def plain(value: Any) -> Any:
    """`value` as JSON knows it."""
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    if value is pd.NA or (isinstance(value, float) and not math.isfinite(value)):
        return None
    return value


def dumps(value: Any) -> str:
    """JSON on one line, as strict readers want it: no NaN, text as it is."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False)
