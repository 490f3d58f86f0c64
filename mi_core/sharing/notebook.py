"""Results as Jupyter and IPython show them: finding, chart, tables and self-checks, without a network.

A front end that knows Vega-Lite draws the chart itself, and any other shows it as a picture.
"""

from __future__ import annotations

import base64
import html
from typing import Any

import pandas as pd

from mi_core.analyses._index import result_names
from mi_core.errors import InputError
from mi_core.result import Result
from mi_core.sharing import export, output

VEGA_LITE = "application/vnd.vegalite.v6+json"
LINES = 10  # of a table
STYLE = "font-variant-numeric:tabular-nums;white-space:pre-wrap"


def register(shell: Any) -> None:
    """Have an IPython shell show the results of every analysis so; none is imported for it."""
    formatter = shell.display_formatter.ipython_display_formatter
    for analysis, kind in result_names().items():
        formatter.for_type_by_name(f"mi_core.analyses.{analysis}", kind, show)


def show(result: Result) -> None:
    """Display a result in the notebook, or as text in a terminal."""
    from IPython.display import display

    display({"text/html": as_html(result), "text/plain": export.as_text(result.tables(), result)}, raw=True)
    if (drawn := chart(result)) is not None:
        display(drawn, raw=True, metadata={"image/png": {"width": _width(drawn["image/png"])}})


def as_html(result: Result) -> str:
    """Finding, tables and self-checks; every text is escaped."""
    reading = result.reading()
    parts = [f"<h4>{html.escape(reading.title)}</h4>", f"<p>{html.escape(' '.join(reading.sentences))}</p>"]
    for at, (name, frame) in enumerate(result.tables().items()):
        table = frame.head(LINES).astype(object).map(_cell).to_html(index=False, border=0)
        more = f"<p>… and {len(frame) - LINES:,} more lines.</p>" if len(frame) > LINES else ""
        summary = f"<summary>{html.escape(name)} ({len(frame):,} lines)</summary>"
        parts.append(
            f"<details{' open' if at == 0 else ''}>{summary}<div style='{STYLE}'>{table}</div>{more}</details>"
        )
    held = sum(check.passed for check in result.checks)
    checks = "".join(
        f"<li>{html.escape(check.name)}: {'holds' if check.passed else '<b>does not hold</b>'} "
        f"(error {check.error:.1e}, tolerance {check.tolerance:.0e})</li>"
        for check in result.checks
    )
    if checks:
        summary = f"<summary>{held} of {len(result.checks)} self-checks hold</summary>"
        parts.append(f"<details{'' if held == len(result.checks) else ' open'}>{summary}<ul>{checks}</ul></details>")
    return "".join(parts)


def chart(result: Result) -> dict[str, Any] | None:
    """The chart as Vega-Lite and as a picture, by their kinds; None for what has no chart."""
    analysis = type(result).__module__.rpartition(".")[2]
    try:
        charts = output.charts_of(analysis)
    except InputError:
        return None
    spec, title = charts.specification(analysis, result), result.reading().title
    picture = base64.b64encode(charts.picture(analysis, result, "png")).decode()
    return {VEGA_LITE: spec, "image/png": picture, "text/plain": f"Chart: {title}"}


def _cell(value: Any) -> Any:
    if isinstance(value, str):
        return export.readable(value)
    if pd.isna(value):
        return "–"
    return f"{value:.4g}" if isinstance(value, float) else value


def _width(picture: str) -> int:
    """Pixels on a page of a picture that was made for fine screens, as its header says."""
    return int.from_bytes(base64.b64decode(picture[:32])[16:20], "big") // 2
