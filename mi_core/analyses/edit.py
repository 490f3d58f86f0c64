"""What happens when a fact is rewritten or a direction removed?"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float

from mi_core.editing import overlay, recipes, rome, trials
from mi_core.editing.orthogonalise import largest_share
from mi_core.editing.recipes import Recipe, Rome, canonical
from mi_core.editing.rome import Rewrite
from mi_core.editing.trials import Trial, trial
from mi_core.metrics import distribution
from mi_core.metrics.shift import Shift, likeliest, shift
from mi_core.models.model import Model
from mi_core.models.tokens import Tokens
from mi_core.phrases import percent, quoted
from mi_core.result import Check, Reading
from mi_core.text.sentences import lines, sentences

COLUMNS = ("token", "token_id", "probability_before", "probability_after", "change")
ROLES = ("edited", "rephrased", "other subject", "unrelated")
MEANING = {
    "efficacy": "the edited prompt gets the new answer",
    "paraphrase": "share of rephrased prompts that find the new answer likelier than the old",
    "neighbourhood": "share of prompts about other subjects that keep their own answer",
    "drift": "mean KL(before ‖ after) per token of unrelated text",
    "share before": "largest share of the residual stream along the direction, before",
    "share after": "the same after the edit",
}


@dataclass(frozen=True)
class Edit:
    """One edit, and how the model answers before and after it.

    Trial i is one prompt that both models were asked; the first is the edited prompt itself.
    """

    model: str
    tokens: Tokens
    """The edited prompt, or the one on which the edit is shown."""
    kind: str
    """``rome`` or ``orthogonalise``."""
    name: str
    """What it does, for people."""
    edit: str
    """The edit as JSON, ready for a stack."""
    layer: int
    """The block that was edited, or the layer where the direction belongs."""
    target: str
    """The new answer; for a direction the answer that is followed."""
    old: str
    """The top guess before."""
    scores: tuple[tuple[str, float, int], ...]
    """(name, value, number of prompts); names and units as in `MEANING`."""
    trial_roles: tuple[str, ...]
    """[trial] One of `ROLES`."""
    trial_prompts: tuple[str, ...]
    """[trial] What was asked."""
    top_before: tuple[str, ...]
    """[trial] The top guess before."""
    top_after: tuple[str, ...]
    """[trial] The top guess after."""
    top_probability_before: Float[np.ndarray, " trial"]
    """[trial] Probability of the top guess before, 0 to 1."""
    top_probability_after: Float[np.ndarray, " trial"]
    """[trial] Probability of the top guess after."""
    target_before: Float[np.ndarray, " trial"]
    """[trial] Probability of the new answer before."""
    target_after: Float[np.ndarray, " trial"]
    """[trial] Probability of the new answer after."""
    old_before: Float[np.ndarray, " trial"]
    """[trial] Probability of the old answer before."""
    old_after: Float[np.ndarray, " trial"]
    """[trial] Probability of the old answer after."""
    trial_kl: Float[np.ndarray, " trial"]
    """[trial] KL(before ‖ after) in bits of the next token; for unrelated text the mean over its positions."""
    shift: Shift
    """[run, token] The edited prompt's likeliest next tokens before and after, the largest gain first."""
    own_bytes: int
    """Bytes of the weights that the edited model does not share."""
    checks: tuple[Check, ...]
    units: str = "probability; shares; bits (KL)"

    def __post_init__(self) -> None:
        n = len(self.trial_roles)
        columns = ("trial_prompts", "top_before", "top_after", "top_probability_before", "top_probability_after",
                   "target_before", "target_after", "old_before", "old_after", "trial_kl")  # fmt: skip
        if {len(getattr(self, name)) for name in columns} != {n} or self.trial_roles[:1] != ROLES[:1]:
            raise ValueError(f"{n} trials, the first of which is {self.trial_roles[:1]}")

    def tables(self) -> dict[str, pd.DataFrame]:
        """`scores`; `prompts`: a row per trial; `shift`: the edited prompt's next token before and after."""
        prompts = {
            "role": self.trial_roles,
            "prompt": self.trial_prompts,
            "before": self.top_before,
            "probability_before": self.top_probability_before,
            "after": self.top_after,
            "probability_after": self.top_probability_after,
            "new_answer_before": self.target_before,
            "new_answer_after": self.target_after,
            "old_answer_before": self.old_before,
            "old_answer_after": self.old_after,
            "kl": self.trial_kl,
        }
        scores = pd.DataFrame(self.scores, columns=["score", "value", "prompts"])
        scores["meaning"] = scores["score"].map(MEANING)
        return {"scores": scores, "prompts": pd.DataFrame(prompts), "shift": self.shift.table(COLUMNS)}

    def reading(self) -> Reading:
        """Whether the edit took, how far it reaches, and what else it moved."""
        new, old = quoted(self.target), quoted(self.old)
        top = quoted(self.top_after[0])
        if self.kind == "orthogonalise":
            title = (
                f"Without the direction, {old} stays"
                if top == old
                else f"Without the direction, {old} gives way to {top}"
            )
        elif self.top_after[0] == self.target:
            title = f"The model now answers {new} instead of {old}: {percent(self.target_after[0])}"
        else:
            title = f"The edit does not take: the model answers {top}, and {new} gets {percent(self.target_after[0])}"
        return Reading(title, (*self._reach(), self._drift()))

    def _reach(self) -> list[str]:
        said = []
        rephrased, others = self._of("rephrased"), self._of("other subject")
        if rephrased and self.kind == "rome":
            got = [i for i in rephrased if self.top_after[i] == self.target]
            said.append(f"It answers {quoted(self.target)} on {len(got)} of {len(rephrased)} rephrasings")
            missed = next((self.trial_prompts[i] for i in rephrased if i not in got), None)
            said[-1] += f", but not on “{missed}”." if missed and got else "."
        if others:
            kept = [i for i in others if self.top_after[i] == self.top_before[i]]
            what = "other subjects keep their answers" if self.kind == "rome" else "other prompts keep their answers"
            said.append(f"{len(kept)} of {len(others)} {what}.")
        if self.kind == "orthogonalise":
            scores = {name: value for name, value, _ in self.scores}
            said.append(
                f"Up to {scores['share before']:.0%} of the residual stream lay along the direction; now nothing does."
            )
        return said

    def _drift(self) -> str:
        drift = next(value for name, value, _ in self.scores if name == "drift")
        size = "hardly moves" if drift < 0.05 else "moves a little" if drift < 0.5 else "moves much"
        return f"Unrelated text {size}: {'under 0.001' if drift < 0.0005 else f'{drift:.3f}'} bits per token."

    def _of(self, role: str) -> list[int]:
        return [i for i, other in enumerate(self.trial_roles) if other == role]


