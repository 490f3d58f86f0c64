"""Lists of prompts: CSV as spreadsheets of any country write it, a column `prompt` and others named like settings."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path
from typing import Any

from mi_core.analyses._index import find_analysis, settings_of
from mi_core.errors import InputError

SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
SEPARATOR_LINE = re.compile(r"sep=(.)[\r\n]*", re.IGNORECASE)  # as Excel writes it
UTF_16 = (b"\xff\xfe", b"\xfe\xff")


def read(prompts: Path, analysis: str) -> list[dict[str, Any]]:
    """The settings of every row, typed as the analysis wants them; empty cells are left out.

    Cells are separated by what separates the names of the columns, or by what a first line ``sep=…`` names.

    Raises:
        InputError: The file is missing, is not CSV in UTF-8 or marked UTF-16, lacks the column `prompt` or prompts, or
            has a column twice or one that is no setting; or a cell is not of its setting's type.
    """
    try:
        content = prompts.read_bytes()
        text = content.decode("utf-16" if content.startswith(UTF_16) else "utf-8-sig")
        separator, lines = _separated(text)
        header, *rows = [row for row in csv.reader(lines, strict=True, delimiter=separator) if row] or [[]]
    except OSError as error:
        raise InputError(f"{prompts} cannot be read ({error.strerror}): check --prompts.", "prompts") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{prompts} is not a CSV file in UTF-8: save it as one.", "prompts") from error
    known = settings_of(find_analysis(analysis))
    names = [_named(name) for name in header]
    _check_columns(names, known, prompts)
    if not rows:
        raise InputError(f"{prompts} has no prompts: add one per line below the first.", "prompts")
    return [_typed(row, names, known, index, separator) for index, row in enumerate(rows)]


def _separated(text: str) -> tuple[str, list[str]]:
    """What stands between the cells, and the lines that hold them."""
    lines = list(io.StringIO(text, newline=""))
    if lines and (marked := SEPARATOR_LINE.fullmatch(lines[0])):
        return marked[1], lines[1:]
    for separator in SEPARATORS:
        header = next((row for row in csv.reader(lines, delimiter=separator) if row), [])
        if "prompt" in map(_named, header):
            return separator, lines
    return ",", lines


def _named(header: str) -> str:
    return header.strip().replace("-", "_")


def _check_columns(names: list[str], known: dict[str, Any], prompts: Path) -> None:
    if "prompt" not in names:
        raise InputError(f"{prompts} has no column named prompt: add one, in the first line.", "prompts")
    for name in names:
        if name not in known:
            raise InputError(
                f"The column “{name}” is no setting of this analysis: rename or remove it; settings are "
                f"{', '.join(known)}.",
                "prompts",
            )
        if names.count(name) > 1:
            raise InputError(f"There are {names.count(name)} columns “{name}”: keep one of them.", "prompts")


def _typed(row: list[str], names: list[str], known: dict[str, Any], index: int, separator: str) -> dict[str, Any]:
    from pydantic import TypeAdapter, ValidationError

    if len(row) > len(names):
        what = SEPARATORS.get(separator, f"“{separator}”")
        raise InputError(f"Row {index} has more cells than there are columns: quote cells with {what}.", "prompts")
    cells = dict(zip(names, row, strict=False))
    typed: dict[str, Any] = {"prompt": cells.pop("prompt", "")}
    for name, cell in cells.items():
        if not cell:
            continue
        try:
            typed[name] = TypeAdapter(known[name].annotation).validate_python(cell)
        except ValidationError as error:
            raise InputError(f"Row {index}: {cell} is no value for {name}: correct the cell.", "prompts") from error
    return typed
