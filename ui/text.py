"""Text that came from a user or a model, made safe to place inside Streamlit's Markdown."""

import string

_ESCAPES = str.maketrans({char: "\\" + char for char in string.punctuation} | {"\n": " ", "\r": " "})


def literal(text: str) -> str:
    """`text` as Markdown that shows exactly these characters: no markup, no HTML, no formula, no emoji code."""
    return text.translate(_ESCAPES)
