"""Files of learned lenses with random maps, for tests."""

from pathlib import Path
from shutil import copytree

import torch
from safetensors.torch import save_file

from mi_core.models.loading import load


def random_maps(d_model: int, layers, bias: bool, seed: int = 0) -> dict[str, torch.Tensor]:
    """Maps near to nothing, as training starts from them."""
    torch.manual_seed(seed)
    maps = {f"layers.{layer}.weight": 0.3 * torch.randn(d_model, d_model) for layer in layers}
    return maps | ({f"layers.{layer}.bias": 0.3 * torch.randn(d_model) for layer in layers} if bias else {})


def save_lens(folder: Path, kind: str, maps: dict[str, torch.Tensor], **about: str) -> Path:
    """Write a lens beside a model's weights."""
    path = folder / f"{kind}_lens.safetensors"
    save_file(maps, path, about or None)
    return path


def open_beside(tiny: Path, folder: Path, kind: str, scale: float = 1.0, **about: str):
    """(a copy of a tiny model with a random lens beside its weights, the lens' maps), the maps times `scale`."""
    model = load(str(copytree(tiny, folder)))
    layers = range(kind == "jacobian", model.n_layers)
    maps = {name: scale * tensor for name, tensor in random_maps(model.d_model, layers, bias=kind == "tuned").items()}
    save_lens(folder, kind, maps, **about)
    return model, maps
