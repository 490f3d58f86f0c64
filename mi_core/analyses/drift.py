"""How far apart are two models, layer by layer?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float, Int
from torch import Tensor

from mi_core.editing.overlay import refuse_edits
from mi_core.errors import InputError
from mi_core.metrics import distribution
from mi_core.metrics.alike import FEWEST, cka_by_dimensions, linear_cka
from mi_core.models import checkpoints
from mi_core.models.model import Model
from mi_core.models.progress import Progress, silent
from mi_core.models.tokens import encode
from mi_core.phrases import after_layer, bits
from mi_core.result import Check, Reading, same_length
from mi_core.text.sample import TEXTS
from mi_core.text.sampled import start

AT_ONCE = 64  # tokens whose guesses are held at a time
MOST = 4_096  # tokens: what is compared grows with their square


@dataclass(frozen=True)
class Drift:
    """Two models read the same text: how alike their residual streams are, and how far apart their guesses."""

    model: str
    """Id of the model."""
    other: str
    """Id of the model it is compared with."""
    n_tokens: int
    """Tokens that were read; the start of each text is not counted."""
    layers: Int[np.ndarray, " stage"]
    """Stage of the model: 0 the embeddings, L what layer L − 1 leaves."""
    other_layers: Int[np.ndarray, " stage"]
    """The stage of the other model it is compared with: as deep, as a share of all its layers."""
    cka: Float[np.ndarray, " stage"]
    """Linear CKA of the two streams, debiased; 1 where they are alike."""
    cka_plain: Float[np.ndarray, " stage"]
    """The same without taking away what chance makes alike."""
    kl: Float[np.ndarray, " stage"] | None
    """Bits per token: KL(model ‖ other) of the two logit lenses; None where the vocabularies differ."""
    checks: tuple[Check, ...]
    """What must hold of these numbers."""
    units: str = "CKA, from 0 to 1; bits per token (KL)"
    """All units, in words."""

    @property
    def column_units(self) -> dict[str, dict[str, str]]:
        """Of the columns that only this has."""
        return {"layers": {"cka": "CKA", "cka_plain": "CKA", "kl": "bits per token"}}

    def tables(self) -> dict[str, pd.DataFrame]:
        """`layers`: a row per stage; `kl` is empty where the vocabularies differ."""
        kl = np.full(len(self.layers), np.nan) if self.kl is None else self.kl
        columns = {"layer": self.layers, "other_layer": self.other_layers, "cka": self.cka}
        return {"layers": pd.DataFrame(columns | {"cka_plain": self.cka_plain, "kl": kl, "tokens": self.n_tokens})}

    def reading(self) -> Reading:
        """Where the streams are least alike, and where the guesses are furthest apart."""
        said = [f"Read off {self.n_tokens:,} tokens of text; CKA is linear and debiased."]
        if self.kl is None:
            said.append("The two have different vocabularies, so their guesses cannot be compared (KL).")
        elif not self.kl.any():
            said.append("Their guesses are the same at every layer.")
        else:
            most = int(self.kl.argmax())
            said.append(f"Their guesses are furthest apart {self._where(most)}: {bits(self.kl[most])} per token (KL).")
        if np.isnan(self.cka).all():
            return Reading("The streams of the two models cannot be compared", tuple(said))
        least, value = int(np.nanargmin(self.cka)), float(np.nanmin(self.cka))
        if value > 0.9995:
            return Reading("The two models hold the text alike at every layer", tuple(said))
        written = f"{value:.2f}".replace("-", "−")
        title = f"The two models are least alike {self._where(least)}: CKA {written}"
        return Reading(title, tuple(said))

    def _where(self, stage: int) -> str:
        return after_layer(int(self.layers[stage]), int(self.layers[-1]))

    def __post_init__(self) -> None:
        same_length(self, "layers", "other_layers", "cka", "cka_plain", *(["kl"] if self.kl is not None else []))


def drift(
    model: Model,
    prompt: str,
    *,
    other_model: str,
    tokens: int = 512,
    progress: Progress = silent,
) -> Drift:
    """Two models on the same text: linear CKA of their residual streams, and KL of their logit lenses, by layer.

    CKA does not ask which direction means what, only whether tokens that are far apart in one model are in the other
    (Kornblith et al. 2019); it is blind to turning the whole stream. KL compares what both would say.

    Args:
        model: The model.
        prompt: Read first; a shipped sample of everyday text follows.
        other_model: Id or folder of the model it is compared with.
        tokens: How many tokens are read at most. Few tokens for many dimensions make the plain CKA large by chance.
        progress: Called after every text.

    Returns:
        CKA, plain and debiased, and KL(model ‖ other) in bits per token, at the stages of the model.

    Raises:
        InputError: A number of tokens out of range; edits; the other model cannot be opened; too few tokens that both
            models have.
    """
    if not FEWEST <= tokens <= MOST:
        raise InputError(f"Read from {FEWEST} to {MOST:,} tokens: choose another number.", "tokens")
    refuse_edits(model)
    other = checkpoints.opened_beside(other_model, model)
    rows = list(_rows((model, other), [prompt, *TEXTS], tokens))
    held = sum(len(ends[0]) for _, ends in rows)
    if held < FEWEST:
        raise InputError(f"{model.id} and {other_model} share too few tokens of this text: read more.", "tokens")
    steps = len(rows) + model.n_layers + 2
    first, second = [], []
    for done, (ids, ends) in enumerate(rows):
        for one, kept, row, at in zip((model, other), (first, second), ids, ends, strict=True):
            kept.append(_streams(one, row, at))
        progress(done + 1, steps)
    own, others = (torch.cat(kept, dim=1) for kept in (first, second))
    pairs = [(layer, round(layer * other.n_layers / model.n_layers)) for layer in range(model.n_layers + 1)]
    says_alike = _same_vocabulary(model, other)
    cka, plain, kl = [], [], []
    for done, (one, two) in enumerate(pairs):
        cka.append(linear_cka(own[one], others[two], debiased=True))
        plain.append(linear_cka(own[one], others[two]))
        kl += [_kl(model, own[one], other, others[two])] if says_alike else []
        progress(len(rows) + done + 1, steps)
    apart = abs(plain[-1] - cka_by_dimensions(own[-1], others[pairs[-1][1]]))
    return Drift(
        model=model.id,
        other=other.id,
        n_tokens=held,
        layers=np.array([one for one, _ in pairs]),
        other_layers=np.array([two for _, two in pairs]),
        cka=np.array(cka),
        cka_plain=np.array(plain),
        kl=np.array(kl) if says_alike else None,
        checks=(Check("CKA of all pairs of tokens is CKA of all pairs of dimensions", apart, 1e-6),),
    )


def _rows(
    models: tuple[Model, Model], texts: Sequence[str], most: int
) -> Iterator[tuple[list[list[int]], list[list[int]]]]:
    """Of each text, both models' token ids, and the positions in each where both end a token, `most` in all."""
    left = most
    for text in texts:
        if not left:
            return
        begins = [start(model) for model in models]
        parts = [_ends(model, text, model.n_ctx - len(begin)) for model, begin in zip(models, begins, strict=True)]
        shared = sorted(set(parts[0][1]) & set(parts[1][1]))[:left]
        if not shared:
            continue
        left -= len(shared)
        ids, ends = [], []
        for (tokens, places), begin in zip(parts, begins, strict=True):
            ends.append([len(begin) + places[end] for end in shared])
            ids.append([*begin, *tokens][: ends[-1][-1] + 1])
        yield ids, ends


