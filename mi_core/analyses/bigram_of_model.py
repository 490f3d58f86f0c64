"""Are a model's embedding and unembedding alone a bigram model?"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float, Int
from torch import Tensor

from mi_core.errors import InputError
from mi_core.metrics import distribution
from mi_core.models.model import Model
from mi_core.models.progress import Progress, silent
from mi_core.phrases import percent, quoted
from mi_core.result import Check, Reading, check_axes, within
from mi_core.text.sampled import sampled_text, start

#: What is asked for the next token: embedding and unembedding alone, with the first block, and the whole model.
SOURCES = ("alone", "first block", "whole")
COUNTED = "counted"
ROWS, ROWS_FROM_TOKEN, LENGTH = 24, 8, 48  # of the text that the model writes itself
MOST_PLACES, AT_ONCE = 96, 16


@dataclass(frozen=True)
class BigramOfModel:
    """What follows one token by a model's embedding and unembedding alone, by all of it, and in text that it wrote."""

    model: str
    """Id of the model."""
    token: str
    """Raw text of the token."""
    prediction_ids: Int[np.ndarray, "source k"]
    """[source, k] Top guesses for the next token, in the order of `SOURCES`."""
    predictions: tuple[str, ...]
    """[source · k] Their texts, flattened."""
    probability: Float[np.ndarray, "source k"]
    """[source, k] Their probabilities, averaged over the places where the token stands."""
    followed_by: tuple[str, ...]
    """[follower] What follows the token in text that the model wrote, most frequent first."""
    counts: Int[np.ndarray, " follower"]
    """[follower] How often."""
    tied: bool
    """Whether embedding and unembedding are the same numbers."""
    checks: tuple[Check, ...]
    """What must hold of these numbers."""
    units: str = "probability; pairs of tokens"

    def __post_init__(self) -> None:
        check_axes(self, source=len(SOURCES), follower=len(self.followed_by))
        within(self, 0.0, 1.0, "probability")

    @property
    def column_units(self) -> dict[str, dict[str, str]]:
        """Of the table."""
        return {"next": {"count": "pairs"}}

    def tables(self) -> dict[str, pd.DataFrame]:
        """`next`: the likeliest next tokens by each source, and those that do follow in the model's own text."""
        source, rank = (axis.ravel() for axis in np.indices(self.prediction_ids.shape))
        guessed = {
            "source": np.array(SOURCES, dtype=object)[source],
            "rank": rank + 1,
            "prediction": self.predictions,
            "probability": self.probability.ravel(),
            "count": pd.array([None] * len(rank), dtype="Int64"),
        }
        counted = {
            "source": COUNTED,
            "rank": np.arange(1, len(self.counts) + 1),
            "prediction": self.followed_by,
            "probability": self.counts / max(int(self.counts.sum()), 1),
            "count": pd.array(self.counts, dtype="Int64"),
        }
        return {"next": pd.concat([pd.DataFrame(guessed), pd.DataFrame(counted)], ignore_index=True)}

    def reading(self) -> Reading:
        """What each takes to follow, and why the first may be no bigram model."""
        title = f"After {quoted(self.token)}, embedding and unembedding alone say {self._guess(0)}"
        return Reading(title, tuple(filter(None, (self._itself(), self._layers(), self._counted()))))

    def _guess(self, source: int) -> str:
        k = self.prediction_ids.shape[1]
        return f"{quoted(self.predictions[source * k])} ({percent(self.probability[source, 0])})"

    def _itself(self) -> str:
        if not self.tied:
            return ""
        return (
            "This model reads and writes tokens with the same numbers (tied embeddings), so the vector of a token "
            "points at the token itself. Alone, it can only repeat; what follows what, the layers have to learn."
        )

    def _layers(self) -> str:
        return f"With the first block it says {self._guess(1)}, the whole model {self._guess(2)}."

    def _counted(self) -> str:
        first, times = quoted(self.followed_by[0]), int(self.counts.sum())
        return f"In text that the model wrote itself, {first} follows it in {self.counts[0]:,} of {times:,} places."


