"""Whether what Loupe reads and changes in an opened model is the model's own: compared with plain transformers.

The bridge that Loupe looks through replaces modules of the Hugging Face model. A copy that shares its weights, made
before that, runs beside it here. The bridge's logits must be the copy's, for short and long texts and at the context's
end; every activation that a hook shows must be the value of one of the copy's own modules, found by comparing numbers
and not names; and a change made at the hook must do to the logits what the same change does at that module. Where
logits differ, attention is left to transformers' own modules; a model whose logits differ then is refused; a site that
fails is absent, with its reason.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from functools import partial
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import Module

from mi_core.errors import InputError
from mi_core.models.hooks import SITES
from mi_core.models.opening import Opening
from mi_core.models.plain import ALLOWED, Place, change_plainly, find, plain_values

SHORT, LONG, END = 8, 48, 4  # tokens of the texts that are compared
PUSH = 0.5  # of an activation's mean size: what is added to see that it is felt
SINK = 1e-3  # of a row of attention: more is missing where something beside the tokens takes it
FIRST = 2  # position from which activations are changed: patterns of earlier ones have hardly any freedom

WORDS = {
    "resid_pre": "residual stream before each block",
    "resid_mid": "residual stream between attention and MLP",
    "resid_post": "residual stream after each block",
    "attn_out": "attention layers' output",
    "mlp_out": "MLPs' output",
    "post": "MLPs' neurons",
    "z": "heads' output",
    "q": "queries",
    "k": "keys",
    "v": "values",
    "pattern": "attention patterns",
}


@torch.no_grad()
def compare(model, plain: Module, copies: Mapping[int, Any]) -> Opening:
    """Compare an opened model with its plain copy.

    Args:
        model: The `Model`, not compared yet.
        plain: What `plain_copy` made before the bridge was.
        copies: The copies by id, from the same call.

    Raises:
        InputError: The bridge's logits are not the model's, or some of them are not numbers.
    """
    errors, left = _logit_errors(model, plain), False
    if not _are_close(errors):
        model.leave_attention()
        errors, left = _logit_errors(model, plain), True
    _check_close(model, errors)
    ids = _ids(model, SHORT)
    blocks = [copies.get(id(getattr(block, "original_component", None))) for block in model.bridge.blocks]
    if any(block is None for block in blocks):
        reason = "the blocks of this architecture cannot be told apart"
        return Opening(errors, dict.fromkeys(SITES, reason), dict.fromkeys(SITES, reason), attention_left=left)
    read, logits = _read(model, ids)
    values, attentions = plain_values(plain, blocks, ids)
    places = {(site, layer): find(site, value, values[layer]) for (site, layer), value in read.items()}
    unread = _unread(model, read, places, attentions)
    mixes = all(_mixes(model, read, layer) for layer in range(model.n_layers) if ("z", layer) in read)
    unfelt = unread | _unfelt(model, plain, blocks, ids, read, places, unread, mixes)
    return Opening(
        errors=errors,
        unread=unread,
        unfelt=unfelt,
        headless=tuple(layer for layer in range(model.n_layers) if not model.has_attention(layer)),
        attention_alone="attn_out" in unread or _attention_alone(model, ids, read, logits),
        sinks=any(float(value.sum(-1).min()) < 1 - SINK for (site, _), value in read.items() if site == "pattern"),
        adds_up=_adds_up(model, read),
        mixes=mixes,
        logit_scale=_logit_scale(model, read, logits),
        cache_holds=_cache_holds(model, ids),
        tokens_once=_tokens_once(model, ids, read, logits),
        attention_left=left,
    )


# Logits ----------------------------------------------------------------------------------------------------------


def _ids(model, n: int) -> Int[Tensor, "1 pos"]:
    """Ordinary tokens, spread over the vocabulary, the same for every call."""
    n_vocab = min(model.d_vocab, model.embedding.shape[0], len(model.tokenizer))
    special = set(model.tokenizer.all_special_ids)
    ordinary = [i * 7919 % n_vocab for i in range(1, 4 * n + 200)]
    kept = [i for i in ordinary if i not in special][:n]
    return torch.tensor([kept or [0] * n], device=model.device)


def _logit_errors(model, plain: Module) -> dict[str, float]:
    """How far the bridge's logits are from the plain model's, as a share of the largest.

    Raises:
        InputError: They are not numbers.
    """
    long = min(LONG, model.n_ctx)
    texts: dict[str, dict[str, Tensor]] = {
        "a short text": {"input_ids": _ids(model, min(SHORT, model.n_ctx))},
        "a long text": {"input_ids": _ids(model, long)},
    }
    if model.n_ctx > long and _takes_positions(plain):
        last = torch.arange(model.n_ctx - END, model.n_ctx, device=model.device)[None]
        texts["the context's end"] = {"input_ids": _ids(model, END), "position_ids": last}
    errors = {}
    for name, asked in texts.items():
        theirs = plain(**asked, use_cache=False).logits
        ours = model.bridge.original_model(**asked, use_cache=False).logits
        if not bool(theirs.isfinite().all()):
            raise InputError(
                f"{model.id} gives logits that are not numbers, so nothing it says can be trusted: its weights may be "
                "damaged; fetch the model again.",
                "model",
            )
        errors[name] = _off(ours, theirs)
    return errors


def _are_close(errors: Mapping[str, float]) -> bool:
    return all(error <= ALLOWED for error in errors.values())


def _check_close(model, errors: Mapping[str, float]) -> None:
    """Raises InputError where logits are too far from the plain model's."""
    for name, error in errors.items():
        if not error <= ALLOWED:
            raise InputError(
                f"{model.id} cannot be looked into truthfully: read through Loupe, {name} gets logits that are off by "
                f"{error:.1%} of the largest. Choose another model.",
                "model",
            )


