"""How every result is shown: finding, chart, plain sentences, self-check, table, export."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from charts import theme
from charts.figures import Figure
from charts.ready import ready
from mi_core.models.tokens import with_visible_tokens
from mi_core.result import Check, Reading, Result
from mi_core.sharing.pin import Pin
from ui import address, exports, pins
from ui.components.opening_place import opening_place
from ui.compute import Answer
from ui.drawn import drawn
from ui.glossary.mentions import with_links
from ui.text import literal
from ui.text import table as markdown_table

LINKS = {"neuronpedia": st.column_config.LinkColumn()}  # opened when clicked, in another tab
FILLING = theme.FILLING.to_dict()
# Words in the page's own ink, whichever theme is on by now: Streamlit's chart theme is paler, and leaves numbers beside
# marks black. Its sizes grow with the page's.
INK, QUIET = (f"light-dark({theme.LIGHT[role]}, {theme.DARK[role]})" for role in ("text", "quiet"))
WORDS = {"labelFontSize": theme.LABEL, "titleFontSize": theme.LABEL + 2, "labelColor": INK, "titleColor": QUIET}
TITLE = {"color": INK, "subtitleColor": QUIET}
LEGIBLE = {"text": {"color": INK}, "title": TITLE, "axis": WORDS, "legend": WORDS}
PIN = "Takes this result into the report: its chart, its finding, and a note of yours."
LARGER, HIGH = 1.5, 480  # times its size, and pixels, for a chart that has the window to itself


def tables(answer: Answer) -> dict[str, pd.DataFrame]:
    """The result's tables for the eye: whitespace in tokens is visible. Shared by all who look at it."""
    return drawn(answer.result, _tables)


def _tables(result: Result) -> dict[str, pd.DataFrame]:
    return {name: with_visible_tokens(table) for name, table in result.tables().items()}


def _reading(result: Result) -> Reading:
    return result.reading()


def finding(answer: Answer, told: Sequence[str] = ()) -> None:
    """The result's title, and its sentences below, but for those that the page has `told` already."""
    reading = drawn(answer.result, _reading)
    st.header(literal(reading.title), anchor=False)
    st.markdown(" ".join(literal(sentence) for sentence in reading.sentences if sentence not in told))


def chart(
    answer: Answer,
    figure: Figure,
    *,
    key: str,
    how: str,
    table: str,
    on_select: Callable[[], None] | None = None,
    **view: Any,
) -> None:
    """A chart with everything that belongs to it: how to read it, the self-check, its table and its exports.

    Args:
        answer: Where the numbers came from.
        figure: What draws its result, from `charts.figures`.
        key: Name of the chart on its page; unique there.
        how: How to read it, in two or three plain sentences.
        table: Which of the result's tables holds the chart's numbers.
        on_select: Called when a mark is clicked; the selection is in `st.session_state[key]`.
        **view: What the reader chose about how it is shown: the figure's own settings.
    """
    spec = drawn(answer.result, specification, figure, **view)
    _framed(spec, key, on_select)
    footer(answer, key=key, how=how, table=table, spec=spec, pin=pins.of(answer.request, figure, view, table, how))


def unfinished(result: Result, figure: Figure) -> None:
    """What there is of a result that is still growing, or was stopped: nothing in it can be clicked or exported.

    It is drawn several times in one run of a page, so nothing in it has a key.
    """
    reading = drawn(result, _reading)
    st.header(literal(reading.title), anchor=False)
    st.markdown(" ".join(map(literal, reading.sentences)))
    spec = drawn(result, specification, figure)
    st.vega_lite_chart(spec | {"autosize": FILLING, "config": LEGIBLE}, width="stretch")


def glimpse(place: DeltaGenerator, result: Result, figure: Figure, **view: Any) -> None:
    """A chart of a result that is not finished, in a place that is overwritten: nothing belongs to it yet."""
    place.vega_lite_chart(
        specification(result, figure, **view) | {"autosize": FILLING, "config": LEGIBLE}, width="stretch"
    )


