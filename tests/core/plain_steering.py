"""Steering with transformers alone: a forward hook, and the whole text read anew for each token."""

import functools
import math

import numpy as np
import pytest
import torch

from tests.core.plain_reference import blocks


class Steered:
    """What a person would write.

    `vector` is what is added before block `layer`, or a function of the residuals [pos, d_model] that gives it;
    `others` are further (layer, vector) pairs.
    """

    def __init__(self, hf, layer: int, vector, first: int, last: float = math.inf, others=()) -> None:
        self.hf, self.first, self.last = hf, first, last
        self.pushes = [(layer, vector), *others]

    def logits(self, ids: list[int]) -> torch.Tensor:
        def push(block, args, kwargs, vectors):
            x = args[0] if args else kwargs["hidden_states"]
            pos = torch.arange(x.shape[1])
            chosen = ((pos >= self.first) & (pos <= self.last))[:, None]
            x = x + sum(chosen * (vector(x[0]) if callable(vector) else vector) for vector in vectors)
            return ((x, *args[1:]), kwargs) if args else (args, kwargs | {"hidden_states": x})

        handles = []
        for layer in {layer for layer, _ in self.pushes}:
            here = functools.partial(push, vectors=[vector for each, vector in self.pushes if each == layer])
            handles.append(blocks(self.hf)[layer].register_forward_pre_hook(here, with_kwargs=True))
        try:
            return self.hf(torch.tensor([ids]), use_cache=False).logits[0, -1]
        finally:
            for handle in handles:
                handle.remove()

    def greedy(self, ids: list[int], n: int) -> list[int]:
        written: list[int] = []
        for _ in range(n):
            token = int(self.logits([*ids, *written]).argmax())
            if token == 0:  # end of text
                break
            written.append(token)
        return written


def mean_norm(hf, ids, layer: int) -> float:
    states = hf(torch.tensor([ids]), output_hidden_states=True).hidden_states[layer][0]
    return float(states[1:].norm(dim=-1).mean())


def assert_shift(result, before: torch.Tensor, after: torch.Tensor) -> None:
    p, q = before.double().softmax(-1), after.double().softmax(-1)
    table = result.tables()["shift"]
    ids = table["token_id"].to_numpy()
    np.testing.assert_allclose(table["logit_before"], before[ids], atol=5e-4, rtol=1e-4)
    np.testing.assert_allclose(table["logit_after"], after[ids], atol=5e-4, rtol=1e-4)
    np.testing.assert_allclose(table["probability_before"], p[ids], atol=1e-4)
    np.testing.assert_allclose(table["probability_after"], q[ids], atol=1e-4)
    assert result.kl == pytest.approx(float((q * (q / p).log2()).sum()), rel=1e-3, abs=1e-5)
    change = q - p
    shown = table["change"].to_numpy()
    assert shown[0] == pytest.approx(float(change.max()), abs=1e-4)
    assert shown[-1] == pytest.approx(float(change.min()), abs=1e-4)
