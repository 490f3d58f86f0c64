"""Errors reach whoever waits, and leave nothing behind."""

from __future__ import annotations

import weakref

import pytest
import torch

from mi_core.errors import InputError
from mi_core.jobs.request import Request
from mi_core.jobs.store import Store
from tests.core.engine.bench import Answer, assert_same, lens, ready


def test_an_error_reaches_all_who_wait_and_leaves_no_hook_behind(start, tiny, analysis):
    @analysis
    def broken(model, prompt: str) -> Answer:
        def fail(value, hook):
            raise ZeroDivisionError("in the middle of the forward pass")

        names = [("blocks.0.hook_resid_post", lambda value, hook: value * 0), ("blocks.1.hook_resid_pre", fail)]
        model.bridge.run_with_hooks(torch.tensor([[1, 2]]), fwd_hooks=names)

    engine = ready(start(result_bytes=0))
    before = engine.run(lens("after the storm"))
    for _ in range(2):
        with pytest.raises(ZeroDivisionError, match="in the middle"):
            engine.run(Request.of("broken", "tiny", prompt="x"))
    points = tiny.bridge.hook_dict.values()
    assert not [point for point in points if point.fwd_hooks or point.bwd_hooks]
    assert_same(engine.run(lens("after the storm")), before)


def test_bad_input_is_told_every_time_and_never_kept(start, tmp_path):
    engine = start(store=Store(tmp_path))
    for _ in range(2):
        with pytest.raises(InputError, match="The prompt is empty") as told:
            engine.run(lens("   "))
        assert told.value.field == "prompt"
    with pytest.raises(InputError, match="no setting “depth”"):
        engine.run(lens("x", depth=3))
    with pytest.raises(InputError, match="no analysis “guess”"):
        engine.run(Request.of("guess", "tiny", prompt="x"))
    assert not list(tmp_path.rglob("*.result"))


def test_an_error_keeps_no_tensors_alive(start, analysis):
    seen = []

    @analysis
    def heavy(model, prompt: str) -> Answer:
        big = torch.zeros(1000)
        seen.append(weakref.ref(big))
        raise RuntimeError("no room")

    job = ready(start()).submit(Request.of("heavy", "tiny", prompt="x"))
    with pytest.raises(RuntimeError, match="no room"):
        job.result()
    assert seen[0]() is None
