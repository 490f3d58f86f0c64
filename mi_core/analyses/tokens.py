"""What the model reads: the prompt's tokens, and whether the answer is one."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

import numpy as np
import pandas as pd

from mi_core.errors import InputError
from mi_core.models.model import Model
from mi_core.models.tokens import Tokens, visible
from mi_core.phrases import listed, quoted
from mi_core.result import Check, Reading
from mi_core.text.familiarity import Familiarity, familiarity


@dataclass(frozen=True)
class PromptTokens:
    """A prompt as a list of tokens; nothing is computed by the model."""

    model: str
    """Id of the model."""
    tokens: Tokens
    """[pos] What is read."""
    n_ctx: int
    """How many tokens the model can read."""
    target_id: int | None
    """Token id of the answer that was meant; None where nothing was typed."""
    target_text: str | None
    """Its text."""
    foil_id: int | None
    """Token id of what it is compared with; None where nothing was typed."""
    foil_text: str | None
    """Its text."""
    familiarity: Familiarity
    """How much of the prompt the model can know."""
    notes: tuple[str, ...]
    """What may surprise, in plain words."""
    checks: tuple[Check, ...] = ()
    """None: nothing is computed."""
    units: str = "tokens"
    """What is counted."""

    def __post_init__(self) -> None:
        if (self.target_id is None) != (self.target_text is None) or (self.foil_id is None) != (self.foil_text is None):
            raise ValueError("a token without its text, or the other way round")

    def tables(self) -> dict[str, pd.DataFrame]:
        """`tokens`: a row per position."""
        return {
            "tokens": pd.DataFrame(
                {
                    "pos": np.arange(len(self.tokens)),
                    "token": self.tokens.texts,
                    "token_id": self.tokens.ids,
                    "special": self.tokens.special,
                }
            )
        }

    def reading(self) -> Reading:
        """How many tokens there are, what the model can know of them, and the notes."""
        n = len(self.tokens)
        title = f"The model reads {n:,} token{'' if n == 1 else 's'}; it can read up to {self.n_ctx:,}"
        said = tuple(filter(None, (self.familiarity.sentence(), *self.notes)))
        return Reading(title, said or (f"The last one is {quoted(self.tokens.texts[-1])}.",))


def tokens(
    model: Model,
    prompt: str,
    *,
    target: str | None = None,
    foil: str | None = None,
    prepend_bos: bool | None = None,
) -> PromptTokens:
    """Split a prompt into tokens and check the answer, without running the model.

    Args:
        model: The model, for its vocabulary and context length.
        prompt: Text, used exactly as typed.
        target: The answer, with or without its leading space; None or empty for none.
        foil: What the answer is compared with; None or empty for none.
        prepend_bos: None follows the model's own habit.

    Raises:
        InputError: A prompt that is empty or too long, an answer that is not one token, or twice the same answer.
    """
    read = model.tokens(prompt, prepend_bos)
    target_id = model.token_id(target, "target") if target else None
    foil_id = model.token_id(foil, "foil") if foil else None
    if foil_id is not None and foil_id == target_id:
        raise InputError("The answer and what it is compared with are the same token: change one of them.", "foil")
    return PromptTokens(
        model=model.id,
        tokens=read,
        n_ctx=model.n_ctx,
        target_id=target_id,
        target_text=None if target_id is None else model.text(target_id),
        foil_id=foil_id,
        foil_text=None if foil_id is None else model.text(foil_id),
        familiarity=familiarity(model, prompt),
        notes=tuple(_notes(model, prompt, read)),
    )


def _notes(model: Model, prompt: str, read: Tokens):
    if prompt[-1].isspace():
        yield (
            f"The prompt ends with {_whitespace(prompt)}, which usually makes the prediction worse: "
            "a word carries the space before it."
        )
    yield from _notes_on_special(model, read)
    control = sorted({char for char in prompt if unicodedata.category(char) in ("Cc", "Cf") and char not in "\n\t\r"})
    if control:
        shown = listed([visible(char) for char in control[:5]])
        yield f"The prompt contains characters that cannot be seen, shown as {shown}."
    if any(text.startswith("⟨") and text.endswith("⟩") for text in read.texts):
        yield "Some characters are several tokens; each is shown by its bytes, such as ⟨F0⟩."


def _notes_on_special(model: Model, read: Tokens):
    own = read.texts[1:] if read.has_bos else read.texts
    typed = [text for text, special in zip(own, read.special[read.has_bos :], strict=True) if special]
    if typed:
        yield f"{visible(typed[0])} was typed as text and is read as one special token."
    if read.has_bos and len(read) > 1 and read.ids[1] == read.ids[0]:
        yield f"The prompt begins with {visible(read.texts[0])} and one more is put before it: remove one of the two."
    if (
        model.prepends_bos
        and not read.has_bos
        and not (read.special[0] and read.ids[0] == model.tokenizer.bos_token_id)
    ):
        yield "This model expects a beginning-of-sequence token, which is switched off: its answers may be worse."


def _whitespace(prompt: str) -> str:
    return {" ": "a space", "\n": "a line break", "\t": "a tab"}.get(prompt[-1], f"white space ({visible(prompt[-1])})")
