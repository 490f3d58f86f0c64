"""The SAEs whose features a graph is drawn with: residual streams at a few places, spread over the layers."""

from __future__ import annotations

from mi_core.errors import InputError
from mi_core.models import hooks
from mi_core.models.model import Model
from mi_core.saes import loading
from mi_core.saes.sae import Sae

MOST = 6  # places
STREAMS = (hooks.resid_pre, hooks.resid_post)


def sites(model_id: str) -> list[str]:
    """Names of the SAEs of residual streams that can be read, one a place, the earliest first."""
    found: dict[int, str] = {}
    for entry in loading.available(model_id):
        site, layer = hooks.parse(entry.hook)
        if site in STREAMS and not entry.refused:
            found.setdefault(layer + (site is hooks.resid_post), entry.name)
    return [found[place] for place in sorted(found)]


def opened(model: Model) -> list[Sae]:
    """The SAEs of a graph: all places, or as many as are kept open together, first and last among them.

    Raises:
        Absent: A public one has to be fetched first.
        InputError: The model has none, or one is damaged.
    """
    names = sites(model.id)
    if not names:
        raise InputError(
            f"No SAE of {model.id} reads the residual stream, so there are no features to draw: choose heads and MLPs, "
            "or neurons.",
            "basis",
        )
    first = loading.load_sae(model, names[-1])
    fit = loading.CACHE_BYTES // max(1, sum(weight.nbytes for weight in first.inner.parameters()))
    count = max(1, min(MOST, fit, len(names)))
    chosen = {round(step * (len(names) - 1) / max(1, count - 1)) for step in range(count)} if count > 1 else {-1}
    return [first if names[i] == names[-1] else loading.load_sae(model, names[i]) for i in sorted(chosen)]
