"""Every hook name Loupe reads or writes, spelled once: the sites of a block, and how to tell which one a name means.

The classic TransformerLens names, which `TransformerBridge` accepts as aliases on every architecture.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType

EMBED = "hook_embed"
POS_EMBED = "hook_pos_embed"
ALL = slice(None)
COLUMN = {"kv_head": "head", "query_pos": "pos"}
IN_A_BLOCK = re.compile(r"blocks\.(\d+)\.(.+)")


@dataclass(frozen=True)
class Site:
    """An activation that every block has: `site(layer)` is the name of its hook in that block.

    Its axes, after the batch's, are ``"pos"`` (``"query_pos"`` and ``"key_pos"`` of attention weights), ``"head"``
    (``"kv_head"`` where grouped-query models have fewer than heads), ``"neuron"``, and a width.
    """

    name: str
    """What it is called here and in settings."""
    point: str
    """Its hook's name within the block."""
    axes: tuple[str, ...]
    """The activation's, without the batch."""
    words: str
    """For people, with `{layer}`."""

    def __call__(self, layer: int) -> str:
        """Name of its hook in block `layer`."""
        return f"blocks.{layer}.{self.point}"

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """The axes by the columns that tables have for them: ``"head"`` for key-value heads, ``"pos"`` for queries."""
        return tuple(COLUMN.get(axis, axis) for axis in self.axes)

    def index(self, **at: int | slice) -> tuple[int | slice, ...]:
        """Index of a part of one row's activation: `at` by column, everything along the other axes."""
        index = [at.get(column, ALL) for column in self.columns]
        while len(index) > 1 and index[-1] is ALL:  # said or not, all of the last axes: torch is faster without
            index.pop()
        return tuple(index)


RESID = ("pos", "d_model")

resid_pre = Site("resid_pre", "hook_resid_pre", RESID, "residual stream before layer {layer}")
"""Residual stream entering a block: [batch, pos, d_model]."""

resid_mid = Site("resid_mid", "hook_resid_mid", RESID, "residual stream inside layer {layer}")
"""Residual stream between attention and MLP; parallel blocks (GPT-NeoX, Phi) have none: [batch, pos, d_model]."""

resid_post = Site("resid_post", "hook_resid_post", RESID, "residual stream after layer {layer}")
"""Residual stream leaving a block: [batch, pos, d_model]."""

attn_out = Site("attn_out", "hook_attn_out", RESID, "what attention of layer {layer} adds")
"""What attention adds to the residual stream, after any post-norm: [batch, pos, d_model]."""

mlp_out = Site("mlp_out", "hook_mlp_out", RESID, "what the MLP of layer {layer} adds")
"""What the MLP adds to the residual stream, after any post-norm: [batch, pos, d_model]."""

attn_in = Site("attn_in", "attn.hook_in", RESID, "what attention of layer {layer} reads")
"""What attention reads, after the norm before it: [batch, pos, d_model]."""

attn_o = Site("attn_o", "attn.o.hook_out", RESID, "what attention of layer {layer} writes before any norm of its own")
"""Output of the attention's O projection, before any post-norm: [batch, pos, d_model]."""

mlp_key = Site("mlp_key", "mlp.out.hook_in", ("pos", "neuron"), "what enters the last projection of MLP {layer}")
"""What enters the MLP's last projection, a number per neuron: [batch, pos, d_mlp]."""

mlp_value = Site("mlp_value", "mlp.out.hook_out", RESID, "what MLP {layer} writes before any norm of its own")
"""Output of the MLP's last projection, before any post-norm: [batch, pos, d_model]."""

post = Site("post", "mlp.hook_post", ("pos", "neuron"), "neurons of layer {layer}")
"""What an MLP's neurons pass on, after activation function and gate: [batch, pos, d_mlp]."""

z = Site("z", "attn.hook_z", ("pos", "head", "d_head"), "heads of layer {layer}")
"""Per-head mix of values, before O: [batch, pos, head, d_head]."""

q = Site("q", "attn.hook_q", ("pos", "head", "d_head"), "queries of layer {layer}")
"""Queries, before any rotation by position: [batch, pos, head, d_head]."""

k = Site("k", "attn.hook_k", ("pos", "kv_head", "d_head"), "keys of layer {layer}")
"""Keys, before any rotation; grouped-query models have fewer than heads: [batch, pos, kv_head, d_head]."""

v = Site("v", "attn.hook_v", ("pos", "kv_head", "d_head"), "values of layer {layer}")
"""Values; grouped-query models have fewer of them than heads: [batch, pos, kv_head, d_head]."""

pattern = Site("pattern", "attn.hook_pattern", ("head", "query_pos", "key_pos"), "attention weights of layer {layer}")
"""Attention weights after softmax: [batch, head, query_pos, key_pos]."""

#: The residual stream and what is added to it: where SAEs can be read.
RESIDUAL = (resid_pre, resid_mid, resid_post, attn_out, mlp_out)
#: Where interventions act, by name.
SITES: Mapping[str, Site] = MappingProxyType({site.name: site for site in (*RESIDUAL, post, z, q, k, v, pattern)})
#: The same, and what is written before a norm of its own: no setting names these.
CHANGED: Mapping[str, Site] = MappingProxyType({**SITES, attn_o.name: attn_o, mlp_value.name: mlp_value})
_BY_POINT = {site.point: site for site in (*SITES.values(), attn_in, attn_o, mlp_key, mlp_value)}


def parse(name: str) -> tuple[Site, int]:
    """The site and the layer that a hook name means: the opposite of `site(layer)`.

    A hook of a block that is none of the sites above comes back as a site of its own, without known axes.

    Raises:
        ValueError: The hook belongs to no block.
    """
    match = IN_A_BLOCK.fullmatch(name)
    if match is None:
        raise ValueError(f"{name} is no hook of a block")
    layer, point = int(match[1]), match[2]
    return _BY_POINT.get(point) or Site(point, point, (), name), layer
