"""Places in the model, said in words."""

from streamlit.delta_generator import DeltaGenerator

from mi_core.models import hooks


def site_name(hook: str) -> str:
    """A hook name for people: ``blocks.2.hook_resid_pre`` is the residual stream before layer 2."""
    site, layer = hooks.parse(hook)
    return site.words.format(layer=layer)


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
