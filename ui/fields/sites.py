"""Places in the model, said in words."""

import re

from streamlit.delta_generator import DeltaGenerator

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
    return place.selectbox(
        "Where to look",
        hooks,
        index=len(hooks) // 2,
        format_func=site_name,
        key=key,
        bind="query-params",
        help="The place in the model whose activations the sparse autoencoder reads.",
    )
