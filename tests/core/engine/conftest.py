"""Engines that load a tiny model, and analyses that stop where a test wants them to."""

from __future__ import annotations

import contextlib
import threading
import types

import numpy as np
import pytest
import torch

from mi_core.analyses import _index
from mi_core.jobs.engine import Engine
from tests.core.engine.bench import PATIENCE, Answer, opened


@pytest.fixture(scope="session")
def tiny(tiny_folder):
    return opened(tiny_folder("gpt2"), "tiny")


@pytest.fixture
def start(tiny):
    """Makes engines that load `tiny`, and closes them."""
    engines = []

    def make(load=lambda model_id, progress: tiny, **settings):
        engines.append(Engine(load=load, **settings))
        return engines[-1]

    yield make
    for made in engines:
        made.close()


@pytest.fixture
def analysis():
    """Makes a function an analysis, as if it were a file in `mi_core/analyses`."""
    with contextlib.ExitStack() as during_the_test:

        def add(function):
            during_the_test.enter_context(_index.added(function))
            return function

        yield add


@pytest.fixture
def gate(analysis):
    """A short analysis that says when it began, and ends when it is allowed to."""
    gate = types.SimpleNamespace(entered=threading.Semaphore(0), open=threading.Event(), order=[])

    @analysis
    def held(model, prompt: str) -> Answer:
        gate.entered.release()
        assert gate.open.wait(PATIENCE)
        return Answer(model.id, prompt, np.zeros(1))

    @analysis
    def quick(model, prompt: str) -> Answer:
        gate.order.append(prompt)
        return Answer(model.id, prompt, np.ones(3))

    yield gate
    gate.open.set()


@pytest.fixture
def sweep(analysis):
    """A long analysis whose every chunk waits to be allowed."""
    sweep = types.SimpleNamespace(chunk=threading.Semaphore(0), at=threading.Semaphore(0), done=[], order=[])

    @analysis
    def slow(model, prompt: str, *, steps: int = 4, progress=lambda done, total, partial=None: None) -> Answer:
        partial = np.zeros(steps)
        for step in range(steps):
            sweep.at.release()
            assert sweep.chunk.acquire(timeout=PATIENCE)
            sweep.order.append(f"{prompt} {step}")
            partial[step] = 1
            sweep.done.append(step)
            with torch.no_grad():
                progress(step + 1, steps, partial)
        return Answer(model.id, prompt, partial)

    yield sweep
    sweep.chunk.release(1000)
