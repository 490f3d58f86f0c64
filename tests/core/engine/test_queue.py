"""The engine's queue: right answers to many at once, fair turns, one computation at a time."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from mi_core.jobs.job import Pace
from mi_core.jobs.request import Request
from tests.core.engine.bench import PATIENCE, Answer, assert_same, lens, ready, until


def test_eight_threads_get_the_answers_of_one(start, tiny):
    from mi_core.analyses.logit_lens import logit_lens

    settings = [
        {"prompt": f"{word} number {i}", "top_k": 1 + i % 5, "norm": norm, "resid_mid": bool(i % 2)}
        for i, word in enumerate(["red", "a longer green", "blue and white"])
        for norm in ("recomputed", "frozen")
    ]
    settings += [{"prompt": "x" * length} for length in range(1, 27)]
    assert len(settings) == 32
    expected = [logit_lens(tiny, **one) for one in settings]
    busy = ready(start(result_bytes=0))

    def user(number):
        order = np.random.default_rng(number).permutation(len(settings))
        return {i: busy.run(lens(**settings[i]), session=str(number)) for i in order}

    with ThreadPoolExecutor(8) as users:
        for answers in users.map(user, range(8)):
            for i, answer in answers.items():
                assert_same(answer, expected[i])


def test_identical_requests_in_flight_are_computed_once(start, gate, tiny, monkeypatch):
    runs = []
    monkeypatch.setattr(tiny, "run", lambda *a, **k: runs.append(1) or type(tiny).run(tiny, *a, **k), raising=False)
    engine = ready(start())
    engine.submit(Request.of("held", "tiny", prompt="first"))
    jobs = [engine.submit(lens("the same"), session=str(i)) for i in range(10)]
    spelled_out = engine.submit(lens("the same", top_k=5))
    gate.open.set()
    assert len({id(job) for job in jobs}) == 1
    assert jobs[0].waiters == 10
    assert spelled_out.result() is jobs[0].result()
    assert len(runs) == 1


def test_a_second_session_does_not_wait_for_the_first_ones_queue(start, gate):
    engine = ready(start())
    engine.submit(Request.of("held", "tiny", prompt="first"), session="A")
    jobs = [engine.submit(Request.of("quick", "tiny", prompt=f"A{i}"), session="A") for i in range(10)]
    jobs.append(engine.submit(Request.of("quick", "tiny", prompt="B0"), session="B"))
    jobs.append(engine.submit(Request.of("quick", "tiny", prompt="B1"), session="B"))
    gate.open.set()
    for job in jobs:
        job.result()
    assert gate.order == ["B0", "A0", "B1", *[f"A{i}" for i in range(1, 10)]]


def test_joining_a_queued_job_brings_it_forward(start, gate):
    engine = ready(start())
    engine.submit(Request.of("held", "tiny", prompt="first"), session="A")
    jobs = [engine.submit(Request.of("quick", "tiny", prompt=f"A{i}"), session="A") for i in range(5)]
    engine.submit(Request.of("quick", "tiny", prompt="A4"), session="B")
    gate.open.set()
    for job in jobs:
        job.result()
    assert gate.order[0] == "A4"


def test_a_short_request_overtakes_a_sweep_between_chunks(start, gate, sweep):
    engine = ready(start())
    gate.order = sweep.order
    long = engine.submit(Request.of("slow", "tiny", prompt="sweep"), session="A")
    assert sweep.at.acquire(timeout=PATIENCE)
    own = engine.submit(Request.of("quick", "tiny", prompt="own"), session="A")
    other_sweep = engine.submit(Request.of("slow", "tiny", prompt="other", steps=1), session="B")
    short = engine.submit(Request.of("quick", "tiny", prompt="short"), session="C")
    sweep.chunk.release(1)
    assert short.wait(PATIENCE)
    assert not long.done
    sweep.chunk.release(10)
    for job in (long, own, other_sweep):
        job.result()
    assert sweep.order[:5] == ["sweep 0", "short", "sweep 1", "sweep 2", "sweep 3"]


def test_whoever_overtakes_may_use_gradients_that_the_sweep_had_switched_off(start, sweep, analysis):
    @analysis
    def gradient(model, prompt: str) -> Answer:
        x = torch.ones(2, requires_grad=True)
        (x * x).sum().backward()
        return Answer(model.id, prompt, x.grad.numpy())

    engine = ready(start())
    engine.submit(Request.of("slow", "tiny", prompt="sweep"), session="A")
    assert sweep.at.acquire(timeout=PATIENCE)
    job = engine.submit(Request.of("gradient", "tiny", prompt="g"), session="B")
    sweep.chunk.release(10)
    np.testing.assert_array_equal(job.result().numbers, [2.0, 2.0])


def test_progress_reports_steps_and_a_partial_result_that_stays_as_it_was(start, sweep):
    job = ready(start()).submit(Request.of("slow", "tiny", prompt="sweep"))
    sweep.chunk.release(1)
    until(lambda: job.progress)
    seen = job.progress
    assert (seen.done, seen.total) == (1, 4)
    assert seen.seconds_left > 0
    sweep.chunk.release(3)
    job.result()
    assert job.progress.done == 4
    np.testing.assert_array_equal(seen.partial, [1, 0, 0, 0])


def test_pace_counts_own_time_only(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    pace = Pace()
    now[0] = 100.0  # preparation before the first report
    assert pace.at(0, 10) is None
    now[0] = 106.0
    pace.lend(2.0)
    assert pace.at(2, 10) == pytest.approx(16.0)  # 2 s per step, 8 steps left
