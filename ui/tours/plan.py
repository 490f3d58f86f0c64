"""What a tour is: steps, each a page with its fields filled in, something to do, and a number to expect.

A tour is a file ``<name>.toml`` in this folder; docs/add-a-tour.md says how to write one.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from mi_core import phrases
from ui import address, words
from ui.parts.presets import PRESETS

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = {path.stem: path.relative_to(ROOT).as_posix() for path in sorted((ROOT / "pages").rglob("*.py"))}
FORMS: dict[str, Callable[[float], str]] = {
    "percent": phrases.percent,
    "share": phrases.percent_of_gap,
    "signed": phrases.signed,
    "bits": phrases.bits,
    "number": "{:,.0f}".format,
    "activation": "{:.2f}".format,
}
CHOSEN = "chosen"  # in `where`: the position that the page looks at


@dataclass(frozen=True)
class Live:
    """A number of a result that a step's page computes anyway, and what it is expected to be.

    `column` of the row of `table` where `where` holds and `but` does not; of several rows the largest, or with `take`
    ``rows`` how many rows there are. Without a `table`, a number of the result itself. `says` is what it is, `form` how
    it is written, by its name in `FORMS`; from `low` to `high`, of which one may be open, is what the built-in model
    gives on the tour's own prompt, with room around it.
    """

    analysis: str
    says: str
    column: str
    form: str
    low: float = -math.inf
    high: float = math.inf
    table: str = ""
    where: Mapping[str, Any] = field(default_factory=dict)
    but: Mapping[str, Any] = field(default_factory=dict)
    take: str = "largest"

    def of(self, result: Any) -> float | None:
        """The number; None where this result does not have it."""
        if not self.table:
            return float(getattr(result, self.column))
        frame = result.tables()[self.table]
        for name, wanted in self.where.items():
            frame = frame[_is(frame[name], _chosen(result) if wanted == CHOSEN else wanted)]
        for name, unwanted in self.but.items():
            frame = frame[~_is(frame[name], unwanted)]
        if self.take == "rows":
            return float(len(frame)) or None
        found = pd.Series(pd.to_numeric(frame[self.column], errors="coerce")).dropna()
        return None if found.empty else float(found.max())

    def holds(self, value: float) -> bool:
        """Whether the number is as expected."""
        return self.low <= value <= self.high

    def written(self, value: float) -> str:
        """The number for people."""
        return FORMS[self.form](value)

    def expected(self) -> str:
        """The range for people."""
        if math.isinf(self.high):
            return f"at least {self.written(self.low)}"
        if math.isinf(self.low):
            return f"at most {self.written(self.high)}"
        return f"{self.written(self.low)} to {self.written(self.high)}"


@dataclass(frozen=True)
class Step:
    """`say` explains and `do` is one thing to do; `lit` is the key of what lights up: a field, a chart, a container.

    `fields` are the page's, by the words of its address. A prompt comes from a `preset` by its title, or is the step's
    own, with `target` and `foil`; without either the page reads none, and the prompt stays as it is.
    """

    title: str
    page: str
    lit: str
    say: str
    do: str
    live: Live
    fields: Mapping[str, Any] = field(default_factory=dict)
    preset: str = ""
    prompt: str = ""
    target: str = ""
    foil: str = ""

    @property
    def script(self) -> str:
        """The page's file."""
        return SCRIPTS[self.page]

    @property
    def url(self) -> str:
        """The page's name in an address."""
        return "" if self.page == "start" else self.page


@dataclass(frozen=True)
class Tour:
    """`name` in addresses; `title` and `sentence` for its card; the steps, first to last."""

    name: str
    title: str
    sentence: str
    order: int
    steps: tuple[Step, ...]

    def link(self, number: int = 1) -> dict[str, Any]:
        """What `st.page_link` opens a step with, but for the words of the link; steps count from 1."""
        query = address.link_to(**{words.TOUR.key: self.name, words.TOUR_STEP.key: number})
        return {"page": self.steps[number - 1].script, "query_params": query}


def _is(column: pd.Series, value: Any) -> pd.Series:
    return (column == value).fillna(False).astype(bool)


def _chosen(result: Any) -> int:
    """The position that a result looks at."""
    pos = getattr(result, "pos", None)
    return len(result.tokens) - 1 if pos is None else int(pos)


def _step(written: Mapping[str, Any]) -> Step:
    if preset := written.get("preset"):
        (known,) = [each for each in PRESETS if each.title == preset]
        written = {"prompt": known.prompt, "target": known.target, "foil": known.foil, **written}
    return Step(**{**written, "live": Live(**written["live"])})


def read(path: Path) -> Tour:
    """A tour from its file."""
    with path.open("rb") as file:
        written = tomllib.load(file)
    steps = tuple(map(_step, written.pop("step")))
    return Tour(name=path.stem, steps=steps, **written)


TOURS = {
    tour.name: tour for tour in sorted(map(read, words.TOURS.glob("*.toml")), key=lambda tour: (tour.order, tour.name))
}
# The prompts of stories and tours: one click away at any time, so that nobody has to keep them.
KNOWN_PROMPTS = {preset.prompt for preset in PRESETS} | {
    step.prompt for tour in TOURS.values() for step in tour.steps if step.prompt
}
