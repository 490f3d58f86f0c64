"""Which earlier tokens does each head read?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from mi_core.errors import InputError
from mi_core.models import hooks
from mi_core.models.model import Activations, Model
from mi_core.models.tokens import Tokens
from mi_core.phrases import place, quoted
from mi_core.result import Check, Reading, check_axes, within

MOST_BYTES = 256 * 2**20  # of patterns held at once
STRONGEST = 100  # rows of the table of strongest keys
WORTH_SAYING = 0.005  # of a head's attention: less is written as nothing


@dataclass(frozen=True)
class Attention:
    """Every head's attention pattern, and the layers' patterns multiplied through (rollout)."""

    model: str
    """Id of the model."""
    tokens: Tokens
    """[pos] What was read."""
    pos: int
    """The query position that the reading speaks of, from 0."""
    layer: int | None
    """The layer that the tables show; None for all."""
    head: int | None
    """The head that the tables show; None for all."""
    weighted: bool
    """Whether weights are multiplied by the norm of what is moved."""
    layers: tuple[int, ...]
    """[layer] Numbers of the layers that `pattern` has."""
    pattern: Float[np.ndarray, "layer head query_pos key_pos"]
    """[layer, head, query, key] How much the head, standing at the query, reads the key: a row sums to 1."""
    value_norm: Float[np.ndarray, "layer head key_pos"]
    """[layer, head, key] ‖v W_O‖: the norm of what the head would move from the key at full weight; 1 if unweighted."""
    rollout: Float[np.ndarray, "query_pos key_pos"]
    """[query, key] The layers' average patterns, each half mixed with staying put, multiplied: a row sums to 1."""
    checks: tuple[Check, ...]
    """What must hold of these numbers."""
    units: str = "share of attention"
    """Unit of `weight`."""

    def __post_init__(self) -> None:
        check_axes(self, layer=len(self.layers), query_pos=len(self.tokens), key_pos=len(self.tokens))
        within(self, 0, 1, "pattern", "rollout")

    @property
    def column_units(self) -> dict[str, dict[str, str]]:
        """Rollout stays a share; the heads' weights may not be."""
        return {table: {"weight": self.units} for table in ("pattern", "average", "strongest")}

    @property
    def weight(self) -> Float[np.ndarray, "layer head query_pos key_pos"]:
        """What the tables hold: the pattern, times the norm of the moved value where `weighted`."""
        return self.pattern * self.value_norm[:, :, None] if self.weighted else self.pattern

    def tables(self) -> dict[str, pd.DataFrame]:
        """`pattern` and `average` (over heads): a row per query and key. `strongest`: for `pos`. `rollout`."""
        layers, heads = self._chosen()
        weight = self.weight[np.ix_(layers, heads)]
        layer, head, query, key = (axis.ravel() for axis in np.indices(weight.shape))
        which = {"layer": np.asarray(self.layers)[layers][layer], "head": np.asarray(heads)[head]}
        pattern = pd.DataFrame(which | self._pairs(query, key) | {"weight": weight.ravel()})
        average = self.weight[layers].mean(1)
        layer, query, key = (axis.ravel() for axis in np.indices(average.shape))
        which = {"layer": np.asarray(self.layers)[layers][layer]}
        return {
            "pattern": pattern,
            "average": pd.DataFrame(which | self._pairs(query, key) | {"weight": average.ravel()}),
            "strongest": self._strongest(),
            "rollout": self._rollout(),
        }

    def _strongest(self) -> pd.DataFrame:
        weight = self.pattern[:, :, self.pos, : self.pos + 1] * self.value_norm[:, :, : self.pos + 1]
        order = weight.ravel().argsort(kind="stable")[::-1][:STRONGEST]
        layer, head, key = np.unravel_index(order, weight.shape)
        return pd.DataFrame(
            {
                "layer": np.asarray(self.layers)[layer],
                "head": head,
                "key_pos": key,
                "key_token": self._texts.take(key),
                "weight": weight.ravel()[order],
            }
        )

    def _rollout(self) -> pd.DataFrame:
        query, key = (axis.ravel() for axis in np.indices(self.rollout.shape))
        return pd.DataFrame(self._pairs(query, key) | {"weight": self.rollout.ravel()})

    def _pairs(self, query: np.ndarray, key: np.ndarray) -> dict:
        texts = self._texts
        return {"query_pos": query, "query_token": texts.take(query), "key_pos": key, "key_token": texts.take(key)}

    @property
    def _texts(self) -> pd.api.extensions.ExtensionArray:
        return pd.array(self.tokens.texts, dtype="str")  # taken from many times faster than an array of objects

    def _chosen(self) -> tuple[list[int], list[int]]:
        """Indices into `layers` and heads that the tables show."""
        layers = [i for i, layer in enumerate(self.layers) if self.layer in (None, layer)]
        return layers, list(range(self.pattern.shape[1])) if self.head is None else [self.head]

    def reading(self) -> Reading:
        """What one head reads at `pos`: the chosen head, or the one with the clearest look at an earlier word."""
        share, (i, head) = self._shares(), self._story()
        row, name = share[i, head], f"L{self.layers[i]}H{head}"
        best = int(row.argmax())
        if best == 0 and self.pos > 0:
            does = "takes most from" if self.weighted else "rests on"
            title = f"{name} {does} the first token, {quoted(self.tokens.texts[0])}: {row[0]:.0%} {self._unit}"
        elif best == self.pos:
            title = f"{name} looks at its own token, {quoted(self.tokens.texts[best])}: {row[best]:.0%} {self._unit}"
        else:
            title = (
                f"{name} reads {quoted(self.tokens.texts[best])} from {quoted(self.tokens.texts[self.pos])}: "
                f"{row[best]:.0%} {self._unit}"
            )
        return Reading(title, tuple(self._sentences(share, row, best)))

    @property
    def _unit(self) -> str:
        return "of what it moves" if self.weighted else "of its attention"

    def _shares(self) -> Float[np.ndarray, "layer head key_pos"]:
        weight = self.pattern[:, :, self.pos] * self.value_norm
        return weight / np.maximum(weight.sum(-1, keepdims=True), 1e-30)

    @property
    def clearest(self) -> tuple[int, int]:
        """Layer and head that look hardest, from `pos`, at a token that is neither the first nor its own."""
        i, head = self._story()
        return self.layers[i], head

    def _story(self) -> tuple[int, int]:
        """Of the chosen heads, the one that looks hardest at a token that is neither the first nor its own."""
        layers, heads = self._chosen()
        weight = (self.pattern[:, :, self.pos] * self.value_norm)[np.ix_(layers, heads)]
        earlier = weight[..., 1 : self.pos] if self.pos > 1 else weight
        i, head, _ = np.unravel_index(earlier.argmax(), earlier.shape)
        return layers[i], heads[head]

    def _sentences(self, share: np.ndarray, row: np.ndarray, best: int):
        at = place(self.tokens, self.pos)
        if best == 0 and self.pos > 0 and not self.weighted:
            yield (
                "A head that has nothing to do often parks its attention on the first token: this is called an "
                "attention sink, and is normal."
            )
        elif len(row) > 1 and self.pos > 0:
            second = int(row[: self.pos + 1].argsort()[-2])
            if row[second] < WORTH_SAYING:
                yield f"Standing at {at}, it looks at hardly anything else."
            else:
                yield f"Standing at {at}, it looks next at {place(self.tokens, second)}: {row[second]:.0%}."
        if self.pos > 0:
            resting = int((share[..., 0] > 0.5).sum())
            does = "take more than half of what they move from" if self.weighted else "spend more than half on"
            yield f"Heads that {does} the first token here: {resting} of {share[..., 0].size}."
        if self.pos > 1:
            through = self.rollout[self.pos, 1 : self.pos]
            source = int(through.argmax()) + 1
            yield (
                "Through all attention layers (rollout), the earlier word that reaches "
                f"{quoted(self.tokens.texts[self.pos])} most is {place(self.tokens, source)}: {through.max():.0%}."
            )