def _takes_positions(plain: Module) -> bool:
    return "position_ids" in inspect.signature(plain.forward).parameters


def _off(ours: Tensor, theirs: Tensor) -> float:
    """The largest difference, as a share of the largest number."""
    if ours.shape != theirs.shape:
        return float("inf")
    return float((ours.float() - theirs.float()).abs().max() / theirs.float().abs().max().clamp(min=1e-9))


# What the hooks show -------------------------------------------------------------------------------------------------

Read = dict[tuple[str, int], Tensor]


def _read(model, ids: Int[Tensor, "1 pos"]) -> tuple[Read, Float[Tensor, "pos d_vocab"]]:
    """Every site that there is, of every layer, as the bridge's hooks show it; and the logits."""
    read: Read = {}

    def keep(value: Tensor, hook, at: tuple[str, int]) -> None:
        read[at] = value[0].clone()

    wanted = {
        name(layer): partial(keep, at=(site, layer)) for site, name in SITES.items() for layer in range(model.n_layers)
    }
    with model.hooked(wanted):
        logits = model.bridge.original_model(ids, use_cache=False).logits[0]
    return read, logits


def _unread(model, read: Read, places: Mapping[tuple[str, int], Place | None], attentions: tuple) -> dict[str, str]:
    """Why a site cannot be shown, by site: what its hook shows is not the model's own."""
    reasons = {}
    for site in SITES:
        layers = [layer for layer in range(model.n_layers) if (site, layer) in read]
        if not layers:
            reasons[site] = f"{model.id} has no {WORDS[site]} that Loupe can see"
        elif not all(_is_the_models_own(model, site, layer, read, places, attentions) for layer in layers):
            reasons[site] = f"what Loupe sees as the {WORDS[site]} of {model.id} are not the model's own numbers"
    return reasons


def _is_the_models_own(model, site: str, layer: int, read: Read, places: Mapping, attentions: tuple) -> bool:
    if site == "pattern":
        with_heads = [each for each in range(model.n_layers) if (site, each) in read]  # hybrids give these layers' only
        own = attentions[with_heads.index(layer)] if len(attentions) == len(with_heads) else None
        return _mixes(model, read, layer) if own is None else _off(read[site, layer], own[0]) <= ALLOWED
    if site == "resid_mid":
        parts = [read.get((name, layer)) for name in ("resid_pre", "attn_out")]
        return all(part is not None for part in parts) and _off(sum(parts), read[site, layer]) <= ALLOWED
    heads = {"z": model.n_heads, "q": model.n_heads, "k": model.n_kv_heads, "v": model.n_kv_heads}.get(site)
    if heads is not None and (read[site, layer].ndim != 3 or read[site, layer].shape[1] != heads):
        return False  # cut into heads by another width than theirs
    place = places[site, layer]
    return place is not None and (place.factor == 1 or _adds_up_at(read, layer))