def _framed(
    spec: dict[str, Any], key: str, on_select: Callable[[], None] | None = None, *, widest: float = 1.0
) -> None:
    """The chart as wide as its place, within what suits its columns; scrolled to its finding where it is wider."""
    room, frame = spec.get("usermeta", {}).get("room"), f"{key}-frame"
    with st.container(key=frame):
        if room is not None:
            columns = len(room["columns"])
            least, most = (round(room["beside"] + columns * x) for x in (room["least"], room["most"] * widest))
            st.html(f"<style>.st-key-{frame} {{ --least: {least}px; --most: {most}px; }}</style>")
            opening_place(frame, room, f"{key}-opening")
        st.vega_lite_chart(
            spec | {"autosize": FILLING, "config": LEGIBLE},
            width="stretch",
            key=key,
            on_select=on_select or "ignore",
        )


def _large(title: str, spec: dict[str, Any], key: str) -> None:
    """The chart alone, as wide as the window."""

    @st.dialog(literal(title), width="large")
    def show() -> None:
        height = min(spec["height"] * LARGER, max(spec["height"], HIGH))
        _framed(spec | {"height": height}, f"{key}-large", widest=LARGER)

    show()


def specification(result: Result, figure: Figure, **view: Any) -> dict[str, Any]:
    """The chart of a result, ready for the browser: through `drawn`, made once."""
    return ready(figure(result, **view))


def stored(spec: dict[str, Any], key: str) -> None:
    """A chart that a report holds, of a result that is not computed here: nothing belongs to it but what is seen."""
    _framed(spec, key)


def rows(frame: pd.DataFrame, columns: dict[str, str], *, alt: str) -> None:
    """A table whose texts are read in full: `columns` by name, with the format of their numbers; `alt` is its name."""
    written = {
        name: [format(value, form) if form else literal(str(value)) for value in frame[name]]
        for name, form in columns.items()
    }
    st.table(pd.DataFrame(written).style.hide(axis="index"), alt=alt)


def footer(
    answer: Answer, *, key: str, how: str, table: str, spec: dict[str, Any] | None = None, pin: Pin | None = None
) -> None:
    """The row below a chart: how to read it, the self-check badge, the table, the exports, and pinning it."""
    with st.container(horizontal=True, gap="small", vertical_alignment="center", key=f"{key}-below"):
        if spec is not None and st.button(
            "Large", icon=":material/open_in_full:", type="tertiary", key=f"{key}-enlarge"
        ):
            _large(drawn(answer.result, _reading).title, spec, key)
        with st.popover("How to read", icon=":material/help:", type="tertiary", key=f"{key}-how"):
            st.markdown(with_links(how))
        badge(answer.result.checks, key, bool(answer.request.model))
        with st.popover(
            "Table", icon=":material/table:", type="tertiary", key=f"{key}-table", on_change="rerun"
        ) as box:
            if box.open:
                st.dataframe(
                    tables(answer)[table], hide_index=True, width=640, alt=f"{table} table", column_config=LINKS
                )
        with st.popover(
            "Export", icon=":material/download:", type="tertiary", key=f"{key}-export", on_change="rerun"
        ) as box:
            if box.open:
                exports.draw(answer, spec, table, key)
        _pin(pin or pins.of(answer.request, None, {}, table, how), key)


def _pin(pin: Pin, key: str) -> None:
    """The button that takes a result into the report; on the page Report, all are in it."""
    if address.page() != "report":
        label, icon = ("Pinned", ":material/keep:") if pins.is_pinned(pin) else ("Pin", ":material/keep:")
        st.button(label, icon=icon, type="tertiary", key=f"{key}-pin", help=PIN, on_click=pins.add, args=(pin,))


def badge(checks: tuple[Check, ...], key: str, names_a_model: bool) -> None:
    """The self-checks behind a word that says whether they hold."""
    if not checks:
        return
    passed = all(check.passed for check in checks)
    label, icon = ("Checked", ":material/verified:") if passed else ("Check failed", ":material/warning:")
    with st.popover(label, icon=icon, type="tertiary", key=f"{key}-checks"):
        st.markdown("These equations must hold. They were computed on exactly this result:")
        st.markdown(_equations(checks))
        if names_a_model:
            st.markdown("The model was compared with plain transformers on opening; the sidebar says how closely.")


def _equations(checks: tuple[Check, ...]) -> str:
    rows = [
        (check.name, f"{check.error:.1e}", f"{check.tolerance:.1e}", "yes" if check.passed else "no")
        for check in checks
    ]
    return markdown_table(("what must hold", "largest error", "allowed", "holds"), rows)
