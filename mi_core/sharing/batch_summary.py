"""One number of every prompt of a batch, and what they say together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from mi_core.errors import InputError, shortened
from mi_core.models.tokens import readable
from mi_core.phrases import listed, percent
from mi_core.result import Check, Reading
from mi_core.sharing import batch_table
from mi_core.sharing.kept_batch import KeptBatch

EACH = {
    "max": "the largest",
    "min": "the smallest",
    "mean": "the average",
    "first": "the first",
    "line": "every line's",
}
BINS = 30
PERCENT = ("probability",)
LONGEST = 60  # characters of a prompt in a sentence or beside a bar


@dataclass(frozen=True)
class BatchSummary:
    """`values` of one column, one of every prompt, or every line's."""

    column: str
    unit: str
    """What it measures; empty where that is not said."""
    each: str
    """Which of a prompt's lines counts: one of `EACH`."""
    rows: Int[np.ndarray, " value"]
    """[value] The prompt it is of, 0 for the first."""
    values: Float[np.ndarray, " value"]
    prompts: tuple[str, ...]
    """[value] Its text, the list's own string."""
    without: int
    """Prompts whose result has no number there."""
    checks: tuple[Check, ...]

    @property
    def what(self) -> str:
        """What the numbers are, in words."""
        whose = "" if self.each == "line" else " of each prompt"
        return f"{EACH[self.each].capitalize()} {self.column.replace('_', ' ')}{whose}"

    def tables(self) -> dict[str, pd.DataFrame]:
        """`values`: a row per value; `bins`: how many there are of each size."""
        counts, edges = np.histogram(self.values, bins=BINS)
        counted = "lines" if self.each == "line" else "prompts"
        bins = {f"from_{self.column}": edges[:-1], f"to_{self.column}": edges[1:], counted: counts}
        values = {"row": self.rows, "prompt": list(self.prompts), self.column: self.values}
        return {"values": pd.DataFrame(values), "bins": pd.DataFrame(bins)}

    def reading(self) -> Reading:
        """Median and range, and which prompts stand at the ends."""
        low, high = int(self.values.argmin()), int(self.values.argmax())
        what = self.what
        median = self._said(float(np.median(self.values)))
        if len(self.values) == 1:
            title = f"{what}: {median}"
        elif self.values[low] == self.values[high]:
            title = f"{what}: {median} everywhere"
        else:
            ends = f"from {self._said(self.values[low])} to {self._said(self.values[high])}"
            title = f"{what}: median {median}, {ends}"
        prompts = len(set(self.rows.tolist()))
        many = f"{prompts:,} prompt{'' if prompts == 1 else 's'}"
        counted = f"{len(self.values):,} lines of {many}" if self.each == "line" else many
        sentences = [f"That is of {counted}."]
        if self.values[low] < self.values[high]:
            sentences.append(f"It is smallest for {self._prompt(low)}, and largest for {self._prompt(high)}.")
        if self.without:
            sentences.append(f"{self.without:,} more have no such number.")
        return Reading(title, tuple(sentences))

    def _said(self, value: float) -> str:
        if self.unit in PERCENT:
            return percent(float(value))
        number = f"{value:,.0f}" if float(value).is_integer() and abs(value) < 1e9 else f"{value:.3g}"
        return number.replace("-", "−") + (f" {self.unit}" if self.unit else "")

    def _prompt(self, at: int) -> str:
        return f"“{shortened(readable(self.prompts[at]), LONGEST)}” (row {self.rows[at]})"


def batch_summary(kept: KeptBatch, column: str, each: str = "max") -> BatchSummary:
    """One number of every prompt that is done.

    Args:
        kept: The batch; at least one row is done.
        column: A column of numbers of its table.
        each: Which of a prompt's lines counts: one of `EACH`.

    Raises:
        InputError: There is no such column of numbers, or it holds none.
    """
    known = batch_table.columns(kept)
    if column not in known.numbers:
        raise InputError(
            f"There are no numbers in a column {column}: choose one of {listed(list(known.numbers))}.", "column"
        )
    read = _lines(kept, column) if each == "line" else _of_each(kept, column, each)
    if read.empty:
        raise InputError(f"No row has a number in the column {column}: choose another.", "column")
    rows, values = read["row"].to_numpy(np.int64), read["value"].to_numpy(np.float64)
    done, wrong = kept.done(), batch_table.failed_checks(kept)
    return BatchSummary(
        column=column,
        unit=known.units.get(column, ""),
        each=each,
        rows=rows,
        values=values,
        prompts=tuple(kept.prompt(row) for row in rows.tolist()),
        without=done - len(set(rows.tolist())),
        checks=(Check(f"the self-checks of each of the {done:,} prompts hold (how many do not)", float(wrong), 0.0),),
    )


def _lines(kept: KeptBatch, column: str) -> pd.DataFrame:
    return pd.concat(batch_table.column(kept, column)).rename(columns={column: "value"})


def _of_each(kept: KeptBatch, column: str, each: str) -> pd.DataFrame:
    """A row per prompt, from what each part of the file has of it."""
    parts = [
        part.groupby("row", sort=False)[column].agg(["first", "max", "min", "sum", "count"])
        for part in batch_table.column(kept, column)
    ]
    whole = (
        pd.concat(parts)
        .groupby(level="row", sort=False)
        .agg({"first": "first", "max": "max", "min": "min", "sum": "sum", "count": "sum"})
    )
    value = whole["sum"] / whole["count"] if each == "mean" else whole[each]
    return pd.DataFrame({"row": whole.index, "value": np.asarray(value)}).sort_values("row")
