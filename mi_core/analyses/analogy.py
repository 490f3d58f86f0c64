"""Is Paris − France + Italy Rome, or only near Italy?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float, Int
from torch import Tensor

from mi_core.directions.token_space import cosines, vectors
from mi_core.errors import InputError
from mi_core.metrics import distribution
from mi_core.models.model import Model
from mi_core.phrases import quoted, signed
from mi_core.result import Check, Reading, check_axes, whole_numbers, within

QUERIES = ("arithmetic", "c alone")
INPUTS = ("a", "b", "c")


@dataclass(frozen=True)
class Analogy:
    """The tokens nearest to a − b + c, beside those nearest to c as it is."""

    model: str
    """Id of the model."""
    space: str
    """``"embedding"`` or ``"unembedding"``: which vectors of the tokens."""
    words: tuple[str, ...]
    """Raw text of the tokens a, b and c."""
    nearest_ids: Int[np.ndarray, "query k"]
    """[query, k] The nearest tokens to a − b + c, and to c alone, the inputs among them."""
    nearest: tuple[str, ...]
    """[query · k] Their texts, flattened."""
    cosine: Float[np.ndarray, "query k"]
    """[query, k] Their cosines."""
    inputs: tuple[str, ...]
    """[query · k] ``a``, ``b`` or ``c`` where the token is one of the inputs, else empty."""
    answer: str
    """The token nearest to a − b + c when the inputs are left out."""
    answer_cosine: float
    """Its cosine with a − b + c."""
    control: str
    """The token nearest to c alone when the inputs are left out."""
    control_rank: int
    """The answer's rank among the tokens nearest to c alone, the inputs left out."""
    control_cosine: float
    """The answer's cosine with c alone."""
    vector: Float[np.ndarray, " d"]
    """[d] a − b + c."""
    checks: tuple[Check, ...]
    """What must hold of these numbers."""
    units: str = "cosine"
    """Unit of the numbers."""

    def __post_init__(self) -> None:
        check_axes(self, query=len(QUERIES))
        within(self, -1, 1, "cosine")

    def tables(self) -> dict[str, pd.DataFrame]:
        """`nearest`: the tokens nearest to each query, with rank among all tokens and without the inputs. `vector`."""
        query, rank = (axis.ravel() for axis in np.indices(self.nearest_ids.shape))
        inputs = np.array(self.inputs, dtype=object)
        is_word = (inputs == "").reshape(self.nearest_ids.shape)
        left = np.where(is_word, is_word.cumsum(-1), -1)
        nearest = {
            "query": np.array(QUERIES, dtype=object)[query],
            "rank": rank + 1,
            "rank_without_inputs": whole_numbers(left.ravel().tolist()),
            "token": self.nearest,
            "token_id": self.nearest_ids.ravel(),
            "cosine": self.cosine.ravel(),
            "input": inputs,
        }
        vector = pd.DataFrame({"dimension": np.arange(len(self.vector)), "value": self.vector})
        return {"nearest": pd.DataFrame(nearest), "vector": vector}

    @property
    def label(self) -> str:
        """`“·Paris” − “·France” + “·Italy”`."""
        a, b, c = map(quoted, self.words)
        return f"{a} − {b} + {c}"

    def reading(self) -> Reading:
        """What the arithmetic gives with the inputs left out, what with them, and what c alone would have given."""
        answer = quoted(self.answer)
        title = f"{self.label} comes nearest to {answer}, once these three words are left out"
        first, is_input = quoted(self.nearest[0]), bool(self.inputs[0])
        among = (
            f"With them it is nearest to {first}, one of the three." if is_input else f"With them it is {first} too."
        )
        return Reading(title, (among, self._against(), self._how_near()))

    def _against(self) -> str:
        c, answer = quoted(self.words[2]), quoted(self.answer)
        if self.control_rank == 1:
            return f"But {c} alone, unchanged, is nearest to {answer} as well: the arithmetic is not needed for it."
        return (
            f"{c} alone, unchanged, is nearest to {quoted(self.control)}, and {answer} is only its number "
            f"{self.control_rank:,}: the arithmetic does bring it up."
        )

    def _how_near(self) -> str:
        return (
            f"The cosine with {quoted(self.answer)} is {signed(self.answer_cosine)}; "
            f"that of {quoted(self.words[2])} alone is {signed(self.control_cosine)}."
        )


def analogy(
    model: Model,
    *,
    a: str = "Paris",
    b: str = "France",
    c: str = "Italy",
    space: Literal["embedding", "unembedding"] = "embedding",
    top_k: int = 8,
) -> Analogy:
    """Add and subtract tokens' vectors, and see which tokens come nearest by cosine.

    ``v(a) − v(b) + v(c)`` (Mikolov et al. 2013, "Linguistic Regularities in Continuous Space Word Representations"),
    with the vectors as long as they are. The usual test leaves the three inputs out, because c itself is often the
    nearest; and then the nearest neighbour of c may be the answer without any arithmetic (Linzen 2016, "Issues in
    evaluating semantic spaces using word analogies"). So both are here: with the inputs, and beside c alone.

    Args:
        model: The model.
        a: One token; with or without its leading space, as answers are typed.
        b: One token, which is subtracted.
        c: One token, which is added.
        space: ``"embedding"``: what tokens are read as. ``"unembedding"``: what the output reads for them, through the
            final norm's weight and less the mean over the vocabulary.
        top_k: How many tokens to keep beside the inputs.

    Returns:
        Cosines, from −1 to 1. Tokens that are no text are left out.

    Raises:
        InputError: A word that is not one token, two that are the same, or a bad top_k.
    """
    distribution.check_top_k(top_k + len(INPUTS), model.d_vocab)
    ids = [_token(model, word, field) for word, field in zip((a, b, c), INPUTS, strict=True)]
    if ids[0] == ids[1] or ids[1] == ids[2]:
        raise InputError("What is subtracted is one of the other words, so nothing is asked: change it.", "b")
    rows = vectors(model, ids, space)
    vector = rows[0] - rows[1] + rows[2]
    queries = torch.stack([vector, rows[2]])
    near = cosines(model, queries, space)
    best = distribution.top_k(near, top_k + len(INPUTS))
    others = near.clone()
    others[:, ids] = -torch.inf
    answer, control = others.argmax(-1).tolist()
    role = dict(zip(reversed(ids), reversed(INPUTS), strict=True))
    return Analogy(
        model=model.id,
        space=space,
        words=tuple(model.texts(ids)),
        nearest_ids=best.ids.numpy(force=True),
        nearest=tuple(model.texts(best.ids.ravel().tolist())),
        cosine=best.values.numpy(force=True),
        inputs=tuple(role.get(token_id, "") for token_id in best.ids.ravel().tolist()),
        answer=model.text(answer),
        answer_cosine=float(near[0, answer]),
        control=model.text(control),
        control_rank=int(distribution.rank(others[1], answer)),
        control_cosine=float(near[1, answer]),
        vector=vector.numpy(force=True),
        checks=_checks(rows, vector, near, ids),
    )


def _token(model: Model, word: str, field: str) -> int:
    if not word.strip():
        raise InputError("A word is missing: type one.", field)
    return model.token_id(word, field)


def _checks(rows: Float[Tensor, "input d"], vector: Tensor, near: Tensor, ids: list[int]) -> tuple[Check, Check]:
    back = vector - rows[2] + rows[1] - rows[0]
    own = float(near[1, ids[2]])
    return (
        Check("the cosine of c with itself is 1", abs(own - 1), 1e-5),
        Check("taking c away and adding b gives a back, relative", float(back.norm() / rows.norm()), 1e-5),
    )
