"""How a layer's attention scores come of its queries and keys: scaled, turned by position, capped, with a slope.

Architectures differ here, and their code is not asked: the pattern of a short text is rebuilt from its queries and keys
in each of the ways that there are, and the way that gives the very same pattern is the model's.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor, nn

from mi_core.errors import InputError
from mi_core.models import hooks
from mi_core.models.model import Model
from mi_core.models.norm import Norm, take_apart

ALLOWED = 2e-3  # of the largest score: more is not rounding
SEEN = 1e-5  # of attention: less says nothing about a score any more


@dataclass(frozen=True)
class Scoring:
    """``score[p, s] = cap(scale · turn(q, p) · turn(k, s)) − slope · (p − s)``, up to what is the same for all keys."""

    scale: float
    cos: Float[Tensor, "pos turned"] | None = None
    """None where positions do not turn queries and keys."""
    sin: Float[Tensor, "pos turned"] | None = None
    adjacent: bool = False
    """Whether neighbours are turned together, rather than halves."""
    cap: float | None = None
    q_norm: Norm | None = None
    """Of each head's queries, before they are turned."""
    k_norm: Norm | None = None
    slope: Float[Tensor, " head"] | None = None
    error: float = 0.0
    """How far the scores so made are from the model's, as a share of the largest."""

    def turn(self, x: Float[Tensor, "*any pos d_head"], first: int = 0) -> Float[Tensor, "*any pos d_head"]:
        """Queries or keys of the positions from `first` on as they meet; linear in `x`."""
        if self.cos is None or self.sin is None:
            return x
        n, width = x.shape[-2], self.cos.shape[-1]
        cos, sin = (part[first : first + n] for part in (self.cos, self.sin))
        own, rest = x[..., :width], x[..., width:]
        if self.adjacent:
            cos, sin = (part[:, : width // 2].repeat_interleave(2, -1) for part in (cos, sin))
            across = torch.stack((-own[..., 1::2], own[..., ::2]), -1).flatten(-2)
        else:
            across = torch.cat((-own[..., width // 2 :], own[..., : width // 2]), -1)
        return torch.cat((own * cos + across * sin, rest), -1)

    def turned_matrices(
        self, w_q: Float[Tensor, "d_model d_head"], w_k: Float[Tensor, "d_model d_head"], distance: int
    ) -> tuple[Float[Tensor, "d_model d_head"], Float[Tensor, "d_model d_head"]]:
        """`W_Q` and `W_K` whose product is the score at that distance; norms of queries and keys at a length of 1."""
        w_q = w_q if self.q_norm is None else self.q_norm.linear(w_q)
        w_k = w_k if self.k_norm is None else self.k_norm.linear(w_k)
        return self.scale * self.turn(w_q[:, None], distance)[:, 0], self.turn(w_k[:, None])[:, 0]

    def scores(
        self, q: Float[Tensor, "head query_pos d_head"], k: Float[Tensor, "head key_pos d_head"]
    ) -> Float[Tensor, "head query_pos key_pos"]:
        """Of queries and keys as the hooks show them, from position 0 on, before any slope."""
        raw = self.uncapped(q, k)
        return raw if self.cap is None else self.cap * torch.tanh(raw / self.cap)

    def uncapped(
        self, q: Float[Tensor, "head query_pos d_head"], k: Float[Tensor, "head key_pos d_head"]
    ) -> Float[Tensor, "head query_pos key_pos"]:
        """The same before any cap."""
        q = q if self.q_norm is None else self.q_norm.apply(q)
        k = k if self.k_norm is None else self.k_norm.apply(k)
        return self.scale * self.turn(q) @ self.turn(k).mT


@torch.no_grad()
def scoring(model: Model, layer: int, n_pos: int) -> Scoring:
    """The way of a layer, for positions up to `n_pos`.

    Raises:
        InputError: Its queries and keys cannot be seen, or no way gives its pattern.
    """
    for site in (hooks.q, hooks.k, hooks.pattern):
        model.require(site(layer))
    ids = [model.text_ids[i * 7 % len(model.text_ids)] for i in range(n_pos)]
    turns: list[tuple[Tensor, Tensor]] = []
    with ExitStack() as stack:
        for name, module in model.hf_model.named_modules():
            if name.endswith(("rotary_emb", "rotary_embed")):
                handle = module.register_forward_hook(lambda module, args, out: turns.append(out))
                stack.callback(handle.remove)
        acts = model.run_ids(model.rows([ids]), [site(layer) for site in (hooks.q, hooks.k, hooks.pattern)])
    q, k = acts[hooks.q(layer)][0].float(), model.per_head(acts[hooks.k(layer)][0]).float()
    pattern = acts[hooks.pattern(layer)][0].float()
    for way in _ways(model, layer, q.shape[-1], turns):
        found = _fitted(way, q.transpose(0, 1), k.transpose(0, 1), pattern)
        if found.error <= ALLOWED:
            return found
    raise InputError(
        f"How attention in layer {layer} of {model.id} makes scores of queries and keys is not known here: choose "
        "another model.",
        "model",
    )


def _ways(model: Model, layer: int, d_head: int, turns: list[tuple[Tensor, Tensor]]) -> Iterator[Scoring]:
    """All that there are, the usual ones first."""
    attn = model.bridge.blocks[layer].attn
    own = attn.original_component
    parts = {name: getattr(attn._modules.get(name), "original_component", None) for name in ("q_norm", "k_norm")}
    if not all(part is None or _is_of_a_head(part, d_head) for part in parts.values()):
        return
    norms = {name: None if part is None else take_apart(part, d_head, model.embedding) for name, part in parts.items()}
    scales = dict.fromkeys([getattr(own, "scaling", None), d_head**-0.5, 1.0])
    turned = [_both(turn, d_head) for turn in turns if isinstance(turn, tuple) and len(turn) == 2]
    for scale in (scale for scale in scales if isinstance(scale, float)):
        for normed in [norms, {}] if norms["q_norm"] is not None else [{}]:
            plain = Scoring(scale, cap=getattr(own, "attn_logit_softcapping", None), **normed)
            for cos, sin in turned:
                yield replace(plain, cos=cos, sin=sin)
                yield replace(plain, cos=cos, sin=sin, adjacent=True)
            yield plain


def _is_of_a_head(norm: nn.Module, d_head: int) -> bool:
    """Whether one norm is every head's: not one over all heads together (OLMo 2), nor one for each (StableLM)."""
    shapes = {name: weight.shape for name, weight in norm.named_parameters()}
    return set(shapes) <= {"weight", "bias"} and all(shape == (d_head,) for shape in shapes.values())


def _both(turn: tuple[Tensor, Tensor], d_head: int) -> tuple[Tensor, Tensor]:
    """Cosines and sines of each position, as wide as what they turn."""
    cos, sin = (part.detach().float().reshape(-1, part.shape[-1]) for part in turn)
    return (torch.cat((cos, cos), -1), torch.cat((sin, sin), -1)) if cos.shape[-1] * 2 == d_head else (cos, sin)


def _fitted(
    way: Scoring,
    q: Float[Tensor, "head pos d_head"],
    k: Float[Tensor, "head pos d_head"],
    pattern: Float[Tensor, "head query_pos key_pos"],
) -> Scoring:
    """The way with the slope that suits the pattern best, and how far off it is."""
    n = q.shape[1]
    if way.cos is not None and (way.cos.shape[0] != n or way.cos.shape[-1] > q.shape[-1]):
        return replace(way, error=math.inf)
    scores = way.scores(q, k)
    own = scores.diagonal(dim1=-2, dim2=-1)[..., None]
    seen = (pattern > SEEN) & (pattern.diagonal(dim1=-2, dim2=-1)[..., None] > SEEN)
    theirs = pattern.clamp(min=1e-30).log() - pattern.diagonal(dim1=-2, dim2=-1)[..., None].clamp(min=1e-30).log()
    off = torch.where(seen, theirs - (scores - own), 0)
    back = torch.where(seen, torch.arange(n, device=q.device)[:, None] - torch.arange(n, device=q.device), 0)
    slope = -(off * back).sum((1, 2)) / (back * back).sum((1, 2)).clamp(min=1)
    left = off + slope[:, None, None] * back
    largest = float(torch.where(seen, theirs, 0).abs().max().clamp(min=1))
    is_flat = float((slope[:, None, None] * back).abs().max()) <= ALLOWED * largest
    return replace(way, slope=None if is_flat else slope, error=float((off if is_flat else left).abs().max()) / largest)