def bigram_of_model(model: Model, *, token: str = " of", top_k: int = 6, progress: Progress = silent) -> BigramOfModel:
    """Read the next token off a token's embedding alone, beside the whole model and beside counts.

    A transformer without layers, ``softmax(W_U · N(W_E[t] + position))``, sees one token and can learn no more than
    which follows which: it is a bigram model (Elhage et al. 2021, "A Mathematical Framework for Transformer
    Circuits"). In a model with layers the same path is still there, but need not be one by itself. Each is read
    wherever the token stands in text that the model writes from its start token, a quarter of which begins with this
    token; there it is counted, too, what follows. Probabilities are averaged over these places.

    Args:
        model: The model.
        token: One token; with or without its leading space, as answers are typed.
        top_k: How many next tokens to keep.
        progress: Called after every token that is written.

    Returns:
        Probabilities of the next token by embedding and unembedding alone, with the first block, and by all blocks.

    Raises:
        InputError: No single token, a bad top_k, or a model whose layers cannot be read.
    """
    distribution.check_top_k(top_k, model.d_vocab)
    if not token.strip():
        raise InputError("The token is missing: type one.", "token")
    token_id = model.token_id(token, "token")
    stages = [model.resid_names()[at] for at in (0, 1, -1)]
    for name in stages:
        model.require(name)
    seen = _Seen(model, token_id, stages)
    for rows in _texts(model, token_id, progress):
        seen.add(rows)
    best = distribution.top_k(seen.summed / seen.places, top_k)
    followed = seen.followers.most_common()
    return BigramOfModel(
        model=model.id,
        token=model.text(token_id),
        prediction_ids=best.ids.numpy(force=True),
        predictions=tuple(model.texts(best.ids.ravel().tolist())),
        probability=best.values.numpy(force=True),
        followed_by=tuple(model.text(other) for other, _ in followed),
        counts=np.array([count for _, count in followed]),
        tied=_is_tied(model),
        checks=(Check("the last layer, read so, equals the model's logits", seen.apart, 1e-3),),
    )


class _Seen:
    """What was found at the places where a token stands: the next token's probabilities, summed, and who followed."""

    def __init__(self, model: Model, token_id: int, stages: list[str]) -> None:
        self._model, self._token_id, self._stages = model, token_id, stages
        self.summed = torch.zeros(len(stages), model.d_vocab, dtype=torch.float64, device=model.device)
        self.places, self.apart = 0, 0.0
        self.followers: Counter[int] = Counter()

    @torch.no_grad()
    def add(self, rows: Int[Tensor, "row pos"]) -> None:
        """Read these rows too."""
        acts = self._model.run_ids(rows, self._stages)
        here = rows == self._token_id
        streams = torch.stack([acts.sites[name][here] for name in self._stages])[:, : MOST_PLACES - self.places]
        self.places += streams.shape[1]
        for part in streams.split(AT_ONCE, dim=1):
            self.summed += _logits(self._model, part).double().softmax(-1).sum(1)
        last = _logits(self._model, acts.sites[self._stages[-1]][:, -1])
        self.apart = max(self.apart, float((last - acts.logits[:, -1].float()).abs().max()))
        for row in rows.tolist():
            self.followers.update(second for first, second in itertools.pairwise(row) if first == self._token_id)


def _texts(model: Model, token_id: int, progress: Progress) -> Iterator[Int[Tensor, "row pos"]]:
    """Text that the model writes: first what begins with the token."""
    begin = start(model)
    length = min(LENGTH, model.n_ctx - len(begin) - 1)
    done = itertools.count(1)
    for first, n_rows in (([*begin, token_id], ROWS_FROM_TOKEN), (begin, ROWS)):
        yield sampled_text(model, first, n_rows, length, lambda: progress(next(done), 2 * length))


def _logits(model: Model, resid: Float[Tensor, "*place d_model"]) -> Float[Tensor, "*place d_vocab"]:
    return model.cap(model.unembed(model.final_norm.apply(resid))).float()


def _is_tied(model: Model) -> bool:
    read, written = model.embedding, cast(Tensor, model.unembedding.weight)
    return read.shape == written.shape and torch.equal(read, written)
