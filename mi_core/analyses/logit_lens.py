"""What would the model say if it stopped at layer L?"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float, Int
from torch import Tensor

from mi_core.errors import InputError
from mi_core.metrics import distribution, readout
from mi_core.metrics.lens import settled
from mi_core.metrics.target import Target, resolve
from mi_core.models import hooks
from mi_core.models.model import Model
from mi_core.models.tokens import Tokens
from mi_core.phrases import after_layer, entropy_in_words, percent, place, quoted
from mi_core.result import Check, Reading, check_axes, same_length, within

ROWS_AT_ONCE = 1024  # rows read together: 8 MB for a block of the vocabulary


@dataclass(frozen=True)
class LogitLens:
    """The vocabulary's view of every layer and position."""

    model: str
    """Id of the model."""
    tokens: Tokens
    """[pos] What was read."""
    norm: str
    """``"recomputed"`` or ``"frozen"``."""
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

    def _axes(self, stage: np.ndarray, pos: np.ndarray) -> dict:
        return {
            "layer": np.asarray(self.layers)[stage],
            "stage": np.asarray(self.stages, dtype=object)[stage],
            "pos": pos,
            "token": np.asarray(self.tokens.texts, dtype=object)[pos],
        }

    def reading(self) -> Reading:
        """When the answer becomes the top guess at the chosen position, and how sure the model ends up."""
        rank, name = self.target_rank[:, self.pos], quoted(self.target.text)
        if rank[-1] == 1:
            first = settled(rank)
            title = f"{name} {'becomes' if first else 'is'} the top guess {self._when(first)}"
        elif rank.min() == 1:
            held = len(rank) - 1 - int((rank[::-1] == 1).argmax())
            title = f"{name} is the top guess {self._when(held)} and loses it: it ends at rank {rank[-1]:,}"
        else:
            title = f"{name} never becomes the top guess: it ends at rank {rank[-1]:,}"
        return Reading(title, (self._ending(name), *self._before(rank), self._doubt()))

    def _when(self, stage: int) -> str:
        return after_layer(self.layers[stage], self.layers[-1], self.stages[stage])

    def _ending(self, name: str) -> str:
        at, given = place(self.tokens, self.pos), percent(self.target_probability[-1, self.pos])
        if self.target_rank[-1, self.pos] == 1:
            return f"After {at}, the model ends by expecting {name}: {given}."
        own, sure = self._guess(-1)
        return f"After {at}, the model ends by expecting {own} ({sure}); it gives {name} {given}."

    def _before(self, rank: np.ndarray) -> list[str]:
        """What stood in the answer's place before it, or where the answer stood highest."""
        start, best = settled(rank), int(rank.argmin())
        if 0 < start < len(rank):
            own, sure = self._guess(start - 1)
            return [f"One step earlier, the lens reads {own} there ({sure})."]
        if rank[best] in (1, rank[-1]):
            return []
        return [f"It stands highest {self._when(best)}, at rank {rank[best]:,}."]

    def _doubt(self) -> str:
        return f"In the end the model {entropy_in_words(self.entropy[-1, self.pos])}."

    def _guess(self, stage: int) -> tuple[str, str]:
        """The top guess at a stage and its probability, in words."""
        row = stage % len(self.stages)
        text = self.predictions[row * self._row_size + self.pos * self._k]
        return quoted(text), percent(self.top_probabilities[row, self.pos, 0])

    @property
    def _k(self) -> int:
        return self.prediction_ids.shape[2]

    @property
    def _row_size(self) -> int:
        return self.prediction_ids.shape[1] * self._k


def logit_lens(
    model: Model,
    prompt: str,
    *,
    target: str | None = None,
    foil: str | None = None,
    pos: int | None = None,
    norm: Literal["recomputed", "frozen"] = "recomputed",
    resid_mid: bool = False,
    top_k: int = 5,
    prepend_bos: bool | None = None,
) -> LogitLens:
    """Read the residual stream after every block with the final norm and the unembedding.

    ``softmax(W_U · N(x[L, p]) + b_U)`` for every layer L and position p (nostalgebraist 2020, "interpreting GPT:
    the logit lens"). It shows what the last layer's reader would make of an unfinished thought; it does not show
    that the model itself "believes" it there.

    Args:
        model: The model.
        prompt: Text to read.
        target: The answer to follow; None for the model's top guess at `pos`.
        foil: Not read by the lens; accepted so that one set of settings serves all pages, and checked.
        pos: Position the reading speaks of; None for the last.
        norm: ``"recomputed"`` normalises each layer by its own scale: what would the model say if it stopped
            there? ``"frozen"`` uses the final layer's scale everywhere: how far has the final answer been built?
        resid_mid: Add a row between attention and MLP of every block.
        top_k: How many guesses to keep per cell.
        prepend_bos: None follows the model's own habit.

    Returns:
        Logits (after any soft cap), probabilities, ranks, entropy and KL(final ‖ layer) in bits. Layer 0 is the
        embeddings, layer n_layers the model's output.

    Raises:
        InputError: A bad prompt, target, position or top_k, or `resid_mid` on a model with parallel blocks.
    """
    distribution.check_top_k(top_k, model.d_vocab)
    tokens = model.tokens(prompt, prepend_bos)
    position = model.position(tokens, pos)
    stages = _stages(model, resid_mid)
    acts = model.run(tokens, [name for name, _, _ in stages], logits=position)
    answer = resolve(model, target, foil, int(acts.logits[0].argmax()))
    rows = _read(model, torch.stack([acts[name] for name, _, _ in stages]), norm, answer, top_k)
    return LogitLens(
        model=model.id,
        tokens=tokens,
        norm=norm,
        target=answer,
        pos=position,
        stages=tuple(stage for _, stage, _ in stages),
        layers=tuple(layer for _, _, layer in stages),
        predictions=tuple(model.texts(rows["prediction_ids"].ravel())),
        checks=(_check(rows, acts.logits[0].numpy(force=True), position),),
        **rows,
    )


def _stages(model: Model, resid_mid: bool) -> list[tuple[str, str, int]]:
    """(hook name, stage, blocks passed) in the order of the computation."""
    if resid_mid and not model.has(hooks.resid_mid(0)):
        raise InputError(
            f"{model.id} runs attention and MLP side by side, so there is no residual stream between them: "
            "switch the half-layers off.",
            "resid_mid",
        )
    stages = []
    for layer, name in enumerate(model.resid_names()[:-1]):
        stages.append((name, "resid_pre", layer))
        if resid_mid:
            stages.append((hooks.resid_mid(layer), "resid_mid", layer))
    return [*stages, (hooks.resid_post(model.n_layers - 1), "resid_post", model.n_layers)]


def _read(
    model: Model, resid: Float[Tensor, "stage pos d_model"], norm: str, target: Target, k: int
) -> dict[str, np.ndarray]:
    """Summaries of every stage at every position, some positions at a time so that memory stays bounded."""
    chunks = [
        _read_chunk(model, part, norm, target, k) for part in resid.split(max(1, ROWS_AT_ONCE // len(resid)), dim=1)
    ]
    return {name: torch.cat([chunk[name] for chunk in chunks], dim=1).numpy(force=True) for name in chunks[0]}


@torch.no_grad()
def _read_chunk(
    model: Model, resid: Float[Tensor, "stage pos d_model"], norm: str, target: Target, k: int
) -> dict[str, Tensor]:
    """Every summary, [stage, pos] or [stage, pos, k]."""
    final = model.final_norm
    normed = final.apply(resid) if norm == "recomputed" else final.frozen(resid, final.scale(resid[-1:]))
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
