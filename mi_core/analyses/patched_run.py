"""What does the model say with one activation of another prompt's run in place?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from mi_core.ablation.kept_out import KeptOut
from mi_core.interventions.sweep import sweep
from mi_core.metrics import metric as measures
from mi_core.metrics.distribution import check_top_k
from mi_core.metrics.shift import Shift, movers, shift
from mi_core.metrics.target import Target
from mi_core.models.model import Model
from mi_core.models.progress import Progress, silent
from mi_core.models.tokens import Tokens
from mi_core.patching.run import PatchRun, open_pair
from mi_core.patching.site import cell as find_cell
from mi_core.phrases import goes, listed, percent, percent_of_gap, quoted
from mi_core.result import Check, Reading, same_length

RUNS = ("before", "after", "goal")


@dataclass(frozen=True)
class PatchedRun:
    """One patch, run exactly: the next-token guesses without it (`before`), with it (`after`), and in the run that the
    activation came from (`goal`)."""

    model: str
    tokens: Tokens
    corrupted_tokens: Tokens
    target: Target
    pos: int
    """The position whose next token is asked for."""
    site: str
    cell: str
    """Name of the patch: `L2@4`, `L2H3`, `L2H3@4`."""
    direction: str
    without: tuple[str, ...]
    """Components that are out in every run."""
    shift: Shift
    """The tokens whose probability it moves most, and the answers; its runs are `RUNS`."""
    measured: Float[np.ndarray, "metric run"]
    """[metric, run] Every metric in every run, in the unit that `metric.UNITS` says."""
    restored: Float[np.ndarray, " metric"]
    """[metric] Share of the gap between both plain runs; NaN where there is too small a gap."""
    checks: tuple[Check, ...]
    units: str = "probability, logits, bits (KL)"

    def __post_init__(self) -> None:
        same_length(self, "tokens", "corrupted_tokens")
        same_length(self, "measured", "restored")
        if self.measured.shape[1:] != (len(RUNS),) or len(self.shift.probabilities) != len(RUNS):
            raise ValueError(f"a patch has {len(RUNS)} runs, not {self.measured.shape[1:]}")

    def tables(self) -> dict[str, pd.DataFrame]:
        """`shift`: a row per token. `measures`: a row per metric, with the share of the gap that the patch restores."""
        columns = ["token", "token_id", *(f"{number}_{run}" for run in RUNS for number in ("probability", "logit"))]
        numbers = {
            "metric": measures.NAMES,
            "unit": [measures.UNITS[name] for name in measures.NAMES],
            **dict(zip(RUNS, self.measured.T, strict=True)),
            "restored": self.restored,
        }
        return {"shift": self.shift.table(columns, RUNS), "measures": pd.DataFrame(numbers)}

    def reading(self) -> Reading:
        """What the patch does to the answer, and what the model's top guess becomes."""
        answer = self.shift.texts.index(self.target.text)
        before, after, goal = self.shift.probabilities[:, answer]
        out = f"{listed(list(self.without))} out and " if self.without else ""
        title = f"With {out}{self.cell} patched, {quoted(self.target.text)} {goes(before, after, percent)}"
        tops = [quoted(self.shift.texts[int(row.argmax())]) for row in self.shift.probabilities]
        stays = "stays" if tops[0] == tops[1] else f"turns from {tops[0]} into"
        source = "your" if self.direction == "denoise" else "the exchanged"
        return Reading(
            title,
            (
                f"The top guess {stays} {tops[1]}.",
                f"In {source} prompt's own run, where the activation comes from, the answer has {percent(goal)}.",
                *self._shares(),
            ),
        )

    def _shares(self) -> list[str]:
        """How much of each metric's gap is restored, where there is a gap."""
        words = (self.target.quantity, "probability", "KL")
        known = [
            f"{percent_of_gap(share)} ({word})"
            for word, share in zip(words, self.restored, strict=True)
            if np.isfinite(share)
        ]
        return [f"Share of the gap, from 0% in the exchanged run to 100% in yours: {listed(known)}."] if known else []


