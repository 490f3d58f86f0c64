"""Charts as files: PNG, SVG and PDF, made offline, of a size for where they go, with a caption below."""

from __future__ import annotations

import html
import re
import textwrap
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import vl_convert

from charts import theme
from charts.figures import FIGURES
from charts.ready import ready, with_rows
from charts.rows import in_rows

MARGIN, LINE = 16, 15  # pixels around a chart, and per line of its caption
PER_INCH = 96  # pixels of an SVG
WIDTH, WIDEST = 640, 1_100  # pixels of charts that fill their place, and beyond which columns break into rows


@dataclass(frozen=True)
class Size:
    """How large a picture is: `layout` pixels wide as it is drawn, None for as wide as it likes; see `SIZES`.

    The file's width is `millimetres`, or else `pixels`, or else twice the layout; `ppi` pixels make an inch.
    """

    label: str
    layout: int | None = None
    pixels: int | None = None
    millimetres: float | None = None
    ppi: int = 192

    def width(self, drawn: float) -> float:
        """Pixels of a file whose layout is `drawn` pixels wide."""
        if self.millimetres is not None:
            return self.millimetres / 25.4 * self.ppi
        return self.pixels or 2 * drawn


# Letters are as large on paper as a caption's: 12 pixels of a layout of 400 on 85 mm are 7 points.
SIZES = {
    "screen": Size("as on screen"),
    "slide": Size("a slide, 1600 pixels wide", layout=800, pixels=1600),
    "column": Size("one column of a paper, 85 mm", layout=400, millimetres=85, ppi=300),
    "page": Size("two columns of a paper, 170 mm", layout=800, millimetres=170, ppi=300),
}
GROUNDS = {"page": "the page's colour", "white": "white", "transparent": "transparent"}
THEMES = {"light": "light", "dark": "dark"}


@dataclass(frozen=True)
class Style:
    """How a picture is made: words of `SIZES`, `GROUNDS` and `THEMES`. On white, the colours are the light theme's."""

    size: str = "screen"
    ground: str = "page"
    theme: str = "light"


def picture(analysis: str, result: Any, form: str, caption: Sequence[str] = (), style: Style = Style()) -> bytes:
    """The chart that stands for a result of `analysis`, titled with what it found, as a file; see `image`."""
    return image(ready(FIGURES[analysis](result, title=result.reading().title)), form, caption, style)


def specification(analysis: str, result: Any) -> dict[str, Any]:
    """The same chart as Vega-Lite that holds all it needs: its rows as plain values, and the light theme's colours."""
    spec = with_rows(ready(FIGURES[analysis](result, title=result.reading().title)))
    return spec | {"config": theme.config()}


def image(spec: dict[str, Any], form: str, caption: Sequence[str] = (), style: Style = Style()) -> bytes:
    """A chart as a ``"png"``, ``"svg"`` or ``"pdf"`` file, with its resolution or size written into it.

    A chart of more columns than fit is broken into rows of them.

    Args:
        spec: The chart, as from `charts.ready.ready`.
        form: The kind of file.
        caption: Lines below the chart, broken where they are too long.
        style: Its size, ground and colours.
    """
    size = SIZES[style.size]
    body, wide, high = _composed(_parts(with_rows(spec), size, style), caption, size, style)
    if form == "png":
        svg = _document(body, wide, high, f"{wide:g}", f"{high:g}")
        return vl_convert.svg_to_png(svg, scale=72 * size.width(wide) / (wide * size.ppi), ppi=size.ppi)
    inches = size.width(wide) / size.ppi
    unit, per_inch = ("", 72) if form == "pdf" else ("", PER_INCH) if size.millimetres is None else ("mm", 25.4)
    across, down = (f"{inches * per_inch * share:.6g}{unit}" for share in (1, high / wide))
    svg = _document(body, wide, high, across, down)
    return vl_convert.svg_to_pdf(svg) if form == "pdf" else svg.encode()


def _document(body: str, wide: float, high: float, across: str, down: str) -> str:
    """An SVG of `wide` × `high` pixels, shown `across` × `down` large."""
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        f'width="{across}" height="{down}" viewBox="0 0 {wide:g} {high:g}">{body}</svg>'
    )


def _parts(spec: dict[str, Any], size: Size, style: Style) -> list[str]:
    """The chart's rows as SVG, without a ground of their own."""
    natural = spec["width"] + spec["usermeta"]["room"]["beside"] if "width" in spec else WIDTH
    layout = (size.layout or min(natural, WIDEST)) - 2 * MARGIN
    config = theme.config(dark=_is_dark(style), ground=_ground(style)) | {"background": None, "padding": 0}
    return [vl_convert.vegalite_to_svg(part | {"config": config}) for part in in_rows(_retitled(spec, layout), layout)]


def _is_dark(style: Style) -> bool:
    return style.theme == "dark" and style.ground != "white"


def _ground(style: Style) -> str | None:
    """The colour behind the chart; None for the theme's own."""
    return "#FFFFFF" if style.ground == "white" else None


def _retitled(spec: dict[str, Any], layout: float) -> dict[str, Any]:
    """The chart with its title broken into lines of the picture's width."""
    title, subtitle = (" ".join(spec["title"].get(part, [])) for part in ("text", "subtitle"))
    return spec | {"title": theme.titled(title, subtitle, width=layout).to_dict()}


def _composed(parts: list[str], caption: Sequence[str], size: Size, style: Style) -> tuple[str, float, float]:
    """The parts below each other on their ground, the caption below them; width and height in pixels."""
    sizes = [tuple(map(float, re.findall(r'(?:width|height)="([\d.]+)"', part)[:2])) for part in parts]
    wide = max([size.layout or 0, *(w + 2 * MARGIN for w, _ in sizes)])
    body, down = [], float(MARGIN)
    for number, (part, (_, high)) in enumerate(zip(parts, sizes, strict=True)):
        body.append(f'<g transform="translate({MARGIN},{down:g})">{_own_names(part, number)}</g>')
        down += high + MARGIN
    palette = theme.DARK if _is_dark(style) else theme.LIGHT
    for line in _lines(caption, wide - 2 * MARGIN):
        down += LINE
        body.append(
            f'<text x="{MARGIN}" y="{down - 4:g}" font-family="{theme.FONT}" font-size="{theme.SMALL}px" '
            f'fill="{palette["quiet"]}" xml:space="preserve">{html.escape(line)}</text>'
        )
    down += MARGIN
    ground = _ground(style) or palette["background"]
    back = "" if style.ground == "transparent" else f'<rect width="{wide:g}" height="{down:g}" fill="{ground}"/>'
    return back + "".join(body), wide, down


def _own_names(svg: str, number: int) -> str:
    """The part with its clips and gradients named apart from those of the others."""
    return re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>part{number}-", svg)


def _lines(caption: Sequence[str], width: float) -> list[str]:
    """The caption in lines of that many pixels; wide letters count twice."""
    broken = []
    for text in caption:
        full = sum(1 + (unicodedata.east_asian_width(letter) in "WF") for letter in text) / max(len(text), 1)
        broken += textwrap.wrap(text, max(12, int(width / (5.6 * full)))) or [""]
    return broken
