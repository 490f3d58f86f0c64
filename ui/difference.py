"""What two results that stand beside each other differ in: one sentence, a chart, a table, and all of it as files."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from charts.difference import LABEL, difference, finding
from charts.drawn_values import drawn_values, matching
from charts.ready import ready
from mi_core.models.tokens import TOKEN_COLUMNS, visible, with_visible_tokens
from mi_core.result import units_of
from mi_core.sharing import difference as tables
from mi_core.sharing import export
from mi_core.sharing.caption import caption, file_name
from mi_core.sharing.workbook import workbook
from ui import compare, exports
from ui.compute import Answer
from ui.downloads import download
from ui.framed import framed
from ui.glossary.mentions import with_links
from ui.pictures import pictures
from ui.text import literal

HOW = (
    "B minus A: what is above zero is larger in B, what is below zero larger in A. Only what both charts show can be "
    "subtracted; tokens are matched by their position, all else by its name. The table has every row of both results, "
    "the chart what the two charts above draw."
)


def draw(first: Answer, second: Answer, specs: tuple[dict[str, Any], dict[str, Any]], *, key: str, table: str) -> None:
    """The difference below two charts.

    Args:
        first: The result A.
        second: The result B.
        specs: Their charts, ready.
        key: Name of the difference on its page.
        table: Which of the results' tables holds the charts' numbers.
    """
    st.markdown(f"**{literal('B − A: what differs')}**")
    spec = _chart(*specs)
    if spec is None:
        st.caption("A chart of this kind has no difference that can be drawn; the table has the numbers.")
    else:
        framed(spec, key)
    with st.container(horizontal=True, gap="small", vertical_alignment="center", key=f"{key}-below"):
        with st.popover("How to read", icon=":material/help:", type="tertiary", key=f"{key}-how"):
            st.markdown(with_links(HOW))
        with st.popover(
            "Table", icon=":material/table:", type="tertiary", key=f"{key}-table", on_change="rerun"
        ) as box:
            if box.open:
                _show_table(_compared(first, second, table), table)
        with st.popover(
            "Export", icon=":material/download:", type="tertiary", key=f"{key}-export", on_change="rerun"
        ) as box:
            if box.open:
                _exports(first, second, spec, table, key)


def _chart(first: dict[str, Any], second: dict[str, Any]) -> dict[str, Any] | None:
    """The chart of the difference, titled with what differs most."""
    one, other = drawn_values(first), drawn_values(second)
    if one is None or other is None or one.keys != other.keys:
        return None
    left, right = (
        frame.assign(**{key + LABEL: drawn.frame[key].astype(str) for key in drawn.keys})
        for drawn, frame in zip((one, other), matching(one, other), strict=True)
    )
    both = tables.difference(left, right, one.keys, ["value"])
    if both.table.empty:
        return None
    matched = both.table
    for key in one.keys:  # labels that are the same in both stand once
        for side in (tables.FIRST, tables.SECOND):
            if key + LABEL in matched:
                matched = matched.assign(**{key + LABEL + side: matched[key + LABEL]})
    title, alone = finding(one, matched, both.only_first, both.only_second)
    return ready(difference(one, matched, first, title=title, subtitle=alone))


def _compared(first: Answer, second: Answer, table: str) -> tables.Difference:
    held = first.result.tables()
    return tables.compared(held[table], second.result.tables()[table], units_of(first.result, held)[table])


def _show_table(found: tables.Difference, name: str) -> None:
    alone = [
        f"{count:,} only in {side}" for side, count in (("A", found.only_first), ("B", found.only_second)) if count
    ]
    st.caption(f"{len(found.table):,} rows are in both" + (f", {' and '.join(alone)}." if alone else "."))
    st.dataframe(_largest_first(found), hide_index=True, width=640, alt=f"Difference of the {name} tables")


def _largest_first(found: tables.Difference) -> pd.DataFrame:
    ends = (tables.FIRST, tables.SECOND)
    seen = with_visible_tokens(found.table)
    texts = [name for name in seen if name.endswith(ends) and name[:-2] in TOKEN_COLUMNS]
    frame = seen.assign(**{name: seen[name].map(visible, na_action="ignore") for name in texts})
    if not found.measured:
        return frame
    return frame.sort_values(found.measured[-1] + tables.CHANGE, key=abs, ascending=False)


def _exports(first: Answer, second: Answer, spec: dict[str, Any] | None, table: str, key: str) -> None:
    name = file_name(first.request, table, "difference", "to", compare.said(), "from")
    about = [f"{side}: {line}" for side, one in (("A", first), ("B", second)) for line in _caption(one)]
    if spec is not None:
        pictures(about, spec, name, key)
    found = _compared(first, second, table)
    download(
        "Table as CSV",
        lambda: export.frame_bytes(found.table, "csv"),
        f"{name}.csv",
        "text/csv",
        key,
        exports.SAFE_TEXT,
    )
    sheets = {
        "difference": found.table, "A": first.result.tables()[table], "B": second.result.tables()[table],
    }  # fmt: skip
    download(
        "Both tables and the difference as XLSX", lambda: workbook(sheets, about), f"{name}.xlsx", exports.SHEET, key,
        exports.SHEET_TEXT,
    )  # fmt: skip


def _caption(one: Answer) -> tuple[str, ...]:
    return caption(one.request, one.result)
