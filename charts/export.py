"""Charts as files: PNG, SVG and PDF, made offline."""

from __future__ import annotations

from typing import Any

import vl_convert

from charts import theme
from charts.figures import FIGURES
from charts.ready import ready, with_rows

WIDTH = 640  # pixels, of charts that fill their place on screen


def picture(analysis: str, result: Any, form: str) -> bytes:
    """The chart that stands for a result of `analysis`, titled with what it found, as a file; see `image`."""
    return image(ready(FIGURES[analysis](result, title=result.reading().title)), form)


def image(spec: dict[str, Any], form: str, *, dark: bool = False) -> bytes:
    """A chart as a ``"png"`` (twice its size in pixels), ``"svg"`` or ``"pdf"`` file, on its own background.

    Args:
        spec: The chart, as from `charts.ready.ready`.
        form: The kind of file.
        dark: Whether it has the colours of the dark theme.
    """
    spec = {"width": WIDTH} | with_rows(spec) | {"config": theme.config(dark=dark)}
    if form == "png":
        return vl_convert.vegalite_to_png(spec, scale=2)
    if form == "svg":
        return vl_convert.vegalite_to_svg(spec).encode()
    return vl_convert.vegalite_to_pdf(spec)
