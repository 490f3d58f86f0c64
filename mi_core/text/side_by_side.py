"""Continuations of one prompt, written at once: the plain one, and others whose activations are changed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from mi_core.models.model import Model
from mi_core.models.tokens import Tokens
from mi_core.text.generation import Hook, continuation, generate, perplexities

ROWS = ("unsteered", "steered")
BROKEN = 4.0  # times the unsteered text's perplexity


@dataclass(frozen=True)
class Text:
    """A continuation: `which` row wrote it, its `text`, its perplexity to the plain model, its length in tokens."""

    which: str
    text: str
    perplexity: float
    n_tokens: int


@dataclass(frozen=True)
class Written:
    """The continuations: `first` [row, d_vocab] are the logits of their first token, `ids` their tokens."""

    first: Float[Tensor, "row d_vocab"]
    ids: tuple[tuple[int, ...], ...]
    texts: tuple[Text, ...]


def write(
    model: Model,
    tokens: Tokens,
    hooks: dict[str, Hook],
    report: Callable[..., None],
    *,
    max_new_tokens: int,
    temperature: float,
    seed: int,
    rows: Sequence[str] = ROWS,
) -> Written:
    """Write the texts with the same random numbers.

    Args:
        model: The model.
        tokens: The prompt.
        hooks: By hook name; each receives as many rows as there are texts, the first of which it leaves as it is.
        report: Called after every token with (done, total, texts so far), no hook being active.
        max_new_tokens: The most tokens of each text.
        temperature: 0 takes the likeliest token.
        seed: Of the draws.
        rows: What the texts are called.
    """
    ids: list[list[int]] = [[] for _ in rows]
    first = None
    options = {"max_new_tokens": max_new_tokens, "temperature": temperature, "seed": seed}
    for done, step in enumerate(generate(model, tokens.ids, len(rows), hooks=hooks, **options), start=1):
        first = step.logits if first is None else first
        for row, drawn in zip(ids, step.ids, strict=True):
            row.extend([] if drawn is None else [drawn])
        report(done, max_new_tokens, tuple(continuation(model, tokens.ids, row) for row in ids))
    surprises = perplexities(model, tokens.ids, ids)
    texts = tuple(
        Text(which=which, text=continuation(model, tokens.ids, row), perplexity=surprise, n_tokens=len(row))
        for which, row, surprise in zip(rows, ids, surprises, strict=True)
    )
    return Written(first, tuple(tuple(row) for row in ids), texts)


def warnings(pair: Written, room: int, wanted: int) -> tuple[str, ...]:
    """What a person should know before believing the steered text.

    Args:
        pair: Both texts.
        room: How many tokens the context had left for them.
        wanted: How many were asked for.
    """
    plain, steered = pair.texts
    found = []
    if too_surprising(steered, plain):
        found.append(
            f"The plain model finds the steered text {steered.perplexity / plain.perplexity:,.0f} times as surprising "
            "as its own: this strength breaks the model, try a smaller one."
        )
    if repeats(pair.ids[1]) and not repeats(pair.ids[0]):
        found.append("The steered text repeats itself: this strength is too much, try a smaller one.")
    if room < wanted and max(text.n_tokens for text in pair.texts) == room:
        found.append("The texts end where the model's context ends: a shorter prompt leaves more room.")
    return tuple(found)


def too_surprising(steered: Text, plain: Text) -> bool:
    """Whether the plain model finds the steered text more than `BROKEN` times as surprising as its own."""
    return steered.perplexity > BROKEN * plain.perplexity


def repeats(ids: tuple[int, ...]) -> bool:
    """Whether few different tokens make up the second half of a text that is long enough to tell."""
    end = ids[-max(10, len(ids) // 2) :]
    return len(end) >= 10 and len(set(end)) <= 0.3 * len(end)
