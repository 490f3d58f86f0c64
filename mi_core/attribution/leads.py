"""Where to look further: the three strongest leads into how a prediction came about."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from mi_core.attribution.logit_parts import Parts, take_apart
from mi_core.errors import InputError
from mi_core.metrics import lens
from mi_core.metrics.target import Target
from mi_core.models import hooks
from mi_core.models.model import Activations, Model
from mi_core.models.tokens import Tokens
from mi_core.phrases import after_layer, listed, percent, place, quoted, signed
from mi_core.saes import loading as saes
from mi_core.saes import notes
from mi_core.saes.sae import Sae

WORTH_SAYING = 0.005  # logits: less is written as nothing


@dataclass(frozen=True)
class Lead:
    """Something worth a look: a sentence, the page that shows it, and the settings to open that page with."""

    kind: str
    page: str
    text: str
    layer: int | None = None
    head: int | None = None
    feature: int | None = None
    pos: int | None = None


def ready_sae(model: Model) -> Sae | None:
    """The model's SAE if it can be had without a download; the overview does without one rather than fail."""
    local = [entry for entry in saes.available(model.id) if entry.folder is not None and not entry.refused]
    with suppress(InputError):
        return saes.load_sae(model, local[len(local) // 2].name) if local else None
    return None


def leads(model: Model, tokens: Tokens, acts: Activations, target: Target, pos: int, sae: Sae | None) -> Iterator[Lead]:
    """The layer that decides, the heads that push, and the features that fire, or else what the first head reads.

    Args:
        model: The model.
        tokens: The prompt.
        acts: A run that kept `logit_parts.sites` with ``query=pos``, and the SAE's hook.
        target: The answer.
        pos: The position that predicts it.
        sae: An SAE of this model, or None.
    """
    resid = torch.stack([acts[name][pos] for name in model.resid_names()])
    yield _layer_lead(lens.ranks_by_layer(model, resid, target.token_id), target, model.n_layers, pos)
    parts = take_apart(model, acts, target, pos)
    if parts.split.any():
        yield _head_lead(parts, target, pos)
    reads_bos = pos == 0 and tokens.has_bos  # SAEs are trained without it, and read noise there
    if sae is not None and not reads_bos:
        yield _feature_lead(tokens, acts, sae, pos)
    elif parts.split.any() and model.opening.mixes:
        yield _attention_lead(acts, tokens, parts, pos)


def _layer_lead(rank: np.ndarray, target: Target, n_layers: int, pos: int) -> Lead:
    name = quoted(target.text)
    if rank[-1] == 1:
        layer = lens.settled(rank)
        verb = "is" if layer == 0 else "becomes"
        text = f"{name} {verb} the top guess {after_layer(layer, n_layers)}, and stays there."
    else:
        layer = int(rank.argmin())
        text = f"{name} stands highest {after_layer(layer, n_layers)}: rank {rank[layer]:,}."
    return Lead("layer", "logit_lens", text, layer=layer, pos=pos)


def _head_lead(parts: Parts, target: Target, pos: int) -> Lead:
    values = _told_apart(parts).flatten()
    best = [index for index in values.argsort(descending=True)[:3].tolist() if values[index] >= WORTH_SAYING]
    layer, head = divmod(int(values.argmax()), parts.heads.shape[1])
    if not best:
        text = f"No head pushes {_pushed(target)}; L{layer}H{head} holds it down least."
    else:
        named = [(*divmod(index, parts.heads.shape[1]), float(values[index])) for index in best]
        heads = listed([f"L{layer}H{head} ({signed(value)})" for layer, head, value in named])
        most = "pushes" if len(named) == 1 else "push"
        text = f"Of the heads alone, {heads} {most} {_pushed(target)} most, in logits."
    return Lead("head", "attribution", text, layer=layer, head=head, pos=pos)


def _pushed(target: Target) -> str:
    """`“·Austin” up`, or `“·Austin” above “·Paris”`."""
    return f"{quoted(target.text)} " + ("up" if target.foil_text is None else f"above {quoted(target.foil_text)}")


def _told_apart(parts: Parts) -> Float[Tensor, "layer head"]:
    """What each head adds; −∞ in layers that have no heads, or whose heads are not told apart."""
    return parts.heads.masked_fill(~parts.split[:, None], -torch.inf)


def _feature_lead(tokens: Tokens, acts: Activations, sae: Sae, pos: int) -> Lead:
    """The three features that fire most, by name where they have one."""
    with torch.no_grad():
        encoded = sae.encode(acts[sae.hook][pos])
        features = encoded.abs().topk(3).indices  # some SAEs fire in both directions
        values = encoded[features]
    known = notes.notes(sae.entry)
    named = [
        f"{feature} ({_labelled(known.of(feature).label)}{value:.1f})"
        for value, feature in zip(values.tolist(), features.tolist(), strict=True)
        if value != 0
    ]
    at, first = place(tokens, pos), int(features[0])
    text = f"At {at}, these features fire most: {listed(named)}." if named else f"At {at}, no feature fires."
    return Lead("feature", "features", text, layer=sae.layer, feature=first if named else None, pos=pos)


def _labelled(label: str) -> str:
    return f"{label}, " if label else ""


def _attention_lead(acts: Activations, tokens: Tokens, parts: Parts, pos: int) -> Lead:
    """Which token the strongest head took it from."""
    layer, head = divmod(int(_told_apart(parts).argmax()), parts.heads.shape[1])
    source = int(parts.sources[layer, head].argmax())
    weight = percent(float(acts[hooks.pattern(layer)][head, 0, source]))
    text = f"L{layer}H{head} takes it from {place(tokens, source)}, which gets {weight} of its attention."
    return Lead("attention", "attention", text, layer=layer, head=head, pos=pos)
