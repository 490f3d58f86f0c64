"""Paths from one component to another: runs in which what is sent reaches one receiver and nobody else.

With every attention layer after the sender frozen, what it sends moves along the residual stream of its own position,
through MLPs alone. So a path to the logits needs no position but the last, and a path to a head ends at its queries,
keys or values: these are put into a second run, which starts there. Nothing is approximated.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from mi_core.ablation.component import components
from mi_core.errors import InputError
from mi_core.interventions.intervention import Intervention
from mi_core.interventions.place import ATTENTION, HEAD, KEYS, MLP, QUERIES, VALUES, Part, Place
from mi_core.interventions.received import received
from mi_core.interventions.restart import Run
from mi_core.interventions.sweep import Sweep, sweep
from mi_core.metrics.target import Target
from mi_core.models import hooks
from mi_core.models.model import Activations, Model
from mi_core.models.progress import Progress, silent
from mi_core.phrases import listed
from mi_core.result import Check

SENDERS = (HEAD, ATTENTION, MLP)
#: What a head reads, as the setting `input` calls it.
INPUTS = {place.kind.name: place for place in (QUERIES, KEYS, VALUES)}


@dataclass(frozen=True)
class Receiver:
    """The queries, keys or values of one head."""

    head: Part
    """The head that is asked about."""
    reads: Part
    """Its queries, keys or values; of grouped-query models these belong to a key-value head."""
    readers: range
    """The heads that read the same ones, itself among them."""

    @property
    def name(self) -> str:
        """`L3H1`."""
        return self.head.name

    @property
    def layer(self) -> int:
        """The block."""
        return self.head.layer

    @property
    def input(self) -> str:
        """``"q"``, ``"k"`` or ``"v"``."""
        return self.reads.kind.name

    @property
    def shared_with(self) -> tuple[str, ...]:
        """The other heads that read the same ones."""
        parts = (Part(HEAD, self.layer, (number,)) for number in self.readers)
        return tuple(part.name for part in parts if part != self.head)

    def put(self, value: Float[Tensor, "pos d_head"], first: int) -> Intervention:
        """`value`, which begins at position `first`, received from there on."""
        return Intervention(self.reads.place.site.name, self.layer, value, self.reads.number, first)


def inputs(model: Model, name: str) -> dict[str, Receiver]:
    """What the receiver of that name reads: a head's `q`, `k` and `v`; nothing is between a sender and the logits.

    Args:
        model: The model.
        name: ``"logits"``, or a head such as ``"L3H1"``.

    Raises:
        InputError: There is no such receiver, or nothing comes before it.
    """
    if name.strip().lower() == "logits":
        return {}
    numbers = HEAD.kind.understand(name)
    if numbers is None:
        raise InputError(f"“{name[:40]}” cannot receive: write logits, or a head such as L2H0.", "receiver")
    layer, number = model.layer(numbers["layer"], "receiver"), model.head(numbers["head"], "receiver")
    model.require(hooks.z(layer))
    head = Part(HEAD, layer, (number,))
    if layer == 0:
        raise InputError(
            f"No head comes before {head.name}, which reads the tokens themselves: choose one of a later layer.",
            "receiver",
        )

    def receiver(place: Place) -> Receiver:
        shared = model.n_heads // place.sizes(model, layer, n_pos=0)[0]
        first = number // shared * shared
        return Receiver(head, Part(place, layer, (number // shared,)), range(first, first + shared))

    return {name: receiver(place) for name, place in INPUTS.items()}


def senders(model: Model, site: str, layer: int | None, receivers: dict[str, Receiver]) -> list[Part]:
    """Components of that kind, wherever they are, or those of one layer.

    Raises:
        InputError: No such site or layer, or that layer does not come before the receivers.
    """
    for to in receivers.values():
        if layer is not None and layer >= to.layer:
            one = "layer 0" if to.layer == 1 else f"a layer from 0 to {to.layer - 1}"
            raise InputError(f"Layer {layer} does not come before {to.name}: choose {one}.", "layer")
    for place in SENDERS:
        if place.kind.name == site:
            return components(model, place, layer, None, n_pos=0)
    names = listed([place.kind.name for place in SENDERS])
    raise InputError(f"“{str(site)[:40]}” is no place to send from: use {names}.", "site")


def carried(
    model: Model, ids: tuple[int, ...], source: Activations, target: Target, receivers: Iterable[Receiver], first: int
) -> list[float]:
    """The target's logit (difference) in runs of `ids` in which a receiver has all that it has in the run `source`."""
    runs = [[to.put(to.reads.of(source[to.reads.hook])[first : len(ids)], first)] for to in receivers]
    return sweep(model, ids, runs, lambda logits: target.of(logits)[:, None]).values[:, 0].tolist() if runs else []


def choose(
    receivers: dict[str, Receiver], input: str, whole: list[float], ends: tuple[float, float]
) -> tuple[Receiver | None, float]:
    """The receiver, and the target's value when all that it has comes from the other run.

    Args:
        receivers: As from `inputs`; none for the logits.
        input: ``"q"``, ``"k"`` or ``"v"``; ``"auto"`` for the one that moves the value most.
        whole: The value of each, as from `carried`.
        ends: The value in the other run and in the one that is changed.
    """
    if not receivers:
        return None, ends[0]
    value = dict(zip(receivers, whole, strict=True))
    name = max(value, key=lambda name: abs(value[name] - ends[1])) if input == "auto" else input
    return receivers[name], value[name]


