"""The address bar: what a link says goes into the fields, and what the fields say goes into the address.

Most fields are bound to their key by Streamlit (`bind="query-params"`). It writes an option by its label, and drops
or bends what it cannot use without a word. So options are read and written here, by the words of `ui.words`; and every
value is looked at here first, before Streamlit sees it. What is not understood is named on the page and left out.

Repairs of Streamlit, all seen in version 1.67.0; whether they can go is to be tried with each new one:

- `_parameters`: values can be taken out of an address before fields read it only behind `st.query_params`, which
  refuses the keys of bound fields.
- `TRAVELLING`: Streamlit drops a value that a link brings for a field which the page that is left has too, as if it
  were that page's (`QueryParams.populate_from_query_string`; near issue 14350). So it travels under another name. The
  sidebar's texts stand on both pages and keep what they hold, so they are assigned.
- `carry`: for the same reason a value that two pages share is lost between them (issue 5813): without it, layer and
  head do not go along from page to page.
- `choose`: the choice of a field that the page before had too, by the same key, is empty in the new page's field unless
  it is assigned.
- `keep`: when a page is left before its run has ended, the address loses the sidebar's values (near issue 9100).
- `_say_again`: what the server writes into the address may reach a browser that has gone on choosing, and then stays.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, quote_plus, unquote_plus, unquote_to_bytes

import streamlit as st
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.runtime.scriptrunner import get_script_run_ctx
from streamlit.runtime.state.query_params import sanitize_query_string
from streamlit.runtime.state.session_state_proxy import get_session_state

from mi_core.models import catalogue
from mi_core.models.tokens import visible
from mi_core.phrases import listed
from ui import belonging, permalink, slots, words

TRAVELLING = "to-"
_SLOT = "address"
SHOWN, MOST = 40, 3  # characters of a value, and values, that a sentence names
_PAGE, _REMARKS, _INSTEAD, _ASKED = "_page", "_remarks", "_instead", "_asked"
_SHARED, _DRAWN_ON, _SENT = "_shared", "_drawn_on", "_address_sent"
_ARRIVED, _TRAVELLED = "_arrived", "_travelled"


@dataclass(frozen=True)
class Remark:
    """A value that is left out: the key it was given for, and what is said of it."""

    key: str
    said: str


@dataclass(frozen=True)
class Link:
    """An address as a page understands it: `values` by key, and `remarks` on what is left out."""

    values: dict[str, list[str]]
    remarks: tuple[Remark, ...]


def understand(page: str, given: Mapping[str, Sequence[str]], query: str) -> Link:
    """What an address asks a page for.

    Args:
        page: The page's name in the address.
        given: The values of each key, decoded.
        query: The same as it was sent, which shows where it is damaged.
    """
    link = permalink.opened(given, query)
    fields, damaged = words.of_page(page), _damaged(link.query)
    values: dict[str, list[str]] = {}
    remarks = [Remark(key, f"asks for {_written(key, [text])}, which {fault}") for key, text, fault in link.faults]
    for key, texts in link.given.items():
        name = key.removeprefix(TRAVELLING)
        if name not in fields:
            if key != name or name not in words.KNOWN:  # what another page knows may have been left by it
                remarks.append(Remark(key, f"asks for {_written(key, texts)}, which is not known here"))
        elif fault := _fault(fields[name], texts, damaged=key in damaged):
            remarks.append(Remark(name, f"asks for {_written(name, texts)}, which {fault}"))
        elif key != name or name not in values:  # what has travelled is newer
            values[name] = list(texts) if words.is_several(fields[name]) else [texts[-1]]
    if query and not sanitize_query_string(query):
        remarks.append(Remark("", "is too long to be read"))
    return Link(values, tuple(remarks))


def read(page: str) -> Link | None:
    """Read the address before the first field is drawn; what it asks for where it stands for the whole picture."""
    context = get_script_run_ctx()
    query = context.query_string if context else ""
    is_back_or_forward = bool(context and context.is_history_navigation)
    is_new = _PAGE not in st.session_state
    with _parameters() as parameters:
        is_slide = TRAVELLING + words.SLIDE.key in parameters
    is_whole = is_new or is_back_or_forward or is_slide
    has_arrived = is_whole or st.session_state[_PAGE] != page
    st.session_state[_PAGE], st.session_state[_ARRIVED] = page, has_arrived
    if not has_arrived:
        _say_again(query)
    if is_slide and not is_new:  # the page as it was pinned, whatever was chosen since
        for key in fields():
            st.session_state.pop(key, None)
    link = _take_out(page, query)
    if has_arrived:
        st.session_state[_ASKED] = frozenset(link.values)
        st.session_state[_INSTEAD] = {}
        _fill_options(link, empty=is_back_or_forward or is_slide)
        if is_whole:
            belonging.arrive(fields(), link.values)
        else:
            belonging.refill(link.values)
    st.session_state[_REMARKS] = _sentences(link.remarks)
    return link if is_whole else None


def has_arrived() -> bool:
    """Whether this run is the first of a page that was just opened."""
    return st.session_state[_ARRIVED]


def travelled(key: str) -> bool:
    """Whether a link of `link_to` has just brought this key."""
    return key in st.session_state[_TRAVELLED]


def page() -> str:
    """The name of the page on show, as its address has it."""
    return st.session_state[_PAGE]


def fields() -> dict[str, words.Field]:
    """Every key that an address of the page on show may have, and its field."""
    return words.of_page(st.session_state[_PAGE])


def _fill_options(link: Link, *, empty: bool) -> None:
    """Put a link's words into the fields of options; the others are to be as nobody has touched them where `empty`."""
    for field in words.of_page(st.session_state[_PAGE]).values():
        if isinstance(field, words.Options | words.Hook) and field not in words.SIDEBAR:
            if field.key in link.values:
                st.session_state[field.key] = field.understood(link.values[field.key][-1])
            elif empty:
                st.session_state.pop(field.key, None)
        elif isinstance(field, words.Model) and travelled(field.key) and field.key in link.values:
            # Streamlit leaves a select box of the sidebar as it was on the page before, whatever the address says
            st.session_state[field.key] = field.held(link.values[field.key][-1])


