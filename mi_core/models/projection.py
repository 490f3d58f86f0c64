"""A projection of any kind, from the heads to the residual stream: its bias, and the way back through it."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor
from transformers.pytorch_utils import Conv1D

Change = tuple[torch.nn.Module, str, Tensor]  # a module, the name of one of its parameters, the values put in its place


def pull_back(module: torch.nn.Module, direction: Float[Tensor, "*batch d_out"]) -> Float[Tensor, "*batch d_in"]:
    """`W · direction`: what `x · W` is along `direction` is `x · pull_back`."""
    weight = plain_matrix(module)
    return _transposed(module, direction) if weight is None else direction @ weight.detach().T


@torch.no_grad()
def bias(module: torch.nn.Module, like: Float[Tensor, "*any d_out"]) -> Float[Tensor, " d_out"]:
    """What the projection gives for zeros; `like` has its device, dtype and width of output."""
    if plain_matrix(module) is not None:
        return like.new_zeros(like.shape[-1]) if module.bias is None else module.bias.detach()
    return module(torch.zeros(1, d_in(module, like.shape[-1]), device=like.device, dtype=like.dtype))[0]


@torch.no_grad()
def row(module: torch.nn.Module, index: int, like: Float[Tensor, "*any d_out"]) -> Float[Tensor, " d_out"]:
    """What one unit of input `index` adds to the output; `like` as in `bias`."""
    if (weight := plain_matrix(module)) is not None:
        return weight[index].detach()
    one = torch.zeros(1, d_in(module, like.shape[-1]), device=like.device, dtype=like.dtype)
    one[0, index] = 1
    return module(one)[0] - bias(module, like)


def plain_matrix(module: torch.nn.Module) -> Float[Tensor, "d_in d_out"] | None:
    """The matrix of a module that is plainly one product and a bias; None for any other, whose code may do more."""
    if module._forward_hooks or module._forward_pre_hooks:
        return None
    if type(module) is torch.nn.Linear:
        return module.weight.T
    return module.weight if type(module) is Conv1D else None


def as_weight(module: torch.nn.Module, matrix: Float[Tensor, "d_in d_out"]) -> Tensor:
    """`matrix` the way `module` stores its weight."""
    return matrix.T.contiguous() if type(module) is torch.nn.Linear else matrix.contiguous()


def _transposed(module: torch.nn.Module, direction: Tensor) -> Tensor:
    """By one backward pass, for a module whose code may do more than one product."""
    with torch.enable_grad():
        shape = *direction.shape[:-1], d_in(module, direction.shape[-1])
        x = torch.zeros(shape, device=direction.device, dtype=direction.dtype, requires_grad=True)
        return torch.autograd.grad(module(x), x, direction)[0]


def d_in(module: torch.nn.Module, d_out: int) -> int:
    """Width of the input: the side of the weight that is not d_out (equal where it is square)."""
    rows, columns = module.weight.shape
    return columns if rows == d_out else rows
