"""Small random SAEs in sae_lens' own format, for the tests."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import torch

CENTRED = {"center_writing_weights": True}


def save_sae(folder: Path, hook: str, kind: str = "standard", d_in: int = 32, d_sae: int = 48, **options) -> Path:
    """Write a random SAE of that kind into a model's folder, with sae_lens; returns its folder.

    `options`: `normalize` for sae_lens' normalize_activations, `kwargs` for the metadata's
    model_from_pretrained_kwargs, `name` of the folder below ``saes`` if it is not the hook.
    """
    from sae_lens import StandardSAE, StandardSAEConfig, TopKSAE, TopKSAEConfig
    from sae_lens.saes import AbsTopKSAE, AbsTopKSAEConfig, Transcoder, TranscoderConfig
    from sae_lens.saes.sae import SAEMetadata

    metadata = SAEMetadata(hook_name=hook, model_name="tiny")
    if "kwargs" in options:
        metadata["model_from_pretrained_kwargs"] = options["kwargs"]
    shared = {
        "d_in": d_in,
        "d_sae": d_sae,
        "normalize_activations": options.get("normalize", "none"),
        "metadata": metadata,
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if kind == "abstopk":
            sae = AbsTopKSAE(AbsTopKSAEConfig(k=6, **shared))
        elif kind == "transcoder":
            sae = Transcoder(TranscoderConfig(d_out=d_in, apply_b_dec_to_input=False, **shared))
        elif kind == "topk":
            sae = TopKSAE(TopKSAEConfig(k=6, rescale_acts_by_decoder_norm=True, **shared))
        else:
            sae = StandardSAE(StandardSAEConfig(**shared))
    generator = torch.Generator().manual_seed(sum(map(ord, hook + kind)))
    with torch.no_grad():
        for parameter in sae.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.3)
    target = folder / "saes" / options.get("name", hook)
    sae.save_model(target)
    return target


def k_of(folder: Path) -> int:
    """How many features a top-k SAE keeps, read without sae_lens."""
    return json.loads((folder / "cfg.json").read_text("utf-8"))["k"]


def weights_of(folder: Path) -> dict[str, torch.Tensor]:
    """The arrays of an SAE, read without sae_lens."""
    from safetensors.torch import load_file

    return load_file(folder / "sae_weights.safetensors")


def standard_encode(x: torch.Tensor, w: dict[str, torch.Tensor]) -> torch.Tensor:
    """A standard SAE by hand."""
    return ((x - w["b_dec"]) @ w["W_enc"] + w["b_enc"]).relu()


def topk_encode(x: torch.Tensor, w: dict[str, torch.Tensor], k: int) -> torch.Tensor:
    """A top-k SAE whose activations count in units of its decoder rows' length, by hand."""
    before = ((x - w["b_dec"]) @ w["W_enc"] + w["b_enc"]) * w["W_dec"].norm(dim=-1)
    best = before.topk(k)
    return torch.zeros_like(before).scatter(-1, best.indices, best.values.relu())