def _mixes(model, read: Read, layer: int) -> bool:
    """Whether each head's output is its pattern times its values, with nothing done to them on the way."""
    z, pattern, v = (read.get((site, layer)) for site in ("z", "pattern", "v"))
    if z is None or pattern is None or v is None or v.ndim != 3 or z.ndim != 3:
        return False
    if v.shape[0] != z.shape[0] or v.shape[2] != z.shape[2] or z.shape[1] % v.shape[1] or len(pattern) != z.shape[1]:
        return False
    mixed = torch.einsum("hqk,khd->qhd", pattern, v.repeat_interleave(z.shape[1] // v.shape[1], dim=1))
    return _off(mixed, z) <= ALLOWED


def _adds_up(model, read: Read) -> bool:
    """Whether what each block's attention and MLP write is all that it adds to the residual stream."""
    return all(_adds_up_at(read, layer) for layer in range(model.n_layers))


def _adds_up_at(read: Read, layer: int) -> bool:
    """Whether it is so in one layer, as far as that layer has these parts."""
    *parts, after = (read.get((site, layer)) for site in ("resid_pre", "attn_out", "mlp_out", "resid_post"))
    return any(part is None for part in (*parts, after)) or _off(sum(parts), after) <= ALLOWED


def _tokens_once(model, ids: Int[Tensor, "1 pos"], read: Read, logits: Float[Tensor, "pos d_vocab"]) -> bool:
    """Whether other tokens with this text's residual stream at the start give this text's logits."""
    start = read.get(("resid_pre", 0))
    if start is None:
        return True
    with model.hooked({SITES["resid_pre"](0): lambda value, hook: start[None].clone()}):
        return _off(model.bridge.original_model(ids.flip(1), use_cache=False).logits[0], logits) <= ALLOWED


def _attention_alone(model, ids: Int[Tensor, "1 pos"], read: Read, logits: Float[Tensor, "pos d_vocab"]) -> bool:
    """Whether another first token changes no later logits while all that attention adds is held."""
    held = {SITES[site](layer): value for (site, layer), value in read.items() if site == "attn_out"}
    start = read.get(("resid_pre", 0))
    if start is None:
        return True
    changes: dict[str, Callable] = {
        name: lambda value, hook, held=value: held[None].clone() for name, value in held.items()
    }
    changes[SITES["resid_pre"](0)] = lambda value, hook: torch.cat([-start[None, :1], start[None, 1:]], dim=1)
    with model.hooked(changes):
        return _off(model.bridge.original_model(ids, use_cache=False).logits[0, 1:], logits[1:]) <= ALLOWED


def _logit_scale(model, read: Read, logits: Float[Tensor, "pos d_vocab"]) -> float | None:
    """The logits (before a soft cap) are what final norm and unembedding give, times this; None where they are not."""
    try:
        own = model.unembedding(model.bridge.ln_final.original_component(read["resid_post", model.n_layers - 1]))
    except (AttributeError, KeyError, RuntimeError):
        return None
    if _off(model.cap(own), logits) <= ALLOWED:
        return 1.0
    scale = float((own * logits).sum() / (own * own).sum())
    return scale if _off(own * scale, logits) <= ALLOWED else None


# Changes -------------------------------------------------------------------------------------------------------------


def _unfelt(
    model,
    plain: Module,
    blocks: list[Module],
    ids: Int[Tensor, "1 pos"],
    read: Read,
    places: Mapping[tuple[str, int], Place | None],
    unread: Mapping[str, str],
    mixes: bool,
) -> dict[str, str]:
    """Why a site cannot be changed, by site: a row of one batch each, in which all its layers are changed."""
    reasons, rows = {}, []
    for site in SITES:
        if site in unread:
            continue
        if site == "pattern" and (not mixes or "z" in unread or "v" in unread):
            reasons[site] = (
                f"{model.id} does more to its values than mix them, so a changed pattern is not all that changes"
            )
        elif site == "resid_mid" and "attn_out" in unread:
            reasons[site] = f"a change of the {WORDS[site]} cannot be compared with one of {model.id}'s own"
        else:
            rows.append(site)
    pushes = {at: _push(at, value) for at, value in read.items()}
    batch = ids.expand(len(rows), -1)
    with model.hooked(_bridge_changes(model, rows, pushes)):
        ours = model.bridge.original_model(batch, use_cache=False).logits
    with ExitStack() as stack:
        for row, site in enumerate(rows):
            for layer in range(model.n_layers):
                if (site, layer) in read:
                    change_plainly(stack, row, site, layer, pushes[site, layer], places)
        theirs = plain(batch, use_cache=False).logits
    for row, site in enumerate(rows):
        if _off(ours[row], theirs[row]) > ALLOWED:
            reasons[site] = f"a change of the {WORDS[site]} does not reach {model.id} as it should"
    return reasons


def _push(at: tuple[str, int], value: Tensor) -> Tensor:
    """What is added to an activation [pos, …]; for patterns [head, query_pos, key_pos] what takes their place."""
    random = torch.Generator().manual_seed(1 + at[1])
    if at[0] == "pattern":
        weights = torch.rand(value.shape, generator=random).to(value).tril()
        return weights / weights.sum(-1, keepdim=True)
    signs = torch.randint(0, 2, value.shape, generator=random).to(value) * 2 - 1
    signs[:FIRST] = 0
    return PUSH * value.abs().mean() * signs


def _bridge_changes(model, rows: list[str], pushes: Mapping[tuple[str, int], Tensor]) -> dict[str, Callable]:
    """Hook functions that change row i at the sites `rows[i]`."""

    def change(value: Tensor, hook, row: int, site: str, push: Tensor) -> Tensor:
        changed = value.clone()
        changed[row] = push if site == "pattern" else changed[row] + push
        return changed

    return {
        SITES[site](layer): partial(change, row=rows.index(site), site=site, push=push)
        for (site, layer), push in pushes.items()
        if site in rows
    }


def _cache_holds(model, ids: Int[Tensor, "1 pos"]) -> bool:
    """Whether reading on with kept keys and values gives the logits of reading everything."""
    from mi_core.models import kv_cache

    half = ids.shape[1] // 2
    try:
        cache = kv_cache.roomy(model, 1, ids.shape[1])
        model.bridge.original_model(input_ids=ids[:, :half], past_key_values=cache, use_cache=True)
        for pos in range(half, half + 2):
            step = model.bridge.original_model(input_ids=ids[:, pos : pos + 1], past_key_values=cache, use_cache=True)
            whole = model.bridge.original_model(ids[:, : pos + 1], use_cache=False)
            if _off(step.logits[:, -1], whole.logits[:, -1]) > ALLOWED:
                return False
    except Exception:
        return False
    return True
