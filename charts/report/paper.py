"""Text and pictures on A4 pages, from top to bottom; what does not fit goes on to the next page."""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, field

from charts.theme import FONT, LIGHT, MONO

WIDTH, HEIGHT, MARGIN = 595.0, 842.0, 50.0  # points
FOOT = 34.0
ACCENT = LIGHT["category"][0]
# Widths of ASCII from the space on in Helvetica, whose widths Arial and Liberation Sans share (Adobe's AFM), in
# thousandths of the size.
ASCII = (
    278, 278, 355, 556, 556, 889, 667, 191, 333, 333, 389, 584, 278, 333, 278, 278, 556, 556, 556, 556,
    556, 556, 556, 556, 556, 556, 278, 278, 584, 584, 584, 556, 1015, 667, 667, 722, 722, 667, 611, 778,
    722, 278, 500, 667, 556, 833, 722, 778, 667, 778, 722, 667, 611, 722, 667, 944, 667, 667, 611, 278,
    278, 278, 469, 556, 333, 556, 556, 500, 556, 556, 278, 556, 556, 222, 222, 500, 222, 833, 556, 556,
    556, 556, 333, 500, 278, 556, 500, 722, 500, 500, 500, 334, 260, 334, 584,
)  # fmt: skip
# What the usual fonts may lack is set in another by itself: else one such letter takes its whole line along.
OTHER = re.compile(r"[^\t -\u04ff\u2000-\u2044\u2212]+")
OTHERS = "DejaVu Sans, Segoe UI, Arial Unicode MS, Noto Sans, sans-serif"
ELSEWHERE, FULL, BOLD, MONOSPACED = 760, 1100, 1.09, 602  # letters of other scripts, full-width ones; times; of code


@dataclass(frozen=True)
class Type:
    """How a text is set: `size` in points, its line `height` as times that, `colour`, `bold`, `mono`spaced."""

    size: float = 10.0
    colour: str = LIGHT["text"]
    bold: bool = False
    mono: bool = False
    height: float = 1.42

    @property
    def line(self) -> float:
        """Points from line to line."""
        return self.size * self.height


TITLE = Type(24, bold=True, height=1.2)
HEADING = Type(15, bold=True, height=1.3)
BODY = Type()
LABEL = Type(8.5, LIGHT["quiet"], bold=True)
SMALL = Type(8.5, LIGHT["quiet"])
CODE = Type(7.5, mono=True)


@dataclass
class Paper:
    """Pages that are filled from top to bottom. `pages` holds the SVG of what stands on each."""

    pages: list[list[str]] = field(default_factory=lambda: [[]])
    y: float = MARGIN

    @property
    def room(self) -> float:
        """Points that are left on the page."""
        return HEIGHT - MARGIN - FOOT / 2 - self.y

    def turn(self) -> None:
        """On to a new page, unless this one is new."""
        if self.pages[-1]:
            self.pages.append([])
            self.y = MARGIN

    def skip(self, points: float) -> None:
        """Leave room, but not at the top of a page."""
        if self.pages[-1]:
            self.y += points

    def text(self, text: str, style: Type = BODY, *, left: float = 0.0, rule: bool = False, keep: float = 0.0) -> None:
        """A text in as many lines as it needs.

        Args:
            text: Anything; line ends are kept.
            style: How it is set.
            left: Points that it is set in from the margin.
            rule: A line in the accent's colour along its left.
            keep: Points that must be left below its first line, so that a heading does not stand alone.
        """
        if self.room < style.line + keep:
            self.turn()
        for line in wrapped(text, WIDTH - 2 * MARGIN - left, style):
            if self.room < style.line:
                self.turn()
            if rule:
                self.pages[-1].append(
                    f'<rect x="{MARGIN}" y="{self.y:.1f}" width="2" height="{style.line:.1f}" fill="{ACCENT}"/>'
                )
            self.pages[-1].append(_line(line, MARGIN + left, self.y + style.size, style))
            self.y += style.line

    def picture(self, svg: str, most: float = 0.6) -> None:
        """An SVG as wide as the page, or as wide as lets it be no higher than this share of it; never cut."""
        wide, high = (float(number) for number in re.findall(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', svg)[0])
        across = WIDTH - 2 * MARGIN
        scale = min(across / wide, HEIGHT * most / high, 1.0)
        if self.room < high * scale:
            self.turn()
        place = f'x="{MARGIN}" y="{self.y:.1f}" width="{wide * scale:.2f}" height="{high * scale:.2f}"'
        self.pages[-1].append(re.sub(r'(<svg[^>]*?) width="[^"]*" height="[^"]*"', rf"\1 {place}", svg, count=1))
        self.y += high * scale

    def documents(self, foot: str) -> Iterable[str]:
        """Every page as an SVG document, with `foot` and its number at its foot."""
        for number, parts in enumerate(self.pages, 1):
            counted = f"page {number} of {len(self.pages)}"
            said = wrapped(f"{foot} · {counted}", WIDTH - 2 * MARGIN, SMALL)
            foot_line = _line(said[0] if len(said) == 1 else counted, MARGIN, HEIGHT - FOOT, SMALL)
            yield (
                '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
                f'width="{WIDTH:g}" height="{HEIGHT:g}" viewBox="0 0 {WIDTH:g} {HEIGHT:g}">'
                f'<rect width="{WIDTH:g}" height="{HEIGHT:g}" fill="#FFFFFF"/>{"".join(parts)}{foot_line}</svg>'
            )


def wrapped(text: str, width: float, style: Type) -> list[str]:
    """Lines no wider than `width` points; words that are longer are broken."""
    lines = []
    for paragraph in text.splitlines() or [""]:
        line, used = "", 0.0
        for word in re.findall(r"\s+|\S+", paragraph):
            wide = measured(word, style)
            if used + wide > width and line.strip():
                lines.append(line.rstrip())
                line, used = "", 0.0
                if word.isspace():
                    continue
            for letter in word if wide > width else [word]:
                step = measured(letter, style)
                if used + step > width and line:
                    lines.append(line)
                    line, used = "", 0.0
                line, used = line + letter, used + step
        lines.append(line.rstrip())
    return lines


def measured(text: str, style: Type) -> float:
    """How wide a text is at most, in points."""
    return (
        sum(map(_width, text)) * style.size / 1000 * (BOLD if style.bold else 1)
        if not style.mono
        else (sum(FULL if _is_full(letter) else MONOSPACED for letter in text) * style.size / 1000)
    )


def _width(letter: str) -> float:
    if " " <= letter <= "~":
        return ASCII[ord(letter) - 32]
    if unicodedata.category(letter) == "Mn":
        return 0
    return FULL if _is_full(letter) else ELSEWHERE


def _is_full(letter: str) -> bool:
    return unicodedata.east_asian_width(letter) in "WF"


def _line(text: str, x: float, y: float, style: Type) -> str:
    weight = ' font-weight="bold"' if style.bold else ""
    shown = OTHER.sub(rf'<tspan font-family="{OTHERS}">\g<0></tspan>', html.escape(text.expandtabs(4)))
    font = MONO if style.mono else FONT
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-family="{font}" font-size="{style.size:g}"{weight} '
        f'fill="{style.colour}" xml:space="preserve">{shown}</text>'
    )
