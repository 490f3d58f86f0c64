"""A lens of your own: trained on a text file, for any model."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float, Int
from safetensors.torch import load_file, save_file
from torch import Tensor

from mi_core import disk
from mi_core.errors import InputError, choose
from mi_core.lenses import files
from mi_core.lenses.files import NAMES, Kind
from mi_core.lenses.jacobian import FIRST_POS, JacobianFit
from mi_core.lenses.streams import streams, token_rows
from mi_core.lenses.translator import Translator
from mi_core.lenses.tuned import TunedTraining, divergence, log_probabilities
from mi_core.models.model import Model
from mi_core.models.progress import Progress, silent
from mi_core.phrases import after_layer
from mi_core.result import Check, Reading, check_axes
from mi_core.text.corpus import TextFile, read_texts

HELD_OUT = 8  # one row of so many is kept apart, to measure on
MOST_ROWS = 2048
KEEP_EVERY = 10  # steps, or texts


@dataclass(frozen=True)
class LensTraining:
    """A lens that was trained here, measured on text of the same file that it has not seen."""

    model: str
    """Id of the model."""
    kind: str
    """``"tuned"`` or ``"jacobian"``."""
    file: str
    """Name of the text file."""
    n_rows: int
    """Rows of text that it learned from."""
    n_held_out: int
    """Rows that it was measured on."""
    layers: tuple[int, ...]
    """[layer] How many blocks have been passed."""
    logit_kl: Float[np.ndarray, " layer"]
    """[layer] Bits per token: KL(output ‖ logit lens)."""
    lens_kl: Float[np.ndarray, " layer"]
    """[layer] Bits per token: KL(output ‖ this lens)."""
    checks: tuple[Check, ...]
    """What must hold of these numbers."""
    units: str = "bits (KL)"
    """All units, in words."""
    lasting: bool = False
    """The lens is a file of its own, which may be removed: the result is not kept on disk."""

    def __post_init__(self) -> None:
        check_axes(self, layer=len(self.layers))

    @property
    def column_units(self) -> dict[str, dict[str, str]]:
        """Of both lenses."""
        return {"layers": dict.fromkeys(("logit_kl", "lens_kl"), "bits")}

    def tables(self) -> dict[str, pd.DataFrame]:
        """`layers`: how far both lenses are from the model's output on held-out text, a row per layer."""
        stages = [after_layer(layer, self.layers[-1] + 1) for layer in self.layers]
        columns = {"layer": self.layers, "stage": stages, "logit_kl": self.logit_kl, "lens_kl": self.lens_kl}
        return {"layers": pd.DataFrame(columns)}

    def reading(self) -> Reading:
        """Whether it reads better than the logit lens, where it was not trained."""
        name, n = NAMES[self.kind], len(self.layers)
        better = int((self.lens_kl < self.logit_kl).sum())
        return Reading(
            f"The {name} is nearer to the model's output than the logit lens at {better} of {n} layers",
            (
                f"It learned from {self.n_rows:,} rows of {self.file} and was measured on {self.n_held_out:,} others.",
                f"Mean distance (KL) over the layers: {self.lens_kl.mean():.2f} bits, the logit lens "
                f"{self.logit_kl.mean():.2f}.",
            ),
        )


