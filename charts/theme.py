"""What all charts share: palette, type, titles, labels and units.

Charts name their colours by role (Vega's ranges ``ramp``, ``diverging`` and ``category``) and carry no configuration.
On screen Streamlit's theme fills the roles, light or dark, from `.streamlit/config.toml`; in exported files `config`
fills them with the same colours, read from there.
"""

from __future__ import annotations

import math
import textwrap
import tomllib
import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import altair as alt
import pandas as pd

# Altair refuses frames of more than 5,000 rows, for the sake of notebooks that store them; a long prompt has more.
alt.data_transformers.disable_max_rows()
# Altair would check every part of a chart as it is put together, most of the time it takes; tests check whole charts.
alt.utils.schemapi.disable_debug_mode()

CONFIG = Path(__file__).parents[1] / ".streamlit" / "config.toml"


def _palette(theme: str, quiet: str) -> dict[str, Any]:
    """The dashboard's colours of one theme, by their role in charts; only `quiet`, for titles of axes, is our own."""
    colours = tomllib.loads(CONFIG.read_text(encoding="utf-8"))["theme"][theme]
    return {
        "background": colours["backgroundColor"],
        "text": colours["textColor"],
        "quiet": quiet,
        "line": colours["borderColor"],
        "category": colours["chartCategoricalColors"],
        "ramp": colours["chartSequentialColors"],
        "diverging": colours["chartDivergingColors"],
    }


def _on(palette: dict[str, Any], ground: str | None) -> dict[str, Any]:
    """The palette with another ground, which is the colour of zero too."""
    if ground is None:
        return palette
    scales = {
        role: [ground if colour == palette["background"] else colour for colour in palette[role]]
        for role in ("ramp", "diverging")
    }
    return palette | scales | {"background": ground}


LIGHT, DARK = _palette("light", "#5F5A52"), _palette("dark", "#B3ACA0")
FONT = "Liberation Sans, Arial, Helvetica, DejaVu Sans, sans-serif"
MONO = "Source Code Pro, Liberation Mono, DejaVu Sans Mono, Menlo, Consolas, monospace"
LABEL, SMALL = 12, 11  # type sizes in pixels
DENSE = 14  # pixels per column that a label needs
PHONE = 310  # pixels of a title's line that a phone holds
GREY = "#7E7970"  # 4 : 1 on both backgrounds: for rules, outlines and subtitles
MARKED = "#D9742B"  # outline of the cell that was clicked: unlike every colour of the ramp, on both backgrounds
# Charts with a column per token or head have a size of their own and are scrolled where it is too wide; the others fill
# their place. Only widths are fitted: labels must not eat into the rows.
NATURAL = alt.AutoSizeParams(type="pad", contains="padding")
FILLING = alt.AutoSizeParams(type="fit-x", contains="padding")
HALVES = (0, 0.5, 1)
OUTLINE = {"fill": None, "stroke": GREY, "strokeWidth": 1.5}
SIGNS = alt.Scale(domain=["above zero", "below zero"], range="category")
DIVERGING = 10  # colours
WIDEST = 8_000  # pixels: twice as many, in a picture or on a fine screen, can still be drawn

