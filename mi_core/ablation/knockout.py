"""Knocking components out of a run: what takes their place, in a sweep and in text that is being written."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter

import torch
from jaxtyping import Float
from torch import Tensor

from mi_core.ablation.component import Component, apart
from mi_core.ablation.cut import Cut
from mi_core.ablation.feature_writes import FeatureWrites
from mi_core.ablation.replacement import SET, replacements
from mi_core.errors import InputError
from mi_core.interventions.intervention import Intervention
from mi_core.interventions.place import NEURON, Part
from mi_core.models.model import Activations, Model
from mi_core.models.tokens import Tokens
from mi_core.saes.loading import load_sae


@dataclass(frozen=True, eq=False)
class Knockout:
    """What takes the place of some components on one prompt: interventions for runs without them.

    Knocking a part out and measuring what becomes of the answer is the oldest causal test of a network (LeCun et al.
    1990 of weights, Morcos et al. 2018 of units, Michel et al. 2019 and Voita et al. 2019 of attention heads).
    """

    n_pos: int
    """Positions of the prompt."""
    n_bos: int
    """So many beginning-of-sequence tokens come first: they have no features, and are left to themselves there."""
    instead: dict[str, Tensor]
    """[pos, …] What is put in place, by hook; and by SAE the amounts of its features [pos, feature]."""
    features: dict[str, FeatureWrites]
    """What the features write, by SAE."""

    def value(self, part: Part) -> Float[Tensor, "pos ..."]:
        """What takes the place of a part of an activation."""
        return part.of(self.instead[part.hook])

    def together(self, out: Sequence[Component], first: int = 0, end: int | None = None) -> list[Intervention]:
        """All of `out` in one run, at the positions from `first` to `end`."""
        parts, features, cuts = apart(out)
        put = [part.put(self.value(part), first, end) for part in parts]
        return [*put, *self._removals(features, first, end), *(change for cut in cuts for change in cut.run())]

    def onwards(self, out: Sequence[Component]) -> list[Intervention]:
        """All of `out` in the prompt and in every token written after it, which gets what the last token gets."""
        parts, features, cuts = apart(out)
        lasting = [part for part in parts if "pos" not in part.kind.axes]
        beyond = [part.put(self.value(part)[-1:].expand(self.n_pos + 1, -1), self.n_pos) for part in lasting]
        return [*self.together([*parts, *cuts], 0, self.n_pos), *beyond, *self._removals(features, 0, None)]

    def _removals(self, features: Mapping[str, Sequence[int]], first: int, end: int | None) -> list[Intervention]:
        """The features of each SAE out, all at once."""
        removals = []
        for sae, numbers in features.items():
            columns = [self.features[sae].ids.index(number) for number in numbers]
            writes = FeatureWrites(self.features[sae].sae, tuple(numbers))
            removals.append(writes.removal(self.instead[_key(sae)][:, columns], max(first, self.n_bos), end))
        return removals

    def each(self, out: Sequence[Component], x: Activations, first: int, end: int) -> list[list[Intervention]]:
        """What is done in a run of its own for each of `out`.

        Args:
            out: The components, all of one kind; features of one SAE.
            x: A run in which all is out that is out in every run, but for features of the same SAE.
            first: First position they are out at.
            end: The position after the last.
        """
        parts, features, cuts = apart(out)
        knocked = [[part.put(self.value(part), first, end)] for part in parts] + [cut.run() for cut in cuts]
        for sae, numbers in features.items():
            writes, taken = self.features[sae], self.taken(sae, x)
            columns = [writes.ids.index(number) for number in numbers]
            knocked += [[writes.taking(i, taken[:, i], max(first, self.n_bos), end)] for i in columns]
        return knocked

    def itself(self, out: Sequence[Component], plain: Activations) -> list[Intervention]:
        """Each component's own activation in its place, all in one run: nothing may change."""
        parts, features, cuts = apart(out)
        own = [part.put(part.of(plain[part.hook])) for part in parts]
        own += [change for cut in cuts for change in cut.nothing()]
        for sae in features:
            writes = self.features[sae]
            x = plain[writes.sae.hook][self.n_bos :]  # of as many rows as in the run, for equal rounding
            amounts = writes.amounts(x)
            padded = torch.cat([amounts.new_zeros(self.n_bos, amounts.shape[1]), amounts])
            own.append(writes.removal(padded, self.n_bos))
        return own

    def taken(self, sae: str, x: Activations) -> Float[Tensor, "pos feature"]:
        """How much of every feature of an SAE goes, in a run `x`."""
        amounts = self.features[sae].amounts(x[self.features[sae].sae.hook]) - self.instead[_key(sae)]
        amounts[: self.n_bos] = 0
        return amounts


def prepare(
    model: Model,
    tokens: Tokens,
    plain: Activations,
    out: Sequence[Component],
    mode: str,
    reference: str,
    *,
    set_to: float | None = None,
    prepend_bos: bool | None = None,
    between: Callable[[], None],
) -> Knockout:
    """Find what takes the place of the components `out`.

    Args:
        model: The model.
        tokens: The prompt.
        plain: A run of it that kept their hooks.
        out: Components.
        mode: See `mi_core.ablation.replacement.replacements`; or ``"set"``, to `set_to`.
        reference: Prompts, one per line.
        set_to: For mode ``"set"``, what neurons and features are set to, in units of their own activations.
        prepend_bos: None follows the model's own habit.
        between: Called between prompts.

    Raises:
        InputError: No such mode, an unusable reference prompt, or a number that cannot be set.
    """
    whole, numbers, _ = apart(out)
    number = _number(whole, mode, set_to)
    features = {sae: FeatureWrites(load_sae(model, sae), tuple(ids)) for sae, ids in numbers.items()}
    if number is not None:
        put = {part.hook: torch.full_like(plain[part.hook], number) for part in whole}
        put |= {_key(sae): writes.amounts_of(number, plain[writes.sae.hook]) for sae, writes in features.items()}
        return Knockout(len(tokens), int(tokens.has_bos), put, features)
    parts = {part.hook: itemgetter(part.hook) for part in whole}
    parts |= {_key(sae): lambda acts, sae=sae: features[sae].amounts(acts[features[sae].sae.hook]) for sae in features}
    names = {one.hook for one in out if not isinstance(one, Cut)}
    instead = replacements(
        model, tokens, plain, parts, names, mode, reference, prepend_bos=prepend_bos, between=between
    )
    return Knockout(len(tokens), int(tokens.has_bos), instead, features)


def _number(parts: Sequence[Part], mode: str, set_to: float | None) -> float | None:
    """The number that everything is set to; None where the mode is another one."""
    if mode != SET:
        if set_to is not None:
            raise InputError(f"A value of {set_to:g} is for mode set: choose that mode, or leave it out.", "set_to")
        return None
    for part in parts:
        if part.kind != NEURON.kind:
            raise InputError(
                f"{part.name} is more than one number and cannot be set to one: use zero, mean or resample.", "mode"
            )
    if set_to is None or not math.isfinite(set_to):
        raise InputError("Say what number the activation is set to, such as 0 or 5.", "set_to")
    return float(set_to)


def _key(sae: str) -> str:
    return f"features at {sae}"
