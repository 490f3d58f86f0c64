"""Texts of any number and length as passages that a model reads at once, and what a unit does in them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from mi_core.errors import InputError
from mi_core.firing.unit import Unit
from mi_core.models.model import Model
from mi_core.models.tokens import encode
from mi_core.text.sampled import start

LONGEST = 128  # tokens of a passage, its start token included
PART = 20_000  # characters of a text that become tokens at once
WINDOW = 40_000  # characters that are read before what was found is kept
AT_ONCE = 512  # tokens of a pass, what fills up short rows included: at GPT-2 small's size less than a second


@dataclass(frozen=True)
class Part:
    """A text, or a part of a very long one: its number in the file, and its characters."""

    text: int
    characters: str


@dataclass(frozen=True)
class Passage:
    """Tokens that are read at once, and the number of their text."""

    text: int
    ids: tuple[int, ...]


def parts(texts: Iterable[str]) -> Iterator[Part]:
    """Each text, in parts where it is very long: cut at a space where there is one."""
    for number, text in enumerate(texts):
        at = 0
        while len(text) - at > PART:
            space = text.rfind(" ", at + 1, at + PART)
            end = space if space > 0 else at + PART
            yield Part(number, text[at:end])
            at = end
        yield Part(number, text[at:])


def windows(parts: Iterable[Part]) -> Iterator[list[Part]]:
    """Parts in their order, so many at a time that a run which is stopped loses little."""
    window: list[Part] = []
    characters = 0
    for part in parts:
        window.append(part)
        characters += len(part.characters)
        if characters >= WINDOW:
            yield window
            window, characters = [], 0
    if window:
        yield window


def passages(model: Model, window: Iterable[Part]) -> list[Passage]:
    """Their tokens in passages that fit the context, each behind the start token; what the weights lack is left out."""
    begins = start(model)
    length, known = min(LONGEST, model.n_ctx) - len(begins), len(model.embedding)
    found = []
    for part in window:
        ids = [token for token in encode(model.tokenizer, part.characters) if token < known]
        found += [Passage(part.text, (*begins, *ids[at : at + length])) for at in range(0, len(ids), length)]
    return found


def activations(
    model: Model, unit: Unit, rows: Sequence[Passage], between: Callable[[int], None] = lambda done: None
) -> list[np.ndarray]:
    """The unit's activation at every token of each passage but the start token.

    Passages of about equal length share a pass. What fills up the shorter ones stands behind their tokens, which see
    nothing that comes later.

    Args:
        model: The model.
        unit: What is read.
        rows: The passages.
        between: Called after every pass with how many passages have been read.

    Raises:
        InputError: The model computes numbers that are none.
    """
    found: list[np.ndarray] = [np.empty(0)] * len(rows)
    first, done = len(start(model)), 0
    for batch in batches([len(row.ids) for row in rows], padded=model.turns_at is None):
        for number, values in zip(batch, _pass(model, unit, [rows[i].ids for i in batch], first), strict=True):
            found[number] = values
        done += len(batch)
        between(done)
    return found


def batches(lengths: Sequence[int], *, padded: bool = True) -> list[list[int]]:
    """Which passages share a pass, the shortest first; `padded`: also those that are not quite equally long."""
    found: list[list[int]] = []
    for number in sorted(range(len(lengths)), key=lambda i: lengths[i]):
        fits = found and (len(found[-1]) + 1) * lengths[number] <= AT_ONCE
        if fits and (padded or lengths[found[-1][0]] == lengths[number]):
            found[-1].append(number)
        else:
            found.append([number])
    return found


@torch.no_grad()
def _pass(model: Model, unit: Unit, rows: Sequence[tuple[int, ...]], first: int) -> list[np.ndarray]:
    longest = max(map(len, rows))
    ids = model.rows([(*row, *[row[0]] * (longest - len(row))) for row in rows])
    pos = torch.arange(longest, device=ids.device)
    lengths = ids.new_tensor([len(row) for row in rows])
    own = (pos >= first) & (pos < lengths[:, None])
    values = unit.read(model.activation(ids, unit.hook)[own]).float().numpy(force=True)
    if not np.isfinite(values).all():
        raise InputError(f"{model.id} computes numbers that are none on these texts: choose another model.", "model")
    return np.split(values, np.cumsum([len(row) - first for row in rows])[:-1])