def _sentences(remarks: Iterable[Remark]) -> list[str]:
    """What to say of the values that are left out, but of those whose field has been touched since."""
    said = []
    for remark in remarks:
        shown = _shown(remark.key)
        if shown == st.session_state[_INSTEAD].setdefault(remark.key, shown):
            said.append(f"The link {remark.said}; {f'showing {shown}' if shown else 'it is left out'}.")
    return said


def show_remarks() -> None:
    """Below a page's title, one quiet sentence for each value of the link that is left out."""
    slots.place(_SLOT)
    remarks = st.session_state[_REMARKS]
    if (more := len(remarks) - MOST) > 0:
        remarks = [*remarks[:MOST], f"{more} more of its values {'is' if more == 1 else 'are'} left out too."]
    if remarks:
        slots.note(_SLOT, " ".join(remarks))


def choose(
    options: words.Options,
    draw: Callable[..., Any],
    label: str,
    *,
    among: Iterable[str] | None = None,
    usual: str | None = None,
    **more: Any,
) -> Any:
    """Draw a field of options, and keep its word in the address where it is not the usual one.

    Args:
        options: The field's words; each is shown by its label.
        draw: What draws it, such as `st.segmented_control`.
        label: The field's label.
        among: Those of the words that can be chosen now, where that is not all of them.
        usual: The word of a field that nobody has touched, where that is not the first; an optional one is empty.
        **more: For `draw`.

    Returns:
        The chosen word; None where the field is optional and empty.
    """
    key, offered = options.key, list(options if among is None else among)
    usual = None if options.optional else usual or offered[0]
    chosen = options.understood(st.session_state.get(key, usual))
    if chosen not in offered:
        chosen = usual
    page, drawn_on = st.session_state[_PAGE], st.session_state.setdefault(_DRAWN_ON, {})
    if key not in st.session_state or st.session_state[key] != chosen or drawn_on.get(key) != page:
        st.session_state[key] = chosen
    chosen = draw(label, offered, key=key, format_func=options.label, persist_state="session", **more)
    drawn_on[key] = page
    said = st.query_params.get(key)
    if key in st.session_state.get(_ASKED, ()) and chosen == usual and said and options.understood(said) not in offered:
        instead = f"showing {options.label(usual)}" if usual else "it is left out"
        slots.note(_SLOT, f"The link asks for {_written(key, [said])}, which this model does not have; {instead}.")
    else:
        _write(options, chosen, usual)
    return chosen


def link_to(**fields: Any) -> dict[str, str | list[str]]:
    """The query of a link that fills these fields of the page it opens; those that are None stay empty.

    A tuple fills a field that holds several words.
    """
    return {
        TRAVELLING + key: [str(each) for each in value] if isinstance(value, tuple) else str(value)
        for key, value in fields.items()
        if value is not None
    }


def carry(*names: str) -> None:
    """Keep the values of these fields, which several pages have, through a change of page; before they are drawn."""
    page = st.session_state.get(_PAGE)
    pages = st.session_state.setdefault(_SHARED, {})
    for name in names:
        value = st.session_state.get(name)
        if pages.get(name, page) != page and value not in (None, "") and name not in st.query_params:
            st.session_state[name] = value
            write(name, str(value))
        pages[name] = page


def fill(values: Mapping[str, Any]) -> None:
    """Put values into fields of the page on show and into its address, as a link does: before the first is drawn."""
    st.session_state.update(values)
    st.session_state.setdefault(_SHARED, {}).update(dict.fromkeys(values, st.session_state[_PAGE]))
    with _parameters() as parameters:
        for key, value in values.items():
            parameters.set_with_no_forward_msg(
                key, list(map(_text, value)) if isinstance(value, list) else _text(value)
            )
        parameters.set_initial_query_params_from_current()
        parameters._send_query_param_msg()


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def keep(usual: Mapping[str, Any]) -> None:
    """Put values of the sidebar back into an address that lost them; assigning does it."""
    for name, default in usual.items():
        value = st.session_state.get(name, default)
        if value != default and name not in st.query_params:
            st.session_state[name] = value


