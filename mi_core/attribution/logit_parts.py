"""A logit, or the difference of two, taken apart into what each component wrote towards it.

The final residual is the sum of everything the model's parts wrote, and with the final norm's scale held at this run's
value the way from there to a logit is linear (Elhage et al. 2021, "A Mathematical Framework for Transformer Circuits").
The direction is projected back once through norm and O, then dotted with `z`, rather than every head's write being
formed: the same numbers, orders of magnitude faster.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from mi_core.metrics.target import Target
from mi_core.models import hooks
from mi_core.models.model import Activations, Model

OUT = ("attn_out", "mlp_out", "resid_pre", "resid_post")
EXPLAINED = 1e-4  # share of a write that may be missing from its parts before they are shown as one


@dataclass(frozen=True)
class Parts:
    """One logit (difference) taken apart, as tensors, in logits.

    `embed`, `pos_embed` (None where positions are not added to the stream), `norm_bias` and `unembed_bias` are
    scalars. `attn` is each attention layer's whole write, `attn_bias` the part of it that no head owns, `sources`
    each head's part split over the tokens it read (NaN where it does
    more than mix their values); `split` says where heads explain the layer. `other` is what a
    block adds beside attention and MLP (0 on every usual architecture).
    """

    embed: Float[Tensor, ""]
    pos_embed: Float[Tensor, ""] | None
    heads: Float[Tensor, "layer head"]
    sources: Float[Tensor, "layer head key_pos"]
    attn_bias: Float[Tensor, " layer"]
    attn: Float[Tensor, " layer"]
    split: Bool[Tensor, " layer"]
    mlp: Float[Tensor, " layer"]
    other: Float[Tensor, " layer"]
    norm_bias: float
    unembed_bias: float


def obstacle(model: Model) -> str:
    """Why a logit of this model cannot be taken apart, as a sentence for its reader; "" where it can."""
    found = model.opening
    if found.logit_scale is None:
        return (
            f"Between the last layer of {model.id} and its logits stands more than a norm and an unembedding, so its "
            "logits cannot be taken apart: knock parts out instead, or choose another model."
        )
    if not found.adds_up:
        return (
            f"What attention and MLPs of {model.id} write does not add up to its residual stream, so its logits cannot "
            "be taken apart: knock parts out instead, or choose another model."
        )
    reason = next((found.unread[site] for site in ("z", "v", "pattern", *OUT) if site in found.unread), "")
    return f"{reason[0].upper()}{reason[1:]}: knock parts out instead, or choose another model." if reason else ""


def sites(model: Model) -> list[str]:
    """Every hook that `take_apart` reads."""
    names = [name for name in (hooks.EMBED, hooks.POS_EMBED) if model.has(name)] + model.resid_names()
    of_layer = (hooks.z, hooks.v, hooks.pattern, hooks.attn_o, hooks.attn_out, hooks.mlp_out)
    inside = [site(layer) for layer in range(model.n_layers) for site in of_layer]
    return names + [name for name in inside if model.has(name)]


@torch.no_grad()
def take_apart(model: Model, acts: Activations, target: Target, pos: int) -> Parts:
    """The contributions to `target` at `pos`, from a run that kept `sites(model)` with `query=pos`."""
    resid = torch.stack([acts[name][pos] for name in model.resid_names()])
    norm, direction = model.final_norm, target.direction(model)
    reader = reading_direction(model, acts, target, pos)
    layers = [_attention(model, acts, layer, pos, reader) for layer in range(model.n_layers)]
    heads, sources, bias, split = (torch.stack(column) for column in zip(*layers, strict=True))
    attn, mlp = (_written(model, acts, site, pos) @ reader for site in (hooks.attn_out, hooks.mlp_out))
    embed, pos_embed = _embeddings(acts, resid[0], pos, reader)
    return Parts(
        embed=embed,
        pos_embed=pos_embed,
        heads=heads,
        sources=sources,
        attn_bias=bias,
        attn=attn,
        split=split,
        mlp=mlp,
        other=(resid[1:] - resid[:-1]) @ reader - attn - mlp,
        norm_bias=float(norm.bias @ direction),
        unembed_bias=target.bias(model),
    )


def _written(model: Model, acts: Activations, site: hooks.Site, pos: int) -> Float[Tensor, "layer d_model"]:
    """What a part of each layer added at `pos`; nothing where a layer has no such part."""
    nothing = acts[hooks.resid_post(model.n_layers - 1)].new_zeros(model.d_model)
    names = [site(layer) for layer in range(model.n_layers)]
    return torch.stack([acts[name][pos] if name in acts.sites else nothing for name in names])


@torch.no_grad()
def reading_direction(model: Model, acts: Activations, target: Target, pos: int) -> Float[Tensor, " d_model"]:
    """What the target reads of the residual stream at `pos`, through the final norm with its scale held.

    Args:
        model: The model.
        acts: A run that kept the last residual stream.
        target: The answer.
        pos: The position.
    """
    norm, last = model.final_norm, acts[hooks.resid_post(model.n_layers - 1)][pos]
    return norm.pull_back(target.direction(model)) / norm.scale(last[None])[0]


@torch.no_grad()
def before_attention_norm(
    model: Model, acts: Activations, layer: int, pos: int, reader: Float[Tensor, " d_model"]
) -> tuple[Float[Tensor, " d_model"], Float[Tensor, ""]]:
    """`reader` taken back through the norm that follows attention (Gemma 2), and what that norm's bias adds."""
    post = model.attn_post_norm(layer)
    if post is None:
        return reader, reader.new_zeros(())
    return post.pull_back(reader) / post.scale(acts[hooks.attn_o(layer)][pos]), post.bias @ reader


