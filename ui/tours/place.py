"""Where a person is on a tour, what a step puts into the fields, and their own prompt, which it never loses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import streamlit as st

from mi_core.models import catalogue
from ui import address, belonging, words
from ui.tours.plan import KNOWN_PROMPTS, TOURS, Step, Tour

_PLACE, _REACHED, _OWN = "_tour_place", "_tour_reached", "_tour_own"


@dataclass(frozen=True)
class Place:
    """A step of a tour; steps count from 1."""

    name: str
    number: int

    @property
    def tour(self) -> Tour:
        return TOURS[self.name]

    @property
    def step(self) -> Step:
        return self.tour.steps[self.number - 1]


def arrive(page: str, *, whole: bool) -> None:
    """Follow the address before the first field is drawn: onto a step, and off the tour where it names none.

    A link of the tour opens a step as the tour shows it, and so does an address that names one and nothing else; what
    any other address says stands.

    Args:
        page: The page's name in the address.
        whole: The address stands for all there is: a new visit, or back and forward.
    """
    before, given = current(), _asked()
    by_link = address.travelled(words.TOUR_STEP.key)
    if given is not None and (by_link or address.has_arrived()):  # else what was done since then stands
        st.session_state[_PLACE] = given
        is_bare = set(st.query_params) <= {words.TOUR.key, words.TOUR_STEP.key}
        if (by_link or is_bare) and given.step.url == page and (address.has_arrived() or given != before):
            show_step(own=before is not None and before.name == given.name and _is_own(_prompt()))
    elif given is None and whole:
        st.session_state[_PLACE] = None
    _remember()


def current() -> Place | None:
    """The step that is on show; None off tours."""
    return st.session_state.get(_PLACE)


def reached(name: str) -> int:
    """The step of a tour at which this session was last; 1 where it was never."""
    return st.session_state.get(_REACHED, {}).get(name, 1)


def leave() -> None:
    """Close the tour, with the page as it stands: for callbacks."""
    st.session_state[_PLACE] = None


def show_step(*, own: bool = False) -> None:
    """Fill the fields as the step has them; with the `own` prompt, they are filled around it. For callbacks too."""
    place = current()
    if place is None:
        return
    step = place.step
    _keep_own()
    for key, kept in words.of_page(step.url).items():
        if isinstance(kept, words.Options | words.Hook) and kept not in words.SIDEBAR:
            st.session_state.pop(key, None)
    own = own or not step.prompt
    belonging.let_go(keep=belonging.OF_PROMPT if own else ())
    st.session_state["model"], st.session_state["bos"] = catalogue.DEFAULT, "default"
    if not own:
        belonging.bring(step.prompt, target=step.target, foil=step.foil)
    address.fill(step.fields)


def own_prompt() -> str | None:
    """The prompt of one's own that a tour has taken the place of."""
    own = st.session_state.get(_OWN)
    return own["prompt"] if own and own["prompt"] != _prompt() and not _is_own(_prompt()) else None


def is_own() -> bool:
    """Whether the page reads a prompt of one's own."""
    return _is_own(_prompt())


def back_to_own() -> None:
    """The prompt of one's own, with the words that came with it; off tours, with its model too. For callbacks."""
    own = dict(st.session_state[_OWN])
    model = own.pop("model")
    belonging.bring(own.pop("prompt"), **own)
    if current() is None:
        st.session_state["model"] = model


def _asked() -> Place | None:
    """The step that the address names."""
    name, number = (st.query_params.get(field.key) for field in (words.TOUR, words.TOUR_STEP))
    if name not in TOURS or (number is not None and words.TOUR_STEP.fault([number])):
        return None
    return Place(name, min(int(float(number or 1)), len(TOURS[name].steps)))


def _remember() -> None:
    """In the address, on every page, and for this session."""
    place = current()
    if place is not None:
        st.session_state.setdefault(_REACHED, {})[place.name] = place.number
    address.write(words.TOUR.key, place and place.name)
    address.write(words.TOUR_STEP.key, place and str(place.number))


def _keep_own() -> None:
    """Before another prompt takes its place."""
    if _is_own(prompt := _prompt()):
        state: Any = st.session_state
        words_of_it = {key: state[key] for key in belonging.OF_PROMPT if state.get(key)}
        st.session_state[_OWN] = {"prompt": prompt, "model": state.get("model")} | words_of_it


def _prompt() -> str:
    return st.session_state.get("prompt", "")


def _is_own(prompt: str) -> bool:
    return bool(prompt.strip()) and prompt not in KNOWN_PROMPTS
