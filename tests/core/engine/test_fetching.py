"""What has to be fetched before a computation can start."""

from __future__ import annotations

import threading
import types

import numpy as np
import pytest

from mi_core.errors import Absent, InputError
from mi_core.jobs.job import Cancelled, Progress
from mi_core.jobs.request import Request
from tests.core.engine.bench import PATIENCE, Answer, ready


@pytest.fixture
def parcel(analysis, gate):
    """An analysis that needs something brought first, and whoever brings it."""
    parcel = types.SimpleNamespace(asked=threading.Semaphore(0), brought=threading.Event(), here=False, error=None)

    def fetch(progress):
        progress(0, 10, "Downloading")
        parcel.asked.release()
        assert parcel.brought.wait(PATIENCE)
        if parcel.error:
            raise parcel.error
        progress(10, 10, "Opening")
        parcel.here = True

    @analysis
    def needy(model, prompt: str) -> Answer:
        if not parcel.here:
            raise Absent("It is not here yet.", "sae", fetch)
        return Answer(model.id, prompt, np.zeros(1))

    yield parcel
    parcel.brought.set()


def test_others_compute_while_something_is_fetched(start, parcel):
    engine = ready(start())
    job = engine.submit(Request.of("needy", "tiny", prompt="a"), session="one")
    assert parcel.asked.acquire(timeout=PATIENCE)
    assert job.progress == Progress(0, 10, message="Downloading")
    same = engine.submit(Request.of("needy", "tiny", prompt="a"), session="two")
    assert same is job, "asked for twice, fetched once"
    assert engine.run(Request.of("quick", "tiny", prompt="b")).text == "b"
    assert not job.done
    parcel.brought.set()
    assert job.result().text == "a"
    assert not parcel.asked.acquire(blocking=False)


def test_what_cannot_be_fetched_is_told_and_tried_again_when_asked_again(start, parcel):
    engine, request = ready(start()), Request.of("needy", "tiny", prompt="a")
    parcel.error = InputError("No network.", "sae")
    parcel.brought.set()
    with pytest.raises(InputError, match="No network"):
        engine.run(request)
    parcel.error = None
    assert engine.run(request).text == "a"


@pytest.mark.parametrize("end", ["leave", "close"])
def test_a_fetch_nobody_waits_for_ends_without_a_result(start, parcel, end):
    engine = ready(start())
    job = engine.submit(Request.of("needy", "tiny", prompt="a"))
    assert parcel.asked.acquire(timeout=PATIENCE)
    job.leave() if end == "leave" else engine.close()
    parcel.brought.set()
    with pytest.raises(Cancelled):
        job.result()
    assert not parcel.here
