"""What came of a batch: one number of each prompt, the table, and the files."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from functools import partial
from typing import Any

import pandas as pd
import streamlit as st

from charts.batch_summary import batch_summary as figure
from charts.export import image
from charts.ready import ready
from mi_core.errors import InputError
from mi_core.jobs.request import Request
from mi_core.models.tokens import readable, with_visible_tokens
from mi_core.sharing import background, batch_table
from mi_core.sharing.batch_summary import BatchSummary, batch_summary
from mi_core.sharing.batch_table import Columns
from mi_core.sharing.caption import batch_caption, file_name
from mi_core.sharing.kept_batch import KeptBatch
from ui import address, show, words
from ui.compute import fail
from ui.drawn import drawn
from ui.exports import IMAGES, RAW_TEXT, SAFE_TEXT, SHEET, SHEET_TEXT
from ui.text import literal

MOST_SENT = 500_000_000  # bytes that are sent to a browser
HOW = (
    "Each prompt's result is a table of its own, and of its lines one number counts: the largest, say, or the average. "
    "Of few prompts each has a bar, in the order of the list. Of many a bar says how many prompts have about this "
    "number; each line upwards is ten times as many. Row 0 is the first prompt."
)
FIRST_COLUMNS = ("target_probability", "probability")  # that are shown first where a table has them


def results(kept: KeptBatch, shared: Request) -> None:
    """The summary of one column, with its chart; the table; the files."""
    try:
        known = _columns(kept, _state(kept))
        summary = _chosen(kept, known)
    except InputError as error:
        fail(error)
    if summary is not None:
        _summary(kept, summary, shared)
    _table(kept, known)
    _files(kept, shared)


def _chosen(kept: KeptBatch, known: Columns) -> BatchSummary | None:
    """The summary of the column that is chosen; None where no column holds numbers."""
    if not known.numbers:
        return None
    usual = next((name for name in FIRST_COLUMNS if name in known.numbers), _measured(known))
    named = words.Options("column", tuple(words.Word(name, name.replace("_", " ")) for name in known.numbers))
    with st.container(horizontal=True, vertical_alignment="bottom"):
        column = address.choose(named, st.selectbox, "What to look at", usual=usual, width=260)
        each = address.choose(words.EACH, st.selectbox, "Of each prompt", width=200)
    return _summarised(kept, _state(kept), column, each)


def _measured(known: Columns) -> str:
    """The first column that measures something: with a unit, where one has."""
    return next((name for name in known.numbers if name in known.units), known.numbers[-1])


def _summary(kept: KeptBatch, summary: BatchSummary, shared: Request) -> None:
    reading = summary.reading()
    st.header(literal(reading.title), anchor=False)
    st.markdown(" ".join(map(literal, reading.sentences)))
    spec = drawn(summary, _spec)
    st.vega_lite_chart(spec | {"autosize": show.FILLING, "config": show.LEGIBLE}, width="stretch", key="batch-chart")
    with st.container(horizontal=True, gap="small", vertical_alignment="center", key="batch-below"):
        with st.popover("How to read", icon=":material/help:", type="tertiary", key="batch-how"):
            st.markdown(HOW)
        show.badge(summary.checks, "batch", bool(kept.batch.plan.model))
        with st.popover("Export", icon=":material/download:", type="tertiary", key="batch-export"):
            for form, mime in IMAGES.items():
                make = partial(_picture, summary, shared, kept.done(), form)
                _download(f"Chart as {form.upper()}", make, f"{_name(kept)}.{form}", mime)


def _spec(summary: BatchSummary) -> dict[str, Any]:
    return ready(figure(summary))


def _picture(summary: BatchSummary, shared: Request, prompts: int, form: str) -> bytes:
    """For a page of its own, so the title is the finding."""
    return image(ready(figure(summary, title=summary.reading().title)), form, batch_caption(shared, prompts))


def _table(kept: KeptBatch, known: Columns) -> None:
    frame = _first_lines(kept, _state(kept), known)
    n = len(frame)
    more = n == batch_table.FIRST_LINES
    st.subheader("The table", anchor=False)
    st.caption(f"The first {n:,} lines; the files hold all of them." if more else f"All {n:,} lines.")
    st.dataframe(frame, hide_index=True, width="stretch", height=320, alt="The table of all prompts")


def _files(kept: KeptBatch, shared: Request) -> None:
    with st.container(horizontal=True, gap="small", key="batch-files"):
        _file("Table as CSV", kept, lambda: kept.csv, ".csv", "text/csv", SAFE_TEXT)
        _file("Raw text as CSV", kept, lambda: batch_table.raw_csv(kept), "-raw.csv", "text/csv", RAW_TEXT)
        _file("JSON lines", kept, lambda: kept.jsonl, ".jsonl", "application/jsonl", LINES_TEXT)
        _file("Table as XLSX", kept, lambda: batch_table.xlsx(kept), ".xlsx", SHEET, SHEET_TEXT)
        st.button(
            "Forget", icon=":material/delete:", type="tertiary", key="batch-forget", on_click=background.forget,
            args=(kept,), help="Delete these results from the computer that runs Loupe.",
        )  # fmt: skip
    with st.expander("The same on the command line"):
        st.markdown("With the list of prompts as a file:")
        st.code(_command(kept, shared), language="bash", wrap_lines=True)


LINES_TEXT = "For programs: an object a line with settings, versions, numbers, units and self-checks of a prompt."


def _file(label: str, kept: KeptBatch, made: Callable[[], Any], ending: str, mime: str, explained: str) -> None:
    """A file of the batch, read when it is asked for; what a browser would choke on is left to the command line."""
    too_large = max(kept.csv.stat().st_size, kept.jsonl.stat().st_size) > MOST_SENT
    help = "Too large to be sent: use the command below." if too_large else explained
    st.download_button(
        label, lambda: made().open("rb"), f"{_name(kept)}{ending}", mime, key=f"batch-{label}", on_click="ignore",
        disabled=too_large, help=help,
    )  # fmt: skip


def _download(label: str, data: Callable[[], bytes], name: str, mime: str) -> None:
    st.download_button(label, data, name, mime, key=f"batch-{label}", on_click="ignore", width="stretch")


def _name(kept: KeptBatch) -> str:
    plan = kept.batch.plan
    return f"batch-{file_name(Request.of(plan.analysis, plan.model), plan.table or '')}"


def _command(kept: KeptBatch, shared: Request) -> str:
    table = ["--table", kept.batch.plan.table] if kept.batch.plan.table else []
    return f"{shared.as_command()} {shlex.join(['--prompts', 'prompts.csv', *table, '--out', 'results.csv'])}"


def _state(kept: KeptBatch) -> tuple[str, int, int]:
    """Of the results on disk: what is read of them holds until it changes."""
    stat = kept.csv.stat()
    return str(kept.csv), stat.st_size, stat.st_mtime_ns


@st.cache_resource(max_entries=16, show_spinner=False)
def _columns(_kept: KeptBatch, state: tuple[str, int, int]) -> Columns:
    return batch_table.columns(_kept)


@st.cache_resource(max_entries=16, show_spinner=False)
def _summarised(_kept: KeptBatch, state: tuple[str, int, int], column: str, each: str) -> BatchSummary:
    return batch_summary(_kept, column, each)


@st.cache_resource(max_entries=8, show_spinner=False)
def _first_lines(_kept: KeptBatch, state: tuple[str, int, int], _known: Columns) -> pd.DataFrame:
    frame = with_visible_tokens(batch_table.first_lines(_kept, _known))
    return frame.assign(prompt=frame["prompt"].map(readable))
