"""Which earlier features make which later ones?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float, Int
from torch import Tensor

from mi_core.ablation.feature_writes import FeatureWrites
from mi_core.attribution.feature_gradients import feature_gradients, rows_at_once
from mi_core.errors import InputError, shortened
from mi_core.interventions.intervention import check, intervening
from mi_core.interventions.restart import Run
from mi_core.models import hooks
from mi_core.models.model import Model
from mi_core.models.progress import Progress, silent
from mi_core.models.tokens import Tokens
from mi_core.phrases import place, signed
from mi_core.result import Check, Reading, check_axes, same_length
from mi_core.saes.features import check_is_read, check_top_k, feature_name
from mi_core.saes.loading import available, load_sae, neighbour
from mi_core.saes.notes import notes
from mi_core.saes.sae import Sae

MOST_LATER = 32  # features whose makers are sought, the strongest
ROWS_AT_ONCE = 16


@dataclass(frozen=True)
class FeaturePairs:
    """What features of one SAE do to those of a later one, the strongest pairs by gradient × activation."""

    model: str
    """Id of the model."""
    earlier: str
    """Name of the SAE whose features make."""
    later: str
    """Name of the SAE whose features are made."""
    tokens: Tokens
    """[pos] What was read."""
    pos: int
    """The position at which the later features are read, from 0."""
    from_ids: Int[np.ndarray, " pair"]
    """[pair] The earlier feature of each, the strongest pair first."""
    from_labels: tuple[str, ...]
    """[pair] Empty where there is none."""
    to_ids: Int[np.ndarray, " pair"]
    """[pair] The later feature of each."""
    to_labels: tuple[str, ...]
    """[pair] Empty where there is none."""
    activation: Float[np.ndarray, " pair"]
    """[pair] The later feature's activation at `pos`, in its SAE's units."""
    estimate: Float[np.ndarray, "pair pos"]
    """[pair, pos] Gradient × activation of the earlier feature at each position, in the later one's units."""
    measured: Float[np.ndarray, " pair"]
    """[pair] The later activation with everything in place, less that without the earlier feature."""
    later_ids: Int[np.ndarray, " later"]
    """[later] The later features looked at, the strongest first."""
    later_activation: Float[np.ndarray, " later"]
    """[later] Their activations at `pos`."""
    sums: Float[np.ndarray, "later part"]
    """[later, part] Gradient × stream by part: earlier features, the earlier SAE's bias, its error, the start token."""
    left_out: int
    """Later features that are active and not looked at."""
    checks: tuple[Check, ...]
    """What must hold of these numbers."""
    units: str = "activation of the later feature"
    """Unit of every effect."""

    def __post_init__(self) -> None:
        check_axes(self)
        same_length(self, "from_ids", "from_labels", "to_labels")

    @property
    def strongest(self) -> int:
        """The pair in which most is lost, measured."""
        return int(np.abs(self.measured).argmax())

    @property
    def column_units(self) -> dict[str, dict[str, str]]:
        """Of the columns that other results do not have, or in other units."""
        columns = {
            "pairs": ("activation", "estimate", "measured"),
            "positions": ("estimate",),
            "sums": ("features", "bias", "error", "start_token", "not_linear", "activation"),
        }
        return {table: dict.fromkeys(names, self.units) for table, names in columns.items()}

    def tables(self) -> dict[str, pd.DataFrame]:
        """`pairs`: a row each. `positions`: their estimates by token. `sums`: what makes each later feature, in all.

        The parts of a row of `sums` add up to its activation: `not_linear` is what gradients cannot say.
        """
        pairs = {
            "from_feature": self.from_ids,
            "from_label": self.from_labels,
            "to_feature": self.to_ids,
            "to_label": self.to_labels,
            "activation": self.activation,
            "estimate": self.estimate.sum(1),
            "measured": self.measured,
        }
        row, pos = (axis.ravel() for axis in np.indices(self.estimate.shape))
        positions = {
            "from_feature": self.from_ids[row],
            "to_feature": self.to_ids[row],
            "pos": pos,
            "token": np.asarray(self.tokens.texts, dtype=object)[pos],
            "estimate": self.estimate.ravel(),
        }
        sums = {"to_feature": self.later_ids} | dict(
            zip(("features", "bias", "error", "start_token"), self.sums.T, strict=True)
        )
        rest = self.later_activation - self.sums.sum(1)
        return {
            "pairs": pd.DataFrame(pairs),
            "positions": pd.DataFrame(positions),
            "sums": pd.DataFrame(sums | {"not_linear": rest, "activation": self.later_activation}),
        }

    def reading(self) -> Reading:
        """The pair in which most is lost without the earlier feature, and how far the forecasts can be trusted."""
        best = self.strongest
        before, lost = float(self.activation[best]), float(self.measured[best])
        maker = f"{feature_name(int(self.from_ids[best]), self.from_labels[best])} {_at(self.earlier)}"
        made = f"feature {feature_name(int(self.to_ids[best]), self.to_labels[best])[8:]} {_at(self.later)}"
        title = f"{maker} {'feeds' if lost * before >= 0 else 'holds down'} {made} most"
        alike = int((np.sign(self.estimate.sum(1)) == np.sign(self.measured)).sum())
        error = float(self.sums[list(self.later_ids).index(self.to_ids[best]), 2])
        sentences = [
            f"At {place(self.tokens, self.pos)} the later one has {before:.2f}, and {before - lost:.2f} without the "
            f"earlier one; from its gradient one would expect {before - float(self.estimate[best].sum()):.2f}.",
            f"What the earlier autoencoder does not explain comes to {signed(error)} of it, by its gradient.",
            f"Forecast and measurement have the same sign in {alike} of {len(self.measured)} pairs.",
        ]
        if self.left_out:
            sentences.append(f"{self.left_out} weaker features are active there and were not looked at.")
        return Reading(title, tuple(sentences))


