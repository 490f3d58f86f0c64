"""Which head talks to which, and what reaches the answer directly?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from jaxtyping import Float

from mi_core.errors import InputError
from mi_core.interventions.restart import Run
from mi_core.metrics.target import Target
from mi_core.models.model import Model
from mi_core.models.progress import Progress, silent
from mi_core.models.tokens import Tokens
from mi_core.patching import pair, paths
from mi_core.patching.pair import PromptPair
from mi_core.patching.paths import Paths
from mi_core.patching.run import check_direction
from mi_core.phrases import among, listed, moves, signed
from mi_core.result import Check, Reading, same_length, whole_numbers

# Of the gap: where no path reaches it, the title says that none carries the difference. Smaller than patching's share,
# because a path is a part of what one head does.
SHARE = 0.02
WORTH_SAYING = 0.0005  # of the gap: less is written as nothing
_SENDERS = {"head": "heads", "attn_out": "attention layers", "mlp_out": "MLPs"}


@dataclass(frozen=True)
class PathPatching:
    """The target's logit (difference) with one path of one prompt's run put into the other's.

    A path leads from sender i to the `receiver`. Senders that do not come before it move nothing.
    """

    model: str
    tokens: Tokens
    corrupted_tokens: Tokens
    target: Target
    pos: int
    """The position whose next token is asked for."""
    receiver: str
    """``"logits"``, or a head such as `L3H1`."""
    input: str
    """What of the receiving head changes: ``"q"``, ``"k"`` or ``"v"``; empty for logits."""
    shared_with: tuple[str, ...]
    """Heads that read the same keys or values (grouped-query models) and so receive with it."""
    site: str
    mlps: str
    direction: str
    components: tuple[str, ...]
    """[sender] Names."""
    component_layers: tuple[int, ...]
    """[sender] The block of each."""
    component_heads: tuple[int, ...]
    """[sender] Which head each is; −1: none."""
    clean: float
    """The value in the clean prompt's own run, in logits."""
    corrupted: float
    """The value in the corrupted prompt's own run, in logits."""
    value: Float[np.ndarray, " sender"]
    """[sender] The logit (difference) with its path put in."""
    restored: Float[np.ndarray, " sender"]
    """[sender] (value − corrupted) / (clean − corrupted): 1 is the clean run, 0 the corrupted one."""
    whole: tuple[float, ...]
    """The value with all that reaches the receiving head's q, k and v (in this order) put in, in logits; empty for
    logits as receiver."""
    checks: tuple[Check, ...]
    units: str = "logits; share of the gap (restored, moved)"

    def __post_init__(self) -> None:
        same_length(self, "tokens", "corrupted_tokens")
        same_length(self, "components", "component_layers", "component_heads", "value", "restored")
        if len(self.whole) != (0 if self.receiver == "logits" else len(paths.INPUTS)):
            raise ValueError(f"{self.receiver} has {len(self.whole)} inputs")

    @property
    def moved(self) -> Float[np.ndarray, " sender"]:
        """How far each path moves the run it is put into towards the other, as a share of the gap: 0 is not at all."""
        return self._moved(self.value)

    def _moved(self, value: Float[np.ndarray, "*any"]) -> Float[np.ndarray, "*any"]:
        start, end = (self.corrupted, self.clean) if self.direction == "denoise" else (self.clean, self.corrupted)
        return (value - np.float32(start)) / np.float32(end - start)

    def tables(self) -> dict[str, pd.DataFrame]:
        """`effects`: a row per sender. `prompts`: token by token."""
        effects = {
            "component": self.components,
            "layer": whole_numbers(self.component_layers),
            "head": whole_numbers(self.component_heads),
            "value": self.value,
            "restored": self.restored,
            "moved": self.moved,
        }
        prompts = PromptPair(self.tokens, self.corrupted_tokens).table()
        return {"effects": pd.DataFrame(effects), "prompts": prompts}

    def reading(self) -> Reading:
        """Which sender the receiver listens to most."""
        return Reading(self._title(), (self._ends(), self._strongest(), *self._whole(), *self._shared()))

    @property
    def place(self) -> str:
        """The receiver in words: `the answer`, or `L2H1's queries`."""
        return "the answer" if self.receiver == "logits" else f"{self.receiver}’s {_plural(self.input)}"

    def _title(self) -> str:
        best = int(np.abs(self.moved).argmax())
        if abs(self.moved[best]) < SHARE:
            return f"No single path to {self.place} carries the difference"
        name = self.components[best]
        does = f"{name} speaks to the answer most" if self.receiver == "logits" else f"{name} feeds {self.place} most"
        does += f", {among(_SENDERS[self.site], self.component_layers)}"
        if self.moved[best] < 0:
            return f"{does}, and works against it: {_percent(self.moved[best])} of the difference"
        return f"{does}: its path carries {_percent(self.moved[best])} of the difference"

    def _ends(self) -> str:
        what = f"The {self.target.quantity} of {self.target.label} is {signed(self.clean)} in"
        if not moves(self.clean, self.corrupted, signed):
            return f"{what} both prompts: shares of so small a gap say little."
        return f"{what} your prompt and {signed(self.corrupted)} in the exchanged one."

    def _strongest(self) -> str:
        order = [i for i in np.argsort(-np.abs(self.moved))[:3] if abs(self.moved[i]) >= WORTH_SAYING]
        if not order:
            return "No path moves any of it."
        return f"Strongest paths: {listed([f'{self.components[i]} ({_percent(self.moved[i])})' for i in order])}."

    def _whole(self) -> list[str]:
        if self.receiver == "logits":
            return []
        shares = dict(zip(paths.INPUTS, self._moved(np.array(self.whole)), strict=True))
        others = [f"its {_plural(name)} {_percent(shares[name])}" for name in shares if name != self.input]
        here = _percent(shares[self.input])
        return [f"All that reaches {self.place} moves {here} of the difference; {' and '.join(others)}."]

    def _shared(self) -> list[str]:
        if not self.shared_with:
            return []
        whom = listed(list(self.shared_with))
        return [f"{self.receiver} shares its {_plural(self.input)} with {whom}: all of them read the change."]