def edit(
    model: Model,
    prompt: str,
    *,
    kind: Literal["rome", "orthogonalise"] = "rome",
    subject: str = "",
    target: str | None = None,
    layer: int | None = None,
    direction: str = "",
    sae: str | None = None,
    positive: str = "",
    negative: str = "",
    vector: str = "",
    paraphrases: str = "",
    neighbours: str = "",
    unrelated: str = "",
    top_k: int = 8,
    prepend_bos: bool | None = None,
    progress: Callable[..., None] | None = None,
) -> Edit:
    """Make one edit of the weights, in a copy that shares all others, and measure what it does.

    ROME writes one fact into one MLP (Meng et al. 2022, "Locating and Editing Factual Associations in GPT"); the scores
    are the paper's: efficacy, paraphrase, neighbourhood. Orthogonalising takes one direction out of everything that
    writes to the residual stream. An edit that works on its own prompt may fail on others, and may move what nobody
    asked about: that is what the other prompts are for.

    Args:
        model: The model, which is not changed.
        prompt: For ROME, the fact up to its answer; otherwise the text on which the edit is shown.
        kind: ``"rome"`` or ``"orthogonalise"``.
        subject: For ROME, the words of the prompt that the fact is about.
        target: For ROME, the new answer, one token; otherwise the answer to follow, None for the top guess.
        layer: For ROME, the block that is edited, None for the usual one; for a contrast or a probe, the blocks passed
            where the texts are read, None for the middle.
        direction: To take out, in the words that `steering` takes, which stand for the same vector: ``"feature:123"``;
            ``"token:Paris"``, what the output reads for a token, so that nothing can make it likelier;
            ``"probe:sentiment/positive"``; ``"contrast"``; or ``"vector"``.
        sae: Hook name of the SAE the feature belongs to; None for the model's only one, or the middle one.
        positive: Prompts for the contrast, one per line.
        negative: What they are contrasted with, one per line.
        vector: The direction itself, d_model numbers.
        paraphrases: The prompt in other words, one per line; empty for ROME: the prompt behind a few openings.
        neighbours: Prompts whose answers must stay, one per line; empty for ROME: the subjects most like this one.
        unrelated: Text whose odds should not move, one per line; empty for a built-in set.
        top_k: How many of the likeliest next tokens to keep, before and after.
        prepend_bos: None follows the model's own habit.
        progress: Called with (done, total) while the edit is made and between prompts.

    Returns:
        Scores, every prompt's answer before and after, and the next token's odds.

    Raises:
        InputError: A bad prompt, subject, answer, layer or direction, or a fact that cannot be found.
    """
    distribution.check_top_k(top_k, model.d_vocab)
    tokens = model.tokens(prompt, prepend_bos)
    recipe = recipes.asked(
        kind, prompt, subject=subject, target=target, layer=layer, direction=direction, sae=sae, positive=positive,
        negative=negative, vector=vector,
    )  # fmt: skip
    former = model.run(tokens).logits[-1]
    made = overlay.with_edit(model, recipe, progress)
    old = int(former.argmax())
    new = model.token_id(target, "target") if target else old
    asked = _asked(model, prompt, recipe, (old, new), paraphrases, neighbours, unrelated, prepend_bos)
    tried = []
    for done, (role, text, field) in enumerate(asked):
        tried.append(trial(model, made.model, role, text, field, prepend_bos))
        if progress is not None:
            progress(done + 1, len(asked))
    undone = float((model.run(tokens).logits[-1] - former).abs().max())
    return Edit(
        model=model.id,
        tokens=tokens,
        kind=kind,
        name=recipe.name if isinstance(recipe, Rome) else f"without {made.how.direction.label}",
        edit=canonical([recipe]),
        layer=made.how.layer if isinstance(recipe, Rome) else made.how.direction.layer,
        target=model.text(new),
        old=model.text(old),
        scores=_scores(model, made, tried, old, new),
        **_answers(model, tried, old, new),
        shift=_shift(model, tried[0], top_k),
        own_bytes=made.own_bytes,
        checks=(*made.checks, Check("without the edit the former numbers are back, bit for bit", undone, 0.0)),
    )


