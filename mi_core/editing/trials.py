"""The prompts an edited fact is tried on: said in other words, asked of other subjects, and unrelated text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from mi_core.editing.rome import subject_span
from mi_core.metrics import distribution
from mi_core.models.model import Model
from mi_core.models.neighbours import neighbours, spelling
from mi_core.models.tokens import encode

# What may stand before a sentence without changing what follows it.
OPENINGS = ("I think that", "Everyone knows that", "Of course,", "We learned in school that", "As far as I remember,")
NEIGHBOURS, CANDIDATES = 10, 60
KNOWN = 0.9  # probability from which the model is taken to know the answer for another subject


@dataclass(frozen=True)
class Trial:
    """One prompt, and the next token's distribution before and after the edit, as log-probabilities.

    `kl` is KL(before ‖ after) in bits of the next token; for unrelated text the mean over all its positions.
    """

    role: str
    prompt: str
    before: Float[Tensor, " d_vocab"]
    after: Float[Tensor, " d_vocab"]
    kl: float


def rephrased(model: Model, prompt: str, subject: str) -> list[str]:
    """The prompt behind a few openings; its first letter becomes small where that is not the subject's."""
    small = prompt[:1].lower() + prompt[1:]
    body = prompt if not prompt[1:2].islower() or prompt.startswith(subject.strip()) else small
    return [text for opening in OPENINGS if len(encode(model.tokenizer, text := f"{opening} {body}")) < model.n_ctx]


def other_subjects(model: Model, prompt: str, subject: str, answers: Sequence[int], bos: bool | None) -> list[str]:
    """The prompt about the subjects most like this one: of the nearest token embeddings, those of which the model knows
    a fact: an answer it is sure of, written like `answers`, that is theirs alone. Empty for a subject of several
    tokens.
    """
    tokens = model.tokens(prompt, bos)
    first, last = subject_span(model, tokens, prompt, subject)
    if first != last:
        return []
    begin = prompt.rfind(subject.strip())
    end = begin + len(subject.strip())
    kinds = set(map(spelling, model.texts(answers)))
    found: dict[int, str] = {}  # the prompt by its answer: two subjects with one answer are a guess at least once
    shared = set(answers)
    for text in model.texts(neighbours(model, [tokens.ids[first]], CANDIDATES)):
        asked = prompt[:begin] + text.strip() + prompt[end:]
        odds = model.run(model.tokens(asked, bos)).logits[-1].float().softmax(-1)
        best = int(odds.argmax())
        if best in shared or found.pop(best, None) is not None:
            shared.add(best)
        elif spelling(model.text(best)) in kinds and float(odds[best]) >= KNOWN:
            found[best] = asked
        if len(found) == NEIGHBOURS:
            break
    return list(found.values())


@torch.no_grad()
def trial(before: Model, after: Model, role: str, prompt: str, field: str, bos: bool | None) -> Trial:
    """One prompt, read by both models. Raises InputError with that `field` where the prompt cannot be used."""
    tokens = before.tokens(prompt, bos, field)
    rows = "all" if role == "unrelated" else "last"
    odds = [model.run(tokens, logits=rows).logits.double().log_softmax(-1).cpu() for model in (before, after)]
    return Trial(role, prompt, odds[0][-1], odds[1][-1], float(distribution.kl_bits(*odds).clamp(min=0).mean()))