# column: title of its axis with the unit, and how its numbers are written
UNITS = {
    "probability": ("probability", ".1%"),
    "target_probability": ("probability of the answer", ".1%"),
    "logit": ("logit", ".2f"),
    "logit_change": ("change of the logit", "+.2f"),
    "rank": ("rank (1 is the top guess)", ",d"),
    "target_rank": ("rank of the answer (1 is the top guess)", ",d"),
    "entropy": ("doubt: entropy (bits)", ".2f"),
    "kl_to_final": ("distance to the final guess: KL (bits)", ".2f"),
    "surprisal": ("surprise (bits)", ".1f"),
    "contribution": ("contribution (logits)", "+.2f"),
    "cumulative": ("logit built so far", ".2f"),
    "change": ("change", "+.2f"),
    "foretold": ("change foretold by the direct effect", "+.2f"),
    "restored": ("share of the effect restored", ".0%"),
    "best": ("share of the effect restored", ".0%"),
    "exact": ("share restored, run exactly", ".0%"),
    "moved": ("share of the difference moved", ".0%"),
    "probability_change": ("change of the probability", "+.1%"),
    "kl": ("KL divergence (bits)", ".2f"),
    "cka": ("how alike the streams are (CKA)", ".2f"),
    "effect": ("effect on the logit", "+.2f"),
    "activation": ("activation", ".2f"),
    "density": ("share of all tokens on which it fires", ".1%"),
    "share_of_max": ("activation, share of its largest", ".0%"),
    "measured": ("measured effect (logits)", "+.2f"),
    "direct": ("direct effect (logits)", "+.2f"),
    "direct_out": ("direct effect with others knocked out (logits)", "+.2f"),
    "gain": ("rise of the direct effect (logits)", "+.2f"),
    "logit_diff": ("logit difference (logits)", "+.2f"),
    "logit_diff_out": ("logit difference with heads knocked out (logits)", "+.2f"),
    "estimate": ("gradient × activation (logits)", "+.2f"),
    "things": ("unrelated things", ".0f"),
    "share_of_effect": ("share of the effect, counted by size", ".0%"),
    "cosine": ("cosine similarity", "+.2f"),
    "weight": ("share of attention", ".2f"),
    "composition": ("fit of what is written and what is read", ".3f"),
    "even": ("what even attention gives", ".2f"),
    "c": ("C, the inverse of the penalty", "g"),
    "c_low": ("the least C of a fold", "g"),
    "c_high": ("the largest C of a fold", "g"),
    "excerpts": ("excerpts", ",d"),
    "from_score": ("share of attention, from", ".0%"),
    "to_score": ("share of attention, to", ".0%"),
    "attraction": ("attention score", "+.2f"),
    "sd_above_chance": ("standard deviations above chance", ".1f"),
    "score": ("score", "+.2f"),
    "amount": ("effect on the answer", "+.2f"),
    "influence": ("share of the answer that goes through it", ".1%"),
    "replacement_score": ("replacement score", ".0%"),
    "completeness_score": ("completeness score", ".0%"),
    "faithfulness": ("kept of the answer (F)", ".0%"),
    "relative": ("score, as a share of its row's largest", "+.0%"),
    "standard_error": ("± (standard error)", ".2f"),
    "of_gap": ("sum, as a share of what is shared out", ".0%"),
    "comprehensiveness": ("lost without the first parts", ".0%"),
    "sufficiency": ("lost with the first parts alone", ".0%"),
    "agreement": ("agreement with leave-one-out (Kendall’s τ)", "+.2f"),
    "r_squared": ("variance explained (R²)", ".0%"),
    "accuracy": ("texts told right", ".0%"),
    "low": ("lower end of the 95 % interval", ".0%"),
    "high": ("upper end of the 95 % interval", ".0%"),
    "random_split": ("told right, split at random", ".0%"),
    "share": ("texts told right", ".0%"),
    "selectivity": ("selectivity", "+.0%"),
    "auc": ("area under the ROC curve", ".2f"),
    "compression": ("compression (times)", ".2f"),
    "from_activation": ("activation, from", ".4~g"),
    "to_activation": ("to", ".4~g"),
    "side_kl": ("KL divergence on other texts (bits)", ".2f"),
    "counted": ("counted", ".1%"),
    "floor": ("that of counting", ".3f"),
    "above_floor": ("above that of counting", ".3f"),
    "of_the_words": ("share of the words", ".1%"),
    "dimensionality": ("dimensions that it has to itself (D)", ".2f"),
    "interference": ("interference", "+.2f"),
    "w": ("weight W", "+.2f"),
    "loss": ("loss", ".4f"),
    "share_right": ("answered right", ".0%"),
    "value": ("value", ".3~g"),
}
# columns that cannot be negative, coloured from pale to full; and those of them that end at 1
AT_LEAST_ZERO = {
    "probability", "target_probability", "entropy", "kl_to_final", "surprisal", "kl", "activation", "share_of_max",
    "weight",
}  # fmt: skip
PROBABILITIES = {"probability", "target_probability"}