def attention(
    model: Model,
    prompt: str,
    *,
    layer: int | None = None,
    head: int | None = None,
    pos: int | None = None,
    weighted: bool = False,
    prepend_bos: bool | None = None,
) -> Attention:
    """Where every head looks.

    A pattern shows what a head reads, not what it does with it: a strong look at a token whose value is small moves
    little, which `weighted` corrects (Kobayashi et al. 2020, "Attention is Not Only a Weight"). Rollout multiplies
    the layers' average patterns, each mixed half and half with staying put, into one map from the input to every
    position (Abnar & Zuidema 2020, "Quantifying Attention Flow in Transformers"); it knows nothing of values or MLPs.

    Args:
        model: The model.
        prompt: Text to read.
        layer: Show this layer only; None for all.
        head: Show this head only; None for all.
        pos: Query position the reading speaks of; None for the last.
        weighted: Multiply each weight by the norm of what the head moves from there, before any post-norm.
        prepend_bos: None follows the model's own habit.

    Returns:
        Patterns of all layers, or of `layer` alone where all would take more than 256 MB; rollout always over all.

    Raises:
        InputError: A bad prompt, position, layer or head, or a prompt too long for the patterns to be held.
    """
    tokens = model.tokens(prompt, prepend_bos)
    position = model.position(tokens, pos)
    if layer is not None:
        model.require(hooks.pattern(model.layer(layer)))
    kept = _kept_layers(model, len(tokens), layer)
    if head is not None:
        model.head(head)
    if weighted and not model.opening.mixes:
        raise InputError(
            f"{model.id} does more to its values than mix them, so how much of one is moved is not known: switch "
            "weighting off.",
            "weighted",
        )
    patterns, norms, rollout = _read(model, tokens, kept, weighted)
    return Attention(
        model=model.id,
        tokens=tokens,
        pos=position,
        layer=layer,
        head=head,
        weighted=weighted,
        layers=kept,
        pattern=patterns.numpy(force=True),
        value_norm=norms.numpy(force=True),
        rollout=rollout.numpy(force=True),
        checks=_checks(patterns, rollout, model.opening.sinks),
        units="norm of what is moved" if weighted else "share of attention",
    )


