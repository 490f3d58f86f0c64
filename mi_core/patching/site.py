"""What of a run can be put into another: the sites of patching, their cells, and what a cell is called."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from mi_core.errors import InputError
from mi_core.interventions.intervention import SITES, Intervention
from mi_core.models.model import Activations, Model
from mi_core.phrases import listed

Cell = tuple[int, ...]
NAME = re.compile(r"L(\d+)(?:H(\d+))?(?:@(\d+))?", re.IGNORECASE)


@dataclass(frozen=True)
class PatchSite:
    """One way to cut a run's activations into cells, each of which is patched alone.

    `site` is the key of `intervene.SITES` where it acts. A cell is (layer, …) with an index for each of `axes`:
    ``"head"`` (for `k` and `v` a key-value head, which several heads may share) and ``"pos"``. Without ``"pos"`` a
    cell holds all positions. `noun` says what a cell is.
    """

    name: str
    site: str
    axes: tuple[str, ...]
    noun: str

    def hook(self, layer: int) -> str:
        """Name of the hook that this site is read and changed at."""
        return SITES[self.site](layer)

    def shape(self, model: Model, n_pos: int) -> tuple[int, ...]:
        """Number of layers, then of heads and positions, as `axes` says."""
        heads = model.n_kv_heads if self.site in ("k", "v") else model.n_heads
        return (model.n_layers, *(heads if axis == "head" else n_pos for axis in self.axes))

    def cells(self, model: Model, first: int, n_pos: int) -> Iterator[Cell]:
        """Every cell whose patch can change anything: positions before `first` are the same in both runs."""
        ranges = [range(first if axis == "pos" else 0, size) for axis, size in self._sizes(model, n_pos)]
        return itertools.product(range(model.n_layers), *ranges)

    def _sizes(self, model: Model, n_pos: int) -> Iterator[tuple[str, int]]:
        return zip(self.axes, self.shape(model, n_pos)[1:], strict=True)

    def patch(self, source: Activations, cell: Cell, first: int, n_pos: int) -> Intervention:
        """The intervention that puts `source`'s activations of that cell in place, at positions `first` to `n_pos`."""
        layer, at = cell[0], dict(zip(self.axes, cell[1:], strict=True))
        value, head = source[self.hook(layer)], at.get("head")
        if self.site == "pattern":
            return Intervention(self.site, layer, value[head, first:n_pos, :n_pos], head, first)
        if "pos" not in at:
            return Intervention(self.site, layer, value[first:n_pos, head], head, first)
        place = (at["pos"],) if head is None else (at["pos"], head)
        return Intervention(self.site, layer, value[place], head, at["pos"], at["pos"] + 1)

    def until(self, value: Tensor, n_pos: int) -> Tensor:
        """The first `n_pos` positions of this site's activations, [pos, …] or [head, query_pos, key_pos]."""
        return value[:, :n_pos, :n_pos] if self.site == "pattern" else value[:n_pos]

    def summed(self, numbers: Tensor) -> Float[Tensor, "*axes"]:
        """One layer's numbers, shaped like its activations, summed over what a cell of it holds."""
        if self.site == "pattern":
            return numbers.sum((-1, -2))
        if "head" not in self.axes:
            return numbers.sum(-1)
        by_head = numbers.sum(-1).T  # [head, pos]
        return by_head if "pos" in self.axes else by_head.sum(-1)

    def cell_name(self, cell: Cell) -> str:
        """`L2@4` (layer 2 at position 4), `L2H3`, `L2H3@4`."""
        at = dict(zip(self.axes, cell[1:], strict=True))
        head = f"H{at['head']}" if "head" in at else ""
        return f"L{cell[0]}{head}" + (f"@{at['pos']}" if "pos" in at else "")

    def find_cell(self, name: str, model: Model, n_pos: int) -> Cell:
        """The cell of that name.

        Raises:
            InputError: The name is not written so, or this model and prompt have no such cell.
        """
        example = self.cell_name((1,) * (1 + len(self.axes)))
        found = NAME.fullmatch(name.strip())
        given = {"head": found[2], "pos": found[3]} if found else {}
        if {axis for axis, number in given.items() if number is not None} != set(self.axes):
            raise InputError(f"“{name[:40]}” names no {self.noun}: write it like {example}.", "cell")
        cell = (model.layer(int(found[1]), "cell"), *(int(given[axis]) for axis in self.axes))
        for axis, number, size in zip(self.axes, cell[1:], self.shape(model, n_pos)[1:], strict=True):
            if number >= size:
                what = {"head": "heads", "pos": "positions"}[axis]
                raise InputError(f"There is no {name.strip()}: {what} here go from 0 to {size - 1}.", "cell")
        return cell


PATCH_SITES: Mapping[str, PatchSite] = {
    site.name: site
    for site in (
        PatchSite("resid_pre", "resid_pre", ("pos",), "place in the residual stream"),
        PatchSite("attn_out", "attn_out", ("pos",), "attention output"),
        PatchSite("mlp_out", "mlp_out", ("pos",), "MLP output"),
        PatchSite("head", "z", ("head",), "head"),
        PatchSite("head_pos", "z", ("head", "pos"), "head at a position"),
        PatchSite("q", "q", ("head",), "head's queries"),
        PatchSite("k", "k", ("head",), "head's keys"),
        PatchSite("v", "v", ("head",), "head's values"),
        PatchSite("pattern", "pattern", ("head",), "head's attention pattern"),
    )
}


def find(name: str) -> PatchSite:
    """The site of that name. Raises InputError where there is none."""
    if name not in PATCH_SITES:
        raise InputError(f"“{str(name)[:40]}” is no place to patch: use {listed(list(PATCH_SITES))}.", "site")
    return PATCH_SITES[name]
