"""What every page works on: the model, the prompt, the answer and the position, held in the sidebar and the URL."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import quote_plus

import streamlit as st

from mi_core.jobs.engine import engine
from mi_core.models import catalogue
from ui import address, belonging, slots, words
from ui.parts import presets
from ui.permalink import LONGEST
from ui.text import literal

HELP = {
    "model": "The language model to look into. Pick one, or type the path of a Hugging Face model folder on this "
    "computer, or a Hugging Face id such as owner/name.",
    "prompt": "The text the model reads. Enter applies it, Shift+Enter begins a new line. Everything on the page "
    "follows it.",
    "target": "The answer to follow: one word. Empty means the model's own top guess. A word is read with the space "
    'before it; put it in "double quotes" to take it exactly as typed.',
    "foil": "Another word to compare the answer with. Results then speak of answer minus this word.",
    "pos": "Which token to look at, counted from 0. Empty means the last one, where the next word is predicted. "
    "Clicking a token on a page sets it too.",
    "bos": "A special first token (BOS) that marks the beginning of the text. The default is the model's own habit; "
    "switching it changes every number.",
}
DEFAULTS = {
    "model": catalogue.DEFAULT,
    "prompt": presets.PRESETS[0].prompt,
    "target": "",
    "foil": "",
    "pos": None,
    "bos": "default",
}
BOS = {"default": None, "on": True, "off": False}


@dataclass(frozen=True)
class Inputs:
    """The sidebar's values. `pos` None is the last position; `prepend_bos` None is the model's own habit."""

    model: str
    prompt: str
    target: str | None
    foil: str | None
    pos: int | None
    prepend_bos: bool | None

    @property
    def reading(self) -> dict[str, Any]:
        """The settings of an analysis that reads a prompt."""
        return {"prompt": self.prompt, "prepend_bos": self.prepend_bos}

    @property
    def asking(self) -> dict[str, Any]:
        """The settings of an analysis that asks about an answer at a position."""
        return self.reading | {"target": self.target, "foil": self.foil, "pos": self.pos}


def current() -> Inputs:
    """This session's inputs, as the sidebar holds them now."""
    state = st.session_state
    return Inputs(
        model=state.get("model") or DEFAULTS["model"],
        prompt=state.get("prompt", DEFAULTS["prompt"]),
        target=state.get("target") or None,
        foil=state.get("foil") or None,
        pos=state.get("pos"),
        prepend_bos=BOS[state.get("bos", DEFAULTS["bos"])],
    )


def sidebar() -> None:
    """Draw the inputs; each has a slot below it for a sentence about its value."""
    address.keep({name: usual for name, usual in DEFAULTS.items() if name != "prompt" or fits_a_link()})
    entries = {entry.id: entry for entry in catalogue.entries()}
    with st.sidebar:
        st.text_area(
            "Prompt",
            DEFAULTS["prompt"],
            height=120,
            help=HELP["prompt"],
            key="prompt",
            bind=in_link("prompt"),
            persist_state="session",
        )
        place_in_link("prompt")
        answer, foil = st.columns(2, gap="small")
        answer.text_input("Answer", key="target", bind="query-params", placeholder="top guess", help=HELP["target"])
        foil.text_input("Compared with", key="foil", bind="query-params", placeholder="nothing", help=HELP["foil"])
        slots.place("target")
        slots.place("foil")
        position, bos = st.columns(2, gap="small")
        position.number_input(
            "Position", value=None, step=1, key="pos", bind="query-params", placeholder="last", help=HELP["pos"]
        )
        bos.selectbox("Start token", list(words.START_TOKEN), key="bos", bind="query-params", help=HELP["bos"])
        slots.place("pos")
        slots.place("prepend_bos")
        st.selectbox(
            "Model",
            list(entries),
            format_func=lambda id: entries[id].title if id in entries else id,
            key="model",
            accept_new_options=True,
            bind="query-params",
            help=HELP["model"],
        )
        _about_model(entries)
        slots.place("model")


def fits_a_link(name: str = "prompt") -> bool:
    """Servers refuse addresses of many kilobytes: such a text would be lost when the page is loaded again."""
    return len(quote_plus(st.session_state.get(name) or "")) <= LONGEST


def in_link(name: str) -> Literal["query-params"] | None:
    """How a field of text is bound: to the address as long as it fits."""
    return "query-params" if fits_a_link(name) else None


def place_in_link(name: str, field: str | None = None) -> None:
    """The place below such a field; it says where a link will not carry the text. `field` is what errors call it."""
    slots.place(field or name, name)
    if not fits_a_link(name):
        slots.note(field or name, "This is too long for the address bar: a link to this page will not carry it.")


def _about_model(entries: dict[str, catalogue.Entry]) -> None:
    """What the chosen model is and what choosing it will cost; once it is open, how truthfully it is shown."""
    opening = engine().opening(st.session_state.get("model") or DEFAULTS["model"])
    entry = entries.get(st.session_state.get("model"))
    if entry is not None:
        _say_what_it_costs(entry)
    if opening is not None and (sentences := opening.sentences()):
        st.caption(literal(sentences[0]), help=literal(" ".join(sentences[1:])) or None)


def _say_what_it_costs(entry: catalogue.Entry) -> None:
    size = (
        f"{entry.parameters / 1e9:.1f} billion" if entry.parameters >= 1e9 else f"{entry.parameters / 1e6:.3g} million"
    )
    download = f" · downloads about {entry.download_bytes / 1e9:.1f} GB on first use" if entry.download_bytes else ""
    st.caption(literal(f"{entry.description} {size} parameters{download} · licence {entry.licence}"))


def set_position(pos: int | None) -> None:
    """Choose a position everywhere: for callbacks."""
    st.session_state["pos"] = pos


def apply_preset(preset: presets.Preset) -> None:
    """Fill the sidebar from a preset: for callbacks. The model stays, so that the same story can be tried on any."""
    belonging.bring(preset.prompt, target=preset.target, foil=preset.foil)
