"""What a value belongs to, and what becomes of it when that changes.

One rule for every field of every page. A place (a position, a layer, a head, a feature's number) is one only in what it
is a place of, and goes with it. Words came with a prompt, from a story, a link or a suggestion, and go with it; or were
typed by hand, and stay, and the page says so, with a way to let go.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st
from streamlit.runtime.state.session_state_proxy import get_session_state

from mi_core.models.tokens import visible
from mi_core.phrases import listed
from ui import words
from ui.text import literal

# The words that are said of a prompt, and what the page calls them.
OF_PROMPT = {
    "target": "the answer",
    "foil": "compared with",
    "corrupted": "the second prompt",
    "family": "the further pairs",
    "subject": "the subject",
    "new_answer": "the new answer",
    "paraphrases": "the rephrasings",
    "neighbours": "the neighbours",
}
_TOKEN = ("prompt", "model", "bos")
_NUMBERS = ("", "2", "3", "4")
# The places, and the keys of all that they are places of.
PLACES: dict[str, tuple[str, ...]] = {
    "pos": _TOKEN,
    "token": _TOKEN,
    "spans": _TOKEN,
    "written": (*_TOKEN, "temperature", "seed"),
    "cell": (*_TOKEN, words.PATCHED.key),
    "head": ("model",),
    "pair": ("model",),
    "key_pos": _TOKEN,
    "query_pos": _TOKEN,
    "neuron": ("model",),
    "edit_layer": ("model",),
    "receiver": ("model",),
    "sender": ("model",),
    "part": ("model", words.MADE_OF.key, words.CIRCUIT_PARTS.key),
    "also": ("model",),
    "without": ("model",),
    **{f"layer{number}": ("model",) for number in _NUMBERS},
    **{f"feature{number}": ("model", f"sae{number}") for number in _NUMBERS},
}
BELONGS = dict.fromkeys(OF_PROMPT, ("prompt",)) | PLACES
LONGEST = 40  # characters of a value that a sentence names
_RECORDS, _CAME = "_records", "_came"
_NOTHING = ("", None, [])
_IS_TOKEN = re.compile(r"L\d+P\d+$|.*@\d+(→|->)\d+$", re.IGNORECASE)  # among the parts that are knocked out


@dataclass(frozen=True)
class Record:
    """A value as it was set: what it belonged to then, and whether it `came` with that, not by hand."""

    value: Any
    owners: tuple[Any, ...]
    came: bool


def arrive(fresh: Iterable[str], came: Iterable[str] = ()) -> None:
    """Fields are about to be filled `fresh`, whatever they held; those that `came` are part of a story or a link."""
    for key in fresh:
        _records().pop(key, None)
    st.session_state.setdefault(_CAME, set()).update(came)


def refill(values: Mapping[str, Sequence[str]]) -> None:
    """A page is opened with these words in its address: what they say otherwise than it was is fresh."""
    records = _records()
    arrive([key for key, texts in values.items() if key in records and list(texts) != _texts(records[key].value)])


def bring(prompt: str, **values: str) -> None:
    """Fill the prompt and what comes with it; all else that belonged to the one before goes: for callbacks."""
    _empty(key for key in BELONGS if "prompt" in BELONGS[key])
    st.session_state["prompt"] = prompt
    for key, value in values.items():
        suggest(key, value)


def let_go(keep: Collection[str] = ()) -> None:
    """Empty all that belongs to something, but for these keys: for callbacks, and before the first field is drawn."""
    _empty(key for key in BELONGS if key not in keep)


def suggest(key: str, value: str | int) -> None:
    """Fill a field with what was proposed for this very prompt: for callbacks."""
    st.session_state[key] = value
    _records()[key] = Record(value, _owners(key), came=True)


def settle(page: Mapping[str, words.Field]) -> None:
    """Empty what outlived what it belonged to: before the first field of a page is drawn."""
    arrive(())  # so that there is something to remember in
    _empty(key for key, record in _outlived().items() if key in PLACES or record.came)
    for key, field in page.items():
        if isinstance(field, words.Number) and isinstance(st.session_state.get(key), str):
            st.session_state.pop(key)  # a word that a field of another page has by this name, and the other way round
        elif isinstance(field, words.Text) and isinstance(st.session_state.get(key), int | float):
            st.session_state.pop(key)


def remember() -> None:
    """Note of every value what it belongs to, as the fields stand: once a run is over, or overtaken by the next.

    A run that is overtaken ends wherever `st.session_state` is read or written, so this looks at it by other means.
    """
    state = get_session_state().filtered_state
    records, came = state.get(_RECORDS, {}), state.get(_CAME, set())
    for key in BELONGS:
        value, record = _value(key, state), records.get(key)
        if value in _NOTHING:
            records.pop(key, None)
        elif record is None or record.value != value:
            records[key] = Record(value, _owners(key, state), key in came)
            came.discard(key)


def show_kept(page: Mapping[str, words.Field]) -> None:
    """One line on what was typed for another prompt and is still followed, with a button that lets go of it.

    Args:
        page: The fields of the page; what only others have is named there.
    """
    kept = [key for key in OF_PROMPT if key in _outlived() and key in page]
    if kept:
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            said = listed([f"{OF_PROMPT[key]} “{_shown(key)}”" for key in kept])
            st.caption(literal(f"Still followed from your former prompt: {said}."), width="content")
            st.button("Let go", key="let-go", type="tertiary", icon=":material/close:", on_click=_empty, args=(kept,))


def _outlived() -> dict[str, Record]:
    """The records of values whose owner is another by now."""
    return {
        key: record
        for key, record in _records().items()
        if record.value == _value(key) not in _NOTHING and record.owners != _owners(key)
    }


def _records() -> dict[str, Record]:
    return st.session_state.setdefault(_RECORDS, {})


def _value(key: str, state: Mapping[str, Any] | None = None) -> Any:
    value = (st.session_state if state is None else state).get(key)
    return None if key == "token" and isinstance(value, str) else value  # a word to steer to is no place


def _owners(key: str, state: Mapping[str, Any] | None = None) -> tuple[Any, ...]:
    """What a value belongs to now; white space at its end makes no other prompt of one."""
    has_token = key == "also" and any(_IS_TOKEN.match(part) for part in _value(key, state) or ())
    owners = {owner: _value(owner, state) for owner in (_TOKEN if has_token else BELONGS[key])}
    return tuple(value.rstrip() if owner == "prompt" and value else value for owner, value in owners.items())


def _empty(keys: Iterable[str]) -> None:
    for key in list(keys):
        if (value := _value(key)) not in _NOTHING:
            st.session_state[key] = type(value)() if isinstance(value, str | list) else None


def _texts(value: Any) -> list[str]:
    return [str(item) for item in (value if isinstance(value, list) else [value])]


def _shown(key: str) -> str:
    text = visible(_value(key))
    return text if len(text) <= LONGEST else text[:LONGEST] + "…"
