"""Places in the model, said in words."""

import re

from streamlit.delta_generator import DeltaGenerator

from ui import address, words

WORDS = {
    "hook_resid_pre": "residual stream before layer {layer}",
    "hook_resid_mid": "residual stream inside layer {layer}",
    "hook_resid_post": "residual stream after layer {layer}",
    "hook_attn_out": "what attention of layer {layer} adds",
    "hook_mlp_out": "what the MLP of layer {layer} adds",
}


def site_name(hook: str) -> str:
    """A hook name for people: ``blocks.2.hook_resid_pre`` is the residual stream before layer 2."""
    match = re.fullmatch(r"blocks\.(\d+)\.(\w+)", hook)
    return WORDS[match[2]].format(layer=match[1]) if match and match[2] in WORDS else hook


def pick_site(place: DeltaGenerator, hooks: list[str], key: str = "sae") -> str:
    """A field for the place that a sparse autoencoder reads; the middle one to begin with."""
    named = words.Options(key, tuple(words.Word(hook, site_name(hook), (site_name(hook),)) for hook in hooks))
    return address.choose(
        named,
        place.selectbox,
        "Where to look",
        usual=hooks[len(hooks) // 2],
        help="The place in the model whose activations the sparse autoencoder reads.",
    )