def _ends(model: Model, text: str, room: int) -> tuple[list[int], dict[int, int]]:
    """A text's token ids, and {characters up to the end of a token: its place among them}."""
    ids = encode(model.tokenizer, text)[:room]
    ends: dict[int, int] = {}
    for place in range(len(ids)):
        ends[len(model.tokenizer.decode(ids[: place + 1]))] = place
    return ids, ends


@torch.no_grad()
def _streams(model: Model, ids: list[int], ends: list[int]) -> Float[Tensor, "stage token d_model"]:
    names = model.resid_names()
    acts = model.run_ids(model.rows([ids]), names)
    return torch.stack([acts[name][0, ends].float() for name in names])


@torch.no_grad()
def _kl(model: Model, x: Float[Tensor, "token d_model"], other: Model, y: Float[Tensor, "token d_other"]) -> float:
    """The mean over tokens, in bits."""
    total = 0.0
    for own, others in zip(x.split(AT_ONCE), y.split(AT_ONCE), strict=True):
        log_p, log_q = (_log_guesses(one, part) for one, part in ((model, own), (other, others)))
        total += float(distribution.kl_bits(log_p, log_q).double().sum())
    return max(total / len(x), 0.0)


def _log_guesses(model: Model, x: Float[Tensor, "token d_model"]) -> Float[Tensor, "token d_vocab"]:
    """What the logit lens makes of a stream."""
    return model.cap(model.unembed(model.final_norm.apply(x))).float().log_softmax(-1)


def _same_vocabulary(model: Model, other: Model) -> bool:
    return model.d_vocab == other.d_vocab and model.tokenizer.get_vocab() == other.tokenizer.get_vocab()
