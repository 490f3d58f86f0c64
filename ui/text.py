"""Text that came from a user or a model, made safe to place inside Streamlit's Markdown."""

import string
from collections.abc import Iterable, Sequence

from charts.unseen import UNSEEN

_ESCAPES = UNSEEN | str.maketrans({char: "\\" + char for char in string.punctuation} | {"\n": " ", "\r": " "})


def literal(text: str) -> str:
    """`text` as Markdown that shows exactly these characters: no markup, no HTML, no formula, no emoji code.

    What would turn the words after it around has a sign in its place.
    """
    return text.translate(_ESCAPES)


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A small table as Markdown that shows exactly these texts: far quicker to send than a frame."""
    lines = [columns, *rows]
    written = ["| " + " | ".join(literal(cell) for cell in line) + " |" for line in lines]
    return "\n".join([written[0], "|---" * len(columns) + "|", *written[1:]])
