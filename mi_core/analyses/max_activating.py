"""In which texts does a feature, neuron, head or direction fire most?"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from mi_core.errors import InputError
from mi_core.firing import kept, passages
from mi_core.firing.excerpt import Excerpt, excerpt, excerpt_table
from mi_core.firing.passages import activations, parts, windows
from mi_core.firing.strongest import Peak, Strongest
from mi_core.firing.unit import Kind, Unit
from mi_core.firing.unit import unit as unit_of
from mi_core.interventions.cost import BLOCK_WIDTHS, FLOAT, ROOM
from mi_core.models import catalogue
from mi_core.models.model import Model
from mi_core.models.progress import Progress, silent
from mi_core.phrases import listed, percent, quoted
from mi_core.probing.labelled import SHIPPED, read_labelled
from mi_core.result import Check, Reading, check_axes
from mi_core.saes.features import MAX_TOP_K
from mi_core.text.corpus import TextFile, read_texts
from mi_core.text.sample import TEXTS

NAMED = 3  # tokens that the sentence on the peaks names
SAMPLE = "texts.jsonl"  # in the folder of a built-in model
AGAIN = 5  # peaks that are read once more, alone


@dataclass(frozen=True)
class MaxActivating:
    """The texts in which one unit fires most, as many at random, and how often it has which activation."""

    model: str
    """Id of the model."""
    unit: str
    """``"feature"``, ``"neuron"``, ``"head"`` or ``"direction"``."""
    name: str
    """Which one, as a sentence begins."""
    does: str
    """Before the token where it is largest: `fires most on`."""
    measure: str
    """What its activation measures."""
    fires: bool
    """Whether it is silent where its activation is not above 0."""
    file: str
    """Name of the file; "" for the sample that comes with Loupe."""
    n_texts: int
    """Texts that were read."""
    n_tokens: int
    """Tokens of all of them."""
    n_firing_texts: int
    """Texts in which it comes above 0."""
    n_firing: int
    """Tokens at which it is above 0."""
    zeros: int
    """Tokens at which it is exactly 0."""
    mean: float
    """Of the activation over all tokens."""
    standard_deviation: float
    """Of the same."""
    strongest: tuple[Excerpt, ...]
    """The texts with the largest activation, each once, the largest first."""
    random: tuple[Excerpt, ...]
    """As many texts at random, each at its own largest activation."""
    edges: Float[np.ndarray, " edge"]
    """[edge] Between bins of equal width; one where there is no bin."""
    counts: Int[np.ndarray, " bin"]
    """[bin] Tokens whose activation, other than 0, lies there."""
    checks: tuple[Check, ...]
    """What must hold of these numbers."""
    units: str = "activation; tokens"
    """All units, in words."""

    def __post_init__(self) -> None:
        check_axes(self, edge=len(self.counts) + 1)

    @property
    def column_units(self) -> dict[str, dict[str, str]]:
        """Of a head and of a direction an activation is a length."""
        measured = dict.fromkeys(("activation", "from_activation", "to_activation"), self.measure)
        return dict.fromkeys(("texts", "random"), measured) | {"histogram": measured | {"tokens": "tokens"}}

    def tables(self) -> dict[str, pd.DataFrame]:
        """`texts`: the strongest, a row each; `random`: texts at random; `histogram`: tokens by activation."""
        ends = (self.edges[:-1], self.edges[1:])
        counted = {"from_activation": ends[0], "to_activation": ends[1], "tokens": self.counts}
        histogram = pd.DataFrame(counted)
        if self.zeros:
            zero = pd.DataFrame({"from_activation": [0.0], "to_activation": [0.0], "tokens": [self.zeros]})
            below = int((ends[1] <= 0).sum())
            histogram = pd.concat([histogram[:below], zero, histogram[below:]], ignore_index=True)
        return {"texts": excerpt_table(self.strongest), "random": excerpt_table(self.random), "histogram": histogram}

    def reading(self) -> Reading:
        """Where it is largest, on how much of the text it fires, and how texts at random compare."""
        where = self.file or "the sample that comes with Loupe"
        read = f"{self.n_tokens:,} tokens in {self.n_texts:,} {_texts(self.n_texts)} of {where}"
        if not self.strongest:
            return Reading(f"{self.name} fires on no token of {where}", (f"Read: {read}.",))
        best = self.strongest[0]
        return Reading(
            f"{self.name} {self.does} {quoted(best.token)}: {_written(best.activation)}",
            (self._peaks(), self._share(where, read), *self._control()),
        )

    def _peaks(self) -> str:
        n, count = len(self.strongest), Counter(one.token for one in self.strongest)
        if n == 1:
            return "Only one text has it."
        often = [(token, times) for token, times in count.most_common(NAMED) if times > 1]
        if not often:
            return f"Its {n} strongest texts peak on {n} different tokens."
        said = [f"{quoted(token)} ({times})" for token, times in often]
        if rest := len(count) - len(often):
            said.append(f"{rest} other {'token' if rest == 1 else 'tokens'}")
        return f"Its {n} strongest texts peak on {listed(said)}."

    def _share(self, where: str, read: str) -> str:
        if self.fires:
            share = percent(self.n_firing / self.n_tokens)
            among = f"{self.n_firing_texts:,} of {self.n_texts:,} {_texts(self.n_texts)}"
            return f"It fires on {share} of the {self.n_tokens:,} tokens read, and in {among} of {where}."
        spread = f"a standard deviation of {self.standard_deviation:.2f}"
        return f"Over {read} it is {_written(self.mean)} on average, with {spread}."

    def _control(self) -> list[str]:
        if self.n_texts <= len(self.random):
            return ["There are no more texts than are shown."]
        half = self.strongest[0].activation / 2
        if half <= 0:
            return []
        n = sum(one.activation >= half for one in self.random)
        reach = "reaches" if n <= 1 else "reach"
        return [f"Of {len(self.random)} texts drawn at random, {n or 'none'} {reach} half of the largest activation."]


def _texts(n: int) -> str:
    return "text" if n == 1 else "texts"


def _written(value: float) -> str:
    """With a true minus."""
    return f"{value:.2f}".replace("-", "−")


def max_activating(
    model: Model,
    *,
    file: TextFile = "",
    unit: Kind = "feature",
    feature: int | None = None,
    sae: str | None = None,
    layer: int | None = None,
    neuron: int | None = None,
    head: int | None = None,
    direction: str = "",
    top_k: int = 20,
    progress: Progress = silent,
) -> MaxActivating:
    """Find the texts of a file in which one unit fires most, and as many at random beside them.

    Texts are read in passages of at most 128 tokens, each behind the start token, which itself is left out; a text
    counts once, where it is strongest. All is counted in one pass that keeps the strongest only, so that a file of any
    length fits. What is done is kept every few seconds: stopped and started again, it goes on. That a unit fires there
    says neither why nor what for: read the texts at random too, then ablate it or steer along it.

    Args:
        model: The model.
        file: Text (.txt), a table with a column `text` (.csv, .tsv) or JSON lines (.jsonl), at most 50 MB; none for
            the sample that comes with Loupe.
        unit: ``"feature"``: an SAE feature's activation. ``"neuron"``: an MLP neuron's, after activation function and
            gate. ``"head"``: the length of what a head writes, before any norm behind attention. ``"direction"``: the
            residual stream along a unit vector.
        feature: Number of the feature, from 0.
        sae: Hook name of the SAE; None for the model's only one, or the middle one.
        layer: Of the neuron or head, from 0. Of a direction: blocks passed where it is read; None for its own place.
        neuron: Number of the neuron within its layer, from 0.
        head: Number of the head within its layer, from 0.
        direction: ``"token:Paris"``, ``"feature:123"``, or a JSON object with the settings of a contrast or of pasted
            numbers.
        top_k: How many texts are kept, and at random as many; from 1 to 100.
        progress: Called after every pass.

    Returns:
        Activations with the tokens around them, and tokens by activation.

    Raises:
        InputError: The file cannot be read or holds nothing for this model; no such unit; a bad top_k.
    """
    _check(top_k)
    one = unit_of(model, unit, feature=feature, sae=sae, layer=layer, neuron=neuron, head=head, direction=direction)
    total = sum(
        1 for _ in parts(_read(model, file))
    )  # all of the file is looked at first: what is wrong with it is told here
    unfinished = kept.place(model, one, file, top_k)
    found, known = kept.begun(unfinished, top_k), None
    for window in windows(islice(parts(_read(model, file)), found.done, None)):
        rows = passages.passages(model, window)
        tell = partial(_tell, progress, found.done, len(window) / max(len(rows), 1), total, known)
        found.add(rows, activations(model, one, rows, tell), len(window))
        if found.done < total:
            kept.keep(found, unfinished)
            known = _result(model, unit, one, file, found) if found.n_texts else None
    found.finish()
    if not found.n_tokens:
        raise InputError("The file has no text that this model can read: choose another one.", "file")
    result = _result(model, unit, one, file, found, alone=True)
    unfinished.unlink(missing_ok=True)
    return result


def planned(model: Model, *, file: str, unit: str, top_k: int, **settings: Any) -> tuple[int, float, int]:
    """Texts that `max_activating` would read, all of its settings given; the seconds and the bytes that it would take.

    Raises:
        InputError: As `max_activating` does.
    """
    _check(top_k)
    one = unit_of(model, unit, **settings)
    first = next(windows(parts(_read(model, file))))
    began = time.perf_counter()
    rows = passages.passages(model, first)
    encoding = time.perf_counter() - began
    lengths = [len(row.ids) for row in rows]
    batch = passages.batches(lengths)
    sample = [rows[i] for i in batch[len(batch) // 2]] if batch else []
    activations(model, one, sample)  # the first meets cold caches
    began = time.perf_counter()
    activations(model, one, sample)
    reading = (time.perf_counter() - began) * sum(lengths) / max(sum(len(row.ids) for row in sample), 1)
    characters, texts = 0, 0
    for part in parts(_read(model, file)):
        characters, texts = characters + len(part.characters), part.text + 1
    share = characters / sum(len(part.characters) for part in first)
    return texts, (encoding + reading) * share, ROOM + FLOAT * passages.AT_ONCE * BLOCK_WIDTHS * model.d_model


def _tell(progress: Progress, done: int, parts_each: float, total: int, known: MaxActivating | None, n: int) -> None:
    """How many parts of the texts have been read, of a window with `n` passages done."""
    progress(done + int(n * parts_each), total, known)


def _check(top_k: int) -> None:
    if not 1 <= top_k <= MAX_TOP_K:
        raise InputError(f"top_k is {top_k}: choose a number from 1 to {MAX_TOP_K}.", "top_k")


def _read(model: Model, file: str) -> Iterator[str]:
    """The texts of the file; without one a built-in model's own, or everyday prose and the labelled texts that ship."""
    folders = [entry.folder for entry in catalogue.entries() if entry.id == model.id and entry.folder]
    own = [folder / SAMPLE for folder in folders if (folder / SAMPLE).is_file()]
    if file or own:
        return read_texts(Path(file) if file else own[0])
    return iter([*TEXTS, *(text for name in SHIPPED for text in read_labelled(name).texts)])


