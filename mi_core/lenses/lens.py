"""The residual stream of every layer and position, as the vocabulary reads it: what all lenses share."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float, Int
from torch import Tensor

from mi_core.metrics import readout
from mi_core.metrics.lens import settled
from mi_core.metrics.target import Target, resolve
from mi_core.models.model import Model
from mi_core.models.tokens import Tokens
from mi_core.phrases import after_layer, entropy_in_words, percent, place, quoted
from mi_core.result import Check, check_axes, same_length, within

ROWS_AT_ONCE = 1024  # rows read together: 8 MB for a block of the vocabulary

#: From residual streams to what the unembedding reads.
Normed = Callable[[Float[Tensor, "stage pos d_model"]], Float[Tensor, "stage pos d_model"]]


@dataclass(frozen=True)
class Stage:
    """A place where the stream is read: its `hook`, the site's `name`, and how many blocks have been `passed`."""

    hook: str
    name: str
    passed: int


@dataclass(frozen=True)
class Lens:
    """The vocabulary's view of every layer and position."""

    model: str
    """Id of the model."""
    tokens: Tokens
    """[pos] What was read."""
    target: Target
    """The answer that is followed."""
    pos: int
    """The position that the reading speaks of, from 0."""
    stages: tuple[str, ...]
    """[stage] Where the residual stream is read: before each block, between attention and MLP if asked, at the end."""
    layers: tuple[int, ...]
    """[stage] How many blocks it has passed there: 0 for the embeddings."""
    prediction_ids: Int[np.ndarray, "stage pos k"]
    """[stage, pos, k] Token ids of the top guesses, best first."""
    predictions: tuple[str, ...]
    """[stage · pos · k] Their texts, flattened."""
    top_logits: Float[np.ndarray, "stage pos k"]
    """[stage, pos, k] Their logits, after any soft cap."""
    top_probabilities: Float[np.ndarray, "stage pos k"]
    """[stage, pos, k] Their probabilities."""
    target_logit: Float[np.ndarray, "stage pos"]
    """[stage, pos] Logit of the answer."""
    target_probability: Float[np.ndarray, "stage pos"]
    """[stage, pos] Its probability."""
    target_rank: Int[np.ndarray, "stage pos"]
    """[stage, pos] Its rank, 1 for the top guess."""
    entropy: Float[np.ndarray, "stage pos"]
    """[stage, pos] Bits: doubt, the entropy of all guesses."""
    kl_to_final: Float[np.ndarray, "stage pos"]
    """[stage, pos] Bits: KL(final ‖ stage), from 0."""
    checks: tuple[Check, ...]
    """What must hold of these numbers."""
    units: str = "bits (entropy, KL), logits, probability"
    """All units, in words."""

    def __post_init__(self) -> None:
        check_axes(self, pos=len(self.tokens), stage=len(self.stages))
        within(self, 0, 1, "top_probabilities", "target_probability")
        same_length(self, "stages", "layers")
        if len(self.predictions) != self.prediction_ids.size:
            raise ValueError("predictions and their ids differ in number")

    def tables(self) -> dict[str, pd.DataFrame]:
        """`lens`: the top guesses, a row per layer, position and rank. `target`: the answer, per layer and position."""
        n_stages, n_pos, k = self.prediction_ids.shape
        stage, pos, rank = (axis.ravel() for axis in np.indices((n_stages, n_pos, k)))
        lens = self._axes(stage, pos) | {
            "rank": rank + 1,
            "prediction": self.predictions,
            "prediction_id": self.prediction_ids.ravel(),
            "logit": self.top_logits.ravel(),
            "probability": self.top_probabilities.ravel(),
        }
        stage, pos = (axis.ravel() for axis in np.indices((n_stages, n_pos)))
        target = self._axes(stage, pos) | {
            "target": self.target.text,
            "logit": self.target_logit.ravel(),
            "logit_change": np.diff(self.target_logit, axis=0, prepend=np.nan).ravel(),
            "probability": self.target_probability.ravel(),
            "rank": self.target_rank.ravel(),
            "entropy": self.entropy.ravel(),
            "kl_to_final": self.kl_to_final.ravel(),
        }
        return {"lens": pd.DataFrame(lens), "target": pd.DataFrame(target)}

    def _axes(self, stage: np.ndarray, pos: np.ndarray) -> dict[str, Any]:
        return {
            "layer": np.asarray(self.layers)[stage],
            "stage": np.asarray(self.stages, dtype=object)[stage],
            "pos": pos,
            "token": np.asarray(self.tokens.texts, dtype=object)[pos],
        }

    def headline(self, guess: str) -> str:
        """From where on the answer is the `guess` ("top guess") at `pos`, or where it was and lost it, or its rank."""
        rank, name = self.target_rank[:, self.pos], quoted(self.target.text)
        if rank[-1] == 1:
            first = settled(rank)
            return f"{name} {'becomes' if first else 'is'} the {guess} {self.when(first)}"
        if rank.min() == 1:
            held = len(rank) - 1 - int((rank[::-1] == 1).argmax())
            return f"{name} is the {guess} {self.when(held)} and loses it: it ends at rank {rank[-1]:,}"
        return f"{name} never becomes the {guess}: it ends at rank {rank[-1]:,}"

    def when(self, stage: int) -> str:
        """A stage in words."""
        return after_layer(self.layers[stage], self.layers[-1], self.stages[stage])

    def ending(self) -> str:
        """What the model expects in the end after `pos`, and how likely the answer is."""
        name = quoted(self.target.text)
        at, given = place(self.tokens, self.pos), percent(self.target_probability[-1, self.pos])
        if self.target_rank[-1, self.pos] == 1:
            return f"After {at}, the model ends by expecting {name}: {given}."
        own, sure = self.guess(-1)
        return f"After {at}, the model ends by expecting {own} ({sure}); it gives {name} {given}."

    def before(self) -> list[str]:
        """What stood in the answer's place one stage before it, or where the answer stood highest."""
        rank = self.target_rank[:, self.pos]
        start, best = settled(rank), int(rank.argmin())
        if 0 < start < len(rank):
            own, sure = self.guess(start - 1)
            return [f"One step earlier, the lens reads {own} there ({sure})."]
        if rank[best] in (1, rank[-1]):
            return []
        return [f"It stands highest {self.when(best)}, at rank {rank[best]:,}."]

    def doubt(self) -> str:
        """How unsure the model is in the end."""
        return f"In the end the model {entropy_in_words(self.entropy[-1, self.pos])}."

    def guess(self, stage: int) -> tuple[str, str]:
        """The top guess at a stage and its probability, in words."""
        _, n_pos, k = self.prediction_ids.shape
        row = stage % len(self.stages)
        return quoted(self.predictions[(row * n_pos + self.pos) * k]), percent(self.top_probabilities[row, self.pos, 0])


