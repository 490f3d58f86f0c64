"""The residual stream of one position as a sum of named parts: an SAE's features, or what earlier components wrote."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from mi_core.errors import InputError
from mi_core.models import hooks
from mi_core.models.model import Activations, Model
from mi_core.saes.notes import notes
from mi_core.saes.sae import Sae

REST = 1e-4  # of the stream's length: less is rounding, and no part of its own


@dataclass(frozen=True)
class StreamParts:
    """``vectors.sum(0)`` is the stream at the position. `kinds`: feature, error, bias, head, attention, mlp …"""

    names: tuple[str, ...]
    kinds: tuple[str, ...]
    vectors: Float[Tensor, "part d_model"]


@torch.no_grad()
def by_feature(sae: Sae, x: Float[Tensor, " d_model"]) -> StreamParts:
    """What each active feature writes, what the SAE writes without any, and what it misses."""
    code = sae.encode(x)
    active = code.nonzero()[:, 0]
    written = [sae.writing(int(i), code[i], x) for i in active]
    bias = sae.decode(torch.zeros_like(code), x)
    error = x - sae.decode(code, x)
    book = notes(sae.entry)
    names = [f"#{int(i)} {book.of(int(i)).label}".rstrip() for i in active]
    return StreamParts(
        (*names, "SAE bias", "SAE error"),
        (*["feature"] * len(names), "bias", "error"),
        torch.stack([*written, bias, error]).to(x.dtype),
    )


def sites(model: Model, layer: int) -> list[str]:
    """Every hook that `by_component` reads."""
    inside = [
        site(before) for before in range(layer) for site in (hooks.z, hooks.attn_o, hooks.attn_out, hooks.mlp_out)
    ]
    names = [hooks.EMBED, hooks.POS_EMBED, hooks.resid_pre(0), *inside]
    return [name for name in names if model.has(name)]


@torch.no_grad()
def by_component(model: Model, acts: Activations, layer: int, pos: int) -> StreamParts:
    """What embeddings, heads and MLPs before the layer wrote at the position; what else there is, as the rest."""
    found: list[tuple[str, str, Tensor]] = _embeddings(acts, pos)
    for before in range(layer):
        if hooks.attn_out(before) in acts.sites:
            found += _attention(model, acts, before, pos)
        if hooks.mlp_out(before) in acts.sites:
            found.append((f"MLP {before}", "mlp", acts[hooks.mlp_out(before)][pos]))
    whole = acts[hooks.resid_pre(layer)][pos]
    rest = whole - torch.stack([part for *_, part in found]).sum(0)
    if float(rest.norm()) > REST * float(whole.norm()):
        found.append(("the rest", "rest", rest))
    names, kinds, vectors = zip(*found, strict=True)
    return StreamParts(names, kinds, torch.stack(vectors).float())


def whole(name: str, x: Float[Tensor, " d_model"]) -> StreamParts:
    """The stream as one part."""
    return StreamParts((name,), ("stream",), x[None].float())


def _embeddings(acts: Activations, pos: int) -> list[tuple[str, str, Tensor]]:
    start = acts[hooks.resid_pre(0)][pos]
    named = [acts.sites[name] for name in (hooks.EMBED, hooks.POS_EMBED) if name in acts.sites]
    if len(named) == 2 and all(one.shape[-1] == start.shape[-1] for one in named):
        word, where = (one.reshape(-1, start.shape[-1])[pos] for one in named)
        if torch.allclose(word + where, start, rtol=REST, atol=REST):
            return [("token", "embedding", word), ("position", "embedding", where)]
    return [("token", "embedding", start)]


def _attention(model: Model, acts: Activations, layer: int, pos: int) -> list[tuple[str, str, Tensor]]:
    """Head by head where their writes add up to the layer's, the bias apart; else the layer as one."""
    out = acts[hooks.attn_out(layer)][pos]
    together = [(f"attention {layer}", "attention", out)]
    if hooks.z(layer) not in acts.sites:
        return together
    try:
        written = torch.einsum("hv,hvd->hd", acts[hooks.z(layer)][pos], model.w_o(layer))
    except InputError:
        return together
    post, bias = model.attn_post_norm(layer), model.attn_o_bias(layer)
    if post is not None:
        scale = post.scale(acts[hooks.attn_o(layer)][pos][None])[0]
        written, bias = post.linear(written) / scale, post.linear(bias[None])[0] / scale + post.bias
    if float((written.sum(0) + bias - out).norm()) > REST * float(out.norm()):
        return together
    heads = [(f"L{layer}H{head}", "head", part) for head, part in enumerate(written)]
    return heads + ([(f"attention {layer} bias", "bias", bias)] if bool(bias.any()) else [])
