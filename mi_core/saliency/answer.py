"""What is shared out: the logit (difference) of an answer, its log-probability, or its probability."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from mi_core.errors import InputError, choose
from mi_core.metrics.target import Target
from mi_core.models.model import Model
from mi_core.models.tokens import encode, visible
from mi_core.phrases import percent, signed

NAMES = ("logit_difference", "log_probability", "probability")
UNITS = {"logit_difference": "logits", "log_probability": "nats", "probability": "probability"}
SMALLEST_GAP = {"logit_difference": 1e-3, "log_probability": 1e-3, "probability": 1e-4}  # less cannot be shared out

#: The logits of some runs' last position → a number for each.
Read = Callable[[Float[Tensor, "row d_vocab"]], Float[Tensor, " row"]]


@dataclass(frozen=True)
class Answer:
    """An answer and what it is compared with, one or several tokens each; and by which number, a name of `NAMES`."""

    metric: str
    ids: tuple[int, ...]
    text: str
    foil_ids: tuple[int, ...] = ()
    foil_text: str = ""

    @property
    def label(self) -> str:
        """``“·Paris”`` or ``“·Paris” − “·Rome”``."""
        answer = f"“{visible(self.text)}”"
        return f"{answer} − “{visible(self.foil_text)}”" if self.foil_ids else answer

    @property
    def quantity(self) -> str:
        """What the number is called."""
        if self.metric == "logit_difference":
            return "logit difference" if self.foil_ids else "logit"
        name = self.metric.replace("log_p", "log-p")
        return f"{name} difference" if self.foil_ids else name

    @property
    def unit(self) -> str:
        """``"logits"``, ``"nats"`` or ``"probability"``."""
        return UNITS[self.metric]

    @property
    def smallest_gap(self) -> float:
        """Less than this between with and without all words means nothing."""
        return SMALLEST_GAP[self.metric]

    def said(self, value: float) -> str:
        """A value: `+1.25`, `97.3%`."""
        return percent(value) if self.metric == "probability" else signed(value)

    def steps(self, ids: Sequence[int]) -> dict[tuple[int, ...], Read]:
        """What is run, and what is read of its last position: the number is the sum over these.

        An answer of several tokens is read token by token, each after the ones before it.
        """
        if self.metric == "logit_difference":
            foil = self.foil_ids[0] if self.foil_ids else None
            return {tuple(ids): Target(self.ids[0], self.text, foil, self.foil_text).of}
        if self.metric == "probability":
            return {tuple(ids): lambda logits: _log_probability(logits)[:, self.ids[0]].exp()}
        terms = defaultdict(list)
        for sign, answer in ((1, self.ids), (-1, self.foil_ids)):
            for step, token_id in enumerate(answer):
                terms[*ids, *answer[:step]].append((sign, token_id))
        return {run: _sum_of(read) for run, read in terms.items()}


def _log_probability(logits: Float[Tensor, "row d_vocab"]) -> Float[Tensor, "row d_vocab"]:
    return logits.double().log_softmax(-1)


def _sum_of(terms: Sequence[tuple[int, int]]) -> Read:
    def read(logits: Float[Tensor, "row d_vocab"]) -> Float[Tensor, " row"]:
        signs, columns = zip(*terms, strict=True)
        return _log_probability(logits)[:, columns] @ logits.new_tensor(signs).double()

    return read


def asked(
    model: Model, target: str | None, foil: str | None, metric: str, guess: int, other_guess: int | None = None
) -> Answer:
    """The answer as typed, or the model's guess.

    Args:
        model: Whose vocabulary is meant.
        target: The answer; None for `guess`. Of a log-probability it may be several tokens.
        foil: What it is compared with; None for `other_guess`, where that is another.
        metric: One of `NAMES`.
        guess: The prompt's likeliest next token.
        other_guess: That of the prompt whose words take this one's place; None where there is none.

    Raises:
        InputError: No such metric, a word that is not one token where it has to be, or the same answer twice.
    """
    choose(metric, NAMES, "metric", "measure")
    several = metric == "log_probability"
    answer = (_several if several else _one)(model, target, "target") or (guess,)
    compared = (_several if several else _one)(model, foil, "foil")
    if not compared and other_guess not in (None, answer[0]):
        compared = (other_guess,)
    if answer == compared:
        raise InputError("The answer and what it is compared with are the same: change one of them.", "foil")
    compared = () if metric == "probability" else compared
    return Answer(metric, answer, "".join(model.texts(answer)), compared, "".join(model.texts(compared)))


def _one(model: Model, text: str | None, field: str) -> tuple[int, ...]:
    """The token that a person means; none where nothing is typed."""
    return (model.token_id(text, field),) if text else ()


def _several(model: Model, text: str | None, field: str) -> tuple[int, ...]:
    """The tokens that a person means; a space is put before them unless they are quoted."""
    if not text:
        return ()
    try:
        return _one(model, text, field)
    except InputError:
        exact = len(text) > 2 and text[0] == text[-1] == '"'
        wanted = text[1:-1] if exact else f" {text.lstrip()}"
        spelled = [tuple(encode(model.tokenizer, candidate)) for candidate in (wanted, wanted.lstrip())]
        ids = next((ids for ids in spelled if "".join(model.texts(ids)) == wanted), spelled[0])
        if not ids or max(ids) >= min(model.d_vocab, len(model.embedding)) or model.tokenizer.unk_token_id in ids:
            raise
        return ids