def axis_title(column: str, unit: str | None = None) -> str:
    """`unit` where it is given, else the column's own words."""
    return unit or UNITS.get(column, (column.replace("_", " "), ""))[0]


def number_format(column: str) -> str:
    """How numbers of a column are written (d3-format)."""
    return UNITS.get(column, ("", ".3~g"))[1]


def written(values: pd.Series, column: str) -> list[str]:
    """The numbers of a column as text, with a true minus; what rounds to zero has no sign. Missing ones are empty."""
    return [_written(float(value), UNITS.get(column, ("", ".3g"))[1]) if pd.notna(value) else "" for value in values]


def _written(value: float, fmt: str) -> str:
    if fmt.endswith(".1%") and 0 < abs(value) < 0.0005:
        return ("" if not fmt.startswith("+") else "+" if value > 0 else "−") + "<0.1%"
    if fmt.endswith(".1%") and 0.9995 <= abs(value) < 1:  # never a certainty that is not there
        return ">99.9%"
    text = format(value, fmt.replace("d", ".0f"))
    if not any(digit in text for digit in "123456789"):
        return text.lstrip("+-")
    return text.replace("-", "−")


def tick_format(column: str) -> str:
    """How an axis writes the numbers of a column."""
    return "~%" if number_format(column).endswith("%") else ",~f"


def band_axis(title: str | None, **options) -> alt.Axis:
    """An axis whose labels stand at the middle of their bands: the theme would push the first one inwards.

    Vega would leave out leaning labels whose boxes overlap, though the words do not touch; `readable` looks after that.
    """
    return alt.Axis(title=title, ticks=False, domain=False, labelFlush=False, labelOverlap=False, **options)


def readable(labels: Sequence[Any], step: int) -> list[Any]:
    """The labels of an axis of `step` pixels per band that do not touch: all of them, or every second, third, …"""
    return list(labels[:: math.ceil(DENSE / step)])


def titled(title: str, subtitle: str = "", *, width: float = 380) -> alt.TitleParams:
    """A left-aligned title, broken into lines that fit `width` pixels, so that no screen cuts it off."""
    wide = max(width, 280)
    return alt.TitleParams(
        text=textwrap.wrap(title, int(wide / 7.4)) or [""],
        subtitle=textwrap.wrap(subtitle, int(wide / 6.2)),
        anchor="start",
        frame="bounds",
        fontSize=15,
        fontWeight=600,
        subtitleFontSize=LABEL,
        offset=12,
    )


def breadth(text: str) -> int:
    """How many letters wide it is: those of East Asia count twice."""
    return sum(1 + (unicodedata.east_asian_width(letter) in "WF") for letter in text)


def token_labels(pos: pd.Series, token: pd.Series) -> pd.Series:
    """`"3 ·Paris"`: the position keeps repeated tokens apart."""
    return pos.astype(int).astype(str) + " " + token.astype(str)


def distinct(labels: Iterable[str]) -> list[str]:
    """`labels` with a count after each repetition, since a chart draws equal labels as one."""
    seen: dict[str, int] = {}
    out = []
    for label in map(str, labels):
        seen[label] = seen.get(label, 0) + 1
        out.append(label if seen[label] == 1 else f"{label} ({seen[label]})")
    return out


def step(n: int, *, room: int, smallest: int, largest: int) -> int:
    """Pixels per column: `n` of them fill `room` where they can, and never outgrow what a browser can draw."""
    return int(min(max(smallest, min(largest, room / max(n, 1))), max(1, WIDEST / max(n, 1))))


