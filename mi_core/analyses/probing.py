"""At which layer can a property of texts be read off, and is that more than the words alone say?"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from mi_core.errors import InputError, shortened
from mi_core.models.model import Model
from mi_core.models.progress import Progress, silent
from mi_core.models.untrained import untrained
from mi_core.phrases import after_layer, listed
from mi_core.probing import controls, fit, outcome, penalty
from mi_core.probing.activations import Reading as Place
from mi_core.probing.activations import Streams, activations, batches, readings
from mi_core.probing.codelength import codelength
from mi_core.probing.count import Count
from mi_core.probing.labelled import LabelledTexts, read_labelled
from mi_core.probing.pace import pace
from mi_core.probing.protocol import LayerProbes, Protocol, measured, protocol
from mi_core.result import Check, Reading, check_axes, within
from mi_core.text.corpus import TextFile

FLATTERS = 0.03  # how much higher a random split must be before it is warned of
MOST_SHUFFLES = 200
SHARES = ("accuracy", "low", "high", "auc", "random_split", "held_out_words", "shuffled", "shuffled_95", "control",
          "untrained")  # fmt: skip


@dataclass(frozen=True)
class Probing:
    """Linear probes at every layer, tested on groups of texts that they have not seen, beside their controls."""

    model: str
    held: LabelledTexts
    """The texts, their classes and their groups."""
    position: str
    """Where each text is read: ``last``, ``mean`` or ``token``."""
    token: str
    among: tuple[float, ...]
    """The choices of C, the inverse of the penalty's strength; one where it is given."""
    c: Float[np.ndarray, " layer"]
    """[layer] What was chosen from all texts: of the direction and the codelength."""
    fold_c: Float[np.ndarray, "layer fold"]
    """[layer][fold] What was chosen without the texts of the fold."""
    layers: tuple[int, ...]
    """[layer] Blocks passed; 0 is the embeddings."""
    n_layers: int
    """Blocks of the model; of a probing that was stopped, the last ones may be missing."""
    probability: Float[np.ndarray, "layer text class_"]
    """Of each class, by a probe that has not seen the text's group."""
    auc: Float[np.ndarray, " layer"]
    """Area under the ROC curve; NaN where no fold holds all classes."""
    random_split: Float[np.ndarray, " layer"]
    """Accuracy where texts are held out at random, whatever their group."""
    held_out_words: Float[np.ndarray, " layer"]
    """Accuracy where the words that fill the texts are held out; NaN where they do not come again."""
    shuffles: Float[np.ndarray, "layer shuffle"]
    """Accuracy of probes that learned from shuffled labels."""
    control: Float[np.ndarray, " layer"]
    """Accuracy in the control task, a random class for each word."""
    untrained: Float[np.ndarray, " layer"]
    """Accuracy on the same model with random weights; NaN where it was left out."""
    codelength: Float[np.ndarray, " layer"]
    """Bits for all labels (online code)."""
    directions: Float[np.ndarray, "layer kind class_ d_model"]
    """Unit directions towards each class, in the order of `probe_direction.KINDS`."""
    words_alone: float
    """Accuracy of the same probe on counts of words, without a model."""
    words_at_random: float
    """The same in a random split."""
    notes: tuple[str, ...]
    """What was left out, and why."""
    checks: tuple[Check, ...]
    units: str = "share of the texts; bits (codelength)"

    def __post_init__(self) -> None:
        check_axes(self, layer=len(self.layers), text=len(self.held.texts), class_=len(self.held.classes))
        within(self, 0.0, 1.0, "probability", "auc", "random_split", "held_out_words", "control", "untrained")

    @property
    def column_units(self) -> dict[str, dict[str, str]]:
        """Of all tables."""
        shares: dict[str, str] = dict.fromkeys((*SHARES, "selectivity"), "share of the texts")
        return {
            "layers": shares | {"codelength": "bits", "compression": "times", "auc": "area under the curve"},
            "baselines": shares,
            "groups": shares,
        }

    @property
    def predicted(self) -> Int[np.ndarray, "layer text"]:
        """The likeliest class of each text."""
        return self.probability.argmax(-1)

    @property
    def accuracy(self) -> Float[np.ndarray, " layer"]:
        """Share of the texts told right, their groups held out."""
        return (self.predicted == np.array(self.held.numbers)).mean(1)

    @property
    def selectivity(self) -> Float[np.ndarray, " layer"]:
        """Accuracy less that in the control task (Hewitt and Liang 2019)."""
        return self.accuracy - self.control

    @property
    def compression(self) -> Float[np.ndarray, " layer"]:
        """Bits of a uniform code over the codelength (Voita and Titov 2020); 1 is nothing known."""
        return len(self.held.texts) * math.log2(len(self.held.classes)) / self.codelength

    @property
    def best(self) -> int:
        """The layer whose probe tells most texts right; the first of several."""
        return self.layers[int(self.accuracy.argmax())]

    @property
    def majority(self) -> float:
        """Accuracy of always naming the most frequent class."""
        return max(map(self.held.labels.count, self.held.classes)) / len(self.held.labels)

    def tables(self) -> dict[str, pd.DataFrame]:
        """`layers`: a row per layer; `c_low` to `c_high` is the penalty of its folds. `baselines`: what is told
        without the model. `errors`: the texts that a layer's probe gets wrong. `confusion`: class by class.
        `groups`: texts that are alike, at the best layer. `directions` and `cosines`: how the directions agree, with
        each other and between layers."""
        at = self.layers.index(self.best)
        return {
            "layers": self._layers(),
            "baselines": self._baselines(),
            "errors": outcome.errors(self.held, self.layers, self.probability),
            "confusion": outcome.confusion(self.held, self.layers, self.predicted),
            "groups": outcome.by_group(self.held, self.predicted[at]),
            "directions": outcome.agreement(self.held, self.layers, self.directions),
            "cosines": outcome.cosines(self.held, self.layers, self.directions),
        }

    def _layers(self) -> pd.DataFrame:
        low, high = zip(*(fit.wilson(float(share), len(self.held.texts)) for share in self.accuracy), strict=True)
        return pd.DataFrame(
            {
                "layer": self.layers,
                "stage": [after_layer(layer, self.n_layers) for layer in self.layers],
                "accuracy": self.accuracy,
                "low": low,
                "high": high,
                "auc": self.auc,
                "random_split": self.random_split,
                "held_out_words": self.held_out_words,
                "shuffled": self.shuffles.mean(1),
                "shuffled_95": np.quantile(self.shuffles, 0.95, axis=1),
                "control": self.control,
                "selectivity": self.selectivity,
                "untrained": self.untrained,
                "codelength": self.codelength,
                "compression": self.compression,
                "c": self.c,
                "c_low": self.fold_c.min(1),
                "c_high": self.fold_c.max(1),
            }
        )

    def _baselines(self) -> pd.DataFrame:
        shares = {
            "always the most frequent class": self.majority,
            "the words alone": self.words_alone,
            "the words alone, split at random": self.words_at_random,
            "the embeddings (layer 0)": float(self.accuracy[0]),
        }
        rows = [(name, share, *fit.wilson(share, len(self.held.texts))) for name, share in shares.items()]
        return pd.DataFrame(rows, columns=["baseline", "accuracy", "low", "high"])

    def reading(self) -> Reading:
        """Where it can be read best, against the words alone, and what the controls say."""
        return _read(self)


