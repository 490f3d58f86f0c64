"""What does the smallest model write, and what without a part of it?"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import pandas as pd
from jaxtyping import Float

from mi_core.errors import InputError, choose, shortened
from mi_core.labs import chain
from mi_core.labs.bigram_training import ENOUGH, trained
from mi_core.labs.pairs import END, START, Pairs, count_pairs, length_shares
from mi_core.labs.word_list import word_list
from mi_core.phrases import listed
from mi_core.result import Check, Reading, check_axes, within

Cut = Literal["nothing", "column", "row"]
LONGEST = 24  # letters of a word that is written out
SHOWN = 3  # words that a sentence shows
MOST_WORDS = 200
MOST_LENGTH = 16  # of the lengths that are shown
TERMS = 2_000  # lengths that the check sums over
HARDLY = 1e-9  # what may be left after them


@dataclass(frozen=True)
class BigramAblation:
    """The trained bigram model with a column or a row of it taken out, beside the whole one."""

    cut: str
    """``"nothing"``, ``"column"`` or ``"row"``."""
    letter: str
    """Whose; ``"start"`` and ``"end"`` for the edge of a word."""
    temperature: float
    """Both write at it."""
    written: tuple[str, ...]
    """[word] What the whole model writes."""
    written_cut: tuple[str, ...]
    """[word] What it writes with the part taken out, by the same random numbers."""
    mean_length: float
    """Letters of the words that it learned from, on average."""
    expected_length: float
    """Letters of the whole model's words, on average."""
    expected_length_cut: float
    """Without the part; infinite where its words have no end."""
    loss: float
    """Bits per letter of the whole model, on the words that it learned from."""
    loss_cut: float
    """Without the part; infinite where what happens has no chance."""
    lengths: Float[np.ndarray, "kind length"]
    """[kind, length] Share of words of 0, 1, 2 … letters: in the words, of the whole model, without the part."""
    checks: tuple[Check, ...]
    """What must hold of these numbers."""
    units: str = "letters; bits per letter; share of the words"

    def __post_init__(self) -> None:
        check_axes(self, kind=3)
        within(self, 0.0, 1.0, "lengths")

    @property
    def column_units(self) -> dict[str, dict[str, str]]:
        """Of all tables."""
        return {
            "lengths": dict.fromkeys(("words", "whole", "without"), "share of the words"),
            "effect": {"expected_length": "letters", "loss": "bits per letter"},
        }

    @property
    def part(self) -> str:
        """What is taken out, in words: `the column of the end`."""
        named = self.letter if self.letter in (START, END) else f"“{self.letter}”"
        return f"the {self.cut} of {'the ' if self.letter in (START, END) else ''}{named}"

    def tables(self) -> dict[str, pd.DataFrame]:
        """`words`: what is written, whole and without the part. `lengths`: shares of each length. `effect`: both
        models' mean length and loss; a number that is infinite stays so here, and is empty in JSON."""
        lengths = pd.DataFrame(self.lengths.T, columns=["words", "whole", "without"])
        lengths.insert(0, "letters", np.arange(len(lengths)))
        effect = {
            "model": ["the words themselves", "the whole model", "without the part"],
            "expected_length": [self.mean_length, self.expected_length, self.expected_length_cut],
            "loss": [np.nan, self.loss, self.loss_cut],
        }
        return {
            "words": pd.DataFrame({"whole": self.written, "without": self.written_cut}),
            "lengths": lengths,
            "effect": pd.DataFrame(effect),
        }

    def reading(self) -> Reading:
        """How long the words get, whole and without the part."""
        whole = f"Whole, it writes words of {_letters(self.expected_length)} on average"
        learned = f"those that it learned from have {self.mean_length:.2f}."
        if self.cut == "nothing":
            title = f"It writes words of {_letters(self.expected_length)} on average"
            return Reading(title, (f"For example {self._some(self.written)}; {learned}",))
        if math.isinf(self.expected_length_cut):
            title = f"Without {self.part}, it never stops: its words are infinitely long"
        else:
            title = f"Without {self.part}, it writes words of {_letters(self.expected_length_cut)} on average"
        return Reading(title, (f"{whole}; {learned}", self._loses(), self._parted()))

    def _loses(self) -> str:
        whole, without = _surprise(self.loss), _surprise(self.loss_cut)
        return f"How much the words that it learned from surprise it: whole, {whole}; without the part, {without}."

    def _parted(self) -> str:
        same = sum(whole == without for whole, without in zip(self.written, self.written_cut, strict=True))
        verb = "is" if same == 1 else "are"
        return f"Of {len(self.written)} words drawn with the same random numbers, {same} {verb} the same."

    def _some(self, words: tuple[str, ...]) -> str:
        return listed([f"“{word}”" for word in words[:SHOWN]])