def _parameters():
    """Streamlit's own keeper of the address, with its lock (private, as of version 1.67.0)."""
    return get_session_state().query_params()


def _say_again(query: str) -> None:
    """Send the browser the address that it asked with, where what was written before may come after it and undo it."""
    sent = st.session_state.get(_SENT)
    context = get_script_run_ctx()
    asked = parse_qs(query, keep_blank_values=True)
    if any(map(permalink.is_copied, asked)):  # the long keys are on their way there
        return
    if context and sent is not None and parse_qs(sent, keep_blank_values=True) != asked:
        message = ForwardMsg()
        message.page_info_changed.query_string = st.session_state[_SENT] = query
        context.enqueue(message)


def _take_out(page: str, query: str) -> Link:
    """Take what is not understood out of what Streamlit's fields will read, and what travelled to its own key."""
    with _parameters() as parameters:
        given = {key: parameters.get_all(key) for key in parameters}
        link = understand(page, given, query)
        st.session_state[_TRAVELLED] = {key.removeprefix(TRAVELLING) for key in given if key.startswith(TRAVELLING)}
        for key in given:
            name = key.removeprefix(TRAVELLING)
            if name in words.of_page(page) or key != name or permalink.is_copied(key):
                parameters.discard_param_no_forward_msg(key)
        for field in words.of_page(page).values():
            if field.key in link.values:
                _hand_over(parameters, field, link.values[field.key])
                if field in words.SIDEBAR and isinstance(field, words.Text) and travelled(field.key):
                    st.session_state[field.key] = link.values[field.key][-1]
        parameters.set_initial_query_params_from_current()
        if any(key.startswith(TRAVELLING) or permalink.is_copied(key) for key in given):
            parameters._send_query_param_msg()
    return link


def _hand_over(parameters: Any, field: words.Field, values: list[str]) -> None:
    """To the field, by the address; a text that came packed and is too long for one goes straight there."""
    if isinstance(field, words.Text) and len(quote_plus(values[-1])) > permalink.LONGEST:
        st.session_state[field.key] = values[-1]
    else:
        parameters.set_with_no_forward_msg(field.key, _as_bound(field, values))


def _as_bound(field: words.Field, values: list[str]) -> str | list[str]:
    """A value as Streamlit reads it: a single one bare, a model by the name that its field shows."""
    if isinstance(field, words.Model):
        return field.understood(values[-1])
    return values[0] if len(values) == 1 else values


def _fault(field: words.Field, texts: Sequence[str], *, damaged: bool) -> str | None:
    """What is wrong with the values given for a field; None where nothing is."""
    if damaged:
        return "is damaged"
    if not words.is_several(field) and len(set(texts)) > 1:
        return "cannot both be shown"
    return field.fault(texts)


def _damaged(query: str) -> set[str]:
    """The keys whose values break off inside a character, or hold bytes that are no text."""
    broken = set()
    for part in query.split("&"):
        key, _, value = part.partition("=")
        try:
            unquote_to_bytes(value).decode("utf-8")
        except UnicodeDecodeError:
            broken.add(permalink.long_key(unquote_plus(key)))
        if re.search(r"%[0-9A-Fa-f]?$", value):
            broken.add(permalink.long_key(unquote_plus(key)))
    return broken


def _shown(key: str) -> str:
    """What a field shows in place of a value that is left out, where a word or two can say it."""
    field, held = words.of_page(st.session_state[_PAGE]).get(key), st.session_state.get(key)
    if isinstance(field, words.Options) and not field.optional:
        return field.label(field.understood(held) or next(iter(field)))
    if isinstance(field, words.Model):
        return field.understood(held or catalogue.DEFAULT) or held
    return ""


def _written(key: str, texts: Sequence[str]) -> str:
    """`key=value` as a sentence can show it: what is invisible as signs, what is long cut off."""
    return listed([f"{_shortened(key)}={_shortened(text)}" for text in dict.fromkeys(texts)][:MOST])


def _shortened(text: str) -> str:
    shown = visible(text[: SHOWN + 1])
    return shown if len(shown) <= SHOWN else shown[:SHOWN] + "…"


def _write(options: words.Options, word: str | None, usual: str | None) -> None:
    """Put a field's word into the address, unless what stands there says it already."""
    said = st.query_params.get(options.key)
    if (usual if said is None else options.understood(said)) == word:
        return
    write(options.key, None if word == usual else word)


def write(key: str, value: str | None) -> None:
    """Put a value that no field of Streamlit's is bound to into the address, or take it out."""
    if st.query_params.get(key) == value:
        return
    if value is None:
        del st.query_params[key]
    else:
        st.query_params[key] = value
    if context := get_script_run_ctx():
        st.session_state[_SENT] = context.query_string
