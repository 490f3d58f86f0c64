"""Compare: what is otherwise in the result B that stands beside each result of a page, and B itself.

It is a handful of values, by their keys in the address (`words.COMPARED`): another prompt with its own answer, another
model, without the edits, another value of one setting. For a result of any analysis, B is what the same request gives
with those of them that the analysis knows.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any
from urllib.parse import quote_plus

import streamlit as st

from mi_core.analyses._index import described, find_analysis, parameters, settings_of
from mi_core.errors import InputError, shortened
from mi_core.jobs.request import Request
from mi_core.models import catalogue, checkpoints
from mi_core.models.tokens import readable, visible
from mi_core.phrases import listed
from mi_core.sharing import prompt_list
from ui import address, inputs, slots, words
from ui.compute import Answer, beside
from ui.drawn import drawn
from ui.fields import edits, for_all
from ui.permalink import LONGEST
from ui.text import literal

FIRST, SECOND = "A", "B"
_HELD, _PAGE, _CHARTED, _ABSENT = "_compared", "_compared_on", "_charted", "_compared_absent"
_FIELD = "compare-"  # begins the keys of the fields in the box
PROMPT, TARGET, FOIL, MODEL, EDITS, SETTING, VALUE = (field.key for field in words.COMPARED)
APART = {"prompt", "target", "foil"}  # settings that have fields of their own
NOT_HERE = {"tours", "batch", "report", "glossary"}  # pages without results of their own
HELP = (
    "A second result beside each chart of this page, on one scale, and what differs. Fill in what is otherwise in it; "
    "all else stays as it is."
)


def held() -> dict[str, str]:
    """What is otherwise in B, by its key in the address; empty where nothing is compared."""
    return st.session_state.get(_HELD, {})


def other_model() -> str | None:
    """The model of B, where it is another one."""
    return held().get(MODEL)


def arrive(link: address.Link) -> None:
    """Take over what a link compares, before the first field is drawn."""
    values = {field.key: link.values[field.key][-1] for field in words.COMPARED if field.key in link.values}
    if MODEL in values:
        values[MODEL] = words.Model(MODEL).held(values[MODEL])
    _hold(values)
    st.session_state[_PAGE] = address.page()


def carry(page: str) -> None:
    """Write it into the address of each page; another setting stays on the page that it belongs to."""
    if st.session_state.get(_PAGE) != page:
        _hold({key: value for key, value in held().items() if key not in (SETTING, VALUE)})
        st.session_state[_PAGE] = page
    st.session_state[_CHARTED], st.session_state[_ABSENT] = st.session_state.get(_CHARTED, {}), set()
    for field in words.COMPARED:
        value = held().get(field.key)
        address.write(field.key, value if value is not None and len(quote_plus(value)) <= LONGEST else None)


def counterpart(request: Request) -> Request | InputError | None:
    """What B asks for where A asks for `request`; None where nothing in it is otherwise, and what is wrong with it."""
    charted = st.session_state[_CHARTED].setdefault(address.page(), [])
    if request.analysis not in charted:
        charted.append(request.analysis)
    known, settings, asked = parameters(request.analysis), dict(request.settings), held()
    if not asked or "other_model" in known:  # which is about two models already
        return None
    if PROMPT in asked and "prompt" in known:
        own = {"prompt": asked[PROMPT], "target": asked.get(TARGET), "foil": asked.get(FOIL)}
        settings |= {name: value for name, value in own.items() if name in known}
    name = asked.get(SETTING)
    if name in known and name not in ("model", "progress"):
        try:
            settings[name] = prompt_list.reader(request.analysis, name)(asked.get(VALUE, ""))
        except ValueError:
            said = f"{shortened(asked.get(VALUE, ''))} is no value for “{for_all.label_of(name)}”: choose another one."
            return InputError(said, VALUE)
    model = asked.get(MODEL, request.model) if request.model else ""
    other = Request.of(request.analysis, model, edits="" if EDITS in asked else request.edits, **settings)
    return None if other == request else other


def answer(asked: Request | InputError) -> Answer | None:
    """The result B; where there is none, a sentence says why, once on a page."""
    st.markdown(f"**{SECOND}: {literal(said())}**")
    absent = st.session_state[_ABSENT]
    if isinstance(asked, InputError):
        st.info(literal(asked.message), icon=":material/edit:")
        return None
    if asked in absent:
        st.caption("It is missing here too, for the reason above.")
        return None
    found = beside(asked)
    if found is None:
        absent.add(asked)
    return found


def drawn_too(other: Answer, make: Callable[..., dict[str, Any]], *figure: Any, **view: Any) -> dict[str, Any] | None:
    """The chart of B with what was chosen for that of A; a sentence where B has nothing to show of it."""
    try:
        return drawn(other.result, make, *figure, **view)
    except (InputError, LookupError, ValueError):
        st.info("B has nothing of what this chart shows: choose another layer, head or part.", icon=":material/edit:")
        return None


def said() -> str:
    """What B is, in words."""
    asked = held()
    parts = []
    if PROMPT in asked:
        answers = [
            f"{name} “{visible(asked[key])}”" for key, name in ((TARGET, "answer"), (FOIL, "less")) if key in asked
        ]
        parts.append(", ".join([f"“{_short(asked[PROMPT])}”", *answers]))
    if MODEL in asked:
        parts.append(f"the model {_short(asked[MODEL])}")
    if EDITS in asked:
        parts.append(words.WITHOUT_EDITS.label("none"))
    if SETTING in asked:
        parts.append(f"{for_all.label_of(asked[SETTING]).lower()} {_short(asked.get(VALUE, '')) or 'as usual'}")
    return listed(parts)


def show() -> None:
    """Below a page's title, what is compared with what, and the way to stop."""
    if not held() or address.page() in NOT_HERE:
        return
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="compared"):
        st.caption(literal(f"Compared: {FIRST} is this, {SECOND} is {said()}."), width="content")
        st.button("Stop comparing", icon=":material/close:", type="tertiary", key="stop-comparing", on_click=stop)
    slots.place(VALUE)
    if len(quote_plus(held().get(PROMPT, ""))) > LONGEST:
        st.caption("The prompt of B is too long for the address bar: a link to this page will not carry it.")