def probing(
    model: Model,
    file: TextFile,
    *,
    position: Literal["last", "mean", "token"] = "last",
    token: str = "",
    c: float | None = None,
    seed: int = 0,
    shuffles: int = 20,
    random_weights: bool = True,
    prepend_bos: bool | None = None,
    progress: Progress = silent,
) -> Probing:
    """Fit a linear probe to the residual stream of every layer, and test it where it can fail.

    Texts that are alike but for a word give each other away: a random split then says "it is there" of anything. So
    whole groups of texts are held out (five folds, classes as even as that allows), scaler and probe see the other
    folds only, and the same is done to shuffled labels, to a control task (a random class for each word: Hewitt and
    Liang 2019), to counts of the words alone, and to the same model with random weights. The online codelength (Voita
    and Titov 2020) needs no split: the bits that the labels take for who learns them as they come.

    What can be read off need not be used: that takes an intervention (`probe_use`).

    Args:
        model: The model.
        file: A table (.csv, .tsv) in UTF-8 with the columns `text`, `label` and, where it is known which texts are
            alike, `group`; or one of the sets that ship: ``sentiment``, ``language``, ``capital``. 2 to 10 classes of
            at least 8 texts each. Without groups these are found: texts that are equal after masking the words that
            differ.
        position: Where each text is read: its ``"last"`` token, the ``"mean"`` over all of them, or a named
            ``"token"``, where it stands for the last time.
        token: That token.
        c: Inverse of the strength of the probes' L2 penalty. None: of 0.001, 0.01 and 0.1 that which needs the
            fewest bits in three folds, by group, of the texts that a probe learns from: those it is tested on have no
            say. Controls with other labels take what was chosen with the true ones.
        seed: Of the splits, the controls and the random weights.
        shuffles: How often the labels are shuffled.
        random_weights: Whether the same model with random weights is probed too.
        prepend_bos: None follows the model's own habit.
        progress: Called after every pass and before every fit, and after every layer with the layers so far.

    Returns:
        Accuracies as shares of the texts, with 95 % intervals (Wilson), by layer.

    Raises:
        InputError: The file cannot be used, or holds too little to be tested honestly; no such token or setting.
    """
    among = penalty.choices(c)
    if not 1 <= shuffles <= MOST_SHUFFLES:
        raise InputError(f"There are {shuffles} shuffles: choose 1 to {MOST_SHUFFLES}.", "shuffles")
    held = read_labelled(file)
    places = readings(model, held.texts, position, token, prepend_bos=prepend_bos)
    ask = protocol(held, among, seed, shuffles)
    count = Count(progress, len(held.texts) * (1 + random_weights), _fits(model, ask, random_weights))
    streams = count.read(lambda passed: activations(model, places, passed))
    random, notes = _untrained(model, places, seed, count) if random_weights else (None, ())
    words = controls.word_counts(held.texts)
    known: dict[str, Any] = {
        "model": model.id,
        "held": held,
        "position": position,
        "token": token,
        "among": among,
        "n_layers": len(streams) - 1,
        "words_alone": ask.accuracy(words, ask.by_group, count.tick),
        "words_at_random": ask.accuracy(words, ask.at_random, count.tick),
        "notes": notes,
    }
    probes: list[LayerProbes] = []
    by_chance: list[float] = []
    for layer, x in enumerate(streams):
        probes.append(measured(x.astype(float), ask, count.tick))
        other = math.nan if random is None else ask.accuracy(random[layer].astype(float), ask.by_group, count.tick)
        by_chance.append(other)
        count.so_far(_result(known, ask, probes, by_chance))
    return _result(known, ask, probes, by_chance, _checks(model, places, streams, ask, probes, count.tick))


