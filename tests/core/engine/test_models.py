"""Models load beside the queue, and go where memory is short."""

from __future__ import annotations

import threading
import types
import weakref

import pytest
import torch

from mi_core.errors import InputError
from mi_core.jobs.loaded_models import _weight_bytes
from mi_core.jobs.request import Request
from tests.core.engine.bench import PATIENCE, lens, opened, ready, until


def test_requests_wait_aside_while_their_model_loads(start, tiny, gate):
    loaded, loading = threading.Event(), threading.Event()

    def load(model_id, progress):
        if model_id == "large":
            progress(1, 4, "Downloading")
            loading.set()
            assert loaded.wait(PATIENCE)
        return tiny

    engine = start(load)
    assert engine.status("large").state == "absent"
    waiting = engine.submit(Request.of("quick", "large", prompt="patient"))
    assert loading.wait(PATIENCE)
    status = engine.status("large")
    assert (status.state, status.message, status.fraction) == ("loading", "Downloading", 0.25)
    assert engine.run(Request.of("quick", "tiny", prompt="meanwhile")).text == "meanwhile"
    assert not waiting.done
    loaded.set()
    assert waiting.result().text == "patient"
    assert engine.status("large").state == "ready"


def test_a_model_that_fails_tells_who_waits_and_is_tried_again(start, tiny):
    attempts = []

    def load(model_id, progress):
        attempts.append(model_id)
        if len(attempts) == 1:
            raise InputError("There is no network: connect and try again.", "model")
        return tiny

    engine = start(load)
    with pytest.raises(InputError, match="no network"):
        engine.run(lens("x"))
    assert engine.status("tiny").state == "failed"
    assert engine.status("tiny").message.startswith("There is no network")
    assert engine.run(lens("x")).model == "tiny"


@pytest.fixture
def several(start, tiny_folder):
    """An engine with room for a number of models of its own, and weak references to them."""
    one_model = _weight_bytes(opened(tiny_folder("gpt2"), "x"))
    made = {}

    def load(model_id, progress):
        model = opened(tiny_folder("gpt2"), model_id)
        model.circle = model  # a big graph of modules and hooks has some; frozen, it would never be freed
        made[model_id] = weakref.ref(model)
        return model

    return lambda room: (start(load, model_bytes=int(one_model * (room + 0.5))), made)


def settled(engine, model_id):
    ready(engine, model_id)
    until(lambda: f"load {model_id}" not in [thread.name for thread in threading.enumerate()])


def test_idle_models_go_when_the_budget_is_full_and_are_freed(several, gate):
    engine, made = several(room=2)
    held = engine.submit(Request.of("held", "a", prompt="works"))
    assert gate.entered.acquire(timeout=PATIENCE)
    settled(engine, "b")
    settled(engine, "c")
    assert [engine.status(name).state for name in "abc"] == ["ready", "absent", "ready"], "a has work, b was idle"
    assert made["b"]() is None
    gate.open.set()
    held.result()
    assert engine.run(Request.of("quick", "b", prompt="again")).text == "again"


def test_a_model_beyond_the_budget_goes_when_its_work_is_done(several, gate):
    engine, _ = several(room=1)
    held = engine.submit(Request.of("held", "a", prompt="works"))
    assert gate.entered.acquire(timeout=PATIENCE)
    settled(engine, "b")
    assert engine.status("a").state == "ready"
    gate.open.set()
    held.result()
    until(lambda: engine.status("a").state == "absent")
    assert engine.status("b").state == "ready"


def test_tied_weights_count_once(tiny):
    import torch.nn as nn

    embedding, reader = nn.Embedding(10, 4), nn.Linear(4, 10)
    reader.weight = embedding.weight
    bridge = nn.ModuleList([embedding, reader])
    bridge.register_buffer("mask", torch.zeros(3, dtype=torch.bool))
    assert _weight_bytes(types.SimpleNamespace(bridge=bridge)) == 10 * 4 * 4 + 10 * 4 + 3


def test_where_memory_is_short_idle_models_make_room(start, tiny, gate):
    attempts = []

    def load(model_id, progress):
        attempts.append(model_id)
        if attempts == ["small", "large"]:
            raise MemoryError
        return tiny

    engine = ready(start(load), "small")
    assert engine.run(Request.of("quick", "large", prompt="x")).text == "x"
    assert engine.status("small").state == "absent"
    assert attempts == ["small", "large", "large"]
