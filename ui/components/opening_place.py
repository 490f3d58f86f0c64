"""A chart that has to be scrolled: it opens at its finding, and its title, rows and legend stay in sight."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from streamlit.components import v2

_component = v2.component(
    "loupe_opening_place", html="<span></span>", js=Path(__file__).with_suffix(".js").read_text(encoding="utf-8")
)


def opening_place(frame: str, room: dict[str, Any], key: str) -> None:
    """Scroll the container with the key `frame` to the finding of the chart in it, if there is one; nothing is drawn.

    Args:
        frame: Key of the container, which scrolls.
        room: What `charts.theme.room` says of the chart.
        key: Name of this part on its page; ui/charts.css hides those that end in ``-opening``.
    """
    told = f"{room['at']} of {len(room['columns'])}"
    _component(data={"frame": frame, "at": room["at"], "beside": room["beside"], "told": told}, key=key)
