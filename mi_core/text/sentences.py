"""Prompts as people type them, one per line, and everyday sentences for when none are given."""

from __future__ import annotations

from mi_core.errors import InputError
from mi_core.models.model import Model
from mi_core.models.tokens import encode

MAX_PROMPTS = 64  # of a field: enough for a mean, and done in seconds
# Everyday sentences of several kinds, for when no others are given.
SENTENCES = (
    "The weather was warm and the children played in the park until it was dark.",
    "She opened the door, looked around the room and sat down at the table.",
    "In 1998 the company moved its offices to London and hired forty people.",
    "Tom and his sister went to the market to buy apples, bread and cheese.",
    "The film was slow at first, but the ending surprised everyone in the audience.",
    "Scientists found that the plants grew faster when they were given more light.",
    '"I do not know," he said, "but I will ask my mother when she comes home."',
    "The river runs through three countries before it reaches the sea.",
)


def lines(text: str, field: str, what: str = "prompts") -> list[str]:
    """The prompts of a field, one per line; empty lines are passed over.

    Raises:
        InputError: There are more of `what` than `MAX_PROMPTS`.
    """
    prompts = [line for line in text.splitlines() if line.strip()]
    if len(prompts) > MAX_PROMPTS:
        raise InputError(f"There are {len(prompts)} {what}: {MAX_PROMPTS} are enough.", field)
    return prompts


def sentences(model: Model) -> list[str]:
    """The built-in sentences, cut where the model could not read them."""
    return [_fitting(model, sentence) for sentence in SENTENCES]


def _fitting(model: Model, sentence: str) -> str:
    """As many words of a built-in sentence as the model can read behind a start token."""
    words = sentence.split(" ")
    while len(words) > 1 and len(encode(model.tokenizer, " ".join(words))) >= model.n_ctx:
        words.pop()
    return " ".join(words)
