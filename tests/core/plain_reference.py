"""The same model read with nothing but transformers and torch: what Loupe's numbers are compared with."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Plain:
    """One forward pass: `logits` [pos, vocab], `resid` before each block and after the last [pos, d_model],
    `attention` [layer, head, query, key], and per layer `z` (input of the O projection), `o` (its output),
    `attn` and `mlp` (what is added to the stream) and `v` [pos, head, d_head]."""

    logits: Tensor
    resid: list[Tensor]
    attention: Tensor
    z: list[Tensor]
    o: list[Tensor]
    mlp: list[Tensor]
    v: list[Tensor]


def backbone(hf):
    return {"gpt2": "transformer", "gpt_neox": "gpt_neox"}.get(hf.config.model_type, "model")


def blocks(hf):
    inner = getattr(hf, backbone(hf))
    return inner.h if hf.config.model_type == "gpt2" else inner.layers


def final_norm(hf):
    names = {"gpt2": "ln_f", "gpt_neox": "final_layer_norm"}
    return getattr(getattr(hf, backbone(hf)), names.get(hf.config.model_type, "norm"))


def attention_of(hf, layer: int):
    names = {"gpt2": "attn", "gpt_neox": "attention"}
    return getattr(blocks(hf)[layer], names.get(hf.config.model_type, "self_attn"))


def o_projection(hf, layer: int):
    names = {"gpt2": "c_proj", "gpt_neox": "dense"}
    return getattr(attention_of(hf, layer), names.get(hf.config.model_type, "o_proj"))


def mlp_writer(hf, layer: int):
    """The module whose output the MLP adds to the stream."""
    block = blocks(hf)[layer]
    return block.post_feedforward_layernorm if hf.config.model_type == "gemma2" else block.mlp


def mlp_projection(hf, layer: int):
    """The MLP's last projection, whose input are its neurons."""
    names = {"gpt2": "c_proj", "gpt_neox": "dense_4h_to_h"}
    return getattr(blocks(hf)[layer].mlp, names.get(hf.config.model_type, "down_proj"))


def w_o(hf, layer: int) -> Tensor:
    """[n_heads * d_head, d_model], so that z @ w_o is what attention writes."""
    weight = o_projection(hf, layer).weight
    return weight if hf.config.model_type == "gpt2" else weight.T


def d_head(hf) -> int:
    return getattr(hf.config, "head_dim", None) or hf.config.hidden_size // hf.config.num_attention_heads


def norm_weight(hf, module) -> Tensor:
    """Gemma stores its norms' weights less one."""
    return 1 + module.weight if hf.config.model_type == "gemma2" else module.weight


def epsilon(module) -> float:
    return next(getattr(module, name) for name in ("eps", "variance_epsilon") if hasattr(module, name))


def normalise(hf, module, x: Tensor, at: Tensor | None = None) -> Tensor:
    """LayerNorm or RMSNorm by hand, without its bias; with `at`, divided by the scale that `at` has."""
    at = x if at is None else at
    if isinstance(module, torch.nn.LayerNorm):
        x, at = x - x.mean(-1, keepdim=True), at - at.mean(-1, keepdim=True)
    return x / (at.pow(2).mean(-1, keepdim=True) + epsilon(module)).sqrt() * norm_weight(hf, module)


def unembed(hf, normalised: Tensor) -> Tensor:
    """Logits, capped where the model caps them."""
    logits = hf.get_output_embeddings()(normalised)
    cap = getattr(hf.config, "final_logit_softcapping", None)
    return cap * torch.tanh(logits / cap) if cap else logits


def values(hf, layer: int, seen: dict) -> Tensor:
    """[pos, head, d_head]; shared values repeated for every head that reads them."""
    kind, n_heads, d = hf.config.model_type, hf.config.num_attention_heads, d_head(hf)
    out = seen["v", layer]
    if kind == "gpt2":
        return out.chunk(3, dim=-1)[2].unflatten(-1, (n_heads, d))
    if kind == "gpt_neox":
        return out.unflatten(-1, (n_heads, 3 * d))[..., 2 * d :]
    shared = out.unflatten(-1, (-1, d))
    return shared.repeat_interleave(n_heads // shared.shape[1], dim=1)


def plain(hf, ids) -> Plain:
    """Run `hf` on one prompt and keep what the references need."""
    seen, handles = {}, []

    def keep_out(key):
        return lambda module, args, out: seen.__setitem__(key, out[0].clone())

    def keep_in(key):
        return lambda module, args: seen.__setitem__(key, args[0][0].clone())

    v_names = {"gpt2": "c_attn", "gpt_neox": "query_key_value"}
    n_layers = hf.config.num_hidden_layers
    handles.append(final_norm(hf).register_forward_pre_hook(keep_in("last")))
    for layer in range(n_layers):
        v_module = getattr(attention_of(hf, layer), v_names.get(hf.config.model_type, "v_proj"))
        handles += [
            o_projection(hf, layer).register_forward_pre_hook(keep_in(("z", layer))),
            o_projection(hf, layer).register_forward_hook(keep_out(("o", layer))),
            mlp_writer(hf, layer).register_forward_hook(keep_out(("mlp", layer))),
            v_module.register_forward_hook(keep_out(("v", layer))),
        ]
    try:
        with torch.no_grad():
            out = hf(torch.tensor([list(ids)]), output_hidden_states=True, output_attentions=True)
    finally:
        for handle in handles:
            handle.remove()
    layers = range(n_layers)
    return Plain(
        logits=out.logits[0],
        resid=[state[0] for state in out.hidden_states[:-1]] + [seen["last"]],
        attention=torch.stack([pattern[0] for pattern in out.attentions]),
        z=[seen["z", layer].unflatten(-1, (hf.config.num_attention_heads, d_head(hf))) for layer in layers],
        o=[seen["o", layer] for layer in layers],
        mlp=[seen["mlp", layer] for layer in layers],
        v=[values(hf, layer, seen) for layer in layers],
    )
