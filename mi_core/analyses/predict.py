"""What does the model predict, how sure is it, and what is worth a look?"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float, Int
from torch import Tensor

from mi_core.attribution.leads import Lead, leads, ready_sae
from mi_core.attribution.logit_parts import obstacle, sites
from mi_core.metrics import distribution
from mi_core.metrics.target import Target, resolve
from mi_core.models import hooks
from mi_core.models.model import Activations, Model
from mi_core.models.tokens import Tokens
from mi_core.phrases import entropy_in_words, percent, place, quoted
from mi_core.result import Check, Reading, check_axes, same_length, within

ROWS_AT_ONCE = 64
SURPRISED = 8.0  # bits: one guess in 256
FEWEST = 4  # tokens that a prompt must have to be called strange


@dataclass(frozen=True)
class Predict:
    """The model's next-token guesses at one position, how every position went, and where to look further."""

    model: str
    """Id of the model."""
    tokens: Tokens
    """[pos] What was read."""
    pos: int
    """The position whose next token is predicted, from 0."""
    target: Target
    """The answer that is followed, and the foil it is compared with."""
    prediction_ids: Int[np.ndarray, " k"]
    """[k] Token ids of the top guesses at `pos`, best first."""
    predictions: tuple[str, ...]
    """[k] Their texts."""
    top_logits: Float[np.ndarray, " k"]
    """[k] Logits, after any soft cap."""
    top_probabilities: Float[np.ndarray, " k"]
    """[k] Probabilities."""
    surprisal: Float[np.ndarray, " pos"]
    """[pos] Bits: how unexpected the token there was itself; NaN for the first, which nothing came before."""
    entropy: Float[np.ndarray, " pos"]
    """[pos] Bits: doubt about the token that follows."""
    guesses: tuple[str, ...]
    """[pos] Text of the top guess for the token that follows."""
    guess_probability: Float[np.ndarray, " pos"]
    """[pos] Its probability."""
    target_logit: float
    """Logit of the answer at `pos`."""
    target_probability: float
    """Its probability."""
    target_rank: int
    """Its rank, 1 for the top guess."""
    foil_logit: float
    """Logit of the foil; NaN without one."""
    foil_probability: float
    """Its probability; NaN without one."""
    foil_rank: int
    """Its rank; 0 without one."""
    logit_difference: float
    """Logits: answer minus foil; NaN without one."""
    leads: tuple[Lead, ...]
    """Up to three things worth a look."""
    checks: tuple[Check, ...]
    """What must hold of these numbers."""
    units: str = "logits, probability, bits (surprisal, entropy)"
    """All units, in words."""

    def __post_init__(self) -> None:
        check_axes(self, pos=len(self.tokens), k=len(self.predictions))
        within(self, 0, 1, "top_probabilities", "guess_probability")
        same_length(self, "tokens", "guesses")

    def tables(self) -> dict[str, pd.DataFrame]:
        """`predictions`: the top guesses at `pos`. `positions`: a row per position. `answer`. `leads`."""
        predictions = {
            "rank": np.arange(1, len(self.predictions) + 1),
            "token": self.predictions,
            "token_id": self.prediction_ids,
            "logit": self.top_logits,
            "probability": self.top_probabilities,
        }
        positions = {
            "pos": np.arange(len(self.tokens)),
            "token": self.tokens.texts,
            "surprisal": self.surprisal,
            "entropy": self.entropy,
            "prediction": self.guesses,
            "probability": self.guess_probability,
        }
        leads = {field.name: [getattr(lead, field.name) for lead in self.leads] for field in fields(Lead)}
        numbers = {name: pd.array(leads[name], dtype="Int64") for name in ("layer", "head", "feature", "pos")}
        return {
            "predictions": pd.DataFrame(predictions),
            "positions": pd.DataFrame(positions),
            "answer": self._answer(),
            "leads": pd.DataFrame(leads | numbers),
        }

    def _answer(self) -> pd.DataFrame:
        rows = [("target", self.target.text, self.target.token_id)]
        rows += [] if self.target.foil_id is None else [("foil", self.target.foil_text, self.target.foil_id)]
        frame = pd.DataFrame(rows, columns=["role", "token", "token_id"])
        for name in ("rank", "logit", "probability"):
            frame[name] = [getattr(self, f"{role}_{name}") for role, _, _ in rows]
        return frame

    def reading(self) -> Reading:
        """The guess, how sure it is, and where the answer stands."""
        here, sure = quoted(self.tokens.texts[self.pos]), percent(self.top_probabilities[0])
        title = f"After {here}, the model expects {quoted(self.predictions[0])}: {sure}"
        unsure = f"At {place(self.tokens, self.pos)} it {entropy_in_words(self.entropy[self.pos])}."
        return Reading(title, (unsure, *self._standing(), *self._surprise()))

    def _standing(self) -> list[str]:
        name = quoted(self.target.text)
        if self.target.foil_text is not None:
            side = "above" if self.logit_difference >= 0 else "below"
            return [f"{name} stands {abs(self.logit_difference):.2f} logits {side} {quoted(self.target.foil_text)}."]
        if self.target_rank == 1:
            return []
        return [f"{name} gets {percent(self.target_probability)}, rank {self.target_rank:,}."]

    def _surprise(self) -> list[str]:
        if not np.isfinite(self.surprisal).any():
            return []
        most = int(np.nanargmax(self.surprisal))
        said = [f"The prompt surprised it most at {place(self.tokens, most)}: {self.surprisal[most]:.1f} bits."]
        low = float(np.nanquantile(self.surprisal, 0.1, method="lower"))
        if low > SURPRISED and np.isfinite(self.surprisal).sum() >= FEWEST:
            said.append(
                f"Nine in ten of its tokens surprised it by {low:.0f} bits or more: it hardly knows text like this, "
                "and its answer means little."
            )
        return said


