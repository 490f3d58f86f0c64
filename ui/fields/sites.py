"""Places in the model, said in words."""

from streamlit.delta_generator import DeltaGenerator

from mi_core.models import hooks
from ui import address, words


def site_name(hook: str) -> str:
    """A hook name for people: ``blocks.2.hook_resid_pre`` is the residual stream before layer 2."""
    place, _, folder = hook.partition("#")
    site, layer = hooks.parse(place)
    return site.words.format(layer=layer) + (f" ({folder})" if folder else "")


def pick_site(place: DeltaGenerator, hooks: list[str], key: str = "sae", *, usual: str | None = None) -> str:
    """A field for the place that a sparse autoencoder reads; the middle one to begin with, where none is `usual`."""
    named = words.Options(key, tuple(words.Word(hook, site_name(hook), (site_name(hook),)) for hook in hooks))
    return address.choose(
        named,
        place.selectbox,
        "Where to look",
        usual=usual or hooks[len(hooks) // 2],
        help="The place in the model whose activations the sparse autoencoder reads.",
    )
