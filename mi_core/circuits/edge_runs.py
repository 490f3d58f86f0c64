"""Runs of circuits of edges: every part reads a stream of its own, made of what its kept edges bring. Nothing is
approximated.

A block is run on as many streams as there are different readers in it: each head's queries, keys and values, put
together afterwards, then the MLP's. What an edge outside the circuit brings is what its source writes when everything
is outside (the task's edges of Conmy et al. 2023, "Towards Automated Circuit Discovery", and MIB, Mueller et al. 2025).
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from mi_core.circuits.family import Case
from mi_core.circuits.graph import VIAS, Edges
from mi_core.circuits.outside import Outside
from mi_core.interventions.restart import Restart
from mi_core.interventions.sweep import POSITIONS_AT_ONCE
from mi_core.models import hooks
from mi_core.models.model import Model

STREAMS = 4  # times what other runs hold at once: a stream passes one block at a time here


class _Read(Exception):
    """What was wanted of a block is there."""


@dataclass(frozen=True)
class EdgeRuns:
    """Circuits of edges: a row of a mask says which of `Edges.listed` are in one."""

    model: Model
    edges: Edges

    @property
    def n_parts(self) -> int:
        """How many edges there are."""
        return int(self.edges.possible.sum())

    @property
    def hooks(self) -> list[str]:
        """What can be outside."""
        inside = [site(layer) for layer in range(self.model.n_layers) for site in (hooks.z, hooks.mlp_out)]
        return [hooks.resid_pre(0), *inside]

    def at_once(self, n_pos: int) -> int:
        """How many circuits are run together."""
        return max(1, STREAMS * POSITIONS_AT_ONCE // (n_pos * len(VIAS) * self.model.n_heads))

    @torch.no_grad()
    def values(
        self, case: Case, instead: Outside, masks: Bool[np.ndarray, "circuit edge"], told: Callable[[int], None]
    ) -> Float[np.ndarray, " circuit"]:
        """The target's logit (difference) of each circuit; as `NodeRuns.values`."""
        restart, step, found = Restart(self.model, case.ids), self.at_once(case.n_pos), []
        for start in range(0, len(masks), step):
            some = masks[start : start + step]
            kept = np.zeros((len(some), *self.edges.possible.shape), dtype=np.float32)
            kept[:, self.edges.possible] = some
            pass_ = _Pass(self.model, self.edges, restart, case, instead, torch.tensor(kept, device=self.model.device))
            found.append(case.target.of(pass_.logits()).double().cpu().numpy())
            told(start + len(some))
        return np.concatenate(found)


