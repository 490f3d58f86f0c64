"""Two tables of one shape, row by row: what is in both, and how far apart the numbers are."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

FIRST, SECOND, CHANGE = "_a", "_b", "_difference"  # what ends the names of a column's three
ORDER = "rank"  # an order is no name: what is third in one table may be fifth in the other
AGAIN = "again"  # counts rows that nothing tells apart


@dataclass(frozen=True)
class Difference:
    """The rows that two tables share, and how many each has alone."""

    table: pd.DataFrame
    """The columns that name a row, texts beside them, and for each measured column `x`: `x_a`, `x_b`, and
    `x_difference`, which is B − A."""
    keys: tuple[str, ...]
    """The columns that name a row."""
    measured: tuple[str, ...]
    """The columns that are compared."""
    only_first: int
    """Rows of the first table without a counterpart."""
    only_second: int
    """Rows of the second."""

    def most(self, column: str) -> pd.Series | None:
        """The row where a measured column differs most; None where no row has both numbers."""
        change = self.table[column + CHANGE].abs().dropna()
        return None if change.empty else self.table.loc[change.idxmax()]


def compared(first: pd.DataFrame, second: pd.DataFrame, units: Collection[str] = ()) -> Difference:
    """Two tables of one analysis, matched by what names their rows.

    Args:
        first: The table A.
        second: The table B.
        units: The columns that measure something (`mi_core.result.units_of`); columns of fractions do too.

    Returns:
        Names of rows are whole numbers and texts, as few as tell the rows of each table apart. Ranks that are not
        needed for that are measured as well.
    """
    shared = [column for column in first if column in second]
    names = [column for column in shared if column not in units and not _is_fraction(pd.Series(first[column]))]
    keys = _fewest(first, second, names)
    measured = [
        column
        for column in shared
        if column not in keys
        and (column not in names or column.endswith(ORDER))
        and _is_number(pd.Series(first[column]), pd.Series(second[column]))
    ]
    return difference(pd.DataFrame(first[shared]), pd.DataFrame(second[shared]), keys, measured)


def difference(first: pd.DataFrame, second: pd.DataFrame, keys: Sequence[str], measured: Sequence[str]) -> Difference:
    """Two tables, matched by `keys`: B − A of every `measured` column, in the order of the first table.

    Rows that the keys do not tell apart are matched in their order. Texts beside them stand once where both tables
    agree on them, else as `x_a` and `x_b`.
    """
    one, other = (frame.reset_index(drop=True) for frame in (first, second))
    on = [*keys]
    if not on or one.duplicated(on).any() or other.duplicated(on).any():
        one, other = (frame.assign(**{AGAIN: _again(frame, on)}) for frame in (one, other))
        on.append(AGAIN)
    both = one.merge(other, on=on, how="inner", suffixes=(FIRST, SECOND))
    columns = {name: both[name] for name in on}
    for name in one.columns:
        if name in on or name not in other:
            continue
        a, b = both[name + FIRST], both[name + SECOND]
        if name in measured:
            numbers = [pd.Series(pd.to_numeric(value)).astype(float) for value in (a, b)]
            columns |= {name + FIRST: a, name + SECOND: b, name + CHANGE: numbers[1] - numbers[0]}
        elif a.astype(object).where(a.notna(), None).equals(b.astype(object).where(b.notna(), None)):
            columns[name] = a
        else:
            columns |= {name + FIRST: a, name + SECOND: b}
    return Difference(pd.DataFrame(columns), tuple(on), tuple(measured), len(one) - len(both), len(other) - len(both))


def _fewest(first: pd.DataFrame, second: pd.DataFrame, names: Sequence[str]) -> list[str]:
    """As few of these columns as tell rows apart: an order goes first, then the last ones."""
    keys = list(names)
    order = [name for name in names if name == ORDER]
    for name in [*order, *reversed([name for name in names if name != ORDER])]:
        fewer = [key for key in keys if key != name]
        if fewer and not first.duplicated(fewer).any() and not second.duplicated(fewer).any():
            keys = fewer
    return keys


def _again(frame: pd.DataFrame, on: Sequence[str]) -> np.ndarray:
    """Which of the rows of one name each is."""
    return frame.groupby(list(on), dropna=False).cumcount().to_numpy() if on else np.arange(len(frame))


def _is_fraction(column: pd.Series) -> bool:
    return pd.api.types.is_float_dtype(column)


def _is_number(*columns: pd.Series) -> bool:
    return all(pd.api.types.is_numeric_dtype(one) and not pd.api.types.is_bool_dtype(one) for one in columns)
