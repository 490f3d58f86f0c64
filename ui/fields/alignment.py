"""Two prompts side by side, token above token."""

from __future__ import annotations

from html import escape

import pandas as pd
import streamlit as st

from mi_core.models.tokens import visible
from mi_core.result import Result
from ui.compute import compute
from ui.drawn import drawn

LONG = 48  # pairs: of more, only those near a difference are shown
NEAR = 3


def show_alignment(model: str, prompt: str, corrupted: str, prepend_bos: bool | None) -> None:
    """Both prompts in two rows, tokens that differ in bold under a “≠”; long agreement is left out.

    Args:
        model: Whose tokens.
        prompt: The clean prompt.
        corrupted: The other one, of any length.
        prepend_bos: None follows the model's own habit.
    """
    answer = compute("alignment", model, prompt=prompt, corrupted=corrupted, prepend_bos=prepend_bos)
    st.html(drawn(answer.result, _html))


def _html(result: Result) -> str:
    pairs = result.tables()["pairs"]
    marks, clean, other = [], [], []
    for pair in _near_differences(pairs):
        cells = ("…",) * 3 if pair is None else _cells(pair)
        for row, cell in zip((marks, clean, other), cells, strict=True):
            row.append(cell)
    rows = (("differs", marks), ("your prompt", clean), ("exchanged", other))
    body = "".join(f"<tr><th scope=row>{name}</th>{''.join(_cell(text) for text in row)}</tr>" for name, row in rows)
    reading = result.reading()
    caption = escape(f"{reading.title}: {reading.sentences[0]}")
    return (
        "<div class=loupe-pair role=region aria-label='Both prompts, token by token'>"
        f"<p>{caption}</p><div tabindex=0><table aria-label='Both prompts'>{body}</table></div></div>"
    )


def _near_differences(pairs: pd.DataFrame) -> list:
    """The rows to show; None stands for any number that are left out."""
    rows = list(pairs.itertuples())
    if len(rows) <= LONG:
        return rows
    apart = [i for i, row in enumerate(rows) if row.differs][:LONG]
    kept = sorted({j for i in apart for j in range(max(0, i - NEAR), min(len(rows), i + NEAR + 1))} or range(LONG))
    out, last = [], -1
    for i in kept:
        out += [None] if i > last + 1 else []
        out.append(rows[i])
        last = i
    return out + ([None] if last < len(rows) - 1 else [])


def _cells(pair) -> tuple[str, str, str]:
    texts = [None if pd.isna(text) else visible(text) for text in (pair.token, pair.corrupted_token)]
    if not pair.differs:
        return ("", *(escape(text) for text in texts))
    named = ["<i>nothing</i>" if text is None else f"<strong>{escape(text)}</strong>" for text in texts]
    return ("≠", *named)


def _cell(text: str) -> str:
    return f"<td>{text}</td>"