def room(
    labels: Sequence[Any],
    *,
    least: float,
    most: float,
    beside: float,
    at: Any = None,
    field: str = "",
    printed: float = math.inf,
    above: float | None = None,
) -> dict[str, Any]:
    """How wide a chart of columns may be drawn: ``usermeta``, which Vega itself ignores.

    Args:
        labels: The columns.
        least: Pixels of a column that still can be read; where there is less room, the chart is scrolled.
        most: Pixels beyond which a column gains nothing.
        beside: Pixels of what stands beside the columns.
        at: The column of the finding, which a chart that is scrolled opens at.
        field: The field of the columns, where a picture of many may break into rows of them.
        printed: Pixels of a column that can be read in such a picture, where that is less.
        above: Of cells that are squares with a name above: pixels of the name. None for others, whose height is fixed.

    Returns:
        The same in pixels, ``least`` and ``most`` of one column, and ``at`` as a number from 0 to 1.
    """
    names = list(labels)
    widest = WIDEST / max(len(names), 1)
    return {
        "room": {
            "columns": names,
            "field": field,
            "least": min(least, widest),
            "most": min(most, widest),
            "printed": min(least, widest, printed),
            "beside": beside,
            "above": above,
            "at": (names.index(at) + 0.5) / len(names) if at in names else None,
        }
    }


def largest(frame: pd.DataFrame, value: str, label: str) -> Any:
    """What `label` says in the row of the largest `value`, whatever its sign; None where there is no number."""
    known = frame.dropna(subset=[value]).reset_index(drop=True)
    return None if known.empty else known.at[known[value].abs().idxmax(), label]


def beside(labels: Iterable[Any], limit: int = 200) -> int:
    """Pixels that an axis of these labels takes, with its title."""
    return min(max((len(str(label)) for label in labels), default=0) * 7, limit) + 34


def wide(pixels: float, then: str, otherwise: str) -> alt.ExprRef:
    """One of two values, by whether a column is at least so many pixels wide where the chart is drawn."""
    return alt.ExprRef(f"bandwidth('x') >= {pixels:g} ? {then} : {otherwise}")


