"""Knocking components out of a run: what takes their place, in a sweep and in text that is being written."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import itemgetter

import torch
from jaxtyping import Float
from torch import Tensor

from mi_core.ablation.component import Component
from mi_core.ablation.feature_writes import FeatureWrites
from mi_core.ablation.replacement import replacements
from mi_core.interventions.intervention import Intervention
from mi_core.models.model import Activations, Model
from mi_core.models.tokens import Tokens
from mi_core.saes.loading import load_sae


@dataclass(frozen=True, eq=False)
class Knockout:
    """What takes the place of some components on one prompt.

    `instead` [pos, …] by hook, and by SAE the amounts of its features; `features` their directions by SAE. A
    beginning-of-sequence token has no features: the first `n_bos` positions are left to themselves there.
    """

    n_pos: int
    n_bos: int
    instead: dict[str, Tensor]
    features: dict[str, FeatureWrites]

    def value(self, one: Component) -> Float[Tensor, "pos d"]:
        """What takes the place of a component that is no feature."""
        return one.activation(self.instead[one.hook])

    def together(self, out: Sequence[Component], first: int = 0, end: int | None = None) -> list[Intervention]:
        """All of `out` in one run, at the positions from `first` to `end`."""
        plain = [one.put(self.value(one), first, end) for one in out if one.site != "feature"]
        return plain + self._features(out, first, end)

    def onwards(self, out: Sequence[Component]) -> list[Intervention]:
        """All of `out` in the prompt and in every token written after it, which gets what the last token gets."""
        plain = [one for one in out if one.site != "feature"]
        lasting = [one for one in plain if one.site != "position"]
        beyond = [one.put(self.value(one)[-1:].expand(self.n_pos + 1, -1), self.n_pos) for one in lasting]
        return [*self.together(plain, 0, self.n_pos), *beyond, *self._features(out, 0, None)]

    def _features(self, out: Sequence[Component], first: int, end: int | None) -> list[Intervention]:
        by_sae: dict[str, list[int]] = defaultdict(list)
        for one in out:
            if one.site == "feature":
                by_sae[one.sae].append(one.number)
        found = []
        for sae, ids in by_sae.items():
            columns = [self.features[sae].ids.index(number) for number in ids]
            writes = FeatureWrites(self.features[sae].sae, tuple(ids))
            found.append(writes.removal(self.instead[_key(sae)][:, columns], max(first, self.n_bos), end))
        return found

    def each(self, chosen: Sequence[Component], x: Activations, first: int, end: int) -> list[Intervention]:
        """Each of `chosen` for a run of its own.

        Args:
            chosen: The components.
            x: A run in which all is out that is out in every run, but for features of the same SAE.
            first: First position they are out at.
            end: The position after the last.
        """
        taken = self.taken(chosen, x)
        if taken is None:
            return [one.put(self.value(one), first, end) for one in chosen]
        writes = self.features[chosen[0].sae]
        columns = [writes.ids.index(one.number) for one in chosen]
        return [writes.taking(i, taken[:, i], max(first, self.n_bos), end) for i in columns]

    def itself(self, chosen: Sequence[Component], plain: Activations) -> list[Intervention]:
        """Each component's own activation in its place, all in one run: nothing may change."""
        if chosen[0].site != "feature":
            return [one.put(one.activation(plain[one.hook])) for one in chosen]
        writes, x = self.features[chosen[0].sae], plain[chosen[0].sae]
        own = writes.amounts(x[self.n_bos :])  # of as many rows as in the run: another number rounds otherwise
        return [writes.removal(torch.cat([own.new_zeros(self.n_bos, own.shape[1]), own]), self.n_bos)]

    def taken(self, chosen: Sequence[Component], x: Activations) -> Float[Tensor, "pos feature"] | None:
        """How much of every feature of the chosen ones' SAE goes; None where they are no features."""
        if not chosen or chosen[0].site != "feature":
            return None
        sae = chosen[0].sae
        amounts = self.features[sae].amounts(x[sae]) - self.instead[_key(sae)]
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
    prepend_bos: bool | None = None,
    between: Callable[[], None] | None = None,
) -> Knockout:
    """Find what takes the place of the components `out`.

    Args:
        model: The model.
        tokens: The prompt.
        plain: A run of it that kept their hooks.
        out: Components.
        mode: See `mi_core.ablation.replacement.replacements`.
        reference: Prompts, one per line.
        prepend_bos: None follows the model's own habit.
        between: Called between prompts.

    Raises:
        InputError: No such mode, or an unusable reference prompt.
    """
    by_sae: dict[str, dict[int, None]] = defaultdict(dict)
    for one in out:
        if one.site == "feature":
            by_sae[one.sae][one.number] = None
    features = {sae: FeatureWrites(load_sae(model, sae), tuple(ids)) for sae, ids in by_sae.items()}
    parts = {one.hook: itemgetter(one.hook) for one in out if one.site != "feature"}
    parts |= {_key(sae): lambda acts, sae=sae: features[sae].amounts(acts[sae]) for sae in features}
    names = {one.hook for one in out}
    instead = replacements(
        model, tokens, plain, parts, names, mode, reference, prepend_bos=prepend_bos, between=between
    )
    return Knockout(len(tokens), int(tokens.has_bos), instead, features)


def _key(sae: str) -> str:
    return f"features at {sae}"