def feature_pairs(
    model: Model,
    prompt: str,
    *,
    sae: str | None = None,
    other: str | None = None,
    pos: int | None = None,
    top_k: int = 12,
    prepend_bos: bool | None = None,
    progress: Progress = silent,
) -> FeaturePairs:
    """Find the strongest pairs of features of two SAEs: an earlier one that makes a later one (Marks et al. 2024).

    Estimate: the gradient of the later feature's activation at the position, along the earlier feature's direction, ×
    the earlier activation, at every position. It is a straight line through a curved model: sums over features, bias,
    error and start token give gradient × stream exactly, but not the activation, and `not_linear` is the rest.
    Measured: the earlier feature's term is taken off the activation at every position, all else kept, and the later
    feature is read again. The measured number decides.

    Args:
        model: The model.
        prompt: Text to read.
        sae: Name of one SAE, as in `features`; None for the middle one.
        other: Name of the other, at another place; None for the next one, or the one before where `sae` is the last.
            Whichever comes first in the model makes, the other is made.
        pos: Position at which the later features are read; None for the last.
        top_k: How many pairs to list and measure, the largest estimates first.
        prepend_bos: None follows the model's own habit.
        progress: Called between chunks with (runs done, runs in all).

    Returns:
        Effects in units of the later features' activations.

    Raises:
        InputError: A bad prompt, position or top_k; fewer than two places with an SAE; or no feature that is active.
    """
    tokens = model.tokens(prompt, prepend_bos)
    position = model.position(tokens, pos)
    model.up_to(tokens.ids, position)
    check_is_read(tokens, position)
    earlier, later = _two(model, sae, other)
    check_top_k(top_k, earlier)
    ids, first = tokens.ids[: position + 1], int(tokens.has_bos)
    acts = model.run(tokens, [earlier.hook, later.hook])
    own = later.encode(acts[later.hook][position].float())
    made = _active(own)
    x = acts[earlier.hook][: position + 1].float()
    amounts = earlier.amounts(x[first:])
    makers = (amounts != 0).any(0).nonzero()[:, 0].tolist()
    for found, one in ((made, later), (makers, earlier)):
        if not found:
            raise InputError(f"No feature of the SAE at {one.hook} is active here: choose another one.", "sae")
    looked = made[:MOST_LATER]
    n_runs = len(looked) + top_k
    gradients, again = feature_gradients(model, ids, earlier.hook, later, looked, lambda done: progress(done, n_runs))
    effects = _effects(earlier, amounts, makers, gradients[:, first:])
    total = effects.sum(1)
    best = total.abs().flatten().argsort(descending=True)[: min(top_k, total.numel())]
    rows, columns = (best // len(makers)).tolist(), (best % len(makers)).tolist()
    pairs = [(looked[row], makers[column]) for row, column in zip(rows, columns, strict=True)]
    lacking = sorted({maker for _, maker in pairs})
    without = _without(model, ids, earlier, later, amounts, lacking, lambda done: progress(len(looked) + done, n_runs))
    estimate = np.zeros((len(pairs), len(tokens)), dtype=np.float32)
    estimate[:, first : len(ids)] = effects[rows, :, columns].numpy(force=True)
    sums = _sums(earlier, x, gradients, total, first)
    whole = (gradients * x).sum((-1, -2))
    from_book, to_book = notes(earlier.entry), notes(later.entry)
    return FeaturePairs(
        model=model.id,
        earlier=earlier.name,
        later=later.name,
        tokens=tokens,
        pos=position,
        from_ids=np.array([maker for _, maker in pairs]),
        from_labels=tuple(from_book.of(maker).label for _, maker in pairs),
        to_ids=np.array([number for number, _ in pairs]),
        to_labels=tuple(to_book.of(number).label for number, _ in pairs),
        activation=np.array([float(own[number]) for number, _ in pairs], dtype=np.float32),
        estimate=estimate,
        measured=np.array([float(own[number] - without[maker][number]) for number, maker in pairs], dtype=np.float32),
        later_ids=np.array(looked),
        later_activation=own[looked].numpy(force=True),
        sums=sums.numpy(force=True),
        left_out=len(made) - len(looked),
        checks=(
            Check(
                "features, bias, error and start token sum to gradient × stream, relative",
                float(((sums.sum(1) - whole).abs() / (1 + (gradients * x).abs().sum((-1, -2)))).max()),
                1e-4,
            ),
            Check(
                "later features have the same activations where gradients are taken, relative",
                float(((again - own[looked]).abs() / (1 + own[looked].abs())).max()),
                1e-3,
            ),
        ),
    )


def _at(sae: str) -> str:
    """`before layer 2`, `in what the MLP of layer 2 adds`: an SAE's place, said after one of its features."""
    site, layer = hooks.parse(sae.partition("#")[0])
    words = site.words.format(layer=layer)
    return words.removeprefix("residual stream ") if site.name.startswith("resid") else f"in {words}"


def _two(model: Model, sae: str | None, other: str | None) -> tuple[Sae, Sae]:
    """Both SAEs, the earlier first."""
    one = load_sae(model, sae)
    near = neighbour(model.id, one.entry)
    if near is None:
        raise InputError(
            f"Pairs of features need autoencoders at two places, and {shortened(model.id)} has one at {one.hook} only.",
            "sae",
        )
    second = load_sae(model, other or near.name)
    if second.hook == one.hook:
        raise InputError(f"Both autoencoders read {one.hook}: choose one at another place.", "other")
    places = [entry.name for entry in available(model.id)]
    first, last = sorted((one, second), key=lambda each: places.index(each.name))
    return first, last


def _active(activations: Float[Tensor, " d_sae"]) -> list[int]:
    """The features that are active, the strongest first."""
    order = activations.abs().argsort(descending=True)
    return order[: int((activations != 0).sum())].tolist()


@torch.no_grad()
def _effects(
    earlier: Sae, amounts: Float[Tensor, "pos d_sae"], makers: list[int], gradients: Float[Tensor, "later pos d_model"]
) -> Float[Tensor, "later pos maker"]:
    """Gradient × activation of each earlier feature at each position."""
    return gradients @ earlier.directions(makers).T.float() * amounts[:, makers]


@torch.no_grad()
def _sums(
    earlier: Sae,
    x: Float[Tensor, "pos d_model"],
    gradients: Float[Tensor, "later pos d_model"],
    features: Float[Tensor, "later maker"],
    first: int,
) -> Float[Tensor, "later 4"]:
    """Gradient × stream by part: features, bias, error, and the start token, which the SAE does not read."""
    read, asked = x[first:], gradients[:, first:]
    code = earlier.encode(read)
    bias = earlier.decode(torch.zeros_like(code), read)
    error = read - earlier.decode(code, read)
    said = [(part * asked).sum((-1, -2)) for part in (bias, error)]
    return torch.stack([features.sum(1), *said, (x[:first] * gradients[:, :first]).sum((-1, -2))], dim=1)


@torch.no_grad()
def _without(
    model: Model,
    ids: tuple[int, ...],
    earlier: Sae,
    later: Sae,
    amounts: Float[Tensor, "read d_sae"],
    makers: list[int],
    told: Callable[[int], None],
) -> dict[int, Float[Tensor, " d_sae_later"]]:
    """The later features at the last position in runs that each lack one earlier feature, at every position."""
    writes, first = FeatureWrites(earlier, tuple(makers)), len(ids) - len(amounts)
    taken = amounts.new_zeros(len(ids), len(makers))
    taken[first:] = amounts[:, makers]
    runs: list[Run] = [(writes.taking(i, taken[:, i], first, len(ids)),) for i in range(len(makers))]
    check(model, [one for run in runs for one in run])
    found: dict[int, Tensor] = {}
    at_once = rows_at_once(len(ids), ROWS_AT_ONCE)
    for start in range(0, len(runs), at_once):
        rows = runs[start : start + at_once]
        with intervening(model, rows):
            acts = model.run_ids(model.rows([ids] * len(rows)), [later.hook])
        encoded = later.encode(acts[later.hook][:, -1].float())
        found |= zip(makers[start : start + at_once], encoded, strict=True)
        told(len(found))
    return found
