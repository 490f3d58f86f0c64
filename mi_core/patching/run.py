"""Two prompts' runs, and what of the one is put into the other: the runs that patching consists of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float

from mi_core.attribution import attribution_patching as first_order
from mi_core.errors import InputError
from mi_core.interventions.intervention import Intervention
from mi_core.interventions.sweep import sweep
from mi_core.metrics import metric
from mi_core.metrics.metric import Metric, Metrics
from mi_core.metrics.target import Target
from mi_core.models import hooks
from mi_core.models.model import Activations, Model
from mi_core.models.tokens import Tokens
from mi_core.patching import pair
from mi_core.patching import site as patch_site
from mi_core.patching.site import Cell, PatchSite
from mi_core.result import Check

DIRECTIONS = ("denoise", "noise")


@dataclass(frozen=True)
class PatchRun:
    """Both prompts' plain runs with the activations of `site`, and how the patched ones are measured.

    `pos` is the position read, `first` the first where the prompts differ, `direction` which run goes into which:
    ``"denoise"`` puts the clean one's activations into the corrupted one, ``"noise"`` the other way round.
    """

    model: Model
    tokens: Tokens
    corrupted_tokens: Tokens
    pos: int
    first: int
    site: PatchSite
    direction: str
    clean: Activations
    corrupted: Activations
    metric: Metric

    @property
    def n_pos(self) -> int:
        return self.pos + 1

    @property
    def ids(self) -> tuple[int, ...]:
        """The prompt that is run with patches, up to the position read."""
        return (self.corrupted_tokens if self.direction == "denoise" else self.tokens).ids[: self.n_pos]

    @property
    def source(self) -> Activations:
        """The run that activations are taken from."""
        return self.clean if self.direction == "denoise" else self.corrupted

    @property
    def base(self) -> Activations:
        """The run that they are put into."""
        return self.corrupted if self.direction == "denoise" else self.clean

    @property
    def target(self) -> Target:
        return self.metric.all.target

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the map: [layer, …], with the site's axes."""
        return self.site.shape(self.model, self.n_pos)

    def ends(self) -> tuple[float, float]:
        """The metric in the clean and in the corrupted run."""
        return self.value(self.clean), self.value(self.corrupted)

    def value(self, run: Activations) -> float:
        """The metric in a plain run."""
        return float(self.metric.of(run.logits[:1].float())[0])

    def restored(self, value: np.ndarray | float) -> np.ndarray | float:
        """Values as shares of the gap between the runs: 1 is the clean one, 0 the corrupted one."""
        clean, corrupted = self.ends()
        return (value - corrupted) / (clean - corrupted)

    def cells(self) -> list[Cell]:
        """Every cell whose patch can change anything."""
        return list(self.site.cells(self.model, self.first, self.n_pos))

    def patch(self, cell: Cell) -> Intervention:
        """The one patch of that cell."""
        return self.site.patch(self.source, cell, self.first, self.n_pos)

    def rows(self, cells: Sequence[Cell]) -> list[tuple[Intervention, ...]]:
        """What is run to measure these cells: two runs for the checks (nothing patched, everything), then each."""
        start = self.source[hooks.resid_pre(0)][: self.n_pos]
        return [(), (Intervention("resid_pre", 0, start),), *((self.patch(cell),) for cell in cells)]

    def exact(
        self, cells: Sequence[Cell], progress: Callable[..., None] | None = None
    ) -> tuple[Float[np.ndarray, "layer ..."], tuple[Check, ...]]:
        """The metric of each of these cells as run, NaN elsewhere; and the identities, measured along the way."""
        found = sweep(self.model, self.ids, self.rows(cells), lambda logits: self.metric.of(logits)[:, None], progress)
        nothing, everything, *values = found.values[:, 0].tolist()
        out = np.full(self.shape, np.nan, dtype=np.float32)
        for cell, value in zip(cells, values, strict=True):
            out[cell] = value
        return out, (
            Check("patching everything gives the other run", abs(everything - self.value(self.source)), 1e-3),
            Check("patching nothing changes nothing", abs(nothing - self.value(self.base)), 1e-3),
            *found.checks(),
        )

    def estimated(self) -> Float[np.ndarray, "layer ..."]:
        """How far the metric moves with each cell's patch, by one backward pass.

        Raises:
            InputError: The metric has no slope at the run that is patched, as KL from the clean run has none there.
        """
        if self.metric.name == "kl" and self.direction == "noise":
            raise InputError(
                "The distance from the clean guesses (KL) has no slope at the clean run, so nothing can be estimated: "
                "run the patches exactly, or choose another measure.",
                "estimate",
            )
        of_layer = [self.site.hook(layer) for layer in range(self.model.n_layers)]
        instead = {name: self.site.until(self.source[name], self.n_pos) for name in of_layer}
        found = first_order.effects(self.model, self.ids, instead, lambda row: self.metric.of(row[None])[0])
        return torch.stack([self.site.summed(found[name]) for name in of_layer]).float().numpy(force=True)

    def largest(self, change: Float[np.ndarray, "layer ..."], n: int) -> list[Cell]:
        """The `n` cells whose patches are estimated to move most."""
        return sorted(self.cells(), key=lambda cell: -abs(change[cell]))[:n]


def open_pair(
    model: Model,
    prompt: str,
    *,
    corrupted: str,
    site: str,
    target: str | None,
    foil: str | None,
    pos: int | None,
    metric_name: str,
    direction: str,
    prepend_bos: bool | None,
    check: bool = True,
) -> PatchRun:
    """Run both prompts, and decide what is measured; the settings are those of `patching`.

    With `check`, the metric must differ between the two runs, so that there is something to share out.

    Raises:
        InputError: A bad prompt, site, metric, direction, target or position; prompts of unequal length, or with
            nothing between them.
    """
    chosen = patch_site.find(site)
    metric.check_name(metric_name)
    if direction not in DIRECTIONS:
        raise InputError(f"“{str(direction)[:40]}” is no direction: use denoise or noise.", "direction")
    tokens = model.tokens(prompt, prepend_bos)
    other = pair.corrupted_tokens(model, corrupted, tokens, prepend_bos)
    position = model.position(tokens, pos)
    first = int(np.not_equal(tokens.ids, other.ids).argmax())
    names = {chosen.hook(layer) for layer in range(model.n_layers)} | {hooks.resid_pre(0)}
    clean, corrupt = (model.run(each, names, logits=position) for each in (tokens, other))
    wanted = pair.answers(model, target, foil, clean, corrupt)
    measure = Metric(metric_name, Metrics(wanted, clean.logits[0].float()))
    run = PatchRun(model, tokens, other, position, first, chosen, direction, clean, corrupt, measure)
    if check:
        pair.check_gap(run.ends(), wanted, position, first, measure.quantity, measure.smallest_gap)
    return run
