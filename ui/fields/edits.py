"""The edits that this session has on: every page shows the model with them."""

from __future__ import annotations

import json

import streamlit as st

from mi_core.editing import recipes
from mi_core.editing.recipes import Recipe
from mi_core.errors import InputError
from mi_core.saes import loading as saes
from ui import address, slots, words
from ui.fields import directions
from ui.fields.probed import probe_fields
from ui.inputs import in_link, place_in_link
from ui.packed import pack
from ui.parts.presets import PRESETS
from ui.permalink import LONGEST
from ui.text import literal

_STACK = "edit_stack"
_IMPORT = "edit_import"
_PROBLEM = "edit_import_problem"
_CARRIED = "edits_carried"
TOO_LONG = (
    "These edits are too long for the address bar: a link does not carry them, and loading this page again loses them. "
    "The Edits page saves them as a file."
)


def current() -> str:
    """This session's stack as JSON, "" for none."""
    return st.session_state.get(_STACK, "")


def stack() -> tuple[Recipe, ...]:
    """The same as values, the first made first."""
    return recipes.parse(current())


def below(edit: Recipe) -> str:
    """What is on without this edit and those made after it: the model that it is measured on."""
    on = stack()
    return recipes.canonical(on[: on.index(edit)]) if edit in on else current()


def arrive(link: address.Link) -> None:
    """Put the edits of a link on, before the first field is drawn; back and forward put on those of that entry."""
    packed = link.values.get(words.EDITS.key)
    if packed:
        _set(words.EDITS.understood(packed[-1]) or "")
    elif words.EDITS.key not in (remark.key for remark in link.remarks) and st.session_state.get(_CARRIED):
        _set("")


def are_lost() -> bool:
    """Whether edits are on that no link carries."""
    return bool(current()) and not st.session_state.get(_CARRIED)


def _write_address() -> None:
    """A link carries the edits that are on, where they are short enough."""
    packed = pack(current()) if current() else ""
    st.session_state[_CARRIED] = bool(packed) and len(packed) <= LONGEST
    address.write(words.EDITS.key, packed if st.session_state[_CARRIED] else None)


def sidebar() -> None:
    """Say on every page that edits are on, and offer to take them back."""
    _write_address()
    on = stack()
    if not on:
        return
    with st.sidebar, st.container(border=True):
        said = "1 edit is on" if len(on) == 1 else f"{len(on)} edits are on"
        st.markdown(f":material/edit_note: **{said}**: every page shows the edited model.")
        st.caption(literal("; ".join(edit.name for edit in on)))
        slots.place("edits")
        if not st.session_state[_CARRIED]:
            slots.note("edits", TOO_LONG)
        _undo_buttons("sidebar")
    st.badge(said, icon=":material/edit_note:", color="orange")  # where the sidebar is folded away


def show_stack() -> None:
    """What is on, with undo, and the stack as a file."""
    on = stack()
    st.markdown("**Edits that are on**")
    if on:
        st.markdown("\n".join(f"{number}. {literal(edit.name)}" for number, edit in enumerate(on, 1)))
    else:
        st.caption("None. Keep an edit, and every page shows the edited model: in this browser tab, and by its link.")
    with st.container(horizontal=True, gap="small"):
        if on:
            _undo_buttons("page")
            text = json.dumps([recipes.as_dict(edit) for edit in on], indent=1, ensure_ascii=False)
            st.download_button(
                "Save as JSON", text, "edits.json", "application/json", on_click="ignore", icon=":material/download:"
            )
        with st.popover("Open a JSON file", icon=":material/upload:"):
            st.file_uploader("Edits that Loupe exported", type="json", key=_uploader(), on_change=_open)
    if problem := st.session_state.pop(_PROBLEM, None):
        st.error(literal(problem))


def keep_button(edit: str, measured: Recipe) -> None:
    """Put the measured edit on the stack; nothing where it is on already."""
    if measured in stack():
        st.success("This edit is on: every page shows the edited model.", icon=":material/check:")
    else:
        st.button("Keep this edit", icon=":material/add:", type="primary", on_click=_set, args=(_with(edit),))