class _Pass:
    """One pass of some circuits: what each source writes beside what it writes outside, layer by layer."""

    def __init__(
        self,
        model: Model,
        edges: Edges,
        restart: Restart,
        case: Case,
        instead: Outside,
        kept: Float[Tensor, "circuit reader source"],
    ) -> None:
        self.model, self.edges, self.restart, self.instead, self.kept = model, edges, restart, instead, kept
        self.n = len(kept)
        start = hooks.resid_pre(0)
        own = model.run_ids(model.rows([case.ids]), [start])[start][0]
        self.tokens = own - instead[start]
        self.attention: list[Float[Tensor, "circuit head pos d_model"]] = []
        self.mlp: list[Float[Tensor, "circuit pos d_model"]] = []

    def logits(self) -> Float[Tensor, "circuit d_vocab"]:
        """Of the last position."""
        model, edges = self.model, self.edges
        for layer in range(model.n_layers):
            readers = edges.readers_of(layer)
            self.attention.append(self._heads(layer, readers))
            self.mlp.append(self._mlp(layer, readers.stop - 1))
        x = self._stream(slice(-1, None), model.n_layers)[:, 0, -1:]
        return model.cap(model.unembed(model.final_norm.apply(x))).float()[:, 0]

    def _stream(self, readers: slice, end: int) -> Float[Tensor, "circuit reader pos d_model"]:
        """What reaches these readers from the tokens and the layers before `end`."""
        kept = self.kept[:, readers]
        x = self.instead[hooks.resid_pre(0)] + torch.einsum("kr,pw->krpw", kept[:, :, 0], self.tokens)
        for layer in range(end):
            x = x + self._attention(layer, kept)
            own = kept[:, :, self.edges.heads_of(layer).stop]
            x = x + self.instead[hooks.mlp_out(layer)] + torch.einsum("kr,kpw->krpw", own, self.mlp[layer])
        return x

    def _attention(
        self, layer: int, kept: Float[Tensor, "circuit reader source"]
    ) -> Float[Tensor, "circuit reader pos d_model"]:
        """What reaches readers from the heads of a layer."""
        outside = torch.einsum("phd,hdw->pw", self.instead[hooks.z(layer)], self.model.w_o(layer))
        own = kept[:, :, self.edges.heads_of(layer)]
        out = outside + self.model.attn_o_bias(layer) + torch.einsum("krh,khpw->krpw", own, self.attention[layer])
        post = self.model.attn_post_norm(layer)
        return out if post is None else post.apply(out)

    def _heads(self, layer: int, readers: slice) -> Float[Tensor, "circuit head pos d_model"]:
        """What each head of a layer writes beside what it writes outside."""
        inputs = slice(readers.start, readers.stop - 1)
        x = self._stream(inputs, layer)
        first, back = self._different(inputs, layer)
        sites = (hooks.q(layer), hooks.k(layer), hooks.v(layer))
        seen = self._read(layer, x.flatten(0, 1)[first], sites)
        n_heads, shared = self.model.n_heads, self.model.n_heads // self.model.n_kv_heads
        which = back.view(self.n, len(VIAS), n_heads)
        heads = torch.arange(n_heads, device=x.device)
        q, k, v = (
            seen[site][which[:, i], :, heads if i == 0 else heads // shared].transpose(1, 2)
            for i, site in enumerate(sites)
        )  # [circuit, pos, head, d_head], as each head reads them
        z = self._mixed(layer, x[:, 0], q, k, v, shared)
        beside = z - self.instead[hooks.z(layer)]
        return torch.einsum("kphd,hdw->khpw", beside, self.model.w_o(layer))

    def _mixed(self, layer: int, x: Tensor, q: Tensor, k: Tensor, v: Tensor, shared: int) -> Tensor:
        """`z` of queries, keys and values that each head reads for itself, also where several heads share them.

        Heads that share keys and values are run in rows of their own, each with those of one of them.
        """
        z = torch.empty_like(q) if q.shape[-1] == v.shape[-1] else q.new_empty((*q.shape[:-1], v.shape[-1]))
        for turn in range(shared):
            mine = slice(turn, None, shared)
            changes = {
                hooks.q(layer): lambda value, hook: q,
                hooks.k(layer): lambda value, hook, mine=mine: k[:, :, mine],
                hooks.v(layer): lambda value, hook, mine=mine: v[:, :, mine],
            }
            z[:, :, mine] = self._read(layer, x, (hooks.z(layer),), changes)[hooks.z(layer)][:, :, mine]
        return z

    def _mlp(self, layer: int, reader: int) -> Float[Tensor, "circuit pos d_model"]:
        """What the MLP of a layer writes beside what it writes outside."""
        mine = slice(reader, reader + 1)
        attention, name = self._attention(layer, self.kept[:, mine])[:, 0], hooks.mlp_out(layer)
        changes = {hooks.attn_out(layer): lambda value, hook: attention} if self.edges.serial else {}
        return self._read(layer, self._stream(mine, layer)[:, 0], (name,), changes)[name] - self.instead[name]

    def _different(self, readers: slice, layer: int) -> tuple[Int[Tensor, " row"], Int[Tensor, " reader"]]:
        """Of all circuits' readers those whose streams differ, and for each reader which of these is its own."""
        kept = self.kept[:, readers, : self.edges.first_source(layer)]
        circuit = torch.arange(self.n, device=kept.device, dtype=kept.dtype)[:, None, None].expand(*kept.shape[:2], 1)
        _, back = torch.unique(torch.cat([circuit, kept], dim=-1).flatten(0, 1), dim=0, return_inverse=True)
        n_rows = int(back.max()) + 1
        index = torch.arange(len(back), device=back.device)
        first = torch.full((n_rows,), len(back), device=back.device).scatter_reduce(0, back, index, "amin")
        return first, back

    def _read(
        self, layer: int, x: Float[Tensor, "row pos d_model"], names: tuple[str, ...], changes: dict | None = None
    ) -> dict[str, Tensor]:
        """Activations of one block, which ends where all of them are there."""
        seen: dict[str, Tensor] = {}

        def keep(value: Tensor, hook, name: str) -> None:
            seen[name] = value.clone()
            if len(seen) == len(names):
                raise _Read

        readers = {name: lambda value, hook, name=name: keep(value, hook, name) for name in names}
        with contextlib.suppress(_Read):
            self.restart.block(layer, x, (changes or {}) | readers)
        return seen
