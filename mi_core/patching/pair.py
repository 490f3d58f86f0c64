"""A clean and a corrupted prompt: token by token alike but for what is asked about."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Bool

from mi_core.errors import InputError
from mi_core.metrics.target import Target, resolve
from mi_core.models.model import Activations, Model
from mi_core.models.tokens import Tokens, visible
from mi_core.patching import swaps

SMALLEST_GAP = 1e-3  # logits: below this a share of the gap means nothing


@dataclass(frozen=True)
class PromptPair:
    """Two prompts, a token of one for each of the other's."""

    clean: Tokens
    corrupted: Tokens

    def __post_init__(self) -> None:
        if len(self.clean) != len(self.corrupted):
            raise ValueError(f"prompts of {len(self.clean)} and {len(self.corrupted)} tokens are no pair")

    @property
    def differs(self) -> Bool[np.ndarray, " pos"]:
        """[pos] Where their tokens are not the same."""
        return np.not_equal(self.clean.ids, self.corrupted.ids)

    @property
    def first_difference(self) -> int:
        """The first position where their tokens are not the same."""
        return int(self.differs.argmax())

    def table(self) -> pd.DataFrame:
        """A row per position: `pos`, `clean`, `corrupted` (raw text of the tokens), `differs`."""
        return pd.DataFrame(
            {
                "pos": np.arange(len(self.clean)),
                "clean": self.clean.texts,
                "corrupted": self.corrupted.texts,
                "differs": self.differs,
            }
        )


def prompt_pair(model: Model, prompt: str, corrupted: str, prepend_bos: bool | None) -> PromptPair:
    """Both prompts as this model reads them.

    Args:
        model: Whose tokens.
        prompt: The clean prompt.
        corrupted: The corrupted one, of as many tokens.
        prepend_bos: None follows the model's own habit.

    Raises:
        InputError: An unusable prompt, prompts of unequal length, or the same one twice.
    """
    tokens = model.tokens(prompt, prepend_bos)
    return PromptPair(tokens, corrupted_tokens(model, corrupted, tokens, prepend_bos))


def answers(model: Model, target: str | None, foil: str | None, clean: Activations, corrupt: Activations) -> Target:
    """The answer and what it is compared with: as typed, or each prompt's own top guess, where they differ.

    Args:
        model: Whose vocabulary is meant.
        target: The answer, or None.
        foil: What it is compared with; None for the corrupted prompt's top guess.
        clean: The clean run, with the logits of one position.
        corrupt: The corrupted one.

    Raises:
        InputError: A word is not one token, or both are the same.
    """
    guesses = [int(run.logits[0].argmax()) for run in (clean, corrupt)]
    answer = resolve(model, target, foil, guesses[0])
    if foil is not None or answer.token_id == guesses[1]:
        return answer
    return Target(answer.token_id, answer.text, guesses[1], model.text(guesses[1]))


def corrupted_tokens(model: Model, corrupted: str, tokens: Tokens, prepend_bos: bool | None) -> Tokens:
    """The corrupted prompt's tokens, one for each of the clean one's.

    Args:
        model: Whose tokens.
        corrupted: The corrupted prompt.
        tokens: The clean one.
        prepend_bos: None follows the model's own habit.

    Raises:
        InputError: An unusable prompt, one of another length, or the same one.
    """
    other = model.tokens(corrupted, prepend_bos, "corrupted")
    if other.ids == tokens.ids:
        raise InputError("Both prompts are the same: change a word of the exchanged one.", "corrupted")
    if len(other) == len(tokens):
        return other
    pairs = list(zip(tokens.ids, other.ids, strict=False))
    first = next((pos for pos, (a, b) in enumerate(pairs) if a != b), len(pairs))
    pairs = list(zip(tokens.ids[first:][::-1], other.ids[first:][::-1], strict=False))
    same = next((n for n, (a, b) in enumerate(pairs) if a != b), len(pairs))
    parts = [_part(each.texts[first : len(each) - same]) for each in (tokens, other)]
    repaired = swaps.of_equal_length(model, tokens, other)
    raise InputError(
        f"The prompts are {len(tokens)} and {len(other)} tokens long and must be equally long. They first differ at "
        f"position {first}, where yours has {parts[0]} and the exchanged one {parts[1]}: "
        "use words of as many tokens.",
        "corrupted",
        suggestion=repaired,
    )


def _part(texts: tuple[str, ...]) -> str:
    shown = visible("".join(texts[:6])) + ("…" if len(texts) > 6 else "")
    return f"“{shown}” ({len(texts)} {'token' if len(texts) == 1 else 'tokens'})" if texts else "nothing"


def check_gap(
    ends: tuple[float, float],
    target: Target,
    pos: int,
    first: int,
    quantity: str | None = None,
    smallest: float = SMALLEST_GAP,
) -> None:
    """Raises InputError where both ends are the same, so that no share of the gap can be told.

    Args:
        ends: What is measured, in the clean and in the corrupted run.
        target: The answer.
        pos: Where it is read.
        first: First position where the prompts differ.
        quantity: What is measured, in words; None for the target's logit (difference).
        smallest: The smallest gap that can be shared out, in units of `ends`.
    """
    if first > pos or abs(ends[0] - ends[1]) < smallest:
        what = quantity or f"{target.quantity} of {target.label}"
        raise InputError(
            f"Both prompts give the same {what} at position {pos}, so there is nothing to bring back: change the "
            "exchanged prompt, or the answer.",
            "corrupted",
        )
