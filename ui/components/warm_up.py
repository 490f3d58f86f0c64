"""Pages opened unseen, one after the other, so that what they compute is there when they are shown."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from streamlit.components import v2

_HERE = Path(__file__)
_component = v2.component(
    "loupe_warm_up",
    html='<progress aria-label="Steps that are ready"></progress><p role="status"></p>',
    css=_HERE.with_suffix(".css").read_text(encoding="utf-8"),
    js=_HERE.with_suffix(".js").read_text(encoding="utf-8"),
)


def warm_up(links: Sequence[str]) -> None:
    """Open these addresses of pages, and say how many are ready."""
    _component(data={"links": list(links), "told": "\n".join(links)}, key="warm-up")
