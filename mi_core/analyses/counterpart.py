"""Which one word, exchanged for another of its kind, changes the answer?"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from mi_core.attribution import attribution_patching
from mi_core.errors import InputError
from mi_core.metrics.target import Target, resolve
from mi_core.models import hooks
from mi_core.models.model import Model
from mi_core.models.neighbours import spelling
from mi_core.models.progress import Progress, silent
from mi_core.models.tokens import Tokens
from mi_core.patching import swaps
from mi_core.phrases import goes, percent, place, quoted
from mi_core.result import Check, Reading, within

POSITIONS_TRIED = 12
NEIGHBOURS = 4
POSITIONS_AT_ONCE = 512  # rows × positions of a batch


@dataclass(frozen=True)
class Swap:
    """One exchange, and what the model then answers."""

    pos: int
    """Where a word is exchanged."""
    token: str
    """The word that stands there."""
    replacement: str
    """The word put in its place."""
    prompt: str
    """The whole text with it."""
    probability: float
    """What is left of the answer's, 0 to 1."""
    prediction: str
    """The likeliest token other than the answer."""
    prediction_probability: float
    """Of that token, 0 to 1."""

    def __post_init__(self) -> None:
        within(self, 0.0, 1.0, "probability", "prediction_probability")


@dataclass(frozen=True)
class Counterpart:
    """Prompts that differ from the given one in one word, those that exchange the answer most clearly first."""

    model: str
    tokens: Tokens
    target: Target
    pos: int
    """The position whose next token is asked for."""
    before: float
    """The answer's probability in the prompt itself, 0 to 1."""
    swaps: tuple[Swap, ...]
    """At least one. By how far the best other guess stands above the answer, first those where it wins and is written
    like the answer: “·Lansing” for “·Austin” is another answer, “·in” is another sentence."""
    checks: tuple[Check, ...]
    units: str = "probability"

    def __post_init__(self) -> None:
        within(self, 0.0, 1.0, "before")
        if not all(0 <= swap.pos < self.pos for swap in self.swaps) or not self.swaps:
            raise ValueError("swaps stand before the position that is read, and there is one at least")

    @property
    def fact(self) -> tuple[str, str] | None:
        """The whole words that an edit of the answer may be about, and another answer.

        Of the words whose exchange gives another answer the last one: what a statement is about stands close to its
        end, what it states of it before. None where none stands last where it stands, which is where an edit looks.
        """
        found = [(swap, word) for swap in self.swaps if (word := self._word(swap)) is not None]
        wins = [one for one in found if one[0].prediction_probability > one[0].probability]
        if not found:
            return None
        swap, word = max(wins, key=lambda one: one[0].pos) if wins else found[0]
        return word, swap.prediction

    def _word(self, swap: Swap) -> str | None:
        """The word that the exchanged token begins or goes on; None where it stands again further on."""
        texts = self.tokens.texts[self.tokens.has_bos :]
        prompt, before = "".join(texts), texts[: swap.pos - self.tokens.has_bos]
        at = len("".join(before)) + swap.token.startswith(" ")
        word = next((word for word in re.finditer(r"\w+", prompt) if word.start() <= at < word.end()), None)
        return word[0] if word and prompt.rfind(word[0]) == word.start() else None

    def tables(self) -> dict[str, pd.DataFrame]:
        """`swaps`: a row per exchange that was run."""
        return {"swaps": pd.DataFrame([vars(swap) for swap in self.swaps])}

    def reading(self) -> Reading:
        """The exchange that gives another answer most clearly."""
        best = self.swaps[0]
        title = f"Try {quoted(best.replacement)} for {place(self.tokens, best.pos)}"
        does = f"{quoted(self.target.text)} {goes(self.before, best.probability, percent)}"
        against = f"{quoted(best.prediction)} gets {percent(best.prediction_probability)}"
        return Reading(title, (f"With it {does}, and {against}.", *self._others()))

    def _others(self) -> tuple[str, ...]:
        others = len(self.swaps) - 1
        if not others:
            return ()
        return (f"Of the exchanges of one word that were run ({others + 1}), this gives another answer most clearly.",)


