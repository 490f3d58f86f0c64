"""How hard can the model be pushed in a direction before it breaks?"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int
from torch import Tensor

from mi_core.directions import push, steering_vector
from mi_core.directions.push import PushSpec, check_positions
from mi_core.errors import InputError
from mi_core.metrics import distribution
from mi_core.metrics.target import Target, resolve
from mi_core.models.model import Model
from mi_core.models.progress import silent
from mi_core.models.tokens import Tokens
from mi_core.phrases import goes, moves, percent, quoted
from mi_core.result import Check, Reading
from mi_core.text import side_by_side
from mi_core.text.generation import check_length
from mi_core.text.side_by_side import BROKEN, Text, Written

MAX_STRENGTHS = 33
DEFAULT = (-1.0, -0.75, -0.5, -0.25, 0.0, 0.25, 0.5, 0.75, 1.0)
STATES = ("fine", "too surprising", "repeats itself")


@dataclass(frozen=True)
class SteeringSweep:
    """One direction at many strengths, each a run of its own, and the run without it."""

    model: str
    tokens: Tokens
    """The prompt."""
    direction: str
    """As it was asked for: ``feature:123``, ``token:Paris``, ``contrast`` or ``vector``."""
    label: str
    """What it is, for people."""
    operation: str
    """``add``, ``clamp`` or ``hold``."""
    layer: int
    """Blocks passed where it acts, 0 to n_layers."""
    scale: float
    """What a strength of 1 is: the mean length of the prompt's residuals there, or a feature's largest activation."""
    scale_from: str
    """Where a largest activation is known from; empty where the direction is added."""
    target: Target
    """The answer that is followed, and what it is compared with."""
    positions: str
    """On which tokens: ``all``, ``prompt`` or ``new``."""
    temperature: float
    """Of the texts; 0 takes the likeliest token."""
    seed: int
    strengths: Float[np.ndarray, " strength"]
    """[strength] In units of `scale`, in the order that was asked for."""
    kl: Float[np.ndarray, " strength"]
    """[strength] KL(steered ‖ unsteered) of the next token, in bits."""
    token_ids: Int[np.ndarray, " token"]
    """[token] The answer, what it is compared with, and the token that gains most at any strength."""
    token_texts: tuple[str, ...]
    """[token] Raw text of each."""
    probability: Float[np.ndarray, "strength token"]
    """[strength, token] Of coming next, 0 to 1."""
    unsteered_probability: Float[np.ndarray, " token"]
    """[token] The same without the direction."""
    perplexity: Float[np.ndarray, " strength"]
    """[strength] Of the text under the plain model; NaN for an empty text."""
    repeats: Bool[np.ndarray, " strength"]
    """[strength] Whether the text repeats itself and the unsteered one does not."""
    texts: tuple[Text, ...]
    """[strength] What was written."""
    unsteered: Text
    """What was written without the direction."""
    checks: tuple[Check, ...]
    units: str = "bits (KL); probability; perplexity"

    def __post_init__(self) -> None:
        n, n_tokens = len(self.strengths), len(self.token_ids)
        rows = {len(self.kl), len(self.perplexity), len(self.repeats), len(self.texts)}
        if rows != {n} or self.probability.shape != (n, n_tokens) or len(self.token_texts) != n_tokens:
            raise ValueError(f"{n} strengths and {n_tokens} tokens, but {rows} and {self.probability.shape}")

    @property
    def limit(self) -> float:
        """The perplexity above which a text is called broken."""
        return BROKEN * self.unsteered.perplexity

    @property
    def states(self) -> list[str]:
        """For each strength, which of `STATES` the text is in."""
        return [
            STATES[1] if perplexity > self.limit else STATES[2] if repeats else STATES[0]
            for perplexity, repeats in zip(self.perplexity, self.repeats, strict=True)
        ]

    def tables(self) -> dict[str, pd.DataFrame]:
        """`sweep`: a row per strength. `probabilities`: a row per strength and token."""
        n_tokens = len(self.token_ids)
        sweep = {
            "strength": self.strengths,
            "kl": self.kl,
            "probability": self.probability[:, 0],
            "perplexity": self.perplexity,
            "state": self.states,
            "text": [text.text for text in self.texts],
        }
        probabilities = {
            "strength": self.strengths.repeat(n_tokens),
            "token": np.tile(np.asarray(self.token_texts, dtype=object), len(self.strengths)),
            "token_id": np.tile(self.token_ids, len(self.strengths)),
            "probability": self.probability.ravel(),
            "state": np.repeat(np.asarray(self.states, dtype=object), n_tokens),
        }
        return {"sweep": pd.DataFrame(sweep), "probabilities": pd.DataFrame(probabilities)}

    def reading(self) -> Reading:
        """Which strengths leave the language whole, and what they do to the answer."""
        fine = [state == STATES[0] for state in self.states]
        return Reading(self._title(fine), (*([self._answer(fine)] if any(fine) else []), self._limits()))

    def _title(self, fine: list[bool]) -> str:
        if len(fine) == 1:
            stays = "stays readable" if fine[0] else "does not stay readable: try a smaller one"
            return f"At strength {_plain(self.strengths[0])} the text {stays}"
        if all(fine):
            return f"All {len(fine)} strengths leave the text readable"
        if not any(fine):
            return f"None of the {len(fine)} strengths leaves the text readable: try smaller ones"
        kept = self.strengths[fine]
        ends = f"from {_plain(kept.min())} to {_plain(kept.max())}" if len(kept) > 1 else f"at {_plain(kept[0])}"
        return f"The text stays readable at {sum(fine)} of {len(fine)} strengths, {ends}"

    def _answer(self, fine: list[bool]) -> str:
        moved = np.abs(self.probability - self.unsteered_probability) * np.asarray(fine)[:, None]
        strength, token = np.unravel_index(int(moved.argmax()), moved.shape)
        before, after = self.unsteered_probability[token], self.probability[strength, token]
        if not moves(before, after, percent):
            return "Where the text stays readable, the next token's odds do not move."
        return (
            f"Of these, strength {_plain(self.strengths[strength])} moves a probability furthest: "
            f"{quoted(self.token_texts[token])} {goes(before, after, percent)}."
        )

    def _limits(self) -> str:
        return (
            f"A text counts as broken when its perplexity is above {self.limit:,.1f}, {BROKEN:g} times that of the "
            "plain model's own text, or when it repeats itself."
        )


def steering_sweep(
    model: Model,
    prompt: str,
    *,
    direction: str,
    sae: str | None = None,
    positive: str = "",
    negative: str = "",
    vector: str = "",
    layer: int | None = None,
    operation: Literal["add", "clamp", "hold"] = "add",
    strengths: tuple[float, ...] = DEFAULT,
    largest: float | None = None,
    also: tuple[str, ...] = (),
    positions: Literal["all", "prompt", "new"] = "all",
    target: str | None = None,
    foil: str | None = None,
    max_new_tokens: int = 20,
    temperature: float = 0.0,
    seed: int = 0,
    prepend_bos: bool | None = None,
    progress: Callable[..., None] | None = None,
) -> SteeringSweep:
    """Push the model in one direction at many strengths: what it predicts, what it writes, and where it breaks.

    All strengths and the unsteered run are rows of one batch, drawn with the same random numbers, so that a sweep
    costs little more than one text. `steering` says what a strength is and where it acts. That a text is broken is
    judged by its perplexity under the plain model and by its repetitions, which is a rule of thumb: read the texts.

    Args:
        model: The model.
        prompt: Text to continue.
        direction: As in `steering`.
        sae: As in `steering`.
        positive: As in `steering`.
        negative: As in `steering`.
        vector: As in `steering`.
        layer: As in `steering`.
        operation: As in `steering`.
        strengths: Up to 33, in any order.
        largest: As in `steering`.
        also: Further directions, which keep their own strength; as in `steering`.
        positions: As in `steering`.
        target: Token whose probability is followed; None for the unsteered top guess.
        foil: Another one; None for none.
        max_new_tokens: The most tokens to write in each text.
        temperature: 0 takes the likeliest token; 1 draws from the model's own distribution.
        seed: Of the draws.
        prepend_bos: None follows the model's own habit.
        progress: Called after every token with (done, total, texts so far).

    Returns:
        Per strength the next token's KL and probabilities, the text, and the text's perplexity under the plain model.

    Raises:
        InputError: No strength, too many, or what `steering` cannot use either.
    """
    levels = _strengths(strengths)
    first = PushSpec(direction, sae, positive, negative, vector, layer, operation, levels[0], largest)
    wanted = push.pushes(first, also)
    check_length(max_new_tokens)
    check_positions(positions)
    tokens = model.tokens(prompt, prepend_bos)
    report = progress or silent
    between = functools.partial(report, 0, max_new_tokens)
    vectors = push.steering_vectors(model, tokens, wanted, prepend_bos=prepend_bos, between=between)
    rows = [[level, *(other.strength for other in wanted[1:])] for level in levels]
    hooks = steering_vector.steering_hooks(vectors, rows, positions, tokens)
    options = {"max_new_tokens": max_new_tokens, "temperature": temperature, "seed": seed}
    names = ("unsteered", *map(_plain, levels))
    written = side_by_side.write(model, tokens, hooks, report, **options, rows=names)
    chosen = vectors[0].direction
    return SteeringSweep(
        model=model.id,
        tokens=tokens,
        direction=wanted[0].direction,
        label=chosen.label,
        operation=wanted[0].operation,
        layer=chosen.layer,
        scale=vectors[0].scale,
        scale_from=vectors[0].scale_from,
        positions=positions,
        temperature=temperature,
        seed=seed,
        strengths=np.asarray(levels),
        **_next_token(model, written.first, target, foil),
        **_language(written),
        checks=steering_vector.checks(model, tokens, vectors, written.first[0], len(names), rows[0]),
    )


def _strengths(strengths: tuple[float, ...]) -> list[float]:
    if not 1 <= len(strengths) <= MAX_STRENGTHS:
        raise InputError(f"There are {len(strengths)} strengths: give 1 to {MAX_STRENGTHS}.", "strengths")
    return [push.check_strength(strength, "strengths") for strength in strengths]


def _plain(strength: float) -> str:
    return f"{strength:.4g}".replace("-", "−")


def _next_token(model: Model, first: Float[Tensor, "row d_vocab"], target: str | None, foil: str | None) -> dict:
    """How each strength moves the odds of the answer, its foil, and the token that gains most at any of them."""
    log_probability = first.double().log_softmax(-1)
    probability = log_probability.exp()
    answer = resolve(model, target, foil, int(first[0].argmax()))
    gainer = int((probability[1:] - probability[0]).amax(0).argmax())
    ids = list(dict.fromkeys(i for i in (answer.token_id, answer.foil_id, gainer) if i is not None))
    return {
        "target": answer,
        "kl": distribution.kl_bits(log_probability[1:], log_probability[0]).clamp(min=0.0).numpy(),
        "token_ids": np.asarray(ids),
        "token_texts": tuple(model.texts(ids)),
        "probability": probability[1:, ids].numpy(),
        "unsteered_probability": probability[0, ids].numpy(),
    }


def _language(written: Written) -> dict:
    """What was written, and whether it is still language."""
    plain, *steered = written.texts
    loops = side_by_side.repeats(written.ids[0])
    return {
        "perplexity": np.asarray([text.perplexity for text in steered]),
        "repeats": np.asarray([side_by_side.repeats(row) and not loops for row in written.ids[1:]]),
        "texts": tuple(steered),
        "unsteered": plain,
    }