def look(
    model: Model,
    tokens: Tokens,
    stages: Sequence[Stage],
    normed: Normed,
    *,
    target: str | Target | None,
    foil: str | None,
    pos: int,
    top_k: int,
) -> dict[str, Any]:
    """The fields of a `Lens`, by name.

    Args:
        model: The model.
        tokens: What it reads.
        stages: Where to look, in the order of the computation; the last one is the model's own output.
        normed: What the unembedding is given of the streams at these stages.
        target: The answer to follow, or its text; None for the model's top guess at `pos`.
        foil: Only checked.
        pos: The position that the reading speaks of.
        top_k: How many guesses to keep per cell.

    Raises:
        InputError: A bad target.
    """
    acts = model.run(tokens, [stage.hook for stage in stages], logits=pos)
    guess = int(acts.logits[0].argmax())
    answer = target if isinstance(target, Target) else resolve(model, target, foil, guess)
    rows = _read(model, torch.stack([acts[stage.hook] for stage in stages]), normed, answer, top_k)
    return {
        "model": model.id,
        "tokens": tokens,
        "target": answer,
        "pos": pos,
        "stages": tuple(stage.name for stage in stages),
        "layers": tuple(stage.passed for stage in stages),
        "predictions": tuple(model.texts(rows["prediction_ids"].ravel())),
        "checks": (_check(rows, acts.logits[0].numpy(force=True), pos),),
        **rows,
    }


def _read(
    model: Model, resid: Float[Tensor, "stage pos d_model"], normed: Normed, target: Target, k: int
) -> dict[str, np.ndarray]:
    """Summaries of every stage at every position, some positions at a time so that memory stays bounded."""
    chunks = [
        _read_chunk(model, normed(part), target, k) for part in resid.split(max(1, ROWS_AT_ONCE // len(resid)), dim=1)
    ]
    return {name: torch.cat([chunk[name] for chunk in chunks], dim=1).numpy(force=True) for name in chunks[0]}


@torch.no_grad()
def _read_chunk(model: Model, normed: Float[Tensor, "stage pos d_model"], target: Target, k: int) -> dict[str, Tensor]:
    """Every summary, [stage, pos] or [stage, pos, k]."""
    cells = readout.read(model, normed, target.token_id, k)
    kl = cells.cross_entropy - cells.cross_entropy[-1]
    return {
        "prediction_ids": cells.top.ids,
        "top_logits": cells.top.values,
        "top_probabilities": (cells.top.values - cells.lse[..., None]).exp(),
        "target_logit": cells.target_logit,
        "target_probability": (cells.target_logit - cells.lse).exp(),
        "target_rank": cells.target_rank,
        "entropy": cells.entropy / math.log(2),
        "kl_to_final": (kl / math.log(2)).clamp(min=0.0),
    }


def _check(rows: dict[str, np.ndarray], logits: Float[np.ndarray, " d_vocab"], pos: int) -> Check:
    """The lens computes the last row itself; the model's own logits at `pos` must agree with it.

    Compared are the logits that are kept, and log Σ exp over the whole vocabulary, in which every other one counts.
    """
    best, kept = rows["prediction_ids"][-1, pos], rows["top_logits"][-1, pos]
    error = np.abs(kept - logits[best]).max()
    total = kept[0] - np.log(rows["top_probabilities"][-1, pos, 0])
    error = max(error, np.abs(total - np.logaddexp.reduce(logits, dtype=np.float64)))
    return Check("the last row equals the model's logits", float(error), 1e-3)
