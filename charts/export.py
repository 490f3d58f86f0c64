"""Charts as files: PNG, SVG, PDF and Vega-Lite, made offline, of a size for where they go, with a caption below."""

from __future__ import annotations

import html
import json
import re
import textwrap
from collections.abc import Sequence
from typing import Any

import vl_convert

from charts import theme
from charts.figures import FIGURES
from charts.head_pictures import in_colours
from charts.labelled import labelled, without_words
from charts.picture_style import MM_PER_INCH, USUAL, Size, Style
from charts.ready import ready, with_rows
from charts.rows import in_rows
from charts.unseen import seen
from mi_core.errors import InputError

FORMS = ("png", "svg", "pdf", "vega-lite")
MARGIN, LINE = 16, 15  # pixels around a chart, and per line of its caption
PER_INCH = 96  # pixels of an SVG
WIDTH, WIDEST = 640, 1_100  # pixels of charts that fill their place, and beyond which columns break into rows
MOST_PIXELS = 100e6  # of a PNG: four times as many bytes are held while it is made


def picture(analysis: str, result: Any, form: str, caption: Sequence[str] = (), style: Style = USUAL) -> bytes:
    """The chart that stands for a result of `analysis`, titled with what it found, as a file; see `image`."""
    return image(ready(FIGURES[analysis](result, title=result.reading().title)), form, caption, style)


def specification(analysis: str, result: Any) -> dict[str, Any]:
    """The same chart as Vega-Lite that holds all it needs: its rows as plain values, and the light theme's colours."""
    return vega_lite(ready(FIGURES[analysis](result, title=result.reading().title)))


def vega_lite(spec: dict[str, Any], caption: Sequence[str] = (), style: Style = USUAL) -> dict[str, Any]:
    """A chart as Vega-Lite that holds all it needs: its rows as plain values, its colours, its caption in `usermeta`.

    Args:
        spec: The chart, as from `charts.ready.ready`.
        caption: What is said of it.
        style: Its colours and labels; its width is that of the chart on screen.
    """
    drawn = _worded(_coloured(spec, style), style)
    drawn = labelled({"width": WIDTH} | drawn, style.label_columns, style.label_rows)
    said = {"usermeta": drawn.get("usermeta", {}) | {"caption": list(caption)}} if caption else {}
    return drawn | said | {"config": theme.config(dark=style.is_dark, ground=_ground(style))}


def image(spec: dict[str, Any], form: str, caption: Sequence[str] = (), style: Style = USUAL) -> bytes:
    """A chart as a file of one of `FORMS`, with its resolution or size written into it.

    A chart of more columns than fit is broken into rows of them; one whose columns cannot be broken has narrow ones.

    Args:
        spec: The chart, as from `charts.ready.ready`.
        form: The kind of file.
        caption: Lines below the chart, broken where they are too long.
        style: How it is made.

    Raises:
        InputError: A PNG would have more pixels than there is memory for.
    """
    if form == "vega-lite":
        return json.dumps(vega_lite(spec, caption, style), ensure_ascii=False, allow_nan=False).encode()
    size = style.paper
    body, wide, high = _composed(_parts(_coloured(spec, style), size, style), caption, size, style)
    if form == "png":
        _require_fitting(wide, high, size)
        svg = _document(body, wide, high, f"{wide:g}", f"{high:g}")
        return vl_convert.svg_to_png(svg, scale=72 * size.width(wide) / (wide * size.ppi), ppi=size.ppi)
    inches = size.width(wide) / size.ppi
    unit, per_inch = ("", 72) if form == "pdf" else ("", PER_INCH) if size.millimetres is None else ("mm", MM_PER_INCH)
    across, down = (f"{inches * per_inch * share:.6g}{unit}" for share in (1, high / wide))
    svg = _document(body, wide, high, across, down)
    if style.letters == "outlines":
        from charts.outlines import outlined  # matplotlib takes its time

        svg = outlined(svg)
    return vl_convert.svg_to_pdf(svg) if form == "pdf" else svg.encode()


def require_fitting(spec: dict[str, Any], caption: Sequence[str], style: Style) -> None:
    """Raises InputError where a PNG would have more pixels than there is memory for; see `image`."""
    size = style.paper
    _, wide, high = _composed(_parts(_coloured(spec, style), size, style), caption, size, style)
    _require_fitting(wide, high, size)


def _require_fitting(wide: float, high: float, size: Size) -> None:
    pixels = size.width(wide) ** 2 * high / wide
    if pixels > MOST_PIXELS:
        raise InputError(
            f"The picture would have {pixels / 1e6:,.0f} million pixels, more than {MOST_PIXELS / 1e6:,.0f} million: "
            "choose a smaller width or resolution, or SVG or PDF.",
            "ppi",
        )


def _document(body: str, wide: float, high: float, across: str, down: str) -> str:
    """An SVG of `wide` × `high` pixels, shown `across` × `down` large."""
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        f'width="{across}" height="{down}" viewBox="0 0 {wide:g} {high:g}">{seen(body)}</svg>'
    )


def _coloured(spec: dict[str, Any], style: Style) -> dict[str, Any]:
    """The chart with rows of plain values, and pictures in the theme's colours."""
    return in_colours(with_rows(spec), theme.ramp(dark=style.is_dark, ground=_ground(style)))


def _worded(spec: dict[str, Any], style: Style) -> dict[str, Any]:
    """The chart with the words that the reader wants."""
    drawn = spec if style.cell_text else without_words(spec)
    return drawn if style.title else drawn | {"title": ""}


def _parts(spec: dict[str, Any], size: Size, style: Style) -> list[str]:
    """The chart's rows as SVG, without a ground of their own."""
    natural = spec["width"] + spec["usermeta"]["room"]["beside"] if "width" in spec else WIDTH
    layout = (size.layout or min(natural, WIDEST)) - 2 * MARGIN
    config = theme.config(dark=style.is_dark, ground=_ground(style)) | {"background": None, "padding": 0}
    drawn = _worded(_retitled(spec, layout), style)
    parts = in_rows(drawn, layout, bare=not style.cell_text, fit=size.layout is not None)
    parts = [labelled(part, style.label_columns, style.label_rows) for part in parts]
    return [vl_convert.vegalite_to_svg(part | {"config": config}) for part in parts]


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
    palette = theme.DARK if style.is_dark else theme.LIGHT
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
        full = theme.breadth(text) / max(len(text), 1)
        broken += textwrap.wrap(text, max(12, int(width / (5.6 * full)))) or [""]
    return broken
