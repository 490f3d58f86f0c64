"""The results that are pinned: on any page, in this session and in the browser; the page Report shows them."""

from __future__ import annotations

import inspect
import json
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl, urlencode

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from charts import figures
from charts.figures import Figure
from mi_core.errors import InputError
from mi_core.jobs.request import Request
from mi_core.sharing import pin as pinning
from mi_core.sharing.pin import Pin
from mi_core.sharing.report import Opened
from ui import address
from ui.components.kept_pins import kept_pins
from ui.words import PAGES

MOST = 50
LONGEST_KEPT = 2_000_000  # characters; a browser keeps about five million for a whole server
_PINS, _STORED, _TITLE = "_pins", "_pins_stored", "_pins_title"
_HEARD, _VISIT, _SAID, _FIT = "_pins_heard", "_pins_visit", "_pins_said", "_pins_fit"


def current() -> tuple[Pin, ...]:
    """This session's pins, in their order."""
    return tuple(_pins().values())


def finder() -> Callable[[str], Pin]:
    """By its id, the pin as it is when it is asked for, by another thread too."""
    return _pins().__getitem__


def stored(id: str) -> Mapping[str, Any] | None:
    """What the report that was opened holds of a pin; None where it came from none."""
    return st.session_state.get(_STORED, {}).get(id)


def title() -> str:
    """The report's title, "" where nobody gave it one."""
    return st.session_state.get(_TITLE, "")


def entitle(text: str) -> None:
    """Give the report a title: for callbacks."""
    st.session_state[_TITLE] = text[:300]


def of(request: Request, figure: Figure | None, view: Mapping[str, Any], table: str, how: str) -> Pin:
    """What pinning a chart of a result, or a table, would keep; its address is added when it is pinned."""
    name = figure.__name__ if figure else ""
    return Pin(request, table, name, tuple(sorted(view.items())), how=how)


def is_pinned(pin: Pin) -> bool:
    """Whether it is among them already."""
    return pin.id in _pins()


def add(pin: Pin) -> None:
    """Pin a result of the page on show, with its address, and say so: for callbacks."""
    held = _pins()
    if pin.id in held:
        st.toast("This is pinned already: its note is on the page Report.", icon=":material/keep:")
    elif len(held) >= MOST:
        st.toast(f"There are {MOST} pins already: take some off on the page Report.", icon=":material/keep_off:")
    else:
        context = get_script_run_ctx()
        query = urlencode(parse_qsl(context.query_string)) if context else ""
        held[pin.id] = replace(pin, page=address.page(), query=query)
        n = len(held)
        st.toast(f"Pinned: {n} result{'s' if n > 1 else ''} on the page Report.", icon=":material/keep:")


def write(id: str, **texts: str) -> None:
    """Change what is written about a pin: for callbacks."""
    held = _pins()
    if id in held:
        held[id] = replace(held[id], **{name: text[: pinning.LONGEST_NOTE] for name, text in texts.items()})


def move(id: str, by: int) -> None:
    """Move a pin up (−1) or down (1): for callbacks."""
    held = _pins()
    names = list(held)
    at = names.index(id)
    names.insert(max(0, at + by), names.pop(at))
    _arrange({name: held[name] for name in names})


def remove(id: str) -> None:
    """Take a pin off: for callbacks."""
    _pins().pop(id, None)


def clear() -> None:
    """Take all of them off: for callbacks."""
    _arrange({})
    st.session_state.pop(_STORED, None)
    st.session_state.pop(_TITLE, None)


def bring(opened: Opened) -> list[str]:
    """Go on with a report that was opened: its pins after those there are. Returns what is left out, in sentences."""
    held = _pins()
    fresh = {pin.id: pin for pin in opened.pins if _can_be_shown(pin)}
    every = held | fresh
    _arrange(dict(list(every.items())[:MOST]))
    left_out = [
        f"“{opened.stored[pin.id]['finding']}” is left out: this Loupe cannot draw it."
        for pin in opened.pins
        if pin.id not in fresh
    ]
    if len(every) > MOST:
        left_out.append(f"Only {MOST} results can be pinned: {len(every) - MOST} are left out.")
    st.session_state.setdefault(_STORED, {}).update({id: opened.stored[id] for id in fresh if id in opened.stored})
    if opened.title and not title():
        entitle(opened.title)
    return left_out


def begin(name: str, deck: Sequence[Pin]) -> None:
    """Put the slides of a deck after the pins there are: for callbacks."""
    every = _pins() | {pin.id: pin for pin in deck if not is_pinned(pin)}
    _arrange(dict(list(every.items())[:MOST]))
    if not title():
        entitle(name)


def figure_of(pin: Pin) -> Figure | None:
    """What draws a pin; None where it is a table."""
    return getattr(figures, pin.figure) if pin.figure else None


def keep() -> None:
    """Let the browser keep the pins, and hear of those that it kept: on every page."""
    held = {"title": title(), "pins": [pin.as_dict() for pin in current()]}
    text = json.dumps(held, ensure_ascii=False) if held["title"] or held["pins"] else ""
    visit = st.session_state.setdefault(_VISIT, secrets.token_hex(8))
    kept_pins(text if len(text) <= LONGEST_KEPT else None, visit, st.session_state.get(_HEARD, False), _arrive)
    st.session_state[_FIT] = len(text) <= LONGEST_KEPT


def remark() -> str:
    """What could not be read of the pins that the browser kept, once; or that it cannot keep those there are."""
    if not st.session_state.get(_FIT, True):
        return "These pins hold too much text for the browser to keep: save the report before you leave."
    return st.session_state.pop(_SAID, "")


def _arrive(text: str, whole: bool) -> None:
    """Pins that the browser kept come first, or are the `whole`; what is damaged is left out, and said."""
    st.session_state[_HEARD] = True
    try:
        kept = json.loads(text)
        written, name = list(kept["pins"])[:MOST], str(kept.get("title") or "")
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        st.session_state[_SAID] = "The pins that this browser kept are damaged, and were left out."
        return
    read: dict[str, Pin] = {}
    for each in written:
        try:
            pin = pinning.read(each)
        except InputError:
            continue
        if _can_be_shown(pin):
            read[pin.id] = pin
    _arrange(read if whole else read | _pins())
    if name and not title():
        entitle(name)
    if (lost := len(written) - len(read)) > 0:
        pins = "1 pin that this browser kept is" if lost == 1 else f"{lost} pins that this browser kept are"
        st.session_state[_SAID] = f"{pins} damaged, or of another version, and left out."


def _can_be_shown(pin: Pin) -> bool:
    """Whether its page and its figure are known here, and the figure takes its view."""
    if pin.page not in PAGES:
        return False
    if not pin.figure:
        return True
    function = vars(figures).get(pin.figure)
    if not inspect.isfunction(function) or not function.__module__.startswith(f"{figures.__name__}."):
        return False
    first, *others = inspect.signature(function).parameters
    return first == "result" and {name for name, _ in pin.view} <= set(others)


def _pins() -> dict[str, Pin]:
    return st.session_state.setdefault(_PINS, {})


def _arrange(pins: dict[str, Pin]) -> None:
    """In place: a file that is being made reads them too."""
    held = _pins()
    pins = dict(pins)
    held.clear()
    held.update(pins)


def badge() -> str:
    """A rule that shows beside the page's name how many there are."""
    n = len(_pins())
    return f'[data-testid="stSidebarNavLink"][href$="/report"]::after {{ content: "{n}" / ""; }}' if n else ""
