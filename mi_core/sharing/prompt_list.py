"""Lists of prompts: a table with a column `prompt`, and others that are named like settings of an analysis."""

from __future__ import annotations

import functools
import typing
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mi_core.analyses._index import find_analysis, settings_of
from mi_core.errors import InputError, shortened
from mi_core.sharing import prompt_table
from mi_core.sharing.prompt_table import FIELD, SEPARATORS, PromptTable, setting_name


@dataclass(frozen=True)
class Column:
    """A column of a table, and the setting that it sets; None where it sets none."""

    name: str
    setting: str | None


def read(prompts: Path, analysis: str) -> list[dict[str, Any]]:
    """The settings of every row, typed as the analysis wants them; empty cells are left out.

    Raises:
        InputError: The file cannot be read as a table (`prompt_table.opened`), lacks the column `prompt` or prompts, or
            has a column twice or one that is no setting; or a cell is not of its setting's type.
    """
    table = prompt_table.opened(prompts)
    columns = matched(table, analysis)
    for column in columns:
        if column.setting is None:
            raise InputError(
                f"The column “{setting_name(column.name)}” is no setting of this analysis: rename or remove it; "
                f"settings are {', '.join(_known(analysis))}.",
                FIELD,
            )
    rows = settings(table, columns, analysis)
    for row in rows:
        if isinstance(row, InputError):
            raise row
    return [row for row in rows if isinstance(row, dict)]


def matched(table: PromptTable, analysis: str, prompt: str = "") -> tuple[Column, ...]:
    """What each column sets, found by its name: capitals, spaces, hyphens and underscores make no difference.

    Args:
        table: The table.
        analysis: Name of the analysis.
        prompt: The column that holds the prompts, where none is called so.

    Raises:
        InputError: No column holds the prompts, there are no rows, or two columns have one name.
    """
    known = _known(analysis)
    names = ["prompt" if header == prompt else setting_name(header) for header in table.header]
    if "prompt" not in names:
        raise InputError(f"{table.name} has no column named prompt: add one, in the first line.", FIELD)
    for name in names:
        if names.count(name) > 1:
            raise InputError(f"There are {names.count(name)} columns “{name}”: keep one of them.", FIELD)
    if not table.rows:
        raise InputError(f"{table.name} has no prompts: add one per line below the first.", FIELD)
    return tuple(
        Column(header, name if name in known else None) for header, name in zip(table.header, names, strict=True)
    )


def settings(table: PromptTable, columns: tuple[Column, ...], analysis: str) -> list[dict[str, Any] | InputError]:
    """The settings of every row, typed, or what is wrong with a row that cannot be used; empty cells are left out."""
    reads = {column.setting: reader(analysis, column.setting) for column in columns if column.setting}
    return [_row(table, columns, reads, at) for at in range(len(table.rows))]


def _row(
    table: PromptTable, columns: tuple[Column, ...], reads: dict[str, Callable[[str], Any]], at: int
) -> dict[str, Any] | InputError:
    from pydantic import ValidationError

    cells = table.rows[at]
    if len(cells) > len(columns):
        what = SEPARATORS.get(table.separator, f"“{table.separator}”")
        return InputError(f"Row {at} has more cells than there are columns: quote cells with {what}.", FIELD)
    typed: dict[str, Any] = {"prompt": ""}
    for column, cell in zip(columns, cells, strict=False):
        if column.setting == "prompt":
            typed["prompt"] = cell
        elif column.setting and cell:
            try:
                typed[column.setting] = reads[column.setting](cell)
            except ValidationError:
                said = f"Row {at}: {shortened(cell)} is no value for {column.setting}: correct the cell."
                return InputError(said, FIELD)
    return typed


@functools.cache
def reader(analysis: str, setting: str) -> Callable[[str], Any]:
    """What makes a setting's value of text, or raises ValidationError; several values are separated by semicolons."""
    from pydantic import TypeAdapter

    annotation = _known(analysis)[setting].annotation
    validate = TypeAdapter(annotation).validate_python
    if typing.get_origin(annotation) is tuple:
        return lambda text: validate(tuple(part.strip() for part in text.split(";") if part.strip()))
    return validate


def _known(analysis: str) -> dict[str, Any]:
    return settings_of(find_analysis(analysis))
