"""Places in the model, said in words."""

from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from mi_core.models import hooks
from mi_core.saes import loading as saes
from ui import address, words


def site_name(hook: str) -> str:
    """A hook name for people: ``blocks.2.hook_resid_pre`` is the residual stream before layer 2."""
    place, _, folder = hook.partition("#")
    site, layer = hooks.parse(place)
    return site.words.format(layer=layer) + (f" ({folder})" if folder else "")


def pick_site(
    place: DeltaGenerator,
    hooks: list[str],
    key: str = "sae",
    *,
    usual: str | None = None,
    label: str = "Where to look",
    optional: bool = False,
    **more: Any,
) -> Any:
    """A field for the place that a sparse autoencoder reads; the middle one to begin with, where none is `usual`.

    An `optional` one begins empty, and is None then.
    """
    named = words.Options(key, tuple(words.Word(hook, site_name(hook), (site_name(hook),)) for hook in hooks), optional)
    return address.choose(
        named,
        place.selectbox,
        label,
        usual=usual or hooks[len(hooks) // 2],
        help="The place in the model whose activations the sparse autoencoder reads.",
        **more,
    )


def sae_field(model: str) -> str | None:
    """A field for the autoencoder whose features are shown, where the model has any: the middle one of those at hand to
    begin with; empty where all would have to be fetched.
    """
    entries = [entry for entry in saes.available(model) if not entry.refused]
    here = [entry.name for entry in entries if entry.folder]
    if not entries:
        return None
    return pick_site(
        st.container(width=300), [entry.name for entry in entries], usual=here[len(here) // 2] if here else None,
        label="Features", optional=not here, placeholder="none: would be fetched",
    )  # fmt: skip
