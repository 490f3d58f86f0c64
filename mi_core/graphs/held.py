"""One run's attention patterns, norm scales and MLP gains, held: what is left of the model is affine.

With these held every stream is a sum of what the parts before it wrote, so that an activation is the sum of its edges
(Ameisen et al. 2025, "Circuit Tracing"; Elhage et al. 2021, "A Mathematical Framework for Transformer Circuits").
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor

from mi_core.errors import InputError
from mi_core.models import hooks
from mi_core.models.model import Model
from mi_core.models.norm import Norm, take_apart

NORMS = ("ln1", "ln1_post", "ln2", "ln2_post")
BENT = 1e-3  # share of an answer's change by which doubling a push may fail to double it


@dataclass(frozen=True)
class Held:
    """What is held while a run goes through the model."""

    model: Model
    changes: dict[str, Callable]
    """By hook, as `Model.run_ids` takes them."""
    norms: tuple[tuple[torch.nn.Module, Norm, Float[Tensor, "1 pos 1"]], ...]
    """Modules of the blocks, what they compute, and the scale of the run."""
    reader: Float[Tensor, " d_model"]
    """What the answer reads of the last stream at the last position, before any soft cap."""

    @contextmanager
    def running(self) -> Iterator[None]:
        """Within this block the norms keep their scales; `changes` go into the run itself."""
        with ExitStack() as stack:
            for module, norm, scale in self.norms:
                handle = module.register_forward_hook(partial(_held_norm, norm=norm, scale=scale))
                stack.callback(handle.remove)
            yield

    @torch.no_grad()
    def answers(self, ids: Sequence[int], streams: Float[Tensor, "row pos d_model"]) -> Float[Tensor, " row"]:
        """The answer of runs that begin with these streams, everything held."""
        changes = {**self.changes, hooks.resid_pre(0): lambda x, hook: streams}
        last = hooks.resid_post(self.model.n_layers - 1)
        with self.running():
            acts = self.model.run_ids(self.model.rows([ids] * len(streams)), [last], changes=changes)
        return acts[last][:, -1] @ self.reader


def _held_norm(module, args, out, norm: Norm, scale: Tensor) -> Tensor:
    return norm.frozen(args[0], scale).to(out.dtype)


@torch.no_grad()
def hold(model: Model, ids: Sequence[int], direction: Float[Tensor, " d_model"]) -> Held:
    """Run a prompt once and hold what bends.

    Args:
        model: The model.
        ids: The prompt.
        direction: What the answer reads of the normalised last stream.

    Raises:
        InputError: The model bends somewhere else too, or a part of it cannot be held.
    """
    layers = range(model.n_layers)
    attention = [layer for layer in layers if model.hook_point(hooks.pattern(layer)) is not None]
    names = [hooks.pattern(layer) for layer in attention] + [hooks.post(layer) for layer in layers]
    names += [_into(layer) for layer in layers]
    if any(model.hook_point(name) is None for name in names):
        raise _bends(model)
    parts = [part for block in model.bridge.blocks for name in NORMS if (part := getattr(block, name, None))]
    seen: dict[torch.nn.Module, Tensor] = {}
    with ExitStack() as stack:
        for part in parts:
            handle = part.register_forward_pre_hook(lambda module, args: seen.setdefault(module, args[0].detach()))
            stack.callback(handle.remove)
        last = hooks.resid_post(model.n_layers - 1)
        acts = model.run_ids(model.rows([ids]), [*names, last])
    if any(part not in seen for part in parts):
        raise _bends(model)
    norms = []
    for part in parts:
        norm = take_apart(part.original_component, model.d_model, model.embedding)
        norms.append((part, norm, norm.scale(seen[part])))
    changes: dict[str, Callable] = {}
    for layer in attention:
        changes[hooks.pattern(layer)] = _instead(acts[hooks.pattern(layer)])
    for layer in layers:
        into, post = acts[_into(layer)], acts[hooks.post(layer)]
        gain = torch.where(into == 0, torch.zeros_like(post), post / into)
        changes |= _gained(layer, gain)
    final = model.final_norm
    x = acts[last][0, -1]
    reader = final.pull_back(direction) / final.scale(x[None])[0]
    return Held(model, changes, tuple(norms), reader)


def _into(layer: int) -> str:
    """What an MLP's neurons are made of: their input, or of gated ones the part that is multiplied by the gate."""
    return f"blocks.{layer}.mlp.in.hook_out"


def _instead(value: Tensor) -> Callable:
    return lambda x, hook: value.expand_as(x).to(x.dtype)


def _gained(layer: int, gain: Float[Tensor, "1 pos d_mlp"]) -> dict[str, Callable]:
    kept: list[Tensor] = []

    def into(x: Tensor, hook) -> None:
        kept[:] = [x]

    def post(x: Tensor, hook) -> Tensor:
        return kept.pop() * gain

    return {_into(layer): into, hooks.post(layer): post}


def _bends(model: Model) -> InputError:
    return InputError(
        f"What {model.id} computes cannot be held as a sum of what its parts wrote: give a second prompt to compare "
        "with, or choose another model.",
        "corrupted",
    )


def check_straight(held: Held, ids: Sequence[int]) -> None:
    """Raises InputError where the answer does not change in proportion to the first stream with everything held."""
    first = hooks.resid_pre(0)
    x = held.model.run_ids(held.model.rows([ids]), [first])[first][0]
    step = torch.linspace(-1, 1, x.numel(), device=x.device, dtype=x.dtype).view_as(x).roll(x.shape[-1] // 3, -1)
    step = step * x.norm() / step.norm()
    plain, once, twice = held.answers(ids, torch.stack([x, x + step, x + 2 * step])).tolist()
    if abs((twice - plain) - 2 * (once - plain)) > BENT * (1 + abs(twice - plain) + abs(plain)):
        raise _bends(held.model)