def lens_training(
    model: Model,
    file: TextFile,
    *,
    kind: Kind = "tuned",
    steps: int = 250,
    texts: int = 64,
    progress: Progress = silent,
) -> LensTraining:
    """Train a tuned lens, or fit a Jacobian lens, on a text file; the lenses' pages and commands then have it.

    What is done is kept every few steps: stopped and started again with the same file and settings, it goes on. One
    row of text in eight is held out, and both this lens and the logit lens are measured there.

    Args:
        model: The model.
        file: Text (.txt), a table with a column `text` (.csv, .tsv) or JSON lines (.jsonl); at most 50 MB.
        kind: ``"tuned"``: an affine translator per layer (Belrose et al. 2023). ``"jacobian"``: the mean derivative of
            the output by each layer's stream (Gurnee et al. 2026).
        steps: Steps of a tuned lens' training, of 256 tokens each.
        texts: Rows of 64 tokens that a Jacobian lens is averaged over.
        progress: Called after every pass.

    Returns:
        KL(output ‖ lens) in bits per token on held-out text, by layer.

    Raises:
        InputError: The file cannot be read, or is too short; no steps or texts; a model whose layers no lens can read.
    """
    choose(kind, get_args(Kind), "kind", "lens")
    for name, value in (("steps", steps), ("texts", texts)):
        if not 1 <= value <= 100_000:
            raise InputError(f"{name.capitalize()} must be from 1 to 100,000: choose another number.", name)
    if "+" in model.fingerprint:
        raise InputError("A lens is trained on the model as it is: leave the edits out.", "edits")
    path = Path(file)
    rows = token_rows(model, read_texts(path), MOST_ROWS)
    held_out = torch.arange(len(rows)) % HELD_OUT == 0
    known, fresh = rows[~held_out], rows[held_out]
    state = _trained(model, kind, known, steps, texts, progress)
    target = files.trained(model.fingerprint, kind)
    about = {"lens": kind, "texts": str(len(known[:texts] if kind == "jacobian" else known))}
    _write(state, target, about | ({"first_pos": str(FIRST_POS)} if kind == "jacobian" else {}))
    lens = files.open_lens(model, kind, "trained")
    logit_kl, lens_kl = _measured(model, fresh, lens)
    return LensTraining(
        model=model.id,
        kind=kind,
        file=path.name,
        n_rows=int(about["texts"]),
        n_held_out=len(fresh),
        layers=tuple(lens.layers),
        logit_kl=logit_kl,
        lens_kl=lens_kl,
        checks=(Check("the lens that opens is the one that was trained", _apart(state, lens), 0.0),),
    )


def _trained(
    model: Model, kind: str, rows: Int[Tensor, "row pos"], steps: int, texts: int, progress: Progress
) -> dict[str, Tensor]:
    """The finished maps, from where a run that was stopped has left off."""
    unfinished = _unfinished(model, kind, rows, steps if kind == "tuned" else texts)
    kept = load_file(unfinished) if unfinished.is_file() else None
    if kind == "tuned":
        training = TunedTraining(model, rows, steps, kept)
        for _ in training.train():
            if training.done % KEEP_EVERY == 0:
                _write(training.kept(), unfinished)
            progress(training.done, steps)
    else:
        training = JacobianFit(model, rows[:texts], kept)
        for done in training.fit():
            if done % training.passes == 0 and training.done % KEEP_EVERY == 0:
                _write(training.kept(), unfinished)
            progress(done, len(training.rows) * training.passes)
    unfinished.unlink(missing_ok=True)
    return training.lens()


def _unfinished(model: Model, kind: str, rows: Int[Tensor, "row pos"], length: int) -> Path:
    """Where a run on these rows is kept until it is done."""
    name = hashlib.sha256(rows.cpu().numpy().tobytes() + f" {kind} {length}".encode()).hexdigest()[:16]
    return files.trained(model.fingerprint, "tuned").with_name(f"{name}.unfinished.safetensors")


def _write(state: dict[str, Tensor], path: Path, about: dict[str, str] | None = None) -> None:
    """The whole file or none. Raises InputError where there is no room."""
    try:
        with disk.whole(path) as unfinished:
            save_file({name: tensor.contiguous() for name, tensor in state.items()}, unfinished, about)
    except OSError as error:
        raise InputError(f"The lens cannot be written ({error.strerror}): make room, or allow it.", "file") from error


@torch.no_grad()
def _measured(
    model: Model, rows: Int[Tensor, "row pos"], lens: Translator
) -> tuple[Float[np.ndarray, " layer"], Float[np.ndarray, " layer"]]:
    """KL from the output in bits per token, by layer: of the logit lens and of this lens."""
    chunks = [_distances(model, part, lens) for part in rows.split(4)]
    own, learned = (np.mean(column, 0) / math.log(2) for column in zip(*chunks, strict=True))
    return own, learned


def _distances(model: Model, rows: Int[Tensor, "row pos"], lens: Translator) -> tuple[list[float], list[float]]:
    resid = streams(model, rows)
    output = log_probabilities(model, resid[-1])

    def distance(x: Float[Tensor, "token d_model"]) -> float:
        return float(divergence(output, log_probabilities(model, x)))

    return (
        [distance(resid[layer]) for layer in lens.layers],
        [distance(lens.translate(resid[layer], layer)) for layer in lens.layers],
    )


def _apart(state: dict[str, Tensor], lens: Translator) -> float:
    """How far the lens that was opened is from what was written."""
    opened = {f"layers.{layer}.weight": t for layer, t in lens.weight.items()}
    opened |= {f"layers.{layer}.bias": t for layer, t in lens.bias.items()}
    return max(float((tensor - opened[name].cpu()).abs().max()) for name, tensor in state.items())