def bigram_ablation(
    *,
    words: str = "",
    seed: int = 0,
    steps: int = ENOUGH,
    cut: Cut = "column",
    letter: str = END,
    temperature: float = 1.0,
    samples: int = 12,
) -> BigramAblation:
    """Take a column or a row out of a trained bigram model, and let it write.

    A column is how likely a letter is to come, wherever: without it (logits −∞) the letter never comes, and without
    that of the end no word is ever over. A row is what is known of what follows a letter: without it (logits 0)
    anything is equally likely there. The mean length of the words solves ``(I − Q) t = 1``, with Q the chances among
    letters.

    Args:
        words: As `bigram`'s.
        seed: Of the training and of what is drawn.
        steps: As `bigram`'s.
        cut: ``"nothing"``, a ``"column"`` or a ``"row"``.
        letter: Whose; ``"end"`` or ``"start"`` for the edge of a word.
        temperature: 1 draws by the model's own chances, less than 1 prefers the likelier, 0 takes the likeliest.
        samples: How many words to write, 1 to 200.

    Returns:
        Words, and lengths in letters.

    Raises:
        InputError: As `bigram` does; or no such letter, part or temperature.
    """
    choose(cut, get_args(Cut), "cut", "part of the model")
    if not 0 <= temperature <= 5:
        raise InputError(f"A temperature of {temperature:g} is out of range: choose from 0 to 5.", "temperature")
    if not 1 <= samples <= MOST_WORDS:
        raise InputError(f"{samples:,} words cannot be written: choose 1 to {MOST_WORDS}.", "samples")
    known = word_list(words)
    pairs = count_pairs(known)
    sign = _sign(pairs, letter)
    model = trained(pairs.share, seed, steps)
    whole = chain.tempered(model, temperature)
    left = chain.tempered(_without(model, cut, sign), temperature)
    written, written_cut = (chain.write(one, pairs.signs, samples, seed, LONGEST) for one in (whole, left))
    shares = (length_shares(known, MOST_LENGTH), *(chain.lengths(one, MOST_LENGTH) for one in (whole, left)))
    return BigramAblation(
        cut=cut,
        letter=letter if sign else END if cut == "column" else START,
        temperature=temperature,
        written=tuple(written),
        written_cut=tuple(written_cut),
        mean_length=pairs.mean_length,
        expected_length=chain.expected_length(whole),
        expected_length_cut=chain.expected_length(left),
        loss=chain.surprise(whole, pairs.share),
        loss_cut=chain.surprise(left, pairs.share),
        lengths=np.stack(shares),
        checks=tuple(filter(None, (_summed("whole", whole), _summed("without the part", left)))),
    )


def _sign(pairs: Pairs, letter: str) -> int:
    """The number of a letter; 0 for the edge of a word, by whichever name."""
    if letter in (START, END):
        return 0
    if letter not in pairs.signs[1:]:
        known = " ".join(pairs.signs[1:])
        raise InputError(
            f"“{shortened(letter, 20)}” is no letter of these words: choose {END} or one of {known}.", "letter"
        )
    return pairs.signs.index(letter)


def _without(model: Float[np.ndarray, "sign next"], cut: str, sign: int) -> Float[np.ndarray, "sign next"]:
    if cut == "nothing":
        return model
    return (chain.without_column if cut == "column" else chain.without_row)(model, sign)


def _summed(name: str, model: Float[np.ndarray, "sign next"]) -> Check | None:
    """The mean length once more, as Σ n · P(n); None where words are so long that the sum has no end."""
    chances = chain.lengths(model, TERMS)
    if 1 - chances.sum() > HARDLY:
        return None
    summed = float(np.arange(TERMS + 1) @ chances)
    return Check(f"{name}: Σ n · P(n) is the mean length, in letters", abs(summed - chain.expected_length(model)), 1e-5)


def _letters(n: float) -> str:
    if math.isinf(n):
        return "infinitely many letters"
    return f"{n:.2f} letters" if n < 1000 else f"{n:,.0f} letters"


def _surprise(loss: float) -> str:
    return "infinitely many bits, since some of them cannot come" if math.isinf(loss) else f"{loss:.2f} bits per letter"