def control() -> None:
    """The button beside a page's title, with the fields of what is otherwise in B."""
    if address.page() in NOT_HERE:
        return
    with st.popover(
        "Compare", icon=":material/compare:", type="tertiary", key="compare", on_change="rerun", help=HELP
    ) as box:
        if box.open:
            _fields()


def stop() -> None:
    """Nothing is compared any more: for callbacks."""
    _hold({})


def _fields() -> None:
    asked = held()
    st.markdown("**What is otherwise in B**")
    st.text_area(
        "Another prompt", asked.get(PROMPT, ""), key=_FIELD + PROMPT, height=80, placeholder="the same prompt",
        help="B reads this, and A the prompt of the sidebar.",
    )  # fmt: skip
    left, right = st.columns(2, gap="small")
    left.text_input("Its answer", asked.get(TARGET, ""), key=_FIELD + TARGET, placeholder="top guess")
    right.text_input("Its compared with", asked.get(FOIL, ""), key=_FIELD + FOIL, placeholder="nothing")
    entries = {entry.id: entry.title for entry in catalogue.entries()}
    models = _models(list(entries), asked.get(MODEL))
    st.selectbox(
        "Another model", models, index=models.index(asked[MODEL]) if MODEL in asked else None, key=_FIELD + MODEL,
        format_func=lambda id: str(entries.get(id, id)), accept_new_options=True, placeholder="the same model",
        help="A model of the list, a moment of its training such as loupe-mini@2500, a Hugging Face id, or a folder.",
    )  # fmt: skip
    if edits.current():
        st.checkbox("Without the edits", EDITS in asked, key=_FIELD + EDITS)
    _setting_fields(asked)
    with st.container(horizontal=True, gap="small"):
        st.button("Compare", key="compare-now", type="primary", on_click=_apply)
        if asked:
            st.button("Stop comparing", key="compare-stop", on_click=stop)


def _setting_fields(asked: dict[str, str]) -> None:
    """Which setting, and its value; the fields are those that the analyses of this page have."""
    settings = _settings()
    names = [*settings]
    if not names:
        return
    chosen = asked.get(SETTING)
    name = st.selectbox(
        "Another setting", names, index=names.index(chosen) if chosen in names else None, key=_FIELD + SETTING,
        format_func=for_all.label_of, placeholder="the same settings",
    )  # fmt: skip
    if name is not None:
        analysis = settings[name]
        key = f"{_FIELD}{VALUE}-{name}"
        kind = settings_of(find_analysis(analysis))[name]
        if name == chosen and key not in st.session_state and (value := for_all.understood(kind, asked.get(VALUE))):
            st.session_state[key] = value
        help = literal(described(find_analysis(analysis)).get(name, ""))
        value = for_all.field(key, f"{for_all.label_of(name)} in B", kind, help)
        st.session_state[_FIELD + VALUE] = "" if value is None else str(value)


def _settings() -> dict[str, str]:
    """{setting: an analysis that has it} of the charts of this page."""
    found: dict[str, str] = {}
    for analysis in st.session_state[_CHARTED].get(address.page(), ()):
        for name in settings_of(find_analysis(analysis)):
            if name not in APART:
                found.setdefault(name, analysis)
    return found


def _models(known: list[str], chosen: str | None) -> list[str]:
    """The catalogue, and the checkpoints of the model on show."""
    with suppress(InputError):
        known += [one.model for one in checkpoints.series(inputs.current().model) if one.model not in known]
    return known if chosen is None or chosen in known else [*known, chosen]


def _apply() -> None:
    state = st.session_state
    given = {key: state.get(_FIELD + key) for key in (PROMPT, TARGET, FOIL, MODEL, SETTING, VALUE)}
    if not (given[PROMPT] or "").strip():
        given = given | {PROMPT: "", TARGET: "", FOIL: ""}
    if given[SETTING] is None:
        given[VALUE] = ""
    if state.get(_FIELD + EDITS):
        given[EDITS] = "none"
    _hold({key: str(value) for key, value in given.items() if value})


def _hold(values: dict[str, str]) -> None:
    """A setting goes with its value, and an answer with its prompt."""
    whole = {key: value for key, value in values.items() if value}
    if not {SETTING, VALUE} <= set(whole):
        whole = {key: value for key, value in whole.items() if key not in (SETTING, VALUE)}
    if PROMPT not in whole:
        whole = {key: value for key, value in whole.items() if key not in (TARGET, FOIL)}
    st.session_state[_HELD] = whole


def _short(text: str) -> str:
    return readable(shortened(text, 60))