def _result(
    known: dict[str, Any],
    ask: Protocol,
    probes: list[LayerProbes],
    by_chance: list[float],
    checks: tuple[Check, ...] = (),
) -> Probing:
    """Of the layers so far."""
    return Probing(
        **known,
        c=np.array([one.c for one in probes]),
        fold_c=np.array([one.cs for one in probes]),
        layers=tuple(range(len(probes))),
        probability=np.stack([one.probability for one in probes]),
        auc=np.array([fit.auc(one.probability, ask.y, ask.by_group.folds) for one in probes]),
        random_split=np.array([one.at_random for one in probes]),
        held_out_words=np.array([one.by_word for one in probes]),
        shuffles=np.stack([one.shuffled for one in probes]),
        control=np.array([one.control for one in probes]),
        untrained=np.array(by_chance),
        codelength=np.array([one.codelength for one in probes]),
        directions=np.stack([one.directions for one in probes]),
        checks=checks,
    )


def planned(model: Model, *, file: str, random_weights: bool, **settings: Any) -> tuple[int, float, int]:
    """Texts that `probing` would read, all of its settings given; the seconds and the bytes that it would take.

    Raises:
        InputError: As `probing` does.
    """
    among = penalty.choices(settings["c"])
    held = read_labelled(file)
    bos = settings["prepend_bos"]
    places = readings(model, held.texts, settings["position"], settings["token"], prepend_bos=bos)
    ask = protocol(held, among, settings["seed"], settings["shuffles"])
    reading, fitting = pace(model, places, ask)
    seconds = reading * (1 + random_weights) + fitting * _fits(model, ask, random_weights)
    size = len(places) * (model.n_layers + 1) * model.d_model * 4
    weights = sum(one.nbytes for one in model.hf_model.parameters()) if random_weights else 0
    return len(places) * (1 + random_weights), seconds, 2 * size + weights


def _fits(model: Model, ask: Protocol, random_weights: bool) -> int:
    """How many probes are fitted in all, at the most."""
    by_group = ask.fits_of(ask.by_group)
    baselines, checks = by_group + ask.fits_of(ask.at_random), len(ask.by_group.folds)
    return (model.n_layers + 1) * (ask.n_fits + random_weights * by_group) + baselines + checks


