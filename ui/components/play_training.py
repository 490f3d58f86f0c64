"""A button that plays a chart's slider from its first step to its last."""

from __future__ import annotations

from pathlib import Path

from streamlit.components import v2

_HERE = Path(__file__)
_component = v2.component(
    "loupe_play_training",
    html='<button type="button"></button>',
    css=_HERE.with_suffix(".css").read_text(encoding="utf-8"),
    js=_HERE.with_suffix(".js").read_text(encoding="utf-8"),
)


def play_training(chart: str, told: str) -> None:
    """Play the slider of a chart of the page: at once when `told` is new, and whenever the button is pressed.

    Args:
        chart: Key of the chart.
        told: What is played, in words; what has been played by itself is not played by itself again.
    """
    _component(data={"frame": f"{chart}-frame", "told": told}, key=f"play-{chart}")
