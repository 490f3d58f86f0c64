"""An engine on the bench: what its tests ask of it, and how they wait."""

from __future__ import annotations

import dataclasses
import time
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from mi_core.jobs.request import Request
from tests import patience

PATIENCE = patience.SECONDS


@dataclass(frozen=True)
class Answer:
    """What the analyses of these tests return."""

    model: str
    text: str
    numbers: Float[np.ndarray, " n"]


def opened(folder, model_id):
    from transformer_lens.model_bridge import TransformerBridge

    from mi_core.models.model import Model

    return Model(TransformerBridge.boot_transformers(str(folder), device="cpu"), model_id, "weights of tiny")


def lens(prompt, **settings):
    return Request.of("logit_lens", "tiny", prompt=prompt, **settings)


def ready(engine, model_id="tiny"):
    engine.warm(model_id)
    until(lambda: engine.status(model_id).state == "ready")
    return engine


def until(condition):
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.002)


def assert_same(one, other):
    assert type(one) is type(other)
    for field in dataclasses.fields(one):
        left, right = getattr(one, field.name), getattr(other, field.name)
        if isinstance(left, np.ndarray):
            np.testing.assert_array_equal(left, right, strict=True)
        else:
            assert left == right
