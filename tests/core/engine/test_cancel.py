"""Who leaves, and what is then no longer computed."""

from __future__ import annotations

import threading

import pytest

from mi_core.jobs.job import Cancelled, Job
from mi_core.jobs.request import Request
from tests.core.engine.bench import PATIENCE, lens, ready


def test_a_running_sweep_is_cancelled_within_one_step(start, sweep, gate):
    engine = ready(start())
    job = engine.submit(Request.of("slow", "tiny", prompt="sweep", steps=50))
    assert sweep.at.acquire(timeout=PATIENCE)
    job.leave()
    sweep.chunk.release(50)
    with pytest.raises(Cancelled):
        job.result()
    assert sweep.done == [0]
    assert engine.run(Request.of("quick", "tiny", prompt="next")).text == "next"


def test_a_sweep_goes_on_while_one_of_two_still_waits(start, sweep):
    engine = ready(start())
    request = Request.of("slow", "tiny", prompt="sweep")
    one, two = engine.submit(request, "A"), engine.submit(request, "B")
    one.leave()
    sweep.chunk.release(4)
    assert two.result().text == "sweep"


def test_who_asks_again_before_the_next_step_rescues_the_sweep(start, sweep):
    engine = ready(start())
    request = Request.of("slow", "tiny", prompt="sweep")
    job = engine.submit(request)
    assert sweep.at.acquire(timeout=PATIENCE)
    job.leave()
    assert engine.submit(request) is job
    sweep.chunk.release(4)
    assert job.result().text == "sweep"


def test_a_queued_job_that_nobody_waits_for_is_dropped(start, gate):
    engine = ready(start())
    engine.submit(Request.of("held", "tiny", prompt="first"))
    dropped = engine.submit(Request.of("quick", "tiny", prompt="dropped"))
    kept = engine.submit(Request.of("quick", "tiny", prompt="kept"))
    dropped.leave()
    assert dropped.done
    gate.open.set()
    kept.result()
    assert gate.order == ["kept"]
    with pytest.raises(Cancelled, match="Nobody waits"):
        dropped.result()
    dropped.leave()  # once too often does no harm
    assert engine.run(Request.of("quick", "tiny", prompt="dropped")).text == "dropped"


def test_an_interrupted_run_leaves(start, gate, monkeypatch):
    engine = ready(start())
    engine.submit(Request.of("held", "tiny", prompt="first"))
    with monkeypatch.context() as keyboard:
        keyboard.setattr(Job, "wait", lambda job, timeout=None: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            engine.run(Request.of("quick", "tiny", prompt="interrupted"))
    gate.open.set()
    engine.run(Request.of("quick", "tiny", prompt="next"))
    assert gate.order == ["next"]


def test_who_leaves_while_the_model_loads_is_not_served(start, tiny, gate):
    may_load = threading.Event()
    engine = start(lambda model_id, progress: may_load.wait(PATIENCE) and tiny)
    gone = engine.submit(Request.of("quick", "tiny", prompt="gone"))
    gone.leave()
    may_load.set()
    engine.run(Request.of("quick", "tiny", prompt="stays"))
    assert gate.order == ["stays"]
    with pytest.raises(Cancelled):
        gone.result()


def test_closing_ends_what_waits_and_what_runs(start, sweep):
    engine = ready(start())
    running = engine.submit(Request.of("slow", "tiny", prompt="sweep", steps=50))
    assert sweep.at.acquire(timeout=PATIENCE)
    waiting = engine.submit(Request.of("slow", "tiny", prompt="other"))
    sweep.chunk.release(50)
    engine.close()
    for job in (running, waiting):
        with pytest.raises(Cancelled):
            job.result()
    with pytest.raises(RuntimeError, match="closed"):
        engine.submit(lens("late"))
