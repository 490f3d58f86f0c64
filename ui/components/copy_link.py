"""A button that copies a link to what is on show, and says what such a link cannot carry."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from streamlit.components import v2

from ui import permalink

_HERE = Path(__file__)
_component = v2.component(
    "loupe_copy_link",
    html=(
        '<button type="button"><span class="icon" aria-hidden="true">link</span> '
        '<span class="words">Copy link</span></button>'
        '<div class="told" hidden><p role="status"></p><input readonly aria-label="The link"></div>'
    ),
    css=_HERE.with_suffix(".css").read_text(encoding="utf-8"),
    js=_HERE.with_suffix(".js").read_text(encoding="utf-8"),
)
_RULES = {
    "tag": permalink.TAG,
    "version": str(permalink.VERSION),
    "packed": permalink.PACKED,
    "short": permalink.SHORT,
    "long": permalink.LONG,
    "longest": permalink.LONGEST,
}


def copy_link(beside: Mapping[str, str], left_out: Sequence[str]) -> None:
    """The address as a link: short keys, its version, packed where it is long.

    Args:
        beside: Texts of fields that are too long for the address bar, by key: they are in the link where they fit.
        left_out: What no link can carry, each as the end of “This link does not carry …”.
    """
    _component(data=_RULES | {"beside": dict(beside), "left_out": list(left_out)}, key="copy-link")
