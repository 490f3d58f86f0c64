"""Trainings for the tests: a model's folder with earlier checkpoints beside it, and revisions in a hub's cache."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file


def earlier(folder: Path, step: int) -> dict[str, torch.Tensor]:
    """Weights of the model in a folder, moved at random, in half precision."""
    noise = torch.Generator().manual_seed(step)
    weights = load_file(folder / "model.safetensors")
    return {name: (w + 0.4 * w.std() * torch.randn(w.shape, generator=noise)).half() if w.dim() > 1 else w.half()
            for name, w in weights.items()}  # fmt: skip


def with_checkpoints(folder: Path, to: Path, steps: tuple[int, ...]) -> Path:
    """A copy of a model's folder, with checkpoints of these steps."""
    shutil.copytree(folder, to)
    (to / "checkpoints").mkdir()
    for step in steps:
        save_file(earlier(folder, step), to / "checkpoints" / f"step_{step}.safetensors", metadata={"format": "pt"})
    return to


def as_revisions(folder: Path, cache: Path, hub_id: str, steps: tuple[int, ...]) -> None:
    """Revisions of these steps, as if they had been fetched."""
    place = cache / f"models--{hub_id.replace('/', '--')}"
    (place / "refs").mkdir(parents=True)
    for step in steps:
        commit = hashlib.sha1(str(step).encode()).hexdigest()
        (place / "refs" / f"step{step}").write_text(commit)
        snapshot = shutil.copytree(folder, place / "snapshots" / commit)
        save_file(earlier(folder, step), snapshot / "model.safetensors", metadata={"format": "pt"})
