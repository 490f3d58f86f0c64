"""Directions in the residual stream: where they come from, and what they say to the vocabulary."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from mi_core.errors import InputError
from mi_core.models.model import Model
from mi_core.phrases import quoted
from mi_core.saes.loading import load_sae
from mi_core.saes.notes import notes

MAX_PROMPTS = 64


@dataclass(frozen=True)
class Direction:
    """A unit direction [d_model] and the number of blocks passed where it belongs.

    `label` is for people; `sae` and `feature` name the SAE feature it is, or are None.
    """

    unit: Float[Tensor, " d_model"]
    layer: int
    label: str
    sae: str | None = None
    feature: int | None = None


def feature_direction(model: Model, spec: str, sae: str | None, layer: int | None) -> Direction:
    """The decoder direction of an SAE feature.

    Args:
        model: The model.
        spec: ``"feature:123"``.
        sae: Hook name of the SAE; None for the model's only one, or the middle one.
        layer: Where it is meant; None for where the SAE's features are next found in the residual stream.

    Raises:
        InputError: No such feature, SAE or layer, or a feature that writes nothing.
    """
    number = spec.partition(":")[2].strip().removeprefix("#")
    if not number.isdecimal():
        raise InputError(f"“{spec[:40]}” names no feature: write feature:123 with its number.", "direction")
    at = None if layer is None else residual_layer(model, layer)
    opened = load_sae(model, sae)
    feature = opened.feature(int(number), "direction")
    row = opened.directions([feature])[0]
    if not float(row.norm()) > 0:
        raise InputError(f"Feature {feature} writes nothing, so it has no direction: choose another.", "direction")
    label = notes(opened.entry).of(feature).label or f"feature {feature}"
    layer = opened.residual_layer if at is None else at
    return Direction(row / row.norm(), layer, label, opened.hook, feature)


def contrast(
    model: Model,
    positive: str,
    negative: str,
    layer: int | None,
    *,
    prepend_bos: bool | None = None,
    between: Callable[[], None] | None = None,
) -> Direction:
    """Mean last-token activation of one set of prompts less that of another (Turner et al. 2023, Rimsky et al. 2024).

    Args:
        model: The model.
        positive: One prompt per line; empty lines are passed over.
        negative: The same, of what the positive ones are compared with.
        layer: Blocks passed where the prompts are read; None for the middle of the model.
        prepend_bos: None follows the model's own habit.
        between: Called between prompts.

    Raises:
        InputError: No such layer, a set that is empty or too large, an unusable prompt, or two sets that look the
            same to the model.
    """
    at = model.n_layers // 2 if layer is None else residual_layer(model, layer)
    means = [
        _mean_last(model, prompts, model.resid_names()[at], prepend_bos, field, between)
        for field, prompts in (("positive", _lines(positive, "positive")), ("negative", _lines(negative, "negative")))
    ]
    difference = means[0] - means[1]
    if float(difference.norm()) <= 1e-6 * float(means[0].norm()):
        raise InputError("Both sets of prompts look the same to the model here: make them differ.", "negative")
    return Direction(difference / difference.norm(), at, "positive − negative prompts")


def token_direction(model: Model, spec: str, layer: int | None) -> Direction:
    """The direction that raises a token's logit most, read where the model is: its unembedding.

    ``u_t`` less the mean over the vocabulary, on which no probability depends, taken back through the final norm's
    weight: the steepest way up for the token against all others, if it went straight to the end. The embedding would
    say "this token stands here"; the unembedding says "this token comes next", which is what steering asks for.

    Args:
        model: The model.
        spec: ``"token:Paris"``; with or without the leading space, as answers are typed.
        layer: Blocks passed where it is added; None for three quarters of the model, since its meaning is the output's.

    Raises:
        InputError: The word is not one token, or there is no such layer.
    """
    word = spec.partition(":")[2].strip()
    if not word:
        raise InputError("The token is missing: type one word, such as happy.", "token")
    token = model.token_id(word, "token")
    at = 3 * model.n_layers // 4 if layer is None else residual_layer(model, layer)
    direction = model.final_norm.pull_back(model.unembedding_direction(token).float() - model.mean_unembedding())
    if not float(direction.norm()) > 0:
        raise InputError("This token has no direction of its own: choose another.", "token")
    return Direction(direction / direction.norm(), at, f"the token {quoted(model.text(token))}")


def pasted(model: Model, text: str, layer: int | None) -> Direction:
    """A direction from its numbers, such as a probe's weights.

    Args:
        model: The model.
        text: d_model numbers, separated by commas, semicolons, spaces or lines.
        layer: Blocks passed where it was found; None for the middle of the model.

    Raises:
        InputError: Not as many numbers as the model is wide, a word that is none, all zeros, or no such layer.
    """
    words = text.replace(",", " ").replace(";", " ").split()
    if not words:
        raise InputError(f"Paste the direction: {model.d_model} numbers, separated by commas or lines.", "vector")
    numbers = torch.tensor([_number(word, place) for place, word in enumerate(words, start=1)])
    if len(numbers) != model.d_model:
        raise InputError(
            f"There are {len(numbers):,} numbers, and {model.id} is {model.d_model:,} wide: paste one for each "
            "dimension of its residual stream.",
            "vector",
        )
    if not float(numbers.norm()) > 0:
        raise InputError("All numbers are 0, which is no direction.", "vector")
    at = model.n_layers // 2 if layer is None else residual_layer(model, layer)
    return Direction((numbers / numbers.norm()).to(model.device), at, "the pasted direction")


def _number(word: str, place: int) -> float:
    try:
        value = float(word)
    except ValueError:
        value = math.nan
    if not abs(value) < 1e30:
        raise InputError(f"“{word[:20]}” (number {place}) is not a number: paste numbers only.", "vector")
    return value


def residual_layer(model: Model, layer: int) -> int:
    """`layer` checked as a number of blocks passed: 0 is the embeddings, n_layers the end."""
    if not 0 <= layer <= model.n_layers:
        raise InputError(
            f"There is no layer {layer}: choose 0 (the embeddings) to {model.n_layers} (after the last block).", "layer"
        )
    return layer


def _mean_last(
    model: Model,
    prompts: list[str],
    hook: str,
    prepend_bos: bool | None,
    field: str,
    between: Callable[[], None] | None,
) -> Float[Tensor, " d_model"]:
    last = []
    for prompt in prompts:
        last.append(_last(model, prompt, hook, prepend_bos, field))
        if between:
            between()
    return torch.stack(last).mean(0)


def _last(model: Model, prompt: str, hook: str, prepend_bos: bool | None, field: str) -> Float[Tensor, " d_model"]:
    try:
        tokens = model.tokens(prompt, prepend_bos)
    except InputError as error:
        raise InputError(error.message, field if error.field == "prompt" else error.field) from error
    return model.run(tokens, [hook])[hook][-1]


def _lines(text: str, field: str) -> list[str]:
    lines = [line for line in text.splitlines() if line.strip()]
    if not lines:
        raise InputError(f"The {field} prompts are empty: type at least one, each on a line of its own.", field)
    if len(lines) > MAX_PROMPTS:
        raise InputError(f"There are {len(lines)} {field} prompts: {MAX_PROMPTS} are enough.", field)
    return lines
