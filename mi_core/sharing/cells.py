"""Text in cells of a table that may be opened in a spreadsheet: none of it is run as a formula."""

from __future__ import annotations

import re
from typing import Any

import pandas as pd

# What a spreadsheet takes for the beginning of a formula, in full width too, after any apostrophes: so that taking one
# away gives the text back whatever it was.
FORMULA = re.compile(r"'*[=+\-@\t\r\n＝＋－＠]")

# A lone carriage return ends a row for readers, but Python before 3.13 does not quote it; a line feed it does. So it is
# written with one, which is taken out again.
RETURN = "\n\0\r\0"


def harmless(text: str) -> str:
    """`text` with an apostrophe in front where a spreadsheet would run it; `raw` takes it off."""
    return f"'{text}" if FORMULA.match(text) else text


def raw(cell: str) -> str:
    """The text that `harmless` made a cell of."""
    return cell[1:] if cell.startswith("'") and FORMULA.match(cell) else cell


def csv(frame: pd.DataFrame, *, as_it_is: bool = False, header: bool = True) -> bytes:
    """A table as CSV in UTF-8.

    Args:
        frame: The table. Numbers are written as numbers, whatever their sign.
        as_it_is: Leave text as it is; otherwise what a spreadsheet would run gets an apostrophe in front.
        header: Whether the names of the columns come first.
    """

    def written(value: Any) -> Any:
        if not isinstance(value, str):
            return value
        return (value if as_it_is else harmless(value)).replace("\r", RETURN)

    text = frame.select_dtypes(exclude=["number", "bool"]).columns
    frame = frame.assign(**{name: frame[name].map(written) for name in text})
    return frame.to_csv(index=False, header=header, lineterminator="\n").replace(RETURN, "\r").encode("utf-8")