def planned(
    model: Model,
    *,
    prompt: str,
    kind: str,
    subject: str,
    target: str | None,
    direction: str,
    layer: int | None,
    sae: str | None,
    positive: str,
    negative: str,
    vector: str,
    paraphrases: str,
    neighbours: str,
    unrelated: str,
    prepend_bos: bool | None,
    **_: Any,
) -> tuple[int, float, int]:
    """Runs of the model that `edit` makes at most, seconds and bytes, all of its settings given.

    What finding a direction to take out takes is not counted.

    Raises:
        InputError: As `edit` does, but for a fact that no change brings about.
    """
    recipe = recipes.asked(
        kind, prompt, subject=subject, target=target, layer=layer, direction=direction, sae=sae, positive=positive,
        negative=negative, vector=vector,
    )  # fmt: skip
    made = None if overlay.is_kept(model, recipe) or not isinstance(recipe, Rome) else rome.foretold(model, recipe)
    tokens = model.tokens(prompt, prepend_bos)
    began = time.perf_counter()
    model.run(tokens)
    once = time.perf_counter() - began
    again, others = len(lines(paraphrases, "paraphrases")), len(lines(neighbours, "neighbours"))
    looked_at = 0  # subjects that are asked about, so that those are found whose answers must stay
    if isinstance(recipe, Rome):
        looked_at = 0 if others else trials.CANDIDATES
        again, others = again or len(trials.OPENINGS), others or trials.NEIGHBOURS
    rest = len(lines(unrelated, "unrelated") or sentences(model))
    runs = 2 + looked_at + 2 * (1 + again + others + rest)
    return (
        runs + (made.runs if made else 0),
        runs * once + (made.seconds if made else 0.0),
        max(made.bytes if made else 0, 4 * len(tokens) * 8 * model.d_vocab),
    )


