"""The chart of every analysis, and charts as files: PNG, SVG and PDF, made offline."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import altair as alt
import pandas as pd
import vl_convert

from charts import theme
from charts.attention_pattern import attention_pattern
from charts.bars import bars
from charts.effect_grid import effect_grid
from charts.head_grid import head_grid
from charts.lens_heatmap import lens_cells, lens_heatmap
from charts.shift import shift
from charts.strengths import strengths
from charts.token_strip import token_strip
from mi_core.models.tokens import visible, with_visible_tokens

WIDTH = 640  # pixels, of charts that fill their place on screen


def figure(analysis: str, result: Any) -> alt.LayerChart:
    """The chart that stands for a result of `analysis`, titled with what it found."""
    return FIGURES[analysis](result)


def image(chart: alt.LayerChart, form: str, *, dark: bool = False) -> bytes:
    """`chart` as a ``"png"`` (twice its size in pixels), ``"svg"`` or ``"pdf"`` file, on its own background."""
    spec = chart.to_dict()
    spec.setdefault("width", WIDTH)
    spec["config"] = theme.config(dark=dark)
    if form == "png":
        return vl_convert.vegalite_to_png(spec, scale=2)
    if form == "svg":
        return vl_convert.vegalite_to_svg(spec).encode()
    return vl_convert.vegalite_to_pdf(spec)


def _tables(result: Any) -> dict[str, pd.DataFrame]:
    """The result's tables with whitespace in tokens made visible."""
    return {name: with_visible_tokens(frame) for name, frame in result.tables().items()}


def _logit_lens(result: Any) -> alt.LayerChart:
    tables = _tables(result)
    cells = lens_cells(tables["lens"], tables["target"])
    return lens_heatmap(cells, title=result.reading().title, pos=result.pos, answer=visible(result.target.text))


def _predict(result: Any) -> alt.LayerChart:
    return bars(_tables(result)["predictions"], title=result.reading().title, label="token", value="probability")


def _attention(result: Any) -> alt.LayerChart:
    """The head that the title speaks of: the one that looks hardest at a token between the first and its own."""
    pattern, pos = _tables(result)["pattern"], result.pos
    row = pattern[pattern["query_pos"] == pos]
    between = row[(row["key_pos"] > 0) & (row["key_pos"] < pos)] if pos > 1 else row
    best = between.loc[between["weight"].idxmax()]
    one = pattern[(pattern["layer"] == best["layer"]) & (pattern["head"] == best["head"])]
    name = f"Layer {best['layer']}, head {best['head']}"
    return attention_pattern(one, title=result.reading().title, subtitle=name, pos=pos, unit=result.units)


def _attribution(result: Any) -> alt.LayerChart:
    parts = _tables(result)["contributions"]
    return bars(parts, title=result.reading().title, label="component", value="contribution")


def _features(result: Any) -> alt.LayerChart:
    here = _tables(result)["features"]
    here = here[here["pos"] == result.pos]
    names = [f"{number} {label}".strip() for number, label in zip(here["feature"], here["label"], strict=True)]
    return bars(here.assign(name=names), title=result.reading().title, label="name", value="activation")


def _feature(result: Any) -> alt.LayerChart:
    return token_strip(_tables(result)["activations"], title=result.reading().title, value="activation")


def _steering(result: Any) -> alt.LayerChart:
    return shift(_tables(result)["shift"], title=result.reading().title)


def _steering_sweep(result: Any) -> alt.LayerChart:
    frame = _tables(result)["probabilities"]
    return strengths(frame, title=result.reading().title, value="probability", series="token")


def _ablation(result: Any) -> alt.LayerChart:
    effects = _tables(result)["effects"]
    options = {
        "title": result.reading().title,
        "value": "change",
        "unit": f"change of the {result.target.quantity} (logits)",
    }
    if result.site == "position":
        return effect_grid(effects, **options)
    return head_grid(effects, **options) if result.site == "head" else bars(effects, label="component", **options)


def _patching(result: Any) -> alt.LayerChart:
    effects, mark = _tables(result)["effects"], "disagrees" if result.estimated else None
    grid = effect_grid if effects["pos"].notna().all() else head_grid
    return grid(effects, title=result.reading().title, value="restored", mark=mark)


def _patched_run(result: Any) -> alt.LayerChart:
    return shift(_tables(result)["shift"], title=result.reading().title)


def _counterpart(result: Any) -> alt.LayerChart:
    swaps = _tables(result)["swaps"]
    names = [f"{pos} {old} → {new}" for pos, old, new in swaps[["pos", "token", "replacement"]].values]
    return bars(swaps.assign(swap=names), title=result.reading().title, label="swap", value="probability", sort=False)


def _edit(result: Any) -> alt.LayerChart:
    return shift(_tables(result)["shift"], title=result.reading().title)


def _path_patching(result: Any) -> alt.LayerChart:
    effects = _tables(result)["effects"]
    if result.site == "head":
        return head_grid(effects, title=result.reading().title, value="moved")
    return bars(effects, title=result.reading().title, label="component", value="moved", sort=False)


FIGURES: dict[str, Callable[[Any], alt.LayerChart]] = {
    "logit_lens": _logit_lens,
    "predict": _predict,
    "attention": _attention,
    "attribution": _attribution,
    "features": _features,
    "feature": _feature,
    "steering": _steering,
    "steering_sweep": _steering_sweep,
    "ablation": _ablation,
    "patching": _patching,
    "patched_run": _patched_run,
    "counterpart": _counterpart,
    "edit": _edit,
    "path_patching": _path_patching,
}
