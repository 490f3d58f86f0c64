"""Interventions with nothing but transformers and torch's own hooks: what Loupe's are compared with."""

from contextlib import ExitStack

import torch
from torch import Tensor

from tests.core.plain_reference import attention_of, blocks, d_head, mlp_projection, mlp_writer, o_projection


def run_edited(hf, ids, edits) -> Tensor:
    """Logits [pos, vocab] of `ids`, where `edits` are (site, layer, function): function(x [pos, …]) changes x in place.

    Sites: resid_pre, resid_post, attn_out, mlp_out [pos, d_model], post [pos, d_mlp], z, q, k and v
    [pos, head, d_head] (k and v: by key-value head).
    """
    with ExitStack() as stack:
        for site, layer, function in edits:
            stack.callback(_hook(hf, site, layer, function).remove)
        return hf(torch.tensor([list(ids)]), use_cache=False).logits[0]


def activations(hf, ids, site) -> list[Tensor]:
    """[pos, …] of every layer."""
    seen = []
    edits = [(site, layer, lambda x: seen.append(x.clone())) for layer in range(hf.config.num_hidden_layers)]
    run_edited(hf, ids, edits)
    return seen


def _hook(hf, site, layer, function):
    if site == "resid_pre":
        return blocks(hf)[layer].register_forward_pre_hook(_before(function), with_kwargs=True)
    if site == "resid_post":
        return blocks(hf)[layer].register_forward_hook(_after(function))
    if site == "post":
        return mlp_projection(hf, layer).register_forward_pre_hook(_before(function), with_kwargs=True)
    if site == "z":
        shape = (hf.config.num_attention_heads, d_head(hf))
        return o_projection(hf, layer).register_forward_pre_hook(
            _before(lambda x: function(x.unflatten(-1, shape))), with_kwargs=True
        )
    if site in ("q", "k", "v"):
        return _projection(hf, site, layer).register_forward_hook(_after(lambda x: function(_by_head(hf, site, x))))
    if site == "mlp_out":
        return mlp_writer(hf, layer).register_forward_hook(_after(function))
    gemma = hf.config.model_type == "gemma2"
    writer = blocks(hf)[layer].post_attention_layernorm if gemma else attention_of(hf, layer)
    return writer.register_forward_hook(_after(function))


def _projection(hf, site, layer):
    names = {"gpt2": "c_attn", "gpt_neox": "query_key_value"}
    return getattr(attention_of(hf, layer), names.get(hf.config.model_type, f"{site}_proj"))


def _by_head(hf, site, out):
    """The part of a projection's output that is queries, keys or values, as a view [pos, head, d_head]."""
    kind, n_heads, d = hf.config.model_type, hf.config.num_attention_heads, d_head(hf)
    part = ("q", "k", "v").index(site)
    if kind == "gpt2":
        return out[..., part * n_heads * d : (part + 1) * n_heads * d].unflatten(-1, (n_heads, d))
    if kind == "gpt_neox":
        return out.unflatten(-1, (n_heads, 3 * d))[..., part * d : (part + 1) * d]
    return out.unflatten(-1, (-1, d))


def _before(function):
    def hook(module, args, kwargs):
        x = (args[0] if args else kwargs["hidden_states"]).clone()
        function(x[0])
        return ((x, *args[1:]), kwargs) if args else (args, kwargs | {"hidden_states": x})

    return hook


def _after(function):
    def hook(module, args, out):
        x = (out[0] if isinstance(out, tuple) else out).clone()
        function(x[0])
        return (x, *out[1:]) if isinstance(out, tuple) else x

    return hook


def hooks_left(model) -> int:
    """Hooks of any kind on any part of an open model, beyond those that the bridge itself holds."""
    held = 0
    for root in (model.bridge, model.bridge.original_model):
        for part in root.modules():
            held += len(part._forward_hooks) + len(part._forward_pre_hooks)
            held += len(getattr(part, "fwd_hooks", ())) + len(getattr(part, "bwd_hooks", ()))
    return held + model.bridge.context_level