def _plural(input: str) -> str:
    """`queries`, `keys` or `values`."""
    return paths.INPUTS[input].kind.plural


def _percent(share: float | np.floating) -> str:
    """A share of the gap with its sign where it is negative; `−0.0` of a rounding is none."""
    return f"{share:.1%}".replace("-0.0%", "0.0%").replace("-", "−")


def path_patching(
    model: Model,
    prompt: str,
    *,
    corrupted: str,
    receiver: str = "logits",
    input: Literal["auto", "q", "k", "v"] = "auto",
    site: Literal["head", "attn_out", "mlp_out"] = "head",
    layer: int | None = None,
    mlps: Literal["recompute", "freeze"] = "recompute",
    direction: Literal["denoise", "noise"] = "denoise",
    target: str | None = None,
    foil: str | None = None,
    pos: int | None = None,
    prepend_bos: bool | None = None,
    progress: Progress = silent,
) -> PathPatching:
    """Put what one component sends to one receiver from one prompt's run into another's, all other paths held.

    Patching a head shows that it matters, not to whom it speaks. Here its output reaches the receiver alone (Wang et
    al. 2022, "Interpretability in the Wild", section 3.1; Goldowsky-Dill et al. 2023, "Localizing Model Behavior with
    Path Patching"). The prompt is run with the sender's output exchanged and every attention layer after it frozen to
    what it wrote without the exchange; MLPs, which belong to the direct path in Wang et al., react unless they are
    frozen too. What then arrives at the receiver's queries, keys or values is put into a run in which everything else
    is as it was and everything after the receiver reacts. With the logits as receiver the first run is all. It does
    not show what two senders do only together.

    Args:
        model: The model.
        prompt: The clean prompt.
        corrupted: A prompt of as many tokens, alike but for what is asked about.
        receiver: ``"logits"``, or a head such as ``"L3H1"``.
        input: What of the receiving head changes: its queries (``"q"``), keys (``"k"``) or values (``"v"``);
            ``"auto"`` for the one that carries most. Keys and values of grouped-query models belong to several heads,
            which then all receive.
        site: What sends: heads, whole attention layers, or MLPs.
        layer: Only senders of this layer; None for all.
        mlps: ``"recompute"``: MLPs on the way react. ``"freeze"``: what is sent is only added to the residual stream.
        direction: ``"denoise"`` puts clean paths into the corrupted run. ``"noise"``, as in Wang et al., puts
            corrupted ones into the clean run.
        target: The answer; None for the clean prompt's top guess.
        foil: What it is compared with; None for the corrupted prompt's top guess, if that is another.
        pos: Position whose next-token logits are read; None for the last.
        prepend_bos: None follows the model's own habit.
        progress: Called between chunks with (runs done, runs in all).

    Returns:
        Values in logits (after any soft cap) and shares of the gap between the two runs.

    Raises:
        InputError: A bad prompt, target, position or receiver; a layer not before the receiver; prompts of unequal
            length, or with nothing between them.
    """
    setup = _set_up(
        model,
        prompt,
        corrupted=corrupted,
        receiver=receiver,
        input=input,
        site=site,
        layer=layer,
        mlps=mlps,
        direction=direction,
        target=target,
        foil=foil,
        pos=pos,
        prepend_bos=prepend_bos,
    )
    clean, corrupt = setup.ends
    to, senders = setup.paths.to, setup.paths.senders
    value, checks = setup.paths.values(progress)
    return PathPatching(
        model=model.id,
        tokens=setup.prompts.clean,
        corrupted_tokens=setup.prompts.corrupted,
        target=setup.paths.target,
        pos=setup.pos,
        receiver="logits" if to is None else to.name,
        input="" if to is None else to.input,
        shared_with=() if to is None else to.shared_with,
        site=site,
        mlps=mlps,
        direction=direction,
        components=tuple(one.name for one in senders),
        component_layers=tuple(one.layer for one in senders),
        component_heads=tuple(one.head for one in senders),
        clean=clean,
        corrupted=corrupt,
        value=value.numpy(force=True),
        restored=((value.double() - corrupt) / (clean - corrupt)).float().numpy(force=True),
        whole=setup.whole,
        checks=checks,
    )