def counterpart(
    model: Model,
    prompt: str,
    *,
    target: str | None = None,
    pos: int | None = None,
    prepend_bos: bool | None = None,
    progress: Progress = silent,
) -> Counterpart:
    """A second prompt for patching: one word exchanged for a near one, so that the model answers something else.

    The words are those to which the answer is most sensitive (gradient × input on the embeddings), the replacements
    their nearest neighbours in the embedding, written alike (the idea of HotFlip, Ebrahimi et al. 2018). Every exchange
    is then run. Near is not the same as sensible: choose among them.

    Args:
        model: The model.
        prompt: The prompt to find a counterpart of.
        target: The answer; None for the model's top guess.
        pos: Position whose next-token guesses are read; None for the last.
        prepend_bos: None follows the model's own habit.
        progress: Called between batches with (prompts run, prompts in all).

    Returns:
        Probabilities, from full runs.

    Raises:
        InputError: A bad prompt, target or position; no word that has neighbours.
    """
    tokens = model.tokens(prompt, prepend_bos)
    position = model.position(tokens, pos)
    model.up_to(tokens.ids, position)
    plain = model.run(tokens, [hooks.resid_pre(0)], logits=position)
    answer = resolve(model, target, None, int(plain.logits[0].argmax()))
    tried = swaps.single_swaps(model, tokens, _sensitive(model, tokens, position, answer, plain), NEIGHBOURS)
    if not tried:
        raise InputError(
            "No word of this prompt has another of its kind near it: exchange a word of your choice.", "corrupted"
        )
    rows = [tokens.ids, *(ids for _, _, ids, _ in tried)]
    odds = _probabilities(model, [row[: position + 1] for row in rows], progress)
    unchanged = float((odds[0] - plain.logits[0].float().softmax(-1)).abs().max())
    return Counterpart(
        model=model.id,
        tokens=tokens,
        target=answer,
        pos=position,
        before=float(odds[0, answer.token_id]),
        swaps=_ordered(model, tokens, answer, tried, odds[1:]),
        checks=(Check("the prompt among the others gives its own guesses", unchanged, 1e-4),),
    )


def _sensitive(model: Model, tokens: Tokens, position: int, target: Target, plain) -> list[int]:
    """The words before `position` on whose embeddings the answer's log probability hangs most.

    Not the one that is read: with another word there, the question is another.
    """
    name = hooks.resid_pre(0)
    nothing = {name: torch.zeros_like(plain[name][: position + 1])}
    effects = attribution_patching.effects(
        model, tokens.ids[: position + 1], nothing, lambda row: row.log_softmax(-1)[target.token_id]
    )
    order = effects[name].sum(-1).abs().argsort(descending=True).tolist()
    words = [pos for pos in order if pos < position and not tokens.special[pos] and spelling(tokens.texts[pos])]
    return words[:POSITIONS_TRIED]


@torch.no_grad()
def _probabilities(model: Model, rows: Sequence[Sequence[int]], progress: Progress) -> Float[Tensor, "row d_vocab"]:
    """What comes after each row; rows are equally long."""
    out = []
    for chunk in model.rows(rows).split(max(1, POSITIONS_AT_ONCE // len(rows[0]))):
        out.append(model.run_ids(chunk).logits[:, -1].float().softmax(-1))
        progress(sum(map(len, out)), len(rows))
    return torch.cat(out)


def _ordered(model: Model, tokens: Tokens, target: Target, tried, odds: Float[Tensor, "swap d_vocab"]) -> tuple:
    left = odds[:, target.token_id].clone()
    others = odds.clone()
    others[:, target.token_id] = -1
    best = others.max(-1)
    run = [
        Swap(
            pos=pos,
            token=tokens.texts[pos],
            replacement=model.text(replacement),
            prompt=text,
            probability=float(left[i]),
            prediction=model.text(int(best.indices[i])),
            prediction_probability=float(best.values[i]),
        )
        for i, (pos, replacement, _, text) in enumerate(tried)
    ]

    def order(swap: Swap) -> tuple[bool, float]:
        lead = swap.prediction_probability - swap.probability
        return not (lead > 0 and spelling(swap.prediction) == spelling(target.text)), -lead

    return tuple(sorted(run, key=order))
