"""A table of prompts as a person brings it: CSV of any country, an Excel workbook, or lines of text."""

from __future__ import annotations

import csv
import io
import re
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mi_core.errors import InputError

FORMATS = (".csv", ".tsv", ".txt", ".xlsx")
MOST_BYTES = 50_000_000
MOST_UNPACKED = 500_000_000  # bytes that a workbook may hold once it is unpacked
MOST_ROWS = 100_000
SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
SEPARATOR_LINE = re.compile(r"sep=(.)[\r\n]*", re.IGNORECASE)  # as Excel writes it
UTF_16 = (b"\xff\xfe", b"\xfe\xff")
FIELD = "prompts"


@dataclass(frozen=True)
class PromptTable:
    """Cells of text under the names of their columns."""

    name: str
    """What sentences call it."""
    header: tuple[str, ...]
    """[column] Names as they were written; a column without one is called by its place."""
    rows: tuple[tuple[str, ...], ...]
    """[row] [column] A row may end early, or go on beyond the last column."""
    separator: str = ","
    """What stands between its cells."""


def opened(path: Path) -> PromptTable:
    """The table in a file: CSV separated by anything usual, the first sheet of a workbook, or a prompt a line (.txt).

    Raises:
        InputError: It cannot be read, is too large, or is of another kind.
    """
    try:
        size = path.stat().st_size if path.is_file() else 0
        if size > MOST_BYTES:
            raise _error(
                f"{path.name} has {size / 1e6:,.0f} MB, and at most {MOST_BYTES / 1e6:.0f} MB are read: split it."
            )
        content = path.read_bytes()
    except OSError as error:
        raise _error(f"{path} cannot be read ({error.strerror}): check --prompts.") from error
    kind = path.suffix.lower()
    if kind == ".xlsx":
        return _workbook(content, path.name)
    text = decoded(content, str(path))
    return _lines(text, path.name) if kind == ".txt" else separated(text, str(path))


def pasted(text: str) -> PromptTable:
    """A prompt a line; or a table, where the first line names a column `prompt`. Raises InputError."""
    read = _lines if _separated(text)[0] is None else separated
    return read(text, "What was pasted")


def separated(text: str, name: str) -> PromptTable:
    """A table whose cells are separated by what separates the names of its columns, or by what a line ``sep=…`` names.

    Raises:
        InputError: A quote is never closed, or a cell is too long.
    """
    separator, lines = _separated(text)
    try:
        rows = (row for row in csv.reader(lines, strict=True, delimiter=separator or ",") if row)
        return _table(name, rows, separator or ",")
    except csv.Error as error:
        if "field limit" in str(error):
            longest = f"{csv.field_size_limit():,} characters"
            raise _error(f"A cell of {name} has more than {longest}: shorten it.") from error
        raise _error(f"{name} is not a CSV file in UTF-8: save it as one.") from error


def decoded(content: bytes, name: str) -> str:
    """The text of a file in UTF-8 or marked UTF-16. Raises InputError."""
    try:
        return content.decode("utf-16" if content.startswith(UTF_16) else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise _error(f"{name} is not a CSV file in UTF-8: save it as one.") from error


def setting_name(header: str) -> str:
    """A column's name as a setting's: ``Top-K`` and `` top k `` are both ``top_k``."""
    return re.sub(r"[\s_-]+", "_", header.strip().casefold())


def _lines(text: str, name: str) -> PromptTable:
    lines = [line for line in text.splitlines() if line.strip()]
    return _table(name, ([line] for line in ["prompt", *lines]))


def _separated(text: str) -> tuple[str | None, list[str]]:
    """What stands between the cells, None where no line says it; and the lines that hold them."""
    lines = list(io.StringIO(text, newline=""))
    if lines and (marked := SEPARATOR_LINE.fullmatch(lines[0])):
        return marked[1], lines[1:]
    for separator in SEPARATORS:
        try:
            header = next((row for row in csv.reader(lines, delimiter=separator) if row), [])
        except csv.Error:
            continue
        if "prompt" in map(setting_name, header):
            return separator, lines
    return None, lines


def _workbook(content: bytes, name: str) -> PromptTable:
    import openpyxl
    from openpyxl.utils.exceptions import InvalidFileException

    try:
        unpacked = sum(part.file_size for part in zipfile.ZipFile(io.BytesIO(content)).infolist())
        if unpacked > MOST_UNPACKED:
            raise _error(
                f"{name} holds {unpacked / 1e6:,.0f} MB, and at most {MOST_UNPACKED / 1e6:.0f} are read: split it."
            )
        book = openpyxl.load_workbook(io.BytesIO(content), read_only=True, data_only=True, keep_links=False)
        rows = book.worksheets[0].iter_rows(values_only=True) if book.worksheets else iter(())
        cells = ([_text(value) for value in row] for row in rows)
        return _table(name, (_without_end(row) for row in cells if any(row)))
    except InputError:
        raise
    except (zipfile.BadZipFile, InvalidFileException, KeyError, ValueError, TypeError, OSError, SyntaxError) as error:
        raise _error(f"{name} is not a workbook that can be read: save it as XLSX or CSV.") from error


def _text(value: Any) -> str:
    """A cell of a workbook as a person would type it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _without_end(row: list[str]) -> list[str]:
    """Without the empty cells at its end, which a workbook has wherever another row is longer."""
    end = max(at for at, cell in enumerate(row) if cell) + 1
    return row[:end]


def _table(name: str, rows: Iterable[list[str]], separator: str = ",") -> PromptTable:
    lines = iter(rows)
    header = [cell.strip() or f"column {place}" for place, cell in enumerate(next(lines, []), 1)]
    kept: list[tuple[str, ...]] = []
    for row in lines:
        if len(kept) == MOST_ROWS:
            raise _error(f"{name} has more than {MOST_ROWS:,} rows: split it.")
        kept.append(tuple(row))
    return PromptTable(name, tuple(header), tuple(kept), separator)


def _error(message: str) -> InputError:
    return InputError(message, FIELD)
