"""Two prompts' runs, and what of the one is put into the other: the runs that patching consists of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float

from mi_core.ablation.kept_out import KeptOut
from mi_core.attribution import attribution_patching as first_order
from mi_core.errors import InputError
from mi_core.interventions.intervention import Intervention, intervening, run_with
from mi_core.interventions.place import Part, Place
from mi_core.interventions.restart import Run
from mi_core.interventions.sweep import sweep
from mi_core.metrics import metric
from mi_core.metrics.metric import Metric, Metrics
from mi_core.metrics.target import Target
from mi_core.models import hooks
from mi_core.models.model import Activations, Model
from mi_core.models.progress import Progress, silent
from mi_core.patching import pair
from mi_core.patching.pair import PromptPair
from mi_core.patching.site import patch_place
from mi_core.result import Check

DIRECTIONS = ("denoise", "noise")


@dataclass(frozen=True)
class PatchRun:
    """Both prompts' runs with the activations of `place`, and how the patched ones are measured."""

    model: Model
    prompts: PromptPair
    pos: int
    """The position that is read."""
    place: Place
    """What is patched, cell by cell."""
    direction: str
    """``"denoise"`` puts the clean run's activations into the corrupted one, ``"noise"`` the other way round."""
    clean: Activations
    corrupted: Activations
    metric: Metric
    without: tuple[str, ...] = ()
    """Components that are out in every run, both prompts' own too."""
    out: Run = ()
    """What takes them out of the run that is patched."""

    @property
    def n_pos(self) -> int:
        """Positions that are run."""
        return self.pos + 1

    @property
    def ids(self) -> tuple[int, ...]:
        """The prompt that is run with patches, up to the position read."""
        return (self.prompts.corrupted if self.direction == "denoise" else self.prompts.clean).ids[: self.n_pos]

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
    def layers(self) -> tuple[int, ...]:
        """The layers that have what is patched."""
        return self.model.layers(self.place.site)

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the map: [layer, …], with the axes that the place is cut along."""
        return self.place.shape(self.model, self.n_pos)

    def ends(self) -> tuple[float, float]:
        """The metric in the clean and in the corrupted run."""
        return self.value(self.clean), self.value(self.corrupted)

    def value(self, run: Activations) -> float:
        """The metric in one of the two runs."""
        return float(self.metric.of(run.logits[:1].float())[0])

    def restored(self, value: np.ndarray | float) -> np.ndarray | float:
        """Values as shares of the gap between the runs: 1 is the clean one, 0 the corrupted one."""
        clean, corrupted = self.ends()
        return (value - corrupted) / (clean - corrupted)

    def cells(self) -> list[Part]:
        """Every cell whose patch can change anything: before the first difference both runs are the same."""
        return list(self.place.parts(self.model, self.layers, self.n_pos, self.prompts.first_difference))

    def patch(self, cell: Part) -> Intervention:
        """The one patch of that cell: what the source run has there."""
        value = cell.of(self.place.until(self.source[cell.hook], self.n_pos))
        return cell.put(value, self.prompts.first_difference, self.n_pos)

    def runs(self, cells: Sequence[Part]) -> list[Run]:
        """What is run to measure these cells: two runs for the checks (nothing patched, everything), then each."""
        start = self.source[hooks.resid_pre(0)][: self.n_pos]
        everything = Intervention("resid_pre", 0, start)
        return [self.out, (*self.out, everything), *((*self.out, self.patch(cell)) for cell in cells)]

    def exact(
        self, cells: Sequence[Part], progress: Progress = silent
    ) -> tuple[Float[np.ndarray, "layer ..."], tuple[Check, ...]]:
        """The metric of each of these cells as run, NaN elsewhere; and the identities, measured along the way."""
        swept = sweep(self.model, self.ids, self.runs(cells), lambda logits: self.metric.of(logits)[:, None], progress)
        nothing, everything, *values = swept.values[:, 0].tolist()
        out = np.full(self.shape, np.nan, dtype=np.float32)
        for cell, value in zip(cells, values, strict=True):
            out[cell.cell(self.layers)] = value
        whole = Check("patching everything gives the other run", abs(everything - self.value(self.source)), 1e-3)
        return out, (
            *((whole,) if self.model.opening.tokens_once else ()),
            Check("patching nothing changes nothing", abs(nothing - self.value(self.base)), 1e-3),
            *swept.checks(),
        )

    def estimated(self) -> Float[np.ndarray, "layer ..."]:
        """How far the metric moves with each cell's patch, by one backward pass.

        Raises:
            InputError: The metric has no slope at the run that is patched, as KL from the clean run has none there.
        """
        if self.metric.name == "kl" and self.direction == "noise":
            raise InputError(
                "The distance from your prompt's guesses (KL) has no slope there, so nothing can be estimated: "
                "run the patches exactly, or choose another measure.",
                "estimate",
            )
        of_layer = [self.place.site(layer) for layer in self.layers]
        instead = {name: self.place.until(self.source[name], self.n_pos) for name in of_layer}
        with intervening(self.model, [self.out]):
            effects = first_order.effects(self.model, self.ids, instead, lambda row: self.metric.of(row[None])[0])
        return torch.stack([self.place.summed(effects[name]) for name in of_layer]).float().numpy(force=True)

    def largest(self, change: Float[np.ndarray, "layer ..."], n: int) -> list[Part]:
        """The `n` cells whose patches are estimated to move most."""
        return sorted(self.cells(), key=lambda cell: -abs(change[cell.cell(self.layers)]))[:n]


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
    kept_out: KeptOut,
    check: bool = True,
) -> PatchRun:
    """Run both prompts, and decide what is measured; the settings are those of `patching`.

    With `check`, the metric must differ between the two runs, so that there is something to share out. What is asked
    of the answer is what the whole model says, also where parts of it are out.

    Raises:
        InputError: A bad prompt, site, metric, direction, target, position or component; prompts of unequal length, or
            with nothing between them.
    """
    place = patch_place(site)
    metric.check_name(metric_name)
    check_direction(direction)
    prompts = pair.prompt_pair(model, prompt, corrupted, prepend_bos)
    position = model.position(prompts.clean, pos)
    model.up_to(prompts.clean.ids, position)
    names = {place.site(layer) for layer in model.layers(place.site)} | {hooks.resid_pre(0)}
    each = prompts.clean, prompts.corrupted
    clean, corrupt = (model.run(one, names, logits=position) for one in each)
    answer = pair.answers(model, target, foil, clean, corrupt)
    outs = [kept_out.of(model, one, prepend_bos) for one in each]
    if kept_out.without:
        clean, corrupt = (
            run_with(model, one, out, names, logits=position) for one, out in zip(each, outs, strict=True)
        )
    measure = Metric(metric_name, Metrics(answer, clean.logits[0].float()))
    out = outs[1] if direction == "denoise" else outs[0]
    run = PatchRun(
        model, prompts, position, place, direction, clean, corrupt, measure, kept_out.names(model, len(each[0])), out
    )
    if check:
        pair.check_gap(run.ends(), answer, position, prompts.first_difference, measure.quantity, measure.smallest_gap)
    return run


def check_direction(direction: str) -> None:
    """Raises InputError unless it is one of `DIRECTIONS`."""
    if direction not in DIRECTIONS:
        raise InputError(f"“{str(direction)[:40]}” is no direction: use denoise or noise.", "direction")
