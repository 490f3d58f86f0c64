"""What a result can be taken away as: pictures with a caption, tables, and the same in Python and as a command."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import streamlit as st

from charts.export import GROUNDS, SIZES, THEMES, Style, image
from mi_core.sharing import export
from mi_core.sharing.caption import caption, file_name
from mi_core.sharing.workbook import workbook
from ui.compute import Answer

IMAGES = {"png": "image/png", "svg": "image/svg+xml", "pdf": "application/pdf"}
SHEET = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
SAFE_TEXT = (
    "For spreadsheets. Text that one would run as a formula (it begins with =, +, -, @, a tab or a line end), such as "
    "the token “=”, has an apostrophe in front."
)
EXCEL_TEXT = "The same with the mark by which Excel knows UTF-8, so that letters such as é come out right."
SHEET_TEXT = "An Excel workbook with every table of this result. Text is as it is, in cells of text that are never run."
RAW_TEXT = "For programs. Text is left as it is, so a spreadsheet may run what looks like a formula."
CAPTION_HELP = "Prompt, model, answer, settings and Loupe's version stand below the chart."


def draw(answer: Answer, spec: dict[str, Any] | None, table: str, key: str) -> None:
    """Everything that one result's chart and table can be taken away as.

    Args:
        answer: The result, and what was asked.
        spec: Its chart, ready; None where there is none.
        table: Which of its tables.
        key: Name of the chart on its page.
    """
    name = file_name(answer.request, table)
    if spec is not None:
        pictures(caption(answer.request, answer.result), spec, name, key)
    frame = answer.result.tables()[table]
    for label, form, ending, explained in (
        ("Table as CSV", "csv", ".csv", SAFE_TEXT),
        ("Table for Excel (CSV)", "csv-excel", "-excel.csv", EXCEL_TEXT),
        ("Raw text as CSV", "csv-raw", "-raw.csv", RAW_TEXT),
    ):
        download(
            label, lambda form=form: export.frame_bytes(frame, form), f"{name}{ending}", "text/csv", key, explained
        )
    download("All tables as XLSX", lambda: _workbook(answer), f"{name}.xlsx", SHEET, key, SHEET_TEXT)
    download(
        "Everything as JSON",
        lambda: export.as_json(answer.request, answer.result),
        f"{name}.json",
        "application/json",
        key,
    )
    st.caption("The same in Python")
    st.code(answer.request.as_python(), language="python", wrap_lines=True)
    st.caption("The same on the command line")
    st.code(answer.request.as_command(), language="bash", wrap_lines=True)


def pictures(lines: Sequence[str], spec: dict[str, Any], name: str, key: str) -> None:
    """A chart as files of a size, a ground and colours to choose, with `lines` below it unless they are not wanted."""
    size = st.selectbox("Size", SIZES, format_func=lambda word: SIZES[word].label, key=f"{key}-size")
    left, right = st.columns(2, gap="small")
    ground = left.selectbox("Ground", GROUNDS, format_func=GROUNDS.__getitem__, key=f"{key}-ground")
    theme = right.selectbox("Colours", THEMES, key=f"{key}-theme", help="On white, they are the light ones.")
    if not st.toggle("With a caption", value=True, key=f"{key}-caption", help=CAPTION_HELP):
        lines = ()
    style = Style(size, ground, theme)
    for form, mime in IMAGES.items():
        download(
            f"Chart as {form.upper()}", lambda form=form: image(spec, form, lines, style), f"{name}.{form}", mime, key
        )


def _workbook(answer: Answer) -> bytes:
    return workbook(answer.result.tables(), caption(answer.request, answer.result))


def download(
    label: str, data: Callable[[], bytes | str], name: str, mime: str, key: str, explained: str | None = None
) -> None:
    """The file is made only when it is asked for."""
    st.download_button(
        label, data, name, mime, key=f"{key}-{label}", on_click="ignore", width="stretch", help=explained
    )