def symmetric(values: pd.Series) -> list[float]:
    """A domain centred at zero that holds every value, with a step for every colour of the diverging scale.

    The two colours in the middle are the ground's: so zero is, and every step from it stands out.
    """
    reach = (float(values.abs().max()) if values.notna().any() else 0.0) or 1.0
    half = [reach * step / (DIVERGING // 2 - 1) for step in range(DIVERGING // 2)]
    return [-value for value in reversed(half)] + half


def extent(values: pd.Series) -> tuple[float, float]:
    """Smallest and largest value, zero included."""
    known = values.dropna()
    return (min(0.0, float(known.min())), max(0.0, float(known.max()))) if len(known) else (0.0, 0.0)


def signs(values: pd.Series) -> list[str]:
    """The side of zero that each value is on, in the words of `SIGNS`."""
    return ["below zero" if value < 0 else "above zero" for value in values]


def literal(text: str) -> str:
    """`text` as a literal of Vega's expression language, whatever characters it holds."""
    units = text.encode("utf-16-be", "surrogatepass")
    return "'" + "".join(f"\\u{units[i]:02x}{units[i + 1]:02x}" for i in range(0, len(units), 2)) + "'"


def words() -> alt.ExprRef:
    """The colour of text beside the marks of a chart coloured by `SIGNS`, whose palette tells which theme is on.

    Streamlit's theme has no colour for text marks, which would be black on the dark background.
    """
    bright = "luminance(scale('color', 'above zero')) > 0.3"
    return alt.ExprRef(f"{bright} ? '{DARK['text']}' : '{LIGHT['text']}'")


def ink(field: str) -> alt.ExprRef:
    """Black or white text, whichever stands out from the colour of its cell: 4.5 : 1 at least, in any theme."""
    cell = f"scale('color', datum['{field}'])"
    return alt.ExprRef(f"isValid(datum['{field}']) && luminance({cell}) < 0.179 ? '#FFFFFF' : '#000000'")


def minus(base: alt.Chart, value: str, below: float | None = None) -> alt.Chart:
    """The sign of cells that hold no number, which are those narrower than `below` pixels, or all; see `written`."""
    seen = 1 if below is None else wide(below, "0", "1")
    return (
        base.transform_filter("indexof(datum._number, '−') == 0")
        .mark_text(text="−", fontSize=LABEL, color=ink(value), opacity=seen, cursor="pointer")
        .encode()
    )


def flags(base: alt.Chart, mark: str, value: str) -> alt.Chart:
    """A sign that is no colour in the corner of each cell where the column `mark` is true."""
    right, up = wide(40, "bandwidth('x') / 2 - 8", "0"), wide(40, "-8", "0")
    return (
        base.transform_filter(f"datum['{mark}']")
        .mark_text(text="≠", fontSize=SMALL + 1, fontWeight="bold", color=ink(value), dx=right, dy=up)
        .encode()
    )


def tooltips(frame: pd.DataFrame) -> list[alt.Tooltip]:
    """Every column, with its name in words and its numbers as the axis writes them."""
    tips = []
    for column in frame.columns:
        if column.startswith("_"):
            continue
        kind = "Q" if pd.api.types.is_float_dtype(frame[column]) else "N"
        options = {"format": number_format(column)} if kind == "Q" else {}
        tips.append(alt.Tooltip(f"{column}:{kind}", title=column.replace("_", " "), **options))
    return tips


def alt_text(
    title: str, frame: pd.DataFrame, *, value: str, label: str, unit: str | None = None, kind: str = "Chart"
) -> str:
    """One sentence for readers who cannot see the chart: the finding, how many values, and the two extremes."""
    known = frame[frame[value].notna()]
    if known.empty:
        return f"{title}. {kind} without values."
    low, high = (known.iloc[int(at)] for at in (known[value].argmin(), known[value].argmax()))
    ends = f"from {low[value]:.3g} ({low[label]}) to {high[value]:.3g} ({high[label]})"
    return f"{title}. {kind} of {axis_title(value, unit)}: {len(known):,} values {ends}."


def gradient(title: str, fmt: str, values: Sequence[float] | None = None) -> alt.Legend:
    """A colour scale in one line below the chart, where it costs no width and pushes nothing down."""
    return alt.Legend(
        title=title,
        orient="bottom",
        direction="horizontal",
        titleOrient="left",
        titleAnchor="middle",
        titleLimit=400,
        gradientLength=160,
        gradientThickness=8,
        tickCount=4,
        values=alt.Undefined if values is None else list(values),
        format=fmt,
        offset=6,
    )


def ramp(*, dark: bool = False, ground: str | None = None) -> list[str]:
    """The colours of what cannot be negative, from none to the most, as in `config`."""
    return _on(DARK if dark else LIGHT, ground)["ramp"]


def config(*, dark: bool = False, ground: str | None = None) -> dict:
    """The configuration of an exported chart: background, colours and type; on another `ground`, zero is that."""
    palette = _on(DARK if dark else LIGHT, ground)
    words = {
        "labelColor": palette["text"],
        "labelFontSize": LABEL,
        "titleColor": palette["quiet"],
        "titleFontSize": LABEL,
        "titleFontWeight": "normal",
    }
    lines = {f"{part}Color": palette["line"] for part in ("grid", "domain", "tick")}
    return {
        "background": palette["background"],
        "padding": 16,
        "font": FONT,
        "view": {"stroke": None},
        "range": {role: palette[role] for role in ("category", "ramp", "diverging")} | {"heatmap": palette["ramp"]},
        "mark": {"color": palette["category"][0]},
        "text": {"color": palette["text"], "fontSize": LABEL},
        "title": {"color": palette["text"], "subtitleColor": palette["quiet"]},
        "legend": words,
        "axis": words | lines,
    }
