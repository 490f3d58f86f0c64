"""The plain transformers model beside the bridge: a copy that shares its weights, read and changed by torch hooks.

Where an activation of the bridge is found in it is told by its numbers, not by names: the module that takes it in or
gives it out, whatever its class calls it.
"""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import Module

ALLOWED = 2e-4  # of the largest number compared: more is not rounding


@dataclass(frozen=True)
class Place:
    """Where a hook's activation is found in the plain model: `columns` of what enters or leaves `module`, times
    `factor`."""

    module: Module
    enters: bool
    columns: Int[Tensor, " d"]
    factor: float = 1.0


def plain_copy(hf_model: Module) -> tuple[Module, dict[int, Any]]:
    """A copy of the model that shares all weights, and each of its parts by the id of the part it is a copy of."""
    memo: dict[int, Any] = {id(one): one for one in [*hf_model.parameters(), *hf_model.buffers()]}
    return copy.deepcopy(hf_model, memo), memo


def plain_values(
    plain: Module, blocks: list[Module], ids: Int[Tensor, "1 pos"]
) -> tuple[list[dict[tuple[Module, bool], Tensor]], tuple]:
    """What enters (True) and leaves (False) every module of every block of the plain model, and its patterns."""
    values: list[dict[tuple[Module, bool], Tensor]] = [{} for _ in blocks]
    calls: Counter[Module] = Counter()

    def keep(module: Module, args: tuple, kwargs: dict, out: Any, layer: int) -> None:
        calls[module] += 1
        for enters, value in ((True, _tensor([*args, *kwargs.values()])), (False, _tensor(out))):
            if value is not None:
                values[layer][module, enters] = value.clone()

    with ExitStack() as stack:
        for layer, block in enumerate(blocks):
            for module in block.modules():
                handle = module.register_forward_hook(partial(keep, layer=layer), with_kwargs=True)
                stack.callback(handle.remove)
        out = plain(ids, use_cache=False, output_attentions=True)
    once = [{at: value for at, value in block.items() if calls[at[0]] == 1} for block in values]
    return once, tuple(getattr(out, "attentions", None) or ())


def _tensor(value: Any) -> Tensor | None:
    """The activation among a module's arguments or results: the first tensor of floats."""
    several = value if isinstance(value, tuple | list) else [value]
    return next((one for one in several if isinstance(one, Tensor) and one.is_floating_point()), None)


def find(site: str, value: Tensor, values: Mapping[tuple[Module, bool], Tensor]) -> Place | None:
    """The module of the plain block whose input or output holds these numbers; None where there is none."""
    block = list(values)[-1][0]  # which ends last
    whole = site in ("resid_pre", "resid_post")
    enters = site in ("resid_pre", "z", "post")
    for (module, side), theirs in values.items():
        if side == enters and (module is block) == whole:
            found = _columns(site, module, side, value.flatten(1), theirs)
            if found is not None:
                return found
    return None


def _columns(site: str, module: Module, enters: bool, wanted: Tensor, theirs: Tensor) -> Place | None:
    """Which columns of a module's value are the wanted ones; queries, keys and values may be some of many."""
    theirs = _rows(theirs, len(wanted))
    if theirs is None:
        return None
    width, allowed = wanted.shape[1], ALLOWED * float(wanted.abs().max())
    every = torch.arange(width, device=wanted.device)
    if theirs.shape[1] == width:
        factor = 1.0
        if site in ("attn_out", "mlp_out"):  # some families multiply what they add to the stream
            factor = float((wanted * theirs).sum() / (theirs * theirs).sum().clamp(min=1e-12))
            factor = 1.0 if abs(factor - 1) < ALLOWED else factor
        off = float((wanted - factor * theirs).abs().max())
        return Place(module, enters, every, factor) if off <= allowed else None
    if site not in ("q", "k", "v") or theirs.shape[1] < width:
        return None
    nearest = [torch.cdist(part.T, theirs.T).min(1) for part in wanted.split(512, dim=1)]
    columns = torch.cat([one.indices for one in nearest])
    return Place(module, enters, columns) if float((wanted - theirs[:, columns]).abs().max()) <= allowed else None


def _rows(value: Tensor, n_pos: int) -> Float[Tensor, "pos d"] | None:
    """A module's value with a row for each position."""
    if value.ndim == 4 and value.shape[2] == n_pos and value.shape[1] != n_pos:
        value = value.transpose(1, 2)
    value = value[0] if value.ndim > 2 and len(value) == 1 else value
    return value.flatten(1) if value.ndim >= 2 and len(value) == n_pos else None


def change_plainly(
    stack: ExitStack, row: int, site: str, layer: int, push: Tensor, places: Mapping[tuple[str, int], Place | None]
) -> None:
    """The same change by torch's own hooks on the plain model's modules."""
    if site == "pattern":
        return _mix(stack, row, push, places["v", layer], places["z", layer])
    place = places["attn_out" if site == "resid_mid" else site, layer]

    def add(value: Tensor) -> Tensor:
        return _put(value, row, place.columns, push.flatten(1) / place.factor, add=True)

    return _at(stack, place, add)


def _mix(stack: ExitStack, row: int, pattern: Tensor, values: Place, mixed: Place) -> None:
    """A pattern put in place of a head's own: its values, mixed by it, enter the output projection."""
    kept: list[Tensor] = []

    def keep(value: Tensor) -> Tensor:
        kept[:] = [value[row].flatten(1)[:, values.columns]]
        return value

    def mix(value: Tensor) -> Tensor:
        n_heads, d_head = len(pattern), len(mixed.columns) // len(pattern)
        v = kept[0].view(len(kept[0]), -1, d_head)
        v = v.repeat_interleave(n_heads // v.shape[1], dim=1)
        z = torch.einsum("hqk,khd->qhd", pattern, v).flatten(1)
        return _put(value, row, mixed.columns, z, add=False)

    _at(stack, values, keep)
    _at(stack, mixed, mix)


def _put(value: Tensor, row: int, columns: Tensor, numbers: Float[Tensor, "pos d"], *, add: bool) -> Tensor:
    """`value` with some columns of one row changed; rows may be folded into positions."""
    changed = value.clone()
    whole = changed if changed.ndim > 2 else changed.view(-1, len(numbers), changed.shape[-1])
    part = whole[row]
    flat = part.flatten(1)
    flat[:, columns] = flat[:, columns] + numbers if add else numbers
    part.copy_(flat.view(part.shape))
    return changed


def _at(stack: ExitStack, place: Place, change: Callable[[Tensor], Tensor]) -> None:
    """Change what enters or leaves a module, until the stack is left."""

    def entering(module: Module, args: tuple, kwargs: dict) -> tuple[tuple, dict]:
        if _tensor(args) is not None:
            return _replaced(args, change), kwargs
        name = next(name for name, value in kwargs.items() if _tensor(value) is not None)
        return args, kwargs | {name: _replaced(kwargs[name], change)}

    if place.enters:
        handle = place.module.register_forward_pre_hook(entering, with_kwargs=True)
    else:
        handle = place.module.register_forward_hook(lambda module, args, out: _replaced(out, change))
    stack.callback(handle.remove)


def _replaced(value: Any, change: Callable[[Tensor], Tensor]) -> Any:
    """`value` with its first tensor of floats changed."""
    if isinstance(value, Tensor):
        return change(value)
    at = next(i for i, one in enumerate(value) if isinstance(one, Tensor) and one.is_floating_point())
    return (*value[:at], change(value[at]), *value[at + 1 :])