@dataclass(frozen=True)
class ByHead:
    """What the heads of one layer write towards a reader at one position, in logits.

    `each` is a number per head and `bias` what no head owns; `missing` is what attention wrote beside these, `split`
    whether they explain it. `back` is what each head's `z` is read with.
    """

    each: Float[Tensor, " head"]
    bias: Float[Tensor, ""]
    missing: Float[Tensor, ""]
    split: Bool[Tensor, ""]
    back: Float[Tensor, "head d_head"]


@torch.no_grad()
def by_head(model: Model, acts: Activations, layer: int, pos: int, reader: Float[Tensor, " d_model"]) -> ByHead | None:
    """One layer's heads, from a run that kept its z, attn_o and attn_out; None where something else stands there.

    Args:
        model: The model.
        acts: The run.
        layer: The layer.
        pos: The position that writes.
        reader: What is read of the residual stream, from `reading_direction`.
    """
    if hooks.z(layer) not in acts.sites:
        return None
    inner, shift = before_attention_norm(model, acts, layer, pos, reader)
    back = model.attn_o_pull_back(layer, inner)
    heads = (acts[hooks.z(layer)][pos] * back).sum(-1)
    bias = model.attn_o_bias(layer) @ inner + shift
    out = acts[hooks.attn_out(layer)][pos]
    missing = (heads.sum() + bias - out @ reader).abs()
    return ByHead(heads, bias, missing, missing <= EXPLAINED * (1 + out.norm() * reader.norm()), back)


def _attention(
    model: Model, acts: Activations, layer: int, pos: int, reader: Float[Tensor, " d_model"]
) -> tuple[Float[Tensor, " head"], Float[Tensor, "head key_pos"], Float[Tensor, ""], Bool[Tensor, ""]]:
    """One layer's contribution by head, by head and token read, its bias, and whether these explain all of it."""
    heads = by_head(model, acts, layer, pos, reader)
    if heads is None:
        n_pos, none = len(acts[hooks.resid_pre(layer)]), reader.new_zeros(())
        return reader.new_zeros(model.n_heads), reader.new_zeros(model.n_heads, n_pos), none, none.bool()
    v = model.per_head(acts[hooks.v(layer)])
    sources = acts[hooks.pattern(layer)][:, 0] * torch.einsum("khd,hd->hk", v, heads.back)
    if not model.opening.mixes:  # values are normed, gated or clipped on their way: no token owns a share
        sources = torch.full_like(sources, torch.nan)
    return heads.each * heads.split, sources * heads.split, heads.bias * heads.split, heads.split


def _embeddings(
    acts: Activations, start: Float[Tensor, " d_model"], pos: int, reader: Float[Tensor, " d_model"]
) -> tuple[Float[Tensor, ""], Float[Tensor, ""] | None]:
    """Token and position apart where their sum is what enters the first block, otherwise what enters it."""
    if hooks.POS_EMBED in acts.sites:
        word, where = acts[hooks.EMBED][pos], acts[hooks.POS_EMBED][pos]
        if torch.allclose(word + where, start, rtol=EXPLAINED, atol=EXPLAINED):
            return word @ reader, where @ reader
    return start @ reader, None