def _layer_bytes(model: Model, n_pos: int) -> int:
    return model.n_heads * n_pos**2 * 4


def _kept_layers(model: Model, n_pos: int, layer: int | None) -> tuple[int, ...]:
    """All layers where their patterns fit, else the chosen one; forecast, so that nothing is computed in vain."""
    one = _layer_bytes(model, n_pos)
    layers = model.layers(hooks.pattern)
    if one * len(layers) <= MOST_BYTES:
        return layers
    limit = MOST_BYTES // 2**20
    if one > MOST_BYTES:
        fits = int((MOST_BYTES / model.n_heads / 4) ** 0.5)
        raise InputError(
            f"The patterns of one layer would take {one / 2**20:,.0f} MB for {n_pos:,} tokens, more than {limit} MB: "
            f"shorten the prompt to {fits:,} tokens.",
            "prompt",
        )
    if layer is None:
        raise InputError(
            f"The patterns of all {len(layers)} layers would take {one * len(layers) / 2**20:,.0f} MB for "
            f"{n_pos:,} tokens, more than {limit} MB: choose one layer, or shorten the prompt.",
            "layer",
        )
    return (layer,)


def _read(model: Model, tokens: Tokens, kept: tuple[int, ...], weighted: bool) -> tuple[Tensor, Tensor, Tensor]:
    """Patterns, norms of the moved values and rollout; in as many passes as keep the patterns within bounds."""
    n = len(tokens)
    at_once = max(1, MOST_BYTES // _layer_bytes(model, n))
    stay = torch.eye(n, device=model.device)
    rollout, patterns, norms = stay, [], []
    layers = model.layers(hooks.pattern)
    for start in range(0, len(layers), at_once):
        group = layers[start : start + at_once]
        wanted = (hooks.pattern, hooks.v) if weighted else (hooks.pattern,)
        acts = model.run(tokens, [site(layer) for layer in group for site in wanted])
        for layer in group:
            pattern = acts[hooks.pattern(layer)].float()
            rollout = (pattern.mean(0) + stay) / 2 @ rollout
            if layer in kept:
                patterns.append(pattern)
                norms.append(_value_norm(model, acts, layer) if weighted else torch.ones_like(pattern[:, 0]))
    return torch.stack(patterns), torch.stack(norms), rollout


@torch.no_grad()
def _value_norm(model: Model, acts: Activations, layer: int) -> Float[Tensor, "head key_pos"]:
    """‖v W_O‖ per head and key."""
    v = model.per_head(acts[hooks.v(layer)])
    every = torch.eye(model.d_model, device=v.device, dtype=v.dtype)
    w_o = model.attn_o_pull_back(layer, every)  # d_model head d_head
    return torch.einsum("khd,mhd->hkm", v, w_o).norm(dim=-1).float()


def _checks(patterns: Tensor, rollout: Tensor, sinks: bool) -> tuple[Check, ...]:
    """A learned sink (GPT-OSS) takes a share of the attention beside the tokens."""
    over, rolled = patterns.sum(-1) - 1, rollout.sum(-1) - 1
    if sinks:
        return (
            Check(
                "every head's attention sums to at most 1: a learned sink takes the rest",
                float(over.max().clamp(min=0)),
                1e-4,
            ),
            Check("no head looks ahead", float(patterns.triu(1).abs().max()), 0.0),
            Check("rollout sums to at most 1", float(rolled.max().clamp(min=0)), 1e-4),
        )
    return (
        Check("every head's attention sums to 1", float(over.abs().max()), 1e-4),
        Check("no head looks ahead", float(patterns.triu(1).abs().max()), 0.0),
        Check("rollout sums to 1", float(rolled.abs().max()), 1e-4),
    )
