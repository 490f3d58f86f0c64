"""A line below a slider that says what its value would do, while it moves."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from streamlit.components import v2

_HERE = Path(__file__)
_component = v2.component(
    "loupe_while_moving",
    html="<p>At <span></span> it writes <q></q></p>",
    css=_HERE.with_suffix(".css").read_text(encoding="utf-8"),
    js=_HERE.with_suffix(".js").read_text(encoding="utf-8"),
)


def while_moving(slider: str, value: float, values: Sequence[float], texts: Sequence[str]) -> None:
    """Show the text of the value that is nearest to the slider's, also before it is let go.

    Args:
        slider: Key of the slider.
        value: What it is at now.
        values: Some of the values that it can take.
        texts: What is written at each.
    """
    _component(data={"slider": slider, "value": value, "values": values, "texts": texts}, key=f"moving-{slider}")
