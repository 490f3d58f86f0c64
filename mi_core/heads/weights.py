"""One attention layer's matrices, head by head, as they act on the residual stream."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor

from mi_core.errors import InputError, choose
from mi_core.models import hooks
from mi_core.models.model import Model
from mi_core.models.norm import Norm, take_apart

#: ``"raw"``: the matrices as they are stored. ``"folded"``: each with the gain of the norm that it reads through.
Gains = Literal["raw", "folded"]
SHORT = 8  # tokens of the text on which is seen what attention reads
ALLOWED = 1e-3  # of the largest number compared


@dataclass(frozen=True)
class HeadWeights:
    """The matrices of one layer's heads; grouped-query heads have the keys and values that they share."""

    w_q: Float[Tensor, "head d_model d_head"]
    w_k: Float[Tensor, "head d_model d_head"]
    w_v: Float[Tensor, "head d_model d_v"]
    w_o: Float[Tensor, "head d_v d_model"]


def check_gains(gains: str) -> str:
    """`gains`, where it is a word for them. Raises InputError otherwise."""
    return choose(gains, get_args(Gains), "gains", "way to take the weights")


@torch.no_grad()
def head_weights(model: Model, layer: int, gains: str = "raw") -> HeadWeights:
    """`W_Q`, `W_K`, `W_V` and `W_O` of every head of a layer.

    Args:
        model: The model.
        layer: A layer with attention.
        gains: ``"raw"``, or ``"folded"``: the norm before attention multiplies each direction of the stream by a gain
            (and takes the mean off, where it is a LayerNorm), and so does a norm behind it (Gemma 2). Folded, the
            matrices act on what was in the stream; its length is divided away at run time all the same.

    Raises:
        InputError: The layer has no matrix of each head, or its heads do more than mix values; or what it reads is not
            the stream through one norm.
    """
    if not model.opening.mixes:
        raise InputError(
            f"Heads of {model.id} do more than mix values (they norm, gate or clip them), so their matrices alone do "
            "not say what they write: choose another model.",
            "model",
        )
    w_q, w_k, w_v = (read(layer).float() for read in (model.w_q, model.w_k, model.w_v))
    w_o = model.w_o(layer).float()
    if gains == "folded":
        norm, post = reading_norm(model, layer), model.attn_post_norm(layer)
        w_q, w_k, w_v = (w if norm is None else norm.pull_back(w.mT).mT for w in (w_q, w_k, w_v))
        w_o = w_o if post is None else post.linear(w_o)
    return HeadWeights(w_q, w_k, w_v, w_o)


def reading_norm(model: Model, layer: int) -> Norm | None:
    """The norm through which attention of a layer reads the residual stream; None where there is none.

    Raises:
        InputError: What it reads is neither the stream nor the stream through that norm.
    """
    ids = model.text_ids[:SHORT]
    stream, read = hooks.resid_pre(layer), hooks.attn_in(layer)
    if model.has(stream) and model.hook_point(read) is not None:
        with torch.no_grad():
            acts = model.run_ids(model.rows([ids]), [stream, read])
            if _is(acts[stream], acts[read]):
                return None
            part = getattr(model.bridge.blocks[layer], "ln1", None)
            norm = None if part is None else take_apart(part.original_component, model.d_model, model.embedding)
            if norm is not None and _is(norm.apply(acts[stream]), acts[read]):
                return norm
    raise InputError(
        f"What attention in layer {layer} of {model.id} reads is not its residual stream through one norm: choose the "
        "raw weights.",
        "gains",
    )


def _is(one: Tensor, other: Tensor) -> bool:
    return one.shape == other.shape and float((one - other).abs().max()) <= ALLOWED * float(other.abs().max())
