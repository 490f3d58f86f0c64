"""Do two prompts have a token for each other's, and where do they differ?"""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from mi_core.models.model import Model
from mi_core.models.tokens import Tokens
from mi_core.patching import swaps
from mi_core.phrases import listed, quoted
from mi_core.result import Check, Reading, whole_numbers


@dataclass(frozen=True)
class Alignment:
    """Two prompts side by side; nothing is computed by the model."""

    model: str
    tokens: Tokens
    corrupted_tokens: Tokens
    pairs: tuple[tuple[int | None, int | None], ...]
    """Positions that stand beside each other, None where a prompt has nothing: position by position where both are
    equally long, else by their longest common parts."""
    checks: tuple[Check, ...] = ()
    units: str = "tokens"

    def __post_init__(self) -> None:
        for side, tokens in enumerate((self.tokens, self.corrupted_tokens)):
            if [pair[side] for pair in self.pairs if pair[side] is not None] != list(range(len(tokens))):
                raise ValueError("an alignment holds every position of both prompts once, in their order")

    def tables(self) -> dict[str, pd.DataFrame]:
        """`pairs`: a row per pair, with position and token of both prompts (empty where one has none)."""
        sides = {"": (self.tokens, 0), "corrupted_": (self.corrupted_tokens, 1)}
        frame = pd.DataFrame(index=range(len(self.pairs)))
        for name, (tokens, side) in sides.items():
            at = [pair[side] for pair in self.pairs]
            frame[f"{name}pos"] = whole_numbers([-1 if pos is None else pos for pos in at])
            frame[f"{name}token"] = pd.Series([None if pos is None else tokens.texts[pos] for pos in at], dtype=object)
        frame["differs"] = [self._differs(*pair) for pair in self.pairs]
        return {"pairs": frame}

    def reading(self) -> Reading:
        """Whether the prompts can be patched into each other, and where they differ."""
        lengths = (len(self.tokens), len(self.corrupted_tokens))
        apart = [pair for pair in self.pairs if self._differs(*pair)]
        if lengths[0] != lengths[1]:
            return Reading(
                f"The prompts are {lengths[0]:,} and {lengths[1]:,} tokens long",
                ("To be put into each other's run, each needs a token for each of the other's.",),
            )
        if not apart:
            return Reading("Both prompts are the same", ("There is nothing to follow: exchange a word in one.",))
        title = f"The prompts differ at {len(apart):,} of {lengths[0]:,} positions"
        named = [
            f"{quoted(self.tokens.texts[a])} against {quoted(self.corrupted_tokens.texts[b])} at position {a}"
            for a, b in apart[:3]
        ]
        return Reading(title, (listed(named) + (" and more." if len(apart) > 3 else "."),))

    def _differs(self, a: int | None, b: int | None) -> bool:
        return a is None or b is None or self.tokens.ids[a] != self.corrupted_tokens.ids[b]


def alignment(model: Model, prompt: str, *, corrupted: str, prepend_bos: bool | None = None) -> Alignment:
    """Two prompts, token beside token, whatever their lengths.

    Args:
        model: Whose tokens.
        prompt: The clean prompt.
        corrupted: The other one.
        prepend_bos: None follows the model's own habit.

    Raises:
        InputError: One of the prompts cannot be used.
    """
    tokens = model.tokens(prompt, prepend_bos)
    other = model.tokens(corrupted, prepend_bos, "corrupted")
    return Alignment(model.id, tokens, other, tuple(swaps.aligned(tokens, other)))