def patched_run(
    model: Model,
    prompt: str,
    *,
    corrupted: str,
    cell: str,
    site: Literal["resid_pre", "attn_out", "mlp_out", "head", "head_pos", "q", "k", "v", "pattern"] = "resid_pre",
    target: str | None = None,
    foil: str | None = None,
    pos: int | None = None,
    direction: Literal["denoise", "noise"] = "denoise",
    top_k: int = 10,
    without: tuple[str, ...] = (),
    mode: Literal["zero", "mean", "resample"] = "mean",
    reference: str = "",
    sae: str | None = None,
    prepend_bos: bool | None = None,
    progress: Progress = silent,
) -> PatchedRun:
    """One cell of `patching`, with everything that the run says.

    Args:
        model: The model.
        prompt: The clean prompt.
        corrupted: A prompt of as many tokens, alike but for what is asked about.
        cell: Which patch: ``"L2@4"`` for layer 2 at position 4, ``"L2H3"`` for a head, ``"L2H3@4"`` for both.
        site: What is patched, as in `patching`.
        target: The answer; None for the clean prompt's top guess.
        foil: What it is compared with; None for the corrupted prompt's top guess, if that is another.
        pos: Position whose next-token guesses are read; None for the last.
        direction: ``"denoise"`` or ``"noise"``, as in `patching`.
        top_k: How many of the tokens that move most to keep, beside the answer and the top guesses.
        without: Components that are out in every run, as in `patching`; so the next three.
        mode: What is put in their place.
        reference: Prompts for the mean or the sample, one per line.
        sae: Hook name of the SAE whose features are out.
        prepend_bos: None follows the model's own habit.
        progress: Called with (runs done, runs in all).

    Returns:
        Probabilities and logits (after any soft cap) of the biggest movers, in all three runs.

    Raises:
        InputError: What `patching` refuses, or a cell that does not exist.
    """
    check_top_k(top_k, model.d_vocab)
    run = open_pair(
        model, prompt, corrupted=corrupted, site=site, target=target, foil=foil, pos=pos,
        metric_name=measures.NAMES[0], direction=direction, prepend_bos=prepend_bos,
        kept_out=KeptOut(without, mode, reference, sae), check=False,
    )  # fmt: skip
    part = find_cell(model, run.place, cell, run.n_pos)
    swept = sweep(model, run.ids, [run.out, (*run.out, run.patch(part))], lambda logits: logits, progress)
    logits = torch.stack([run.base.logits[0], swept.values[1], run.source.logits[0]]).float()
    probabilities = logits.softmax(-1)
    answers = [run.target.token_id, *([] if run.target.foil_id is None else [run.target.foil_id])]
    shown = movers(probabilities, top_k, [*answers, *logits.argmax(-1).tolist()])
    measured = _measured(run, logits)
    unchanged = float((swept.values[0] - logits[0]).abs().max() / logits[0].abs().max())
    return PatchedRun(
        model=model.id,
        tokens=run.prompts.clean,
        corrupted_tokens=run.prompts.corrupted,
        target=run.target,
        pos=run.pos,
        site=site,
        cell=part.name,
        direction=direction,
        without=run.without,
        shift=shift(model, shown, probabilities, logits),
        measured=measured,
        restored=_restored(run, measured),
        checks=(
            Check("without the patch, the model's own logits (share of the largest)", unchanged, 1e-5),
            *swept.checks(),
        ),
    )


def _measured(run: PatchRun, logits: Float[Tensor, "run d_vocab"]) -> Float[np.ndarray, "metric run"]:
    return run.metric.all(logits).T.double().numpy(force=True)


def _restored(run: PatchRun, measured: Float[np.ndarray, "metric run"]) -> Float[np.ndarray, " metric"]:
    """Shares of each metric's gap between both runs; NaN where there is too small a gap."""
    before, after, goal = measured.T
    clean, corrupted = (goal, before) if run.direction == "denoise" else (before, goal)
    gap = clean - corrupted
    smallest = np.array([measures.SMALLEST_GAP[name] for name in measures.NAMES])
    return np.where(np.abs(gap) < smallest, np.nan, (after - corrupted) / np.where(gap == 0, 1, gap))