def planned(model: Model, **settings: Any) -> tuple[tuple[int, ...], list[Run]]:
    """The token ids and the runs that `path_patching` takes, all of its settings given.

    With a head as receiver each of them ends there, and a second run goes on from there: as much work as one.

    Raises:
        InputError: As `path_patching` does.
    """
    setup = _set_up(model, **settings)
    return setup.paths.ids, setup.paths.runs()


@dataclass(frozen=True)
class _SetUp:
    """The two prompts and what is run on them."""

    prompts: PromptPair
    pos: int
    ends: tuple[float, float]
    """The target's value in each prompt's own run."""
    whole: tuple[float, ...]
    paths: Paths


def _set_up(
    model: Model,
    prompt: str,
    *,
    corrupted: str,
    receiver: str,
    input: str,
    site: str,
    layer: int | None,
    mlps: str,
    direction: str,
    target: str | None,
    foil: str | None,
    pos: int | None,
    prepend_bos: bool | None,
) -> _SetUp:
    _check_choices(input, mlps)
    check_direction(direction)
    receivers = paths.inputs(model, receiver)
    senders = paths.senders(model, site, layer, receivers)
    prompts = pair.prompt_pair(model, prompt, corrupted, prepend_bos)
    position, differ = model.position(prompts.clean, pos), prompts.first_difference
    names = paths.hooks_read(model, receivers.values(), senders)
    clean, corrupt = (model.run(each, names, logits=position) for each in (prompts.clean, prompts.corrupted))
    answer = pair.answers(model, target, foil, clean, corrupt)
    ends = float(answer.of(clean.logits[0])), float(answer.of(corrupt.logits[0]))
    pair.check_gap(ends, answer, position, differ)
    denoise = direction == "denoise"
    ids = model.up_to((prompts.corrupted if denoise else prompts.clean).ids, position)
    source, base = (clean, corrupt) if denoise else (corrupt, clean)
    whole = paths.carried(model, ids, source, answer, receivers.values(), differ)
    to, all_of_it = paths.choose(receivers, input, whole, ends if denoise else ends[::-1])
    ready = Paths(model, ids, source, base, answer, to, all_of_it, senders, differ, mlps == "freeze")
    return _SetUp(prompts, position, ends, tuple(whole), ready)


def _check_choices(input: str, mlps: str) -> None:
    if input != "auto" and input not in paths.INPUTS:
        raise InputError(f"“{str(input)[:40]}” is no input of a head: use auto, q, k or v.", "input")
    if mlps not in ("recompute", "freeze"):
        raise InputError(f"“{str(mlps)[:40]}” is nothing MLPs can do here: use recompute or freeze.", "mlps")