def _result(model: Model, kind: str, one: Unit, file: str, found: Strongest, *, alone: bool = False) -> MaxActivating:
    """What is known so far; in the end some peaks are read `alone`, once more."""
    peaks = [peak for peak in found.peaks if peak.activation > 0 or not one.fires]
    edges, tokens = found.histogram.bins()
    counted = int(tokens.sum()) + found.histogram.zeros
    mean = found.total / found.n_tokens
    checks = [Check("the histogram counts every token once", float(abs(counted - found.n_tokens)), 0.0)]
    if alone and peaks:
        checks.append(_read_alone(model, one, peaks[:AGAIN]))
    return MaxActivating(
        model=model.id,
        unit=kind,
        name=one.name,
        does=one.does,
        measure=one.measure,
        fires=one.fires,
        file=Path(file).name,
        n_texts=found.n_texts,
        n_tokens=found.n_tokens,
        n_firing_texts=found.n_firing,
        n_firing=int(tokens[edges[:-1] >= 0].sum()),
        zeros=found.histogram.zeros,
        mean=mean,
        standard_deviation=math.sqrt(max(found.squares / found.n_tokens - mean**2, 0.0)),
        strongest=tuple(excerpt(model, peak) for peak in peaks),
        random=tuple(excerpt(model, peak) for _, peak in found.drawn),
        edges=edges,
        counts=tokens,
        checks=tuple(checks),
    )


def _read_alone(model: Model, one: Unit, peaks: Sequence[Peak]) -> Check:
    """The same activations from whole runs of single passages, which nothing fills up."""
    error = 0.0
    for peak in peaks:
        x = model.run_ids(model.rows([peak.ids]), [one.hook])[one.hook][0, peak.pos : peak.pos + 1]
        error = max(error, abs(float(one.read(x)[0]) - peak.activation))
    largest = max(abs(peak.activation) for peak in peaks) or 1.0
    return Check("the strongest activations, read again one text at a time, relative", error / largest, 1e-4)