def _asked(
    model: Model,
    prompt: str,
    recipe: Recipe,
    answers: tuple[int, int],
    paraphrases: str,
    neighbours: str,
    unrelated: str,
    bos: bool | None,
) -> list[tuple[str, str, str]]:
    """(role, prompt, field) of everything both models are asked."""
    again, others = lines(paraphrases, "paraphrases"), lines(neighbours, "neighbours")
    if isinstance(recipe, Rome):
        again = again or trials.rephrased(model, recipe.prompt, recipe.subject)
        others = others or trials.other_subjects(model, recipe.prompt, recipe.subject, answers, bos)
    rest = lines(unrelated, "unrelated") or sentences(model)
    return [
        ("edited", prompt, "prompt"),
        *(("rephrased", text, "paraphrases") for text in again),
        *(("other subject", text, "neighbours") for text in others),
        *(("unrelated", text, "unrelated") for text in rest),
    ]


def _scores(model: Model, made: overlay.EditedModel, tried: list[Trial], old: int, new: int) -> tuple:
    """(name, value, number of prompts) of every score that there are prompts for."""
    by_role = {role: [one for one in tried if one.role == role] for role in ROLES}
    kept = [float(one.before.argmax() == one.after.argmax()) for one in by_role["other subject"]]
    found = []
    if isinstance(made.how, Rewrite):
        found.append(("efficacy", [float(one.after[new] > one.after[old]) for one in by_role["edited"]]))
        found.append(("paraphrase", [float(one.after[new] > one.after[old]) for one in by_role["rephrased"]]))
    else:
        unit = made.how.direction.unit
        found += [("share before", [largest_share(model, unit)]), ("share after", [largest_share(made.model, unit)])]
    found += [("neighbourhood", kept), ("drift", [one.kl for one in by_role["unrelated"]])]
    return tuple((name, float(np.mean(values)), len(values)) for name, values in found if values)


def _answers(model: Model, tried: list[Trial], old: int, new: int) -> dict:
    columns: dict = {
        "trial_roles": tuple(one.role for one in tried),
        "trial_prompts": tuple(one.prompt for one in tried),
        "trial_kl": np.array([one.kl for one in tried]),
    }
    for when in ("before", "after"):
        odds = [getattr(one, when) for one in tried]
        columns[f"top_{when}"] = tuple(model.text(int(each.argmax())) for each in odds)
        columns[f"top_probability_{when}"] = np.array([float(each.max().exp()) for each in odds])
        columns[f"target_{when}"] = np.array([float(each[new].exp()) for each in odds])
        columns[f"old_{when}"] = np.array([float(each[old].exp()) for each in odds])
    return columns


def _shift(model: Model, one: Trial, k: int) -> Shift:
    odds = torch.stack([one.before, one.after])
    return shift(model, likeliest(odds.exp(), k), odds.exp(), odds)
