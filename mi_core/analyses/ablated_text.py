"""What does the model write when parts of it are taken away?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import pandas as pd

from mi_core.ablation import knockout
from mi_core.ablation.component import component
from mi_core.ablation.cut import Cut
from mi_core.ablation.replacement import without as said_without
from mi_core.errors import InputError
from mi_core.interventions.rows import row_hooks
from mi_core.models.model import Model
from mi_core.models.progress import Progress, silent
from mi_core.models.tokens import Tokens
from mi_core.phrases import listed, quoted
from mi_core.result import Check, Reading, within
from mi_core.text.generation import continuation, generate

MAX_NEW_TOKENS = 200
ROWS = ("nothing out", "knocked out")


@dataclass(frozen=True)
class AblatedText:
    """Two continuations of one prompt, each token the likeliest: with everything in place, and with `without` out."""

    model: str
    tokens: Tokens
    without: tuple[str, ...]
    """Names of the components that are out."""
    mode: str
    set_to: float | None
    """What they were set to, in units of their activation; None where the mode is not ``"set"``."""
    texts: tuple[str, str]
    """In the order of `ROWS`."""
    written: tuple[tuple[str, ...], tuple[str, ...]]
    """[row][new token] The texts of the tokens written, in the order of `ROWS`."""
    parting: int | None
    """The first new token at which they differ; None where one only ends earlier or they are the same."""
    checks: tuple[Check, ...]
    units: str = "tokens"

    def __post_init__(self) -> None:
        if self.parting is not None:
            within(self, 0.0, min(map(len, self.written)) - 1.0, "parting")

    def tables(self) -> dict[str, pd.DataFrame]:
        """`texts`: a row per text."""
        rows = [(which, text, len(new)) for which, text, new in zip(ROWS, self.texts, self.written, strict=True)]
        return {"texts": pd.DataFrame(rows, columns=["which", "text", "n_tokens"])}

    def reading(self) -> Reading:
        """Whether the text changes, and where."""
        said = said_without(listed(list(self.without)) if self.without else "nothing", self.set_to)
        out = said[0].upper() + said[1:]
        if self.texts[0] == self.texts[1]:
            title = f"{out}, the model writes the same" if self.without else "With nothing out, nothing changes"
            return Reading(title, ())
        if self.parting is None:
            return Reading(f"{out}, the text ends elsewhere", ())
        before, after = (quoted(new[self.parting]) for new in self.written)
        if self.parting == 0:
            return Reading(f"{out}, the next word is {after} instead of {before}", ())
        kept = quoted("".join(self.written[0][: self.parting]))
        return Reading(f"{out}, the text parts after {kept}: {after} instead of {before}", ())


def ablated_text(
    model: Model,
    prompt: str,
    *,
    without: tuple[str, ...] = (),
    mode: Literal["zero", "mean", "resample", "set"] = "mean",
    reference: str = "",
    set_to: float | None = None,
    sae: str | None = None,
    max_new_tokens: int = 20,
    prepend_bos: bool | None = None,
    progress: Progress = silent,
) -> AblatedText:
    """Continue the prompt with and without some components, taking the likeliest token each time.

    The components are out while the prompt is read and while every new token is written; a position, and what one
    token reads of another, is out in the prompt only. A new token gets in their place what the prompt's last one gets.

    Args:
        model: The model.
        prompt: Text to continue.
        without: Components, such as ``("L3H0", "MLP 2", "L3N17", "L3P4", "feature 115", "L3H0@8→2")``.
        mode: What is put in their place: ``"zero"``, ``"mean"``, ``"resample"`` or ``"set"``; see `ablation`.
        reference: Prompts for the mean or the sample, one per line; a few everyday sentences where it is empty.
        set_to: What mode ``"set"`` puts in place, in units of the feature's or neuron's activation.
        sae: Hook name of the SAE whose features are meant; None for the model's only one, or the middle one.
        max_new_tokens: The most tokens of each text.
        prepend_bos: None follows the model's own habit.
        progress: Called after every token with (done, total, (text with nothing out, text without)).

    Returns:
        Both texts, and where they part.

    Raises:
        InputError: A bad prompt, component, mode, value or number of tokens.
    """
    if not 1 <= max_new_tokens <= MAX_NEW_TOKENS:
        raise InputError(f"max_new_tokens is {max_new_tokens}: choose 1 to {MAX_NEW_TOKENS}.", "max_new_tokens")
    tokens = model.tokens(prompt, prepend_bos)
    out = [component(model, name, "without", len(tokens), sae) for name in without]
    plain = model.run(tokens, {one.hook for one in out if not isinstance(one, Cut)})
    ready = knockout.prepare(
        model,
        tokens,
        plain,
        out,
        mode,
        reference,
        set_to=set_to,
        prepend_bos=prepend_bos,
        between=lambda: progress(0, max_new_tokens),
    )
    hooks = row_hooks(model, [(), ready.onwards(out)])
    ids: tuple[list[int], list[int]] = ([], [])
    first = None
    for done, step in enumerate(generate(model, tokens.ids, 2, max_new_tokens=max_new_tokens, hooks=hooks), start=1):
        first = step.logits if first is None else first
        for row, drawn in zip(ids, step.ids, strict=True):
            row.extend([] if drawn is None else [drawn])
        progress(done, max_new_tokens, tuple(continuation(model, tokens.ids, row) for row in ids))
    same = Check(
        "the text with nothing out begins as the model's own prediction",
        float((first[0] - plain.logits[-1].to(first)).abs().max()),
        1e-3,
    )
    return AblatedText(
        model=model.id,
        tokens=tokens,
        without=tuple(one.name for one in out),
        mode=mode,
        set_to=set_to,
        texts=tuple(continuation(model, tokens.ids, row) for row in ids),
        written=tuple(tuple(model.texts(row)) for row in ids),
        parting=next((i for i, pair in enumerate(zip(*ids, strict=False)) if pair[0] != pair[1]), None),
        checks=(same,),
    )
