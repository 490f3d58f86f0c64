"""What a result can be taken away as: pictures with a caption, tables, and the same in Python and as a command."""

from __future__ import annotations

from typing import Any

import streamlit as st

from mi_core.sharing import export
from mi_core.sharing.caption import caption, file_name
from mi_core.sharing.workbook import workbook
from ui.compute import Answer
from ui.downloads import download
from ui.pictures import pictures

SHEET = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
SAFE_TEXT = (
    "For spreadsheets. Text that one would run as a formula (it begins with =, +, -, @, a tab or a line end), such as "
    "the token “=”, has an apostrophe in front."
)
EXCEL_TEXT = "The same with the mark by which Excel knows UTF-8, so that letters such as é come out right."
SHEET_TEXT = "An Excel workbook with every table of this result. Text is as it is, in cells of text that are never run."
RAW_TEXT = "For programs. Text is left as it is, so a spreadsheet may run what looks like a formula."


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


def _workbook(answer: Answer) -> bytes:
    return workbook(answer.result.tables(), caption(answer.request, answer.result))
