"""Settings for every row of a batch: a field for each of an analysis' own, read off its signature."""

from __future__ import annotations

import inspect
import json
import typing
from collections.abc import Collection
from typing import Any

import streamlit as st

from mi_core.analyses._index import described, find_analysis, settings_of
from mi_core.errors import InputError
from mi_core.sharing import prompt_list
from ui import address, slots, words
from ui.compute import fail
from ui.text import literal

KEY = "for_all"
ON, OFF = "on", "off"
LABELS = {
    "target": "Answer",
    "foil": "Compared with",
    "pos": "Position",
    "prepend_bos": "Start token",
    "corrupted": "Second prompt",
    "sae": "Autoencoder",
}


def fields(analysis: str, by_column: Collection[str]) -> dict[str, Any]:
    """Draw a field for every setting that no column of the list sets; those that were filled in.

    Args:
        analysis: Its name.
        by_column: The settings that columns set.
    """
    _arrive(analysis)
    settings, texts = settings_of(find_analysis(analysis)), described(find_analysis(analysis))
    given: dict[str, Any] = {}
    with st.expander("Settings for every row", icon=":material/tune:"):
        places = st.columns(3, gap="small")
        free = [name for name in settings if name not in by_column]
        for at, name in enumerate(free):
            with places[at % len(places)]:
                value = _field(analysis, name, settings[name], literal(texts.get(name, "")))
                slots.place(name, _key(analysis, name))
            if value not in (None, ""):
                given[name] = value
    address.write(KEY, json.dumps(given, sort_keys=True) if given else None)
    missing = [name for name in free if settings[name].default is inspect.Parameter.empty and name not in given]
    if missing:
        label = _label(missing[0])
        said = (
            f"This analysis needs “{label}”: fill it in, under “Settings for every row”, or add a column {missing[0]}."
        )
        fail(InputError(said, missing[0]))
    return {name: _value(analysis, name, value, settings[name]) for name, value in given.items()}


def _arrive(analysis: str) -> None:
    """Fill the fields from a link."""
    if address.has_arrived() and (said := st.query_params.get(KEY)):
        known = settings_of(find_analysis(analysis))
        for name, value in (words.ForAll(KEY).understood(said) or {}).items():
            if name in known and _fits(known[name], value):
                st.session_state[_key(analysis, name)] = _shown(known[name], value)
            else:
                st.caption(literal(f"The link asks for {name[:40]}={str(value)[:40]}, which is left out."))


def _fits(setting: inspect.Parameter, value: Any) -> bool:
    """Whether a field can show the value."""
    kind = _kind(setting)
    if isinstance(kind, tuple):
        return value in kind
    if kind is bool:
        return isinstance(value, bool)
    if kind in (int, float):
        return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= words.BIGGEST
    return isinstance(value, str)


def _shown(setting: inspect.Parameter, value: Any) -> Any:
    kind = _kind(setting)
    if kind is bool:
        return ON if value else OFF
    return kind(value) if kind in (int, float) else value


def _field(analysis: str, name: str, setting: inspect.Parameter, help: str) -> Any:
    """A field that is empty for the usual value."""
    kind, label = _kind(setting), _label(name)
    usual = _usual(setting)
    common: dict[str, Any] = {"key": _key(analysis, name), "help": help, "persist_state": "session"}
    if isinstance(kind, tuple):
        return st.selectbox(label, kind, index=None, placeholder=usual, **common)
    if kind is bool:
        chosen = st.selectbox(label, (ON, OFF), index=None, placeholder=usual, **common)
        return None if chosen is None else chosen == ON
    if kind is int:
        return st.number_input(label, value=None, step=1, placeholder=usual, **common)
    if kind is float:
        return st.number_input(label, value=None, placeholder=usual, **common)
    return st.text_input(label, placeholder=usual, **common)


def _kind(setting: inspect.Parameter) -> Any:
    """The words of a choice, or bool, int, float or str; several values are one text."""
    choices = (setting.annotation, *typing.get_args(setting.annotation))
    for kind in choices:
        if typing.get_origin(kind) is typing.Literal:
            return typing.get_args(kind)
    if typing.get_origin(setting.annotation) is tuple:
        return str
    return next((kind for kind in (bool, int, float) if kind in choices), str)


def _usual(setting: inspect.Parameter) -> str:
    """What an empty field means, as words."""
    default = setting.default
    if default is inspect.Parameter.empty:
        return "needed"
    if default in (None, "", ()):
        return "usual"
    if isinstance(default, bool):
        return ON if default else OFF
    return "; ".join(map(str, default)) if isinstance(default, tuple) else str(default)


def _value(analysis: str, name: str, value: Any, setting: inspect.Parameter) -> Any:
    """What the analysis is given: several values are separated by semicolons in a field."""
    if typing.get_origin(setting.annotation) is not tuple:
        return value
    try:
        return prompt_list.reader(analysis, name)(value)
    except ValueError:
        fail(InputError(f"“{value[:40]}” is no value here: separate several by semicolons.", name))


def _label(name: str) -> str:
    return LABELS.get(name, name.replace("_", " ").capitalize())


def _key(analysis: str, name: str) -> str:
    return f"all-{analysis}-{name}"
