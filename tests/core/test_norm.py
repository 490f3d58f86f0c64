"""A norm taken apart equals the formula in the papers, whatever class it came as."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers.models.gemma2.modeling_gemma2 import Gemma2RMSNorm
from transformers.models.llama.modeling_llama import LlamaRMSNorm

from mi_core.models.norm import take_apart

KINDS = ("layer", "rms", "gemma")


def make(kind: str, d_model: int, seed: int):
    """A norm with random weights, and its true (weight, bias, epsilon)."""
    torch.manual_seed(seed)
    if kind == "layer":
        module = torch.nn.LayerNorm(d_model, eps=1e-5)
        module.bias.data.normal_()
    else:
        module = {"rms": LlamaRMSNorm, "gemma": Gemma2RMSNorm}[kind](d_model, eps=1e-6)
    module.weight.data.normal_()
    module.requires_grad_(False)
    weight = module.weight + 1 if kind == "gemma" else module.weight
    bias = module.bias if kind == "layer" else torch.zeros(d_model)
    return module, weight, bias, 1e-5 if kind == "layer" else 1e-6


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=15, deadline=None)
@given(d_model=st.integers(3, 70), seed=st.integers(0, 999), size=st.sampled_from([1e-3, 1.0, 300.0]))
def test_parts_equal_the_formula(kind, d_model, seed, size):
    module, weight, bias, eps = make(kind, d_model, seed)
    norm = take_apart(module, d_model, weight)
    x = torch.randn(5, d_model) * size
    middle = x - x.mean(-1, keepdim=True) if kind == "layer" else x
    scale = (middle.pow(2).mean(-1, keepdim=True) + eps).sqrt()
    assert norm.centred == (kind == "layer")
    torch.testing.assert_close(norm.weight, weight, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(norm.bias, bias, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(norm.linear(x), middle * weight, rtol=1e-3, atol=1e-3 * size)
    torch.testing.assert_close(norm.scale(x), scale, rtol=2e-3, atol=0)
    torch.testing.assert_close(norm.frozen(x, norm.scale(x)), module(x), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("kind", KINDS)
def test_pulling_back_a_direction_is_the_transpose(kind):
    module, weight, _, _ = make(kind, 24, 3)
    norm = take_apart(module, 24, weight)
    x, direction = torch.randn(7, 24), torch.randn(24)
    middle = x - x.mean(-1, keepdim=True) if kind == "layer" else x
    torch.testing.assert_close(x @ norm.pull_back(direction), (middle * weight) @ direction, rtol=1e-4, atol=1e-4)


def test_scale_is_frozen_where_asked():
    module, weight, bias, _ = make("layer", 24, 4)
    norm = take_apart(module, 24, weight)
    x, other = torch.randn(1, 24), torch.randn(1, 24) * 9
    expected = norm.linear(x) / norm.scale(other) + bias
    torch.testing.assert_close(norm.frozen(x, norm.scale(other)), expected)
    assert (norm.frozen(x, norm.scale(other)) - module(x)).abs().max() > 0.1


@pytest.mark.parametrize("kind", KINDS)
def test_a_zero_row_has_a_finite_scale(kind):
    module, weight, bias, _ = make(kind, 24, 5)
    norm = take_apart(module, 24, weight)
    zero = torch.zeros(1, 24)
    assert torch.isfinite(norm.scale(zero)).all()
    torch.testing.assert_close(norm.frozen(zero, norm.scale(zero)), bias[None], rtol=0, atol=1e-5)