@dataclass(frozen=True)
class Paths:
    """Paths of the run `source`, put into the run `base`."""

    model: Model
    ids: tuple[int, ...]
    """The prompt of `base`, up to the position that is read."""
    source: Activations
    """A run that kept `hooks_read` of these senders and this receiver."""
    base: Activations
    """The other run, likewise."""
    target: Target
    """What the logits are asked."""
    to: Receiver | None
    """The receiver; None for the logits."""
    whole: float
    """The target's value when the receiver has all that it has in the other run."""
    senders: Sequence[Part]
    """Components; those that do not come before the receiver send it nothing."""
    differ: int
    """First position where the prompts differ."""
    freeze: bool
    """Whether MLPs on the way are frozen too."""

    @property
    def end(self) -> int:
        """The block before which paths end."""
        return self.model.n_layers if self.to is None else self.to.layer

    @property
    def first(self) -> int:
        """The first position that is run: with frozen attention, the logits are reached from their own alone."""
        return len(self.ids) - 1 if self.to is None else self.differ

    def runs(self) -> list[Run]:
        """The runs: nothing sent, everything sent, then each sender that comes before the receiver."""
        start = Intervention("resid_pre", 0, self._from(self.source, hooks.resid_pre(0)), first=self.first)
        everything = [start, *self._held(0, self.source), *self._held_mlps(0, self.source)]
        nothing = [*self._held(0, self.base), *self._held_mlps(0, self.base)]
        return [nothing, everything, *(self._run(one) for one in self.senders if one.layer < self.end)]

    def values(self, progress: Progress = silent) -> tuple[Float[Tensor, " sender"], tuple[Check, ...]]:
        """The target's logit (difference) with each path put in, and the checks."""
        swept = (self._received if self.to else self._sent)(self.runs(), progress)
        nothing, everything, *sent = swept.values[:, 0].tolist()
        own, each = float(self.target.of(self.base.logits[0])), iter(sent)
        other = "the receiver what it has in the other run" if self.to else "the other run"
        all_of_it = Check(f"sending everything gives {other}", abs(everything - self.whole), 1e-3)
        return torch.tensor([next(each) if one.layer < self.end else own for one in self.senders]), (
            Check("sending nothing changes nothing", abs(nothing - own), 1e-3),
            *((all_of_it,) if self.model.opening.tokens_once else ()),
            *swept.checks(),
        )

    def _sent(self, runs: Sequence[Run], progress: Progress) -> Sweep:
        return sweep(self.model, self.ids, runs, self._read, progress)

    def _received(self, runs: Sequence[Run], progress: Progress) -> Sweep:
        """What each run brings to the receiver, put into a run of its own."""
        to, n = self.to, len(runs)
        arrived = received(self.model, self.ids, runs, to.reads, self.first, _counted(progress, 0, 2 * n))
        return self._sent([[to.put(value, self.first)] for value in arrived], _counted(progress, n, 2 * n))

    def _run(self, sender: Part) -> Run:
        sent = sender.put(sender.of(self.source[sender.hook]), self.first, len(self.ids))
        mlps = self._held_mlps(sender.layer + (sender.place == MLP), self.base)
        return [sent, *self._held(sender.layer + 1, self.base), *mlps]

    def _held(self, layer: int, run: Activations) -> list[Intervention]:
        """Attention from `layer` on, up to the receiver, frozen to what it wrote in `run`."""
        layers = range(layer, self.end)
        return [
            Intervention("attn_out", each, self._from(run, hooks.attn_out(each)), first=self.first) for each in layers
        ]

    def _held_mlps(self, layer: int, run: Activations) -> list[Intervention]:
        layers = range(layer, self.end) if self.freeze else ()
        return [
            Intervention("mlp_out", each, self._from(run, hooks.mlp_out(each)), first=self.first) for each in layers
        ]

    def _from(self, run: Activations, hook: str) -> Float[Tensor, "pos ..."]:
        return run[hook][self.first : len(self.ids)]

    def _read(self, logits: Float[Tensor, "row d_vocab"]) -> Float[Tensor, "row 1"]:
        return self.target.of(logits)[:, None]


def hooks_read(model: Model, receivers: Iterable[Receiver], senders: Iterable[Part]) -> set[str]:
    """Every hook that `carried` and `Paths` read.

    Raises:
        InputError: With attention frozen something else still carries from position to position.
    """
    if not model.opening.attention_alone:
        raise InputError(
            f"In {model.id} positions learn of one another beside attention too, so the other paths cannot be held: "
            "patch without paths, or choose another model.",
            "model",
        )
    names = {hook for layer in range(model.n_layers) for hook in (hooks.attn_out(layer), hooks.mlp_out(layer))}
    return names | {to.reads.hook for to in receivers} | {one.hook for one in senders} | {hooks.resid_pre(0)}


def _counted(progress: Progress, before: int, total: int) -> Progress:
    """The progress of one part of the work as that of the whole."""
    return lambda done, of, partial=None: progress(before + done, total, partial)
