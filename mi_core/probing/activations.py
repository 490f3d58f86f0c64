"""What a model holds of each text at each layer, at one place of the text: one pass per text for all layers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float

from mi_core.errors import InputError, choose, shortened
from mi_core.lru import LRU
from mi_core.models.model import Model
from mi_core.models.tokens import Tokens, visible

POSITIONS = ("last", "mean", "token")
AT_ONCE = 1024  # tokens of one pass
KEPT_BYTES = 256 * 10**6

Streams = Float[np.ndarray, "layer text d_model"]
_kept: LRU[tuple, np.ndarray] = LRU(KEPT_BYTES, lambda streams: streams.nbytes)


@dataclass(frozen=True)
class Reading:
    """A text as the model reads it, and the positions `first` to `end` that are averaged: one, or all."""

    tokens: Tokens
    first: int
    end: int


def readings(
    model: Model, texts: Sequence[str], position: str, token: str, *, prepend_bos: bool | None = None
) -> list[Reading]:
    """Where each text is read.

    Args:
        model: The model.
        texts: The texts.
        position: ``"last"``: the last token. ``"mean"``: the mean over all but the beginning-of-sequence token.
            ``"token"``: where `token` stands for the last time.
        token: That token, with or without the space before it.
        prepend_bos: None follows the model's own habit.

    Raises:
        InputError: A text that the model cannot read, or that has no such token; no such position.
    """
    choose(position, POSITIONS, "position", "place to read")
    if position == "token" and not token:
        raise InputError("The token is missing: type a word that every text has.", "token")
    wanted = model.token_id(token, "token") if position == "token" else None
    return [_reading(model, number, text, position, wanted, prepend_bos) for number, text in enumerate(texts, start=1)]


def _reading(
    model: Model, number: int, text: str, position: str, wanted: int | None, prepend_bos: bool | None
) -> Reading:
    try:
        tokens = model.tokens(text, prepend_bos, "file")
    except InputError as error:
        if error.field != "file":
            raise
        said = error.message.replace("The prompt", f"Text {number}", 1).replace("this prompt", f"text {number}")
        raise InputError(said, "file") from error
    if position == "mean":
        return Reading(tokens, min(int(tokens.has_bos), len(tokens) - 1), len(tokens))
    if position == "last" or wanted is None:
        return Reading(tokens, len(tokens) - 1, len(tokens))
    if wanted not in tokens.ids:
        raise InputError(
            f"Text {number}, “{shortened(text)}”, has no token “{visible(model.text(wanted))}”: choose a token that "
            "every text has, or read the last one.",
            "token",
        )
    at = len(tokens) - 1 - tokens.ids[::-1].index(wanted)
    return Reading(tokens, at, at + 1)


def activations(
    model: Model, wanted: Sequence[Reading], between: Callable[[int], None], *, keep: bool = True
) -> Streams:
    """The residual stream before every block and after the last, of each text.

    Args:
        model: The model.
        wanted: The texts, and where each is read.
        between: Called after every pass with the texts done.
        keep: Whether they are kept for the next call.
    """
    key = (model.fingerprint, tuple((one.tokens.ids, one.first) for one in wanted), tuple(one.end for one in wanted))
    known = _kept.get(key) if keep else None
    if known is None:
        known = _read(model, wanted, between)
        known.flags.writeable = False
        if keep:
            _kept.put(key, known)
    return known


def batches(wanted: Sequence[Reading]) -> list[list[int]]:
    """The texts of each pass: of equal length, so that nothing is padded."""
    by_length = defaultdict(list)
    for number, one in enumerate(wanted):
        by_length[len(one.tokens)].append(number)
    passes = []
    for length, numbers in sorted(by_length.items()):
        rows = max(1, AT_ONCE // length)
        passes += [numbers[start : start + rows] for start in range(0, len(numbers), rows)]
    return passes


@torch.no_grad()
def _read(model: Model, wanted: Sequence[Reading], between: Callable[[int], None]) -> Streams:
    names, done = model.resid_names(), 0
    found = np.empty((len(names), len(wanted), model.d_model), np.float32)
    for numbers in batches(wanted):
        acts = model.run_ids(model.rows([wanted[number].tokens.ids for number in numbers]), names)
        for layer, name in enumerate(names):
            for row, number in enumerate(numbers):
                part = acts[name][row, wanted[number].first : wanted[number].end]
                found[layer, number] = part.float().mean(0).cpu().numpy()
        done += len(numbers)
        between(done)
    return found
