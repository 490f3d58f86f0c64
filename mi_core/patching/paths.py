"""Paths from one component to another: runs in which what is sent reaches one receiver and nobody else.

With every attention layer after the sender frozen, what it sends moves along the residual stream of its own position,
through MLPs alone. So a path to the logits needs no position but the last, and a path to a head ends at its queries,
keys or values: these are put into a second run, which starts there. Nothing is approximated.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from mi_core.ablation import component
from mi_core.ablation.component import Component
from mi_core.errors import InputError
from mi_core.interventions.intervention import SITES, Intervention
from mi_core.interventions.received import reach
from mi_core.interventions.restart import Cell
from mi_core.interventions.sweep import Sweep, sweep
from mi_core.metrics.target import Target
from mi_core.models import hooks
from mi_core.models.model import Activations, Model
from mi_core.phrases import listed
from mi_core.result import Check

SENDERS = ("head", "attn_out", "mlp_out")
INPUTS = {"q": "queries", "k": "keys", "v": "values"}


@dataclass(frozen=True)
class Receiver:
    """The queries, keys or values of one head: `input` is ``"q"``, ``"k"`` or ``"v"``.

    `readers` are the heads that read the same ones, itself among them: several for `k` and `v` of grouped-query models.
    """

    layer: int
    head: int
    input: str
    readers: range

    @property
    def name(self) -> str:
        """`L3H1`."""
        return f"L{self.layer}H{self.head}"

    @property
    def place(self) -> int:
        """Its index among the layer's queries, keys or values."""
        return self.head if self.input == "q" else self.head // len(self.readers)

    @property
    def hook(self) -> str:
        """Where what it receives is found."""
        return SITES[self.input](self.layer)

    def put(self, value: Float[Tensor, "pos d_head"], first: int) -> Intervention:
        """`value` received at the positions from `first` on."""
        return Intervention(self.input, self.layer, value, self.place, first)


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
    match = component.NAMED.fullmatch(name.strip())
    if match is None or (match["kind"] or "").upper() != "H":
        raise InputError(f"“{name[:40]}” cannot receive: write logits, or a head such as L2H0.", "receiver")
    found = component.find(model, name, "receiver", n_pos=0)
    if found.layer == 0:
        raise InputError(
            f"No head comes before {found.name}, which reads the tokens themselves: choose one of a later layer.",
            "receiver",
        )
    shared = model.n_heads // model.n_kv_heads
    group = range(found.head // shared * shared, found.head // shared * shared + shared)
    readers = {"q": range(found.head, found.head + 1), "k": group, "v": group}
    return {each: Receiver(found.layer, found.head, each, readers[each]) for each in INPUTS}


def senders(model: Model, site: str, layer: int | None, receivers: dict[str, Receiver]) -> list[Component]:
    """Components of that kind, wherever they are, or those of one layer.

    Raises:
        InputError: No such site or layer, or that layer does not come before the receivers.
    """
    for to in receivers.values():
        if layer is not None and layer >= to.layer:
            one = "layer 0" if to.layer == 1 else f"a layer from 0 to {to.layer - 1}"
            raise InputError(f"Layer {layer} does not come before {to.name}: choose {one}.", "layer")
    if site not in SENDERS:
        raise InputError(f"“{str(site)[:40]}” is no place to send from: use {listed(list(SENDERS))}.", "site")
    return component.components(model, site, layer, None, n_pos=0)


def carried(
    model: Model, ids: tuple[int, ...], source: Activations, target: Target, receivers: Iterable[Receiver], first: int
) -> list[float]:
    """The target's logit (difference) in runs of `ids` in which a receiver has all that it has in the run `source`."""
    runs = [[one.put(source[one.hook][first : len(ids), one.place], first)] for one in receivers]
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
    chosen = max(value, key=lambda name: abs(value[name] - ends[1])) if input == "auto" else input
    return receivers[chosen], value[chosen]


@dataclass(frozen=True)
class Paths:
    """Paths of the run `source`, put into the run `base`.

    Args:
        model: The model.
        ids: The prompt of `base`, up to the position that is read.
        source: A run that kept `sites` of these senders and this receiver.
        base: The other run, likewise.
        target: What the logits are asked.
        to: The receiver; None for the logits.
        whole: The target's value when the receiver has all that it has in the other run.
        senders: Components; those that do not come before the receiver send it nothing.
        differ: First position where the prompts differ.
        freeze: Whether MLPs on the way are frozen too.
    """

    model: Model
    ids: tuple[int, ...]
    source: Activations
    base: Activations
    target: Target
    to: Receiver | None
    whole: float
    senders: Sequence[Component]
    differ: int
    freeze: bool

    @property
    def end(self) -> int:
        """The block before which paths end."""
        return self.model.n_layers if self.to is None else self.to.layer

    @property
    def first(self) -> int:
        """The first position that is run: with frozen attention, the logits are reached from their own alone."""
        return len(self.ids) - 1 if self.to is None else self.differ

    def cells(self) -> list[Cell]:
        """The runs: nothing sent, everything sent, then each sender that comes before the receiver."""
        start = Intervention("resid_pre", 0, self._from(self.source, hooks.resid_pre(0)), first=self.first)
        everything = [start, *self._held(0, self.source), *self._held_mlps(0, self.source)]
        nothing = [*self._held(0, self.base), *self._held_mlps(0, self.base)]
        return [nothing, everything, *(self._cell(one) for one in self.senders if one.layer < self.end)]

    def values(self, progress: Callable[..., None] | None = None) -> tuple[Float[Tensor, " sender"], tuple[Check, ...]]:
        """The target's logit (difference) with each path put in, and the checks."""
        cells = self.cells()
        found = (self._received if self.to else self._sent)(cells, progress)
        nothing, everything, *sent = found.values[:, 0].tolist()
        own, each = float(self.target.of(self.base.logits[0])), iter(sent)
        other = "the receiver what it has in the other run" if self.to else "the other run"
        return torch.tensor([next(each) if one.layer < self.end else own for one in self.senders]), (
            Check("sending nothing changes nothing", abs(nothing - own), 1e-3),
            Check(f"sending everything gives {other}", abs(everything - self.whole), 1e-3),
            *found.checks(),
        )

    def _sent(self, cells: list[Cell], progress: Callable[..., None] | None) -> Sweep:
        return sweep(self.model, self.ids, cells, self._read, progress)

    def _received(self, cells: list[Cell], progress: Callable[..., None] | None) -> Sweep:
        """What each run brings to the receiver, put into a run of its own."""
        to, n = self.to, len(cells)
        place = to.input, to.layer, to.place
        arrived = reach(self.model, self.ids, cells, place, self.first, _counted(progress, 0, 2 * n))
        return self._sent([[to.put(value, self.first)] for value in arrived], _counted(progress, n, 2 * n))

    def _cell(self, sender: Component) -> Cell:
        sent = sender.put(sender.activation(self.source[sender.hook]), self.first, len(self.ids))
        mlps = self._held_mlps(sender.layer + (sender.site == "mlp_out"), self.base)
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


def sites(model: Model, receivers: Iterable[Receiver], senders: Iterable[Component]) -> set[str]:
    """Every hook that `carried` and `Paths` read."""
    names = {hook for layer in range(model.n_layers) for hook in (hooks.attn_out(layer), hooks.mlp_out(layer))}
    return names | {one.hook for one in (*receivers, *senders)} | {hooks.resid_pre(0)}


def _counted(progress: Callable[..., None] | None, before: int, total: int) -> Callable[..., None] | None:
    """The progress of one part of the work as that of the whole."""
    return None if progress is None else lambda done, of, partial=None: progress(before + done, total, partial)
