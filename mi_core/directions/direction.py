"""Directions in the residual stream: where they come from, and what they say to the vocabulary."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from mi_core.directions.spec import DirectionSpec
from mi_core.errors import InputError, choose, shortened
from mi_core.models.model import Model
from mi_core.phrases import quoted
from mi_core.probing import labelled
from mi_core.probing.probe_direction import direction_to
from mi_core.saes.loading import load_sae
from mi_core.saes.notes import notes
from mi_core.text.sentences import lines


@dataclass(frozen=True)
class Direction:
    """A unit direction and where it belongs."""

    unit: Float[Tensor, " d_model"]
    """[d_model] Its length is 1."""
    layer: int
    """Blocks passed where it is added unless something else is asked for, 0 to n_layers."""
    label: str
    """For people."""
    sae: str | None = None
    """Hook name of the SAE whose feature it is, or None."""
    feature: int | None = None
    """The feature, or None."""


def find(
    model: Model,
    spec: DirectionSpec,
    *,
    prepend_bos: bool | None = None,
    between: Callable[[], None] | None = None,
) -> Direction:
    """The unit vector that the words stand for in this model.

    Args:
        model: The model.
        spec: The words.
        prepend_bos: Of contrast prompts and labelled texts; None follows the model's own habit.
        between: Called between runs.

    Raises:
        InputError: The words are no direction, or name something that this model has not.
    """
    if spec.source == "feature":
        return feature_direction(model, spec.value, spec.sae, spec.layer)
    if spec.source == "token":
        return token_direction(model, spec.value, spec.layer)
    if spec.source == "probe":
        return probed(model, spec.value, spec.layer, prepend_bos=prepend_bos, between=between)
    if spec.direction == "contrast":
        return contrast(model, spec.positive, spec.negative, spec.layer, prepend_bos=prepend_bos, between=between)
    if spec.direction == "vector":
        return pasted(model, spec.vector, spec.layer)
    raise InputError(
        f"“{shortened(spec.direction)}” is no direction: write feature:123, token:Paris, probe:sentiment/positive, "
        "contrast, or vector.",
        "direction",
    )


def feature_direction(model: Model, number: str, sae: str | None, layer: int | None) -> Direction:
    """The decoder direction of an SAE feature.

    Args:
        model: The model.
        number: Of the feature, as it was typed.
        sae: Hook name of the SAE; None for the model's only one, or the middle one.
        layer: Where it is meant; None for where the SAE's features are next found in the residual stream.

    Raises:
        InputError: No such feature, SAE or layer, or a feature that writes nothing.
    """
    if not number.removeprefix("#").isdecimal():
        raise InputError(
            f"“feature:{shortened(number)}” names no feature: write feature:123 with its number.", "direction"
        )
    at = None if layer is None else residual_layer(model, layer)
    opened = load_sae(model, sae)
    feature = opened.feature(int(number.removeprefix("#")), "direction")
    row = opened.directions([feature])[0]
    if not float(row.norm()) > 0:
        raise InputError(f"Feature {feature} writes nothing, so it has no direction: choose another.", "direction")
    label = notes(opened.entry).of(feature).label or f"feature {feature}"
    layer = opened.residual_layer if at is None else at
    return Direction(row / row.norm(), layer, label, opened.name, feature)


def probed(
    model: Model,
    words: str,
    layer: int | None,
    *,
    prepend_bos: bool | None = None,
    between: Callable[[], None] | None = None,
) -> Direction:
    """Where a logistic probe of the texts' last tokens finds one class: that which `probe_use` tries out.

    Args:
        model: The model.
        words: The name of the texts and the class, such as ``sentiment/positive``; see `labelled.named`.
        layer: Blocks passed where the texts are read; None for the middle of the model.
        prepend_bos: None follows the model's own habit.
        between: Called between passes and fits.

    Raises:
        InputError: No such texts, class or layer; texts that cannot be used; or nothing tells the classes apart here.
    """
    key, slash, label = words.partition("/")
    if not slash:
        raise InputError(
            f"“probe:{shortened(words)}” lacks its class: write the texts and the class, such as "
            "probe:sentiment/positive.",
            "direction",
        )
    at = model.n_layers // 2 if layer is None else residual_layer(model, layer)
    held = labelled.named(key)
    choose(label, held.classes, "direction", "class of these texts")
    found = direction_to(model, held, label, at, prepend_bos=prepend_bos, between=between or (lambda: None))
    unit = torch.tensor(found.unit, dtype=torch.float32, device=model.device)
    return Direction(unit, at, f"the probe of “{shortened(label, 24)}”")


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


def token_direction(model: Model, word: str, layer: int | None) -> Direction:
    """The direction in the residual stream that the output reads for a token: its unembedding, as the stream sees it.

    ``r = W (u_t − ū)``: the token's unembedding less its mean over the vocabulary, on which no probability depends,
    taken back through the final norm's weight W (and a LayerNorm's centring). At the end of the stream the token's
    logit is ``x · r / scale(x)`` above the mean logit, up to a constant. So r answers both questions that are asked of
    a token:

    - which push makes it likelier (steering): r is the gradient of its logit against all others, the norm's scale
      held, the steepest way up for what goes straight to the end;
    - what must not be written so that it cannot be made likelier (orthogonalising): with ``x · r = 0`` everywhere the
      token's logit stays where it is above the mean, whatever the prompt. The plain ``u_t − ū`` lacks W and leaves a
      part of r in the stream.

    The embedding would say "this token stands here"; the unembedding says "this token comes next".

    Args:
        model: The model.
        word: The token; with or without the leading space, as answers are typed.
        layer: Blocks passed where it is added; None for three quarters of the model, since its meaning is the output's.

    Raises:
        InputError: The word is not one token, or there is no such layer.
    """
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
        text: d_model numbers, separated by commas, semicolons, spaces or lines; brackets around them are passed over.
        layer: Blocks passed where it was found; None for the middle of the model.

    Raises:
        InputError: Not as many numbers as the model is wide, a word that is none, all zeros, or no such layer.
    """
    words = text.strip("[]() \n\t").replace(",", " ").replace(";", " ").split()
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
        raise InputError(f"“{shortened(word)}” (number {place}) is not a number: paste numbers only.", "vector")
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
        tokens = model.tokens(prompt, prepend_bos, field)
        last.append(model.run(tokens, [hook])[hook][-1])
        if between:
            between()
    return torch.stack(last).mean(0)


def _lines(text: str, field: str) -> list[str]:
    prompts = lines(text, field, f"{field} prompts")
    if not prompts:
        raise InputError(f"The {field} prompts are empty: type at least one, each on a line of its own.", field)
    return prompts
