"""A family of prompt pairs that ask the same kind of question: as lines, as a template with slots, or as CSV."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from mi_core.errors import InputError, shortened
from mi_core.metrics.target import Target
from mi_core.models.model import Model
from mi_core.patching import pair
from mi_core.patching.pair import SMALLEST_GAP, PromptPair

COLUMNS = ("clean", "corrupted", "target", "foil")
MOST_PAIRS = 64
SPLIT_FROM = 4  # pairs: with fewer, all are needed to find a circuit and none can be held out
SLOT = re.compile(r"\{(\w+)\}")
FILLING = re.compile(r"\s*(\w+)\s*=\s*(.*)")
HOW = "write clean | corrupted | target | foil, one pair per line, or a table with these columns"


@dataclass(frozen=True)
class Asked:
    """One pair as it was typed; an empty target or foil is each prompt's own top guess."""

    clean: str
    corrupted: str
    target: str = ""
    foil: str = ""


@dataclass(frozen=True)
class Case:
    """One pair as the model reads it, up to the position whose next token is asked for."""

    prompts: PromptPair
    pos: int
    target: Target
    whole: float
    """The target's logit (difference) in the clean prompt's own run."""
    corrupted: float
    """The same in the corrupted prompt's run."""

    @property
    def n_pos(self) -> int:
        """Positions that are run."""
        return self.pos + 1

    @property
    def ids(self) -> tuple[int, ...]:
        """The clean prompt's tokens that are run."""
        return self.prompts.clean.ids[: self.n_pos]

    @property
    def other(self) -> tuple[int, ...]:
        """The corrupted prompt's tokens that are run."""
        return self.prompts.corrupted.ids[: self.n_pos]


def pairs(text: str) -> list[Asked]:
    """The pairs of a field.

    Args:
        text: Lines ``clean | corrupted | target | foil``, of which the last two may be left out; or CSV whose first
            line names these columns. Words in braces are slots: lines ``name = word, word`` say what fills them, the
            first word of every slot for the first pair, the second for the second, and so on.

    Raises:
        InputError: A line is no pair, a slot is not filled, or slots have lists of unequal length; the row is named.
    """
    lines = [line for line in text.splitlines() if line.strip()]
    table = _table(lines)
    if table is not None:
        found = table
    else:
        slots = {name for line in lines for name in SLOT.findall(line)}
        fillings = [match for line in lines if (match := FILLING.fullmatch(line)) and match[1] in slots]
        filled = {match[1]: [word.strip() for word in match[2].split(",")] for match in fillings}
        rows = [line for line in lines if not ((match := FILLING.fullmatch(line)) and match[1] in slots)]
        found = [one for row, line in enumerate(rows, 1) for one in _expanded(_line(line, row), filled, row)]
    if len(found) > MOST_PAIRS:
        raise InputError(f"There are {len(found)} pairs: {MOST_PAIRS} are enough, so leave some out.", "family")
    return list(dict.fromkeys(found))


def _table(lines: Sequence[str]) -> list[Asked] | None:
    """The rows of a CSV whose first line names the columns; None where it is none."""
    for separator in (",", ";", "\t", "|"):
        rows = list(csv.reader(io.StringIO("\n".join(lines)), delimiter=separator, skipinitialspace=separator == "|"))
        names = [name.strip().lower() for name in rows[0]] if rows else []
        if {"clean", "corrupted"} <= set(names):
            break
    else:
        return None
    if unknown := [name for name in names if name not in COLUMNS]:
        raise InputError(f"The column “{shortened(unknown[0])}” is none of {', '.join(COLUMNS)}: rename it.", "family")
    found = []
    for number, row in enumerate(rows[1:], 1):
        if len(row) > len(names):
            raise InputError(f"Row {number} of the family has more cells than there are columns: quote them.", "family")
        cells = dict(zip(names, row, strict=False))
        if not cells.get("clean", "").strip() or not cells.get("corrupted", "").strip():
            raise InputError(f"Row {number} of the family lacks a clean or a corrupted prompt: add it.", "family")
        bare = {name: cell.strip() if separator == "|" else cell for name, cell in cells.items()}
        found.append(Asked(**bare))
    return found


