"""Tables as an Excel workbook: numbers as numbers, and text as text, which a spreadsheet never runs."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence

import pandas as pd

from mi_core.errors import InputError

MOST_ROWS = 2**20 - 1  # of a sheet, below the names of the columns
LONGEST = 32_767  # characters of a cell
AS_TEXT = {"strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}


def workbook(frames: Mapping[str, pd.DataFrame], about: Sequence[str] = ()) -> bytes:
    """A sheet for each table, and one that says what they are about.

    Args:
        frames: Tables by name. Text is written as it is, a cell of text whatever it begins with; a number that does
            not exist is an empty cell.
        about: Lines for the last sheet; without any there is none.

    Raises:
        InputError: A table has more rows than a sheet holds.
    """
    for frame in frames.values():
        if len(frame) > MOST_ROWS:
            raise InputError(f"These {len(frame):,} rows are too many for a sheet: choose csv or parquet.", "format")
    sheets = dict(frames) | ({"about": pd.DataFrame({"about": list(about)})} if about else {})
    buffer = io.BytesIO()
    with pd.ExcelWriter(buffer, engine="xlsxwriter", engine_kwargs={"options": AS_TEXT}) as writer:
        for name, frame in sheets.items():
            frame.map(_fitting).to_excel(writer, sheet_name=name[:31], index=False, freeze_panes=(1, 0))
    return buffer.getvalue()


def _fitting(value):
    """Text that is too long for a cell is cut, and says so."""
    return value[: LONGEST - 1] + "…" if isinstance(value, str) and len(value) > LONGEST else value
