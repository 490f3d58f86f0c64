"""What a batch has on disk, read a part at a time: the first lines, a column, and the same table in other formats."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xlsxwriter

from mi_core.disk import whole
from mi_core.errors import InputError
from mi_core.sharing import cells
from mi_core.sharing.batch_file import records
from mi_core.sharing.kept_batch import KeptBatch
from mi_core.sharing.workbook import AS_TEXT, LONGEST, MOST_ROWS

FIRST_LINES = 1_000
LOOKED_AT = 50  # prompts at most whose results are looked at to see which columns hold numbers
LINES_AT_ONCE = 100_000
SPECIAL = re.compile(r'[,"\r\n]')  # what makes a cell of CSV a quoted one


@dataclass(frozen=True)
class Columns:
    """The columns of a batch's table, `row` and `prompt` first."""

    names: tuple[str, ...]
    numbers: tuple[str, ...]
    """Those that hold numbers, but for `row`."""
    units: dict[str, str]
    """{column: unit} where there is one."""


def columns(kept: KeptBatch) -> Columns:
    """What columns there are. Raises InputError where no row has been written."""
    types: dict[str, type | None] = {}
    units: dict[str, str] = {}
    for line in islice(_objects(kept), LOOKED_AT):
        name = _table_of(kept, line)
        units |= line["units"].get(name, {})
        for record in line["tables"][name]:
            for column, value in record.items():
                if types.get(column) is None:
                    types[column] = None if value is None else type(value)
        if types and None not in types.values():
            break
    with kept.csv.open("rb") as file:
        header = next(records(file), (0, []))[1]
    if not header:
        raise InputError("No row has been written yet.", "prompts")
    numbers = tuple(name for name in header[2:] if types.get(name) in (int, float))
    return Columns(tuple(header), numbers, units)


def first_lines(kept: KeptBatch, known: Columns, most: int = FIRST_LINES) -> pd.DataFrame:
    """The table's first lines, text as it is."""
    types: dict[Any, Any] = {name: "float64" if name in known.numbers else "str" for name in known.names}
    empty: dict[Any, Any] = {name: [""] for name in known.numbers}  # in a text, “NA” is a word
    types["row"] = "int64"
    frame = pd.read_csv(kept.csv, dtype=types, nrows=most, keep_default_na=False, na_values=empty)
    text = [name for name in known.names[1:] if name not in known.numbers]
    frame = frame.assign(**{name: frame[name].map(cells.raw) for name in text})
    return frame.assign(**{name: _whole(pd.Series(frame[name])) for name in known.numbers})


def column(kept: KeptBatch, name: str) -> Iterator[pd.DataFrame]:
    """`row` and one column of numbers, some lines at a time; without lines whose number does not exist."""
    options: dict[str, Any] = {"usecols": ["row", name], "chunksize": LINES_AT_ONCE, "dtype": {name: "float64"}}
    with pd.read_csv(kept.csv, **options) as parts:
        for part in parts:
            yield part[np.isfinite(part[name])]


def raw_csv(kept: KeptBatch) -> Path:
    """The table with text as it is, the same bytes as the command line's ``csv-raw``; written where it is not yet."""

    def write(path: Path) -> None:
        with kept.csv.open("rb") as file, path.open("w", encoding="utf-8", errors="surrogateescape", newline="") as out:
            for _, row in records(file):
                out.write(",".join(_quoted(cells.raw(cell)) for cell in row) + "\n")

    return _made(kept, "results-raw.csv", write)


def xlsx(kept: KeptBatch) -> Path:
    """The table as a workbook, a row at a time: numbers as numbers, and text as it is, in cells that are never run.

    Raises:
        InputError: It has more lines than a sheet holds.
    """

    def write(path: Path) -> None:
        names, at = columns(kept).names, 0
        with xlsxwriter.Workbook(path, {"constant_memory": True, "nan_inf_to_errors": True, **AS_TEXT}) as book:
            sheet = book.add_worksheet(kept.batch.plan.table or "table")
            sheet.freeze_panes(1, 0)
            sheet.write_row(0, 0, names)
            for line in _objects(kept):
                for record in line["tables"][_table_of(kept, line)]:
                    at += 1
                    if at > MOST_ROWS:
                        raise InputError("There are too many lines for a sheet: choose CSV.", "format")
                    whole_record = {"row": line["row"], "prompt": line["prompt"], **record}
                    for place, name in enumerate(names):
                        value = whole_record.get(name)
                        sheet.write(at, place, value[:LONGEST] if isinstance(value, str) else value)

    return _made(kept, "results.xlsx", write)


def failed_checks(kept: KeptBatch) -> int:
    """How many prompts have a self-check that does not hold."""
    with kept.jsonl.open("rb") as file:
        return sum(b'"passed": false' in line for line in file)  # inside a text, quotes have a backslash


def _made(kept: KeptBatch, name: str, write: Any) -> Path:
    """A file beside the results, made anew where they have changed since."""
    path = kept.folder / name
    if not path.is_file() or path.stat().st_mtime_ns < kept.csv.stat().st_mtime_ns:
        with whole(path) as unfinished:
            write(unfinished)
    return path


def _objects(kept: KeptBatch) -> Iterator[dict[str, Any]]:
    """Every whole line of the results."""
    with kept.jsonl.open("rb") as file:
        for line in file:
            if line.endswith(b"\n"):
                yield json.loads(line)


def _table_of(kept: KeptBatch, line: dict[str, Any]) -> str:
    return kept.batch.plan.table or next(iter(line["tables"]))


def _quoted(cell: str) -> str:
    return '"' + cell.replace('"', '""') + '"' if SPECIAL.search(cell) else cell


def _whole(values: pd.Series) -> pd.Series:
    """Whole numbers as such, so that a layer is not read as 3.0."""
    known = values.dropna()
    return (
        values.astype("Int64")
        if len(known) and (known == known.round()).all() and known.abs().max() < 2**53
        else values
    )