def _untrained(model: Model, places: list[Place], seed: int, count: Count) -> tuple[Streams | None, tuple[str, ...]]:
    """What the same model with random weights holds; None, and why, where there is none."""
    try:
        other = untrained(model, seed)
    except InputError as error:
        return None, (error.message,)
    streams = count.read(lambda passed: activations(other, places, passed, keep=False))
    if not np.isfinite(streams).all():
        return None, (f"{model.id} with random weights computes numbers that are none.",)
    return streams, ()


def _checks(
    model: Model,
    places: list[Place],
    streams: Streams,
    ask: Protocol,
    probes: list[LayerProbes],
    tick: Callable[[], None],
) -> tuple[Check, ...]:
    """One text read alone; the control task with true labels; the codelength of who knows nothing."""
    number = batches(places)[0][-1]
    alone = activations(model, [places[number]], lambda done: None, keep=False)[:, 0]
    apart = float(np.abs(alone - streams[:, number]).max()) / max(float(np.abs(alone).max()), 1.0)
    accuracies = [fit.right(one.probability, ask.y) for one in probes]
    best = int(np.argmax(accuracies))
    same = controls.control(streams[best].astype(float), [ask.y], ask.by_group.folds, probes[best].cs, tick)
    n, k = len(ask.y), ask.n_classes
    uniform = codelength(ask.y, k, np.arange(n), lambda known, block: np.full((len(block), k), 1 / k))
    return (
        Check("a text read alone is what it is among others", apart, 1e-3),
        Check("the control task with true labels is the task", abs(same - accuracies[best]), 0.0),
        Check("who knows nothing needs n log₂ K bits", abs(uniform - n * math.log2(k)), 1e-6 * n),
    )


def _read(result: Probing) -> Reading:
    at = result.layers.index(result.best)
    frame = result.tables()["layers"].iloc[at].to_dict()
    said = (_split(result, frame), _controls(frame), *_penalty(result, frame), *result.notes, USED)
    last = result.layers[-1]
    so_far = "" if last == result.n_layers else f"So far, up to layer {last} of {result.n_layers}: "
    return Reading(f"{so_far}{_title(result, frame)}", said)


USED = "Decodable is not used: that a probe can read it does not show that the model does."


def _title(result: Probing, frame: dict[str, Any]) -> str:
    classes = [f"“{shortened(label, 24)}”" for label in result.held.classes]
    what = f"{classes[0]} or {classes[1]}" if len(classes) == 2 else f"Which of {len(classes)} classes"
    if frame["low"] <= max(result.majority, frame["shuffled_95"]):
        return f"{what} is read at no layer better than chance: {frame['accuracy']:.0%} right at best"
    where = "in the embeddings" if result.best == 0 else frame["stage"]
    but = "but" if result.words_alone >= frame["accuracy"] else "and"
    return (
        f"{what} is read best {where}: {frame['accuracy']:.0%} right on groups of texts it has not seen, {but} the "
        f"words alone give {result.words_alone:.0%}"
    )


def _penalty(result: Probing, frame: dict[str, Any]) -> tuple[str, ...]:
    """How strong the penalty is that was chosen."""
    if len(result.among) == 1:
        return ()
    low, high = frame["c_low"], frame["c_high"]
    there = f"C = {low:g}" if low == high else f"C = {low:g} to {high:g}"
    return (f"The penalty was chosen within the texts learned from, without those tested on: there, {there}.",)


def _split(result: Probing, frame: dict[str, Any]) -> str:
    n = len(set(result.held.groups))
    how = "texts equal after masking the words that differ" if result.held.found else "named in the file"
    groups = f"Whole groups are held out ({n} of them, {how})."
    if frame["random_split"] - frame["accuracy"] < FLATTERS:
        return f"{groups} Split at random it is {frame['random_split']:.0%}."
    return (
        f"{groups} Split at random it would have been {frame['random_split']:.0%}: texts of one group give each other "
        "away, so that number flatters."
    )


def _controls(frame: dict[str, Any]) -> str:
    said = [f"shuffled labels {frame['shuffled']:.0%}", f"a random class for each word {frame['control']:.0%}"]
    if not math.isnan(frame["untrained"]):
        said.append(f"the same model with random weights {frame['untrained']:.0%}")
    return f"There, {listed(said)}."
