"""Edits of one session while others compute: their numbers stay, bit for bit, also in the middle of a long job."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mi_core.editing.overlay import kept
from mi_core.errors import InputError
from mi_core.jobs.request import Request
from tests.core.engine.bench import PATIENCE, Answer, assert_same, ready, until

PROMPT = "x marks the spot"
NUMBERS = " ".join(str(value) for value in np.random.default_rng(0).normal(size=32).round(4))
EDIT = [{"kind": "orthogonalise", "direction": "numbers", "numbers": NUMBERS}]
OTHER = [*EDIT, {"kind": "orthogonalise", "direction": "numbers", "numbers": NUMBERS[::-1].replace("-", "")}]


def lens(edits="", prompt=PROMPT, model="tiny"):
    return Request.of("logit_lens", model, prompt=prompt, edits=edits)


@pytest.fixture
def reader(analysis):
    """A long analysis that reads the prompt again in every chunk, and waits in between."""
    import threading
    import types

    reader = types.SimpleNamespace(chunk=threading.Semaphore(0), at=threading.Semaphore(0))

    @analysis
    def reads(model, prompt: str, *, steps: int = 3, progress=lambda done, total, partial=None: None) -> Answer:
        read = []
        for step in range(steps):
            reader.at.release()
            assert reader.chunk.acquire(timeout=PATIENCE)
            read.append(model.run(model.tokens(prompt)).logits[-1].numpy())
            with torch.no_grad():
                progress(step + 1, steps)
        return Answer(model.id, prompt, np.stack(read))

    yield reader
    reader.chunk.release(100)


def test_others_never_see_an_edit_and_undo_brings_the_former_numbers_back(start):
    engine = ready(start(result_bytes=0))
    before = engine.run(lens(), "a")
    edited = engine.run(lens(EDIT), "b")
    assert_same(engine.run(lens(), "a"), before)
    assert not np.array_equal(edited.tables()["lens"]["logit"], before.tables()["lens"]["logit"])
    deeper = engine.run(lens(OTHER), "b")
    assert not np.array_equal(deeper.tables()["lens"]["logit"], edited.tables()["lens"]["logit"])
    assert_same(engine.run(lens(EDIT), "b"), edited)  # the last edit undone
    assert_same(engine.run(lens(), "b"), before)


def test_a_long_job_that_gives_way_to_an_edited_model_keeps_its_numbers(start, reader, tiny):
    kept(tiny).clear()
    engine = ready(start(result_bytes=0))
    alone = tiny.run(tiny.tokens(PROMPT)).logits[-1].numpy()
    long = engine.submit(Request.of("reads", "tiny", prompt=PROMPT), "a")
    assert reader.at.acquire(timeout=PATIENCE)
    guest = engine.submit(lens(EDIT), "b")
    reader.chunk.release()
    assert guest.wait(PATIENCE) and not long.done
    reader.chunk.release(2)
    read = long.result().numbers
    assert all(np.array_equal(row, alone) for row in read)
    assert_same(guest.result(), ready(start()).run(lens(EDIT)))


def test_a_long_job_on_an_edited_model_keeps_its_numbers_while_others_compute(start, reader, tiny):
    engine = ready(start(result_bytes=0))
    plain = engine.run(lens(), "b")
    long = engine.submit(Request.of("reads", "tiny", prompt=PROMPT, edits=EDIT), "a")
    assert reader.at.acquire(timeout=PATIENCE)
    guest = engine.submit(lens(), "b")
    reader.chunk.release(3)
    rows = long.result().numbers
    assert_same(guest.result(), plain)
    assert all(np.array_equal(row, rows[0]) for row in rows)
    assert not np.array_equal(rows[0], tiny.run(tiny.tokens(PROMPT)).logits[-1].numpy())


def test_an_edited_result_is_cached_apart(start, tiny):
    engine = ready(start())
    plain, edited = engine.run(lens()), engine.run(lens(EDIT))
    assert engine.cached(lens()) is plain and engine.cached(lens(EDIT)) is edited
    assert engine.cached(lens(OTHER)) is None


def test_making_an_edit_stops_when_nobody_waits_and_nothing_is_left(start, tiny, monkeypatch):
    from mi_core.editing import overlay
    from mi_core.jobs.job import Cancelled

    kept(tiny).clear()
    seen = []

    def endless(model, edit, progress):
        while True:
            seen.append(1)
            progress()

    monkeypatch.setattr(overlay, "removal", endless)
    engine = ready(start())
    job = engine.submit(lens(EDIT), "a")
    until(lambda: seen)
    job.leave()
    assert job.wait(PATIENCE)
    with pytest.raises(Cancelled):
        job.result()
    monkeypatch.undo()
    assert engine.run(lens(EDIT)) is not None


def test_an_edit_that_cannot_be_made_is_the_edits_fault(start):
    engine = ready(start())
    with pytest.raises(InputError, match="edits that are on cannot be made in tiny: .*tiny is 32 wide") as raised:
        engine.run(lens([{"kind": "orthogonalise", "direction": "numbers", "numbers": "1 2"}]))
    assert raised.value.field == "edits"
    assert engine.run(lens()) is not None