def _line(line: str, row: int) -> Asked:
    cells = [cell.strip() for cell in line.split("|")]
    if not 2 <= len(cells) <= len(COLUMNS) or not all(cells[:2]):
        raise InputError(f"Row {row} of the family (“{shortened(line.strip(), 40)}”) is no pair: {HOW}.", "family")
    return Asked(*cells)


def _expanded(one: Asked, filled: dict[str, list[str]], row: int) -> Iterator[Asked]:
    """The pairs of one line: one for each set of words where it has slots."""
    cells = (one.clean, one.corrupted, one.target, one.foil)
    names = list(dict.fromkeys(name for cell in cells for name in SLOT.findall(cell)))
    if missing := [name for name in names if name not in filled]:
        raise InputError(
            f"Row {row} of the family has a slot {{{missing[0]}}} that nothing fills: add a line "
            f"{missing[0]} = first, second, third.",
            "family",
        )
    counts = {name: len(filled[name]) for name in names}
    if len(set(counts.values())) > 1:
        said = " and ".join(f"{name} {count}" for name, count in counts.items())
        raise InputError(
            f"The slots of row {row} of the family have lists of unequal length ({said} words): give each as many.",
            "family",
        )
    for i in range(next(iter(counts.values()), 1)):
        yield Asked(*(SLOT.sub(lambda match, i=i: filled[match[1]][i], cell) for cell in cells))


def cases(model: Model, asked: Sequence[Asked], pos: int | None, prepend_bos: bool | None) -> tuple[Case, ...]:
    """Every pair, read and run as it stands; the first is the page's own pair, the others are rows of the family.

    Raises:
        InputError: A pair cannot be read, is of unequal lengths, or gives the same answer twice; the row is named.
    """
    found = []
    for row, one in enumerate(asked):
        try:
            found.append(_case(model, one, pos, prepend_bos))
        except InputError as error:
            if row == 0:
                raise
            message = f"Row {row} of the family (“{shortened(one.clean, 40)}”): {error.message}"
            raise InputError(message, "family") from error
    return tuple(found)


def _case(model: Model, one: Asked, pos: int | None, prepend_bos: bool | None) -> Case:
    prompts = pair.prompt_pair(model, one.clean, one.corrupted, prepend_bos)
    position = model.position(prompts.clean, pos)
    model.up_to(prompts.clean.ids, position)
    clean, corrupted = (model.run(each, (), logits=position) for each in (prompts.clean, prompts.corrupted))
    target = pair.answers(model, one.target or None, one.foil or None, clean, corrupted)
    ends = float(target.of(clean.logits[0].float())), float(target.of(corrupted.logits[0].float()))
    pair.check_gap(ends, target, position, prompts.first_difference, smallest=SMALLEST_GAP)
    return Case(prompts, position, target, *ends)


def check_lengths(found: Sequence[Case]) -> None:
    """Raises InputError unless all pairs are equally long, as a mean by position needs; the row is named."""
    for row, case in enumerate(found):
        if case.n_pos != found[0].n_pos:
            raise InputError(
                f"Row {row} of the family (“{shortened(''.join(case.prompts.clean.texts), 40)}”) is {case.n_pos} "
                f"tokens long and your prompt {found[0].n_pos}: a mean at each position needs prompts of one length. "
                "Reword the row, or put the corrupted run in place (resample) instead of the mean.",
                "family",
            )


def held_out(n_pairs: int, seed: int) -> tuple[bool, ...]:
    """Which pairs are kept away from the search, to grade its circuit: half of them, never the first.

    Fewer than `SPLIT_FROM` pairs are all used for the search.
    """
    if n_pairs < SPLIT_FROM:
        return (False,) * n_pairs
    others = 1 + np.random.default_rng(seed).permutation(n_pairs - 1)
    apart = set(others[: n_pairs // 2].tolist())
    return tuple(row in apart for row in range(n_pairs))
