"""What does the smallest model learn, which sees one letter and guesses the next?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float

from mi_core.labs import chain
from mi_core.labs.bigram_training import ENOUGH, BigramTraining, check_steps
from mi_core.labs.pairs import END, START, Pairs, count_pairs
from mi_core.labs.word_list import word_list
from mi_core.models.progress import Progress, silent
from mi_core.phrases import bits, percent
from mi_core.result import Check, Reading, check_axes, within

TOLD_EVERY = 100  # steps
SAME = 0.01  # the largest difference of a chance that counts as having learned what was counted


@dataclass(frozen=True)
class Bigram:
    """A bigram model of letters: counted, and trained."""

    n_words: int
    """Words that it learned from."""
    pairs: Pairs
    """What was counted in them."""
    seed: int
    """Of the random logits that training began with."""
    probability: Float[np.ndarray, "sign next"]
    """[sign, next] Of each next sign, by the trained model."""
    loss: Float[np.ndarray, " step"]
    """[step] Bits per letter before the first step and after each."""
    floor: float
    """Bits per letter of the counts: no model that sees one letter can do better."""
    expected_length: float
    """Letters in a word of the trained model, on average."""
    checks: tuple[Check, ...]
    """What must hold of these numbers."""
    units: str = "probability; bits per letter, the end of a word counted as one"

    def __post_init__(self) -> None:
        check_axes(self, sign=len(self.pairs.signs), next=len(self.pairs.signs))
        within(self, 0.0, 1.0, "probability")

    @property
    def column_units(self) -> dict[str, dict[str, str]]:
        """Of all tables."""
        chances: dict[str, str] = dict.fromkeys(("counted", "probability", "difference"), "probability")
        return {
            "pairs": chances | {"count": "pairs"},
            "loss": dict.fromkeys(("loss", "floor", "above_floor"), "bits per letter"),
            "rules": chances | {"count": "pairs", "seen": "pairs"},
            "backbone": chances,
        }

    @property
    def steps(self) -> int:
        """Steps of training."""
        return len(self.loss) - 1

    @property
    def apart(self) -> float:
        """The largest difference between a learned chance and the counted one."""
        return float(np.abs(self.probability - self.pairs.probability).max())

    def tables(self) -> dict[str, pd.DataFrame]:
        """`pairs`: a row for each sign and next sign. `loss`: a row per step. `rules`: what the model knows, surest
        first. `backbone`: the likeliest next sign of each. `theory`: what is fixed beforehand beside what was reached.
        """
        return {
            "pairs": self._pairs(),
            "loss": self._loss(),
            "rules": self._rules(),
            "backbone": self._backbone(),
            "theory": self._theory(),
        }

    def _pairs(self) -> pd.DataFrame:
        row, column = (axis.ravel() for axis in np.indices(self.probability.shape))
        counted = self.pairs.probability.ravel()
        columns = {
            "letter": np.array(self.pairs.rows, dtype=object)[row],
            "next": np.array(self.pairs.columns, dtype=object)[column],
            "count": self.pairs.counts.ravel(),
            "counted": counted,
            "probability": self.probability.ravel(),
        }
        return pd.DataFrame(columns).assign(difference=self.probability.ravel() - counted)

    def _loss(self) -> pd.DataFrame:
        columns = {"step": np.arange(len(self.loss)), "loss": self.loss, "floor": self.floor}
        return pd.DataFrame(columns).assign(above_floor=self.loss - self.floor)

    def _rules(self) -> pd.DataFrame:
        """Of pairs that do come; of equally sure ones the better founded first."""
        seen = self.pairs.counts.sum(-1)
        known = self._pairs().assign(seen=np.repeat(seen, len(seen)))
        known = known.loc[known["count"] > 0].sort_values(
            by=["probability", "seen"], ascending=False, kind="stable", ignore_index=True
        )
        rules = [rule(letter, following) for letter, following in zip(known["letter"], known["next"], strict=True)]
        known.insert(0, "rank", np.arange(1, len(known) + 1))
        known.insert(1, "rule", rules)
        return known.drop(columns="difference")

    def _backbone(self) -> pd.DataFrame:
        following, way = chain.backbone(self.probability)
        row = np.arange(len(following))
        columns = {
            "letter": self.pairs.rows,
            "next": [self.pairs.columns[sign] for sign in following],
            "probability": self.probability[row, following],
            "counted": self.pairs.probability[row, following],
            "on_the_way": [sign in way[:-1] for sign in row],
        }
        return pd.DataFrame(columns)

    def _theory(self) -> pd.DataFrame:
        rows = [
            ("loss, bits per letter: that of the counts at best", self.floor, float(self.loss[-1])),
            ("letters in a word on average: as in the words", self.pairs.mean_length, self.expected_length),
            ("largest difference of a learned chance from the counted one: none", 0.0, self.apart),
        ]
        return pd.DataFrame(rows, columns=["quantity", "fixed", "reached"])

    def reading(self) -> Reading:
        """How near the training came to counting, where it began, and the surest rule."""
        above = float(self.loss[-1] - self.floor)
        if self.apart <= SAME:
            title = f"After {_steps(self.steps)} of training, the model knows just what counting the letters would tell"
        elif self.steps == 0:
            title = f"Before it learns, the model is {bits(above)} per letter worse than counting"
        else:
            title = f"After {_steps(self.steps)} of training, the model is {bits(above)} per letter worse than counting"
        return Reading(title, (self._began(), self._differs(), self._surest()))

    def _began(self) -> str:
        least = f"{bits(self.floor)} per letter, which no model that sees one letter can better"
        began = f"It learned from {self.n_words:,} words. Its random beginning is surprised by {bits(self.loss[0])}"
        return f"{began}, counting by {least}."

    def _differs(self) -> str:
        return f"The largest difference between a learned chance and the counted one is {percent(self.apart)}."

    def _surest(self) -> str:
        first = self._rules().iloc[0]
        return f"Its surest rule: {first['rule'][0].lower()}{first['rule'][1:]} ({percent(first['probability'])})."

    def way(self) -> str:
        """The word that it would write if it always took the likeliest letter, in a sentence."""
        _, signs = chain.backbone(self.probability)
        word = "".join(self.pairs.signs[sign] for sign in signs[1:-1])
        if signs[-1] == 0:
            return f"Always the likeliest letter from the start on: “{word}”, and the word is over."
        again = self.pairs.signs[signs[-1]]
        return f"Always the likeliest letter from the start on: “{word}”, then “{again}” again, round and round."


def bigram(*, words: str = "", seed: int = 0, steps: int = ENOUGH, progress: Progress = silent) -> Bigram:
    """Count which letter follows which, and train the smallest language model to know the same.

    A matrix of logits with a row for each letter: softmax regression of the next letter on this one. It is the model of
    part 1 of Karpathy's “Neural networks: zero to hero”. Counting solves it exactly: no matrix has a smaller loss than
    that of the counts, and the chain of the counts has words as long as the data's, on average. What is shown is that
    the gradient comes to the same place from any beginning.

    It does not show how larger models know what they know: they see more than one letter.

    Args:
        words: Words of one's own, apart by spaces, commas or lines; empty for the names that ship, which
            `training/names.py` made.
        seed: Of the random logits that training begins with.
        steps: Steps of training, 0 to 5,000; from 300 on every row has arrived.
        progress: Called every 100 steps with what is learned so far.

    Returns:
        Probabilities; losses in bits per letter, the end of a word counted as one.

    Raises:
        InputError: Too few words, too many signs, or a number of steps out of range.
    """
    check_steps(steps)
    known = word_list(words)
    pairs = count_pairs(known)
    training = BigramTraining(pairs.share, seed)
    loss = [chain.surprise(training.probability, pairs.share)]
    for done in training.train(steps):
        loss.append(chain.surprise(training.probability, pairs.share))
        if done % TOLD_EVERY == 0:
            progress(done, steps, _result(len(known), pairs, seed, training, loss))
    return _result(len(known), pairs, seed, training, loss)


def rule(letter: str, following: str) -> str:
    """A pair as a sentence."""
    if letter == START:
        return f"A word starts with “{following}”"
    return f"After “{letter}” the word is over" if following == END else f"After “{letter}” comes “{following}”"


def _result(n_words: int, pairs: Pairs, seed: int, training: BigramTraining, loss: list[float]) -> Bigram:
    probability = training.probability
    return Bigram(
        n_words=n_words,
        pairs=pairs,
        seed=seed,
        probability=probability,
        loss=np.array(loss),
        floor=chain.surprise(pairs.probability, pairs.share),
        expected_length=chain.expected_length(probability),
        checks=_checks(pairs, probability, loss),
    )


def _checks(pairs: Pairs, probability: Float[np.ndarray, "sign next"], loss: list[float]) -> tuple[Check, ...]:
    counted, floor = pairs.probability, chain.surprise(pairs.probability, pairs.share)
    distance = float(pairs.share.sum(-1) @ chain.row_distances(counted, probability))
    length = chain.expected_length(counted) / pairs.mean_length
    checks = (
        Check("no step's loss is below that of the counts (bits)", max(0.0, floor - min(loss)), 1e-9),
        Check("the loss above it is Σ share · KL of the rows (bits)", abs(loss[-1] - floor - distance), 1e-9),
        Check("(I − Q) t = 1 of the counts gives the words' mean length, relative", abs(length - 1), 1e-9),
    )
    if len(loss) <= ENOUGH:
        return checks
    apart = float(np.abs(probability - counted).max())
    return (*checks, Check(f"after {ENOUGH} steps or more, learned chances are those counted", apart, SAME))


def _steps(n: int) -> str:
    return f"{n:,} step" + ("" if n == 1 else "s")
