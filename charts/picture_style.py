"""How a picture is made: its size, ground and colours, and what is written on it."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from mi_core.errors import InputError

MM_PER_INCH = 25.4
# Letters are as large on paper as a caption's: 12 pixels of a layout of 400 on 85 mm are 7 points.
PER_MM = 400 / 85
NARROWEST = 280  # pixels of a layout that still holds a chart; on paper its smallest letters have 5 points or more
SCREEN_PPI, PRINT_PPI = 192, 300
WIDTHS = {"mm": (45, 1_000), "px": (300, 10_000)}
RESOLUTIONS = (72, 1_200)
MOST_WIDE = 10_000  # pixels


@dataclass(frozen=True)
class Size:
    """How large a picture is: `layout` pixels wide as it is drawn, None for as wide as it likes; see `SIZES`.

    The file's width is `millimetres`, or else `pixels`, or else twice the layout; `ppi` pixels make an inch.
    """

    label: str
    layout: float | None = None
    pixels: float | None = None
    millimetres: float | None = None
    ppi: int = SCREEN_PPI

    def width(self, drawn: float) -> float:
        """Pixels of a file whose layout is `drawn` pixels wide."""
        if self.millimetres is not None:
            return self.millimetres / MM_PER_INCH * self.ppi
        return self.pixels or 2 * drawn


SIZES = {
    "screen": Size("as on screen"),
    "slide": Size("a slide, 1600 pixels wide", layout=800, pixels=1600),
    "column": Size("one column of a paper, 85 mm", layout=400, millimetres=85, ppi=PRINT_PPI),
    "page": Size("two columns of a paper, 170 mm", layout=800, millimetres=170, ppi=PRINT_PPI),
}
OWN_WIDTH = "a width of my own"
GROUNDS = {"page": "the page's colour", "white": "white", "transparent": "transparent"}
THEMES = {"light": "light", "dark": "dark"}
LETTERS = {"text": "text", "outlines": "outlines"}


@dataclass(frozen=True)
class Style:
    """How a picture is made: words of `SIZES`, `GROUNDS`, `THEMES` and `LETTERS`, and what is written on it.

    On white, the colours are the light theme's. Raises InputError where a word or a number is none that there is.
    """

    size: str = "screen"
    width: str | None = None
    """In place of the size's own: ``"120mm"`` or ``"1600px"``."""
    ppi: int | None = None
    """Pixels per inch of a PNG, in place of the size's own."""
    ground: str = "page"
    theme: str = "light"
    title: bool = True
    letters: str = "text"
    """``"outlines"`` are shapes that need no font: nobody can change or search the words."""
    label_columns: int = 1
    """Every so manieth column is named, as far as there is room; 0 for none."""
    label_rows: int = 1
    """The same of rows."""
    cell_text: bool = True
    """Whether cells hold their words and numbers: without these they may be as narrow as they like."""

    def __post_init__(self) -> None:
        known = {"size": SIZES, "ground": GROUNDS, "theme": THEMES, "letters": LETTERS}
        for name, words in known.items():
            _among(words, name, getattr(self, name))
        for name in ("label_columns", "label_rows"):
            if getattr(self, name) < 0:
                raise InputError("Label every column with 1, every fifth with 5, none with 0.", name)
        if self.ppi is not None:
            within(self.ppi, RESOLUTIONS, "ppi", "resolution", "pixels per inch")
        paper = self.paper
        if paper.width(0) > MOST_WIDE:
            raise InputError(
                f"{paper.millimetres:g} mm at {paper.ppi:,} pixels per inch would be {paper.width(0):,.0f} pixels "
                f"wide, more than {MOST_WIDE:,}: choose less of one of them.",
                "ppi",
            )

    @property
    def paper(self) -> Size:
        """The size, with a width and a resolution of one's own."""
        size = SIZES[self.size] if self.width is None else own_size(self.width)
        return Size(size.label, size.layout, size.pixels, size.millimetres, self.ppi or size.ppi)

    @property
    def is_dark(self) -> bool:
        """Whether its colours are the dark theme's."""
        return self.theme == "dark" and self.ground != "white"


def own_size(width: str) -> Size:
    """The size behind ``"120mm"`` or ``"1600px"``. Raises InputError for what is neither, or too much or too little."""
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(mm|px)\s*", width)
    if found is None:
        raise InputError("Write a width as 120mm or 1600px: a number and its unit.", "width")
    number, unit = float(found[1]), found[2]
    within(number, WIDTHS[unit], "width", "width", "mm" if unit == "mm" else "pixels")
    if unit == "mm":
        return Size(OWN_WIDTH, max(NARROWEST, number * PER_MM), millimetres=number, ppi=PRINT_PPI)
    return Size(OWN_WIDTH, max(NARROWEST, number / 2), pixels=number)


def within(number: float, limits: tuple[int, int], field: str, name: str, unit: str) -> None:
    """Raises InputError where a number is beyond its limits."""
    low, high = limits
    if not low <= number <= high:
        raise InputError(f"The {name} is {number:g} {unit}: choose one from {low:,} to {high:,}.", field)


def _among(words: Collection[str], name: str, word: Any) -> None:
    if word not in words:
        raise InputError(f"There is no {name} {word}: choose one of {', '.join(words)}.", name)


USUAL = Style()