def predict(
    model: Model,
    prompt: str,
    *,
    target: str | None = None,
    foil: str | None = None,
    pos: int | None = None,
    top_k: int = 10,
    prepend_bos: bool | None = None,
) -> Predict:
    """The model's next-token distribution, and the three strongest leads into how it came about.

    The leads come from one forward pass: the layer from which the logit lens has the answer on top to stay, the
    heads whose direct contribution to its logit is largest, and the features of an SAE, where the model has one, that
    fire most (otherwise the token those heads took it from).

    Args:
        model: The model.
        prompt: Text to read.
        target: The answer to follow; None for the model's top guess at `pos`.
        foil: A second token to compare it with, or None.
        pos: Position whose next token is predicted; None for the last.
        top_k: How many guesses to keep.
        prepend_bos: None follows the model's own habit.

    Returns:
        Logits after any soft cap, probabilities, ranks; surprisal and entropy in bits.

    Raises:
        InputError: A bad prompt, target, position or top_k.
    """
    distribution.check_top_k(top_k, model.d_vocab)
    tokens = model.tokens(prompt, prepend_bos)
    position = model.position(tokens, pos)
    sae = ready_sae(model)
    apart = not obstacle(model)
    names = sites(model) + ([sae.hook] if sae else []) if apart else []
    acts = model.run(tokens, names, logits="all", query=position)
    logits = acts.logits[position].float()
    answer = resolve(model, target, foil, int(logits.argmax()))
    best = distribution.top_k(logits, top_k)
    log_probs = logits.log_softmax(-1)
    return Predict(
        model=model.id,
        tokens=tokens,
        pos=position,
        target=answer,
        prediction_ids=best.ids.numpy(force=True),
        predictions=tuple(model.texts(best.ids)),
        top_logits=best.values.numpy(force=True),
        top_probabilities=log_probs[best.ids].exp().numpy(force=True),
        leads=tuple(leads(model, tokens, acts, answer, position, sae)) if apart else (),
        checks=_checks(model, acts, log_probs, position, apart),
        **_by_position(model, tokens, acts.logits),
        **_answer(logits, log_probs, answer),
    )


def _answer(logits: Float[Tensor, " d_vocab"], log_probs: Float[Tensor, " d_vocab"], target: Target) -> dict:
    numbers = {}
    for role, token_id in (("target", target.token_id), ("foil", target.foil_id)):
        known = token_id is not None
        numbers[f"{role}_logit"] = float(logits[token_id]) if known else math.nan
        numbers[f"{role}_probability"] = float(log_probs[token_id].exp()) if known else math.nan
        numbers[f"{role}_rank"] = int(distribution.rank(logits, token_id)) if known else 0
    return numbers | {"logit_difference": numbers["target_logit"] - numbers["foil_logit"]}


def _by_position(model: Model, tokens: Tokens, logits: Float[Tensor, "pos d_vocab"]) -> dict:
    """Surprisal, entropy and top guess of every position, a few rows at a time."""
    chunks = []
    nexts = torch.tensor([*tokens.ids[1:], 0], device=logits.device)
    for rows, following in zip(logits.split(ROWS_AT_ONCE), nexts.split(ROWS_AT_ONCE), strict=True):
        lse, entropy = distribution.log_normaliser_and_entropy(rows.float())
        surprisal = lse - rows.gather(-1, following[:, None])[:, 0]
        best = rows.max(-1)
        chunks.append((surprisal / math.log(2), entropy / math.log(2), (best.values - lse).exp(), best.indices))
    surprisal, entropy, probability, guess = (torch.cat(column) for column in zip(*chunks, strict=True))
    return {
        "surprisal": np.concatenate([[np.nan], surprisal[:-1].numpy(force=True)]).astype(np.float32),
        "entropy": entropy.numpy(force=True),
        "guesses": tuple(model.texts(guess)),
        "guess_probability": probability.numpy(force=True),
    }


def _checks(model: Model, acts: Activations, log_probs: Tensor, pos: int, apart: bool) -> tuple[Check, ...]:
    total = Check("probabilities sum to 1", abs(float(log_probs.exp().cpu().sum(dtype=torch.float64)) - 1), 1e-4)
    if not apart:
        return (total,)
    last = acts[hooks.resid_post(model.n_layers - 1)][pos]
    with torch.no_grad():
        own = model.cap(model.unembed(model.final_norm.apply(last)))
    error = float((own - acts.logits[pos]).abs().max())
    return (total, Check("the last residual, unembedded, gives the logits", error, 1e-3))