def fact_fields(prompt: str, suggested: tuple[str, str] = ("", "")) -> recipes.Rome | None:
    """The fact to rewrite, filled by the preset or else as `suggested` (subject, new answer); None until complete."""
    known = next((preset for preset in PRESETS if preset.prompt == prompt and preset.subject), None)
    usual = (known.subject, known.rewritten) if known else suggested
    about, answer, where = st.columns([3, 3, 2])
    with about:
        subject = st.text_input(
            "Subject", key="subject", bind="query-params", placeholder=usual[0],
            help="The words of your prompt that the fact is about, such as Texas.",
        ) or usual[0]  # fmt: skip
        slots.place("subject")
    with answer:
        target = st.text_input(
            "New answer", key="new_answer", bind="query-params", placeholder=usual[1],
            help="What the model shall say instead: one word. It is read with the space before it.",
        ) or usual[1]  # fmt: skip
        slots.place("target", "new_answer")
    with where:
        layer = st.number_input(
            "Layer", 0, value=None, step=1, key="edit_layer", bind="query-params", placeholder="usual",
            help="The layer whose MLP is edited. Empty: about a third of the way up, where subjects are looked up.",
        )  # fmt: skip
        slots.place("layer", "edit_layer")
    return recipes.Rome(prompt, subject.strip(), target, layer) if subject and target else None


def direction_fields(model: str) -> recipes.Orthogonalise | None:
    """The direction to take out; None until it is complete."""
    hooks = [entry.name for entry in saes.available(model) if not entry.refused]
    sources = [source for source in words.REMOVED if hooks or source != "feature"]
    source = address.choose(words.REMOVED, st.segmented_control, "The direction is", among=sources, required=True)
    if source == "feature":
        feature = directions.feature_fields(model, hooks)
        slots.place("direction", "feature")
        return recipes.Orthogonalise(feature["direction"], sae=feature["sae"])
    if source == "contrast":
        contrast = directions.contrast_fields() | {"layer": directions.layer_field()}
        return recipes.Orthogonalise(**contrast)
    if source == "probe":
        return recipes.Orthogonalise(**probe_fields(), layer=directions.layer_field())
    if source == "token":
        word = st.text_input("Token", "Austin", key="edit_token", bind="query-params", help="What makes it likely.")
        slots.place("token", "edit_token")
        return recipes.Orthogonalise(f"token:{word.strip()}") if word.strip() else None
    numbers = st.text_area(
        "Numbers, separated by commas", key="edit_numbers", help="One per dimension of the residual stream.",
        bind=in_link("edit_numbers"), persist_state="session",
    )  # fmt: skip
    place_in_link("edit_numbers", "vector")
    return recipes.Orthogonalise("vector", vector=numbers.strip()) if numbers.strip() else None


def trial_fields(prompt: str, rewriting: bool) -> dict[str, str]:
    """Other prompts that the edit is tried on."""
    known = next((preset.rephrased.strip() for preset in PRESETS if preset.prompt == prompt), "") if rewriting else ""
    made = " (empty: made from yours)" if rewriting else ""
    labels = {
        "paraphrases": f"The same in other words, one per line{made}",
        "neighbours": f"Prompts whose answers must stay, one per line{made}",
        "unrelated": "Unrelated text, one per line (empty: a built-in set)",
    }
    typed = {}
    with st.expander("Other prompts it is tried on"):
        for field, label in labels.items():
            typed[field] = st.text_area(label, key=field, bind=in_link(field), persist_state="session", height=90)
            place_in_link(field)
    return typed | {"paraphrases": typed["paraphrases"] or known}


def _undo_buttons(key: str) -> None:
    on = stack()
    with st.container(horizontal=True, gap="small"):
        st.button("Undo last", key=f"undo-{key}", on_click=_set, args=(recipes.canonical(on[:-1]),))
        st.button("Remove all", key=f"remove-{key}", on_click=_set, args=("",))


def _with(edit: str) -> str:
    return recipes.canonical([*stack(), *recipes.parse(edit)])


def _set(stack: str) -> None:
    st.session_state[_STACK] = stack


def _uploader() -> str:
    """A new field for every file: one that was read is done with, and the next may have the same name."""
    return f"{_IMPORT}-{st.session_state.get(_IMPORT, 0)}"


def _open() -> None:
    file = st.session_state.get(_uploader())
    if file is None:
        return
    st.session_state[_IMPORT] = st.session_state.get(_IMPORT, 0) + 1
    try:
        _set(recipes.canonical(file.getvalue().decode("utf-8", "replace")))
    except InputError as error:
        st.session_state[_PROBLEM] = error.message
