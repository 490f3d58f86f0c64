"""What a map of patches says, in sentences."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from mi_core import metric, patch_site
from mi_core.patch_site import Cell
from mi_core.reading import listed, percent, place
from mi_core.result import Reading
from mi_core.tokens import Tokens

if TYPE_CHECKING:
    from mi_core.analyses.patching import Patching

SHARE = 0.05  # of the gap: less than this is called nothing


def reading(found: Patching) -> Reading:
    """Where the difference between the prompts sits, layer by layer, or which cell carries most of it."""
    return Reading(_title(found), (_ends(found), _strongest(found), *_trust(found)))


def percent_of_gap(share: float) -> str:
    """A share of the gap, which may be negative or above 1: `−12%`, `104%`."""
    return f"{share:.0%}".replace("-", "−")


def cell_words(found: Patching, cell: Cell) -> str:
    """A cell in running text: `L3H7`, `the keys of L3H1`, `MLP 2 at “·Texas” (position 4)`."""
    site = patch_site.find(found.site)
    at = dict(zip(site.axes, cell[1:], strict=True))
    if "head" in at:
        shared = found.site in ("k", "v") and found.n_heads > found.value.shape[1]
        head = f"key-value head {at['head']} of layer {cell[0]}" if shared else f"L{cell[0]}H{at['head']}"
        head = f"the {_PLURAL[found.site]} of {head}" if found.site in _PLURAL else head
        return f"{head} at {place(found.tokens, at['pos'])}" if "pos" in at else head
    names = {"attn_out": f"attention {cell[0]}", "mlp_out": f"MLP {cell[0]}"}
    return f"{names.get(found.site, f'layer {cell[0]}')} at {place(found.tokens, at['pos'])}"


_PLURAL = {"q": "queries", "k": "keys", "v": "values", "pattern": "attention weights"}


def _effect(found: Patching) -> Float[np.ndarray, "layer ..."]:
    """How far each patch moves the run it is put into towards the other, as a share of the gap."""
    return found.best if found.direction == "denoise" else 1 - found.best


def _title(found: Patching) -> str:
    effect = _effect(found)
    if effect.max() < SHARE:
        if found.site in _PLURAL:
            return f"The {_PLURAL[found.site]} of no single head carry the difference between the two prompts"
        return f"No single {patch_site.find(found.site).noun} carries the difference between the two prompts"
    if found.site == "resid_pre":
        return "The difference sits " + ", then ".join(_trail(found.tokens, effect))
    cell = np.unravel_index(int(effect.argmax()), effect.shape)
    words, share = cell_words(found, tuple(int(i) for i in cell)), percent(effect[cell])
    if found.site == "head":
        return f"{words} alone carries {share} of the difference"
    verb = "carry" if found.site in _PLURAL else "carries"
    return f"{words[0].upper()}{words[1:]} {verb} most of the difference: {share}"


def _trail(tokens: Tokens, effect: Float[np.ndarray, "layer pos"]) -> list[str]:
    stays = _stays(effect)
    where = [f"at {place(tokens, pos)} up to layer {layer}" for pos, layer in stays[:-1]]
    where.append(f"at {place(tokens, stays[-1][0])}")
    return [where[0], f"moves {len(where) - 2} times", where[-1]] if len(where) > 3 else where


def _stays(effect: Float[np.ndarray, "layer pos"]) -> list[tuple[int, int]]:
    """(position, last layer) of the strongest place of each layer, as long as it stays where it is."""
    strongest = [(int(row.argmax()), layer) for layer, row in enumerate(effect) if row.max() >= SHARE]
    groups = itertools.groupby(strongest, key=lambda item: item[0])
    return [(pos, list(group)[-1][1]) for pos, group in groups]


def _ends(found: Patching) -> str:
    clean, corrupted = (metric.said(found.metric, value) for value in (found.clean, found.corrupted))
    if found.metric == "kl":
        return (
            f"The corrupted prompt's guesses are {corrupted} (KL) away from the clean prompt's; 100% restored means "
            "that all of them are as in the clean run."
        )
    return f"The {found.quantity} is {clean} in the clean prompt and {corrupted} in the corrupted one."


def _strongest(found: Patching) -> str:
    effect = _effect(found)
    cells = [np.unravel_index(index, effect.shape) for index in np.argsort(effect, axis=None)[::-1][:3]]
    named = [f"{_short(found, tuple(map(int, cell)))} ({percent_of_gap(effect[cell])})" for cell in cells]
    does = "restore most of it" if found.direction == "denoise" else "destroy most of it"
    return f"Patches that {does}: {listed(named)}."


def _short(found: Patching, cell: Cell) -> str:
    site = patch_site.find(found.site)
    return site.cell_name(cell) if "head" in site.axes else f"layer {cell[0]} at position {cell[1]}"


def _trust(found: Patching) -> list[str]:
    if not found.estimated:
        return []
    agree = "" if found.correlation is None else f"; there the correlation is {found.correlation:.2f}"
    n, wrong = int(np.isfinite(found.exact).sum()), int(found.disagrees.sum())
    sentences = [f"These are estimates from one backward pass; the {n} largest were run exactly{agree}."]
    if wrong:
        sentences.append(
            f"{wrong} of them {'is' if wrong == 1 else 'are'} off by more than {percent_of_gap(found.disagreement)} "
            "of the gap, and marked."
        )
    return sentences
