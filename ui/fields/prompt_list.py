"""The batch page's list of prompts: pasted or a file, looked at before anything is computed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from mi_core.errors import InputError, shortened
from mi_core.models.tokens import readable
from mi_core.sharing import prompt_list, prompt_table
from mi_core.sharing.prompt_list import Column
from mi_core.sharing.prompt_table import PromptTable
from mi_core.text.corpus import kept
from ui import address, slots, words
from ui.compute import fail
from ui.inputs import in_link, place_in_link
from ui.text import table as markdown_table

_FILE, _STARTED = "_prompts_file", "_prompts_started"
SHOWN = 10  # rows of the preview
MOST_COLUMNS = 12  # that the page speaks of
HOW = (
    "A prompt a line. Or a table whose first line names its columns: “prompt”, and any setting of the analysis, such "
    "as “target” for the answer."
)
EXAMPLE = (
    "prompt,target\nThe capital of Texas is,Austin\nThe capital of Japan is,Tokyo\nThe capital of France is,Paris\n"
    "The capital of Italy is,Rome\nThe opposite of hot is,cold"
)
SETS = {
    "prompt": "is the prompt",
    "target": "sets the answer",
    "foil": "sets what the answer is compared with",
    "pos": "sets the position",
    "corrupted": "is the second prompt",
    "prepend_bos": "switches the start token",
    None: "is not used",
}


def source() -> str:
    """Whether they are pasted or a file."""
    return address.choose(words.ROWS_FROM, st.segmented_control, "Prompts", required=True)


def table(source: str) -> PromptTable | None:
    """What was brought; None while there is nothing. Ends the page's run with a sentence where it cannot be read."""
    try:
        return _pasted() if source == "pasted" else _sent()
    except InputError as error:
        fail(error)


def _pasted() -> PromptTable | None:
    text = st.text_area(
        "Prompts, one a line or as a table", key="prompts", height=130, placeholder=EXAMPLE, help=HOW,
        bind=in_link("prompts"), persist_state="session",
    )  # fmt: skip
    place_in_link("prompts")
    if text.strip():
        return _read_pasted(text)
    _ask()
    st.button("Use an example", key="prompts-example", on_click=_use_example)
    return None


def _ask(kinds: str = "") -> None:
    st.header("Bring a list of prompts", anchor=False)
    st.info(HOW + kinds, icon=":material/upload_file:")


def _use_example() -> None:
    st.session_state["prompts"] = EXAMPLE


def _sent() -> PromptTable | None:
    sent = st.file_uploader(
        "File with prompts",
        [ending.lstrip(".") for ending in prompt_table.FORMATS],
        max_upload_size=prompt_table.MOST_BYTES // 1_000_000,
        key="prompts_file",
        help=HOW + " It stays on the computer that runs Loupe.",
    )
    slots.place("prompts", "prompts_file")
    if sent is not None:
        st.session_state[_FILE] = str(kept(sent.getvalue(), sent.name))
    if (path := st.session_state.get(_FILE)) is None:
        _ask(" CSV, Excel (.xlsx) or plain text.")
        return None
    if sent is None:
        slots.note("prompts", f"Still with {Path(path).name}.")
    slots.note("prompts", "A link to this page carries the analysis and its settings, but not the file.")
    return _read_file(path)


@st.cache_resource(max_entries=8, show_spinner=False)
def _read_file(path: str) -> PromptTable:
    """The file lies in a folder by its content."""
    return prompt_table.opened(Path(path))


@st.cache_resource(max_entries=8, show_spinner=False)
def _read_pasted(text: str) -> PromptTable:
    return prompt_table.pasted(text)


def columns(given: PromptTable, analysis: str) -> tuple[Column, ...]:
    """What each column sets, with a field for the one that holds the prompts where none is called so."""
    named = [prompt_table.setting_name(name) for name in given.header]
    prompt = ""
    if "prompt" not in named and given.header:
        options = dict.fromkeys(given.header)
        field = words.Options("prompt_column", tuple(words.Word(name, shortened(readable(name))) for name in options))
        prompt = address.choose(
            field, st.selectbox, "Which column is the prompt?", usual=_likely(given), width=320,
            help="No column is called “prompt”.",
        )  # fmt: skip
    try:
        return prompt_list.matched(given, analysis, prompt)
    except InputError as error:
        fail(error)


def _likely(given: PromptTable) -> str:
    """The column with the longest texts at the top."""
    lengths = {
        name: sum(len(row[at]) for row in given.rows[:SHOWN] if at < len(row)) for at, name in enumerate(given.header)
    }
    return max(lengths, key=lengths.__getitem__)


def preview(given: PromptTable, matched: tuple[Column, ...]) -> Callable[[bool], None]:
    """How many there are, what each column does, and the first rows: open until the list is started.

    Returns:
        What is to be told whether it is, as soon as that is known.
    """
    place, was_started = st.empty(), st.session_state.get(_STARTED) is given

    def show(is_started: bool) -> None:
        if is_started != was_started:
            st.session_state[_STARTED] = given if is_started else None
            _preview(place, given, matched, expanded=not is_started)

    _preview(place, given, matched, expanded=not was_started)
    return show


def _preview(place: DeltaGenerator, given: PromptTable, matched: tuple[Column, ...], *, expanded: bool) -> None:
    n = len(given.rows)
    label = f"{n:,} prompt{'' if n == 1 else 's'}: what each column does, and the first rows"
    with place.expander(label, icon=":material/table_rows:", expanded=expanded):
        uses = [(shortened(readable(column.name)), _use(column)) for column in matched[:MOST_COLUMNS]]
        st.markdown(markdown_table(("column", "what it does"), uses))
        if (more := len(matched) - MOST_COLUMNS) > 0:
            st.caption(f"And {more} more columns.")
        first = [[*row, *[""] * len(matched)][: len(matched)] for row in given.rows[:SHOWN]]
        frame = pd.DataFrame([[readable(cell) for cell in row] for row in first], columns=[c.name for c in matched])
        st.dataframe(frame.rename_axis("row"), width="stretch", alt="The first rows of the list")


def _use(column: Column) -> str:
    return SETS.get(column.setting, f"sets {str(column.setting).replace('_', ' ')}")
