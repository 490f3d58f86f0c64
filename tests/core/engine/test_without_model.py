"""Analyses that look at no model, and such that read no prompt, through every door: engine, Python, command line."""

from __future__ import annotations

import io
import json
import shlex
import sys
import threading
from typing import Literal

import numpy as np
import pandas as pd
import pytest
import torch

import mi_core
from mi_core.analyses import _index
from mi_core.analyses._index import find_analysis
from mi_core.commandline import main
from mi_core.errors import InputError
from mi_core.jobs.job import Cancelled
from mi_core.jobs.request import Request
from mi_core.jobs.store import Store
from mi_core.sharing import export
from tests.core.engine.bench import PATIENCE, assert_same, ready
from tests.core.engine.sums import Sums, depth, running_sums

EDIT = [{"kind": "rome", "prompt": "The capital of Texas is", "subject": "Texas", "target": "Boston"}]


@pytest.fixture(autouse=True)
def both():
    with _index.added(running_sums, depth):
        yield


@pytest.fixture
def run(capsys):
    def call(*words) -> tuple[int, str, str]:
        status = main([str(word) for word in words])
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return call


# Engine ---------------------------------------------------------------------------------------------------------


def test_it_is_computed_at_once_and_no_model_is_opened(start):
    engine = start(lambda model_id, progress: pytest.fail("opened a model"))
    result = engine.run(Request.of("running_sums", n=4))
    np.testing.assert_array_equal(result.sums, [1, 3, 6, 10])
    assert engine.status("").state == "absent"
    assert engine.cached(Request.of("running_sums", n=4)) is result
    assert engine.submit(Request.of("running_sums", n=4, order="up")).result() is result
    with pytest.raises(ValueError, match="read-only"):
        result.sums[0] = 0


def test_it_is_kept_on_disk(start, tmp_path):
    first = start(store=Store(tmp_path)).run(Request.of("running_sums", n=5))
    with _index.added(_never(running_sums)):
        assert_same(start(store=Store(tmp_path)).run(Request.of("running_sums", n=5)), first)


def _never(function):
    """A function of that name and signature that must not be called."""

    def replaced(*, n: int = 3, order: Literal["up", "down"] = "up") -> Sums:
        pytest.fail("computed again")

    replaced.__name__ = function.__name__
    return replaced


def test_it_overtakes_a_sweep_on_a_model(start, sweep):
    engine = ready(start())
    long = engine.submit(Request.of("slow", "tiny", prompt="sweep"), session="A")
    assert sweep.at.acquire(timeout=PATIENCE)
    short = engine.submit(Request.of("running_sums"), session="B")
    sweep.chunk.release()
    assert short.wait(PATIENCE) and not long.done
    sweep.chunk.release(10)
    long.result()


def test_gradients_are_on_even_when_a_sweep_had_switched_them_off(start, sweep, analysis):
    @analysis
    def trained(*, seed: int = 0) -> Sums:
        weight = torch.ones(2, requires_grad=True)
        (weight * weight).sum().backward()
        return Sums(weight.grad.numpy())

    engine = ready(start())
    engine.submit(Request.of("slow", "tiny", prompt="sweep"), session="A")
    assert sweep.at.acquire(timeout=PATIENCE)
    job = engine.submit(Request.of("trained"), session="B")
    sweep.chunk.release(10)
    np.testing.assert_array_equal(job.result().sums, [2, 2])


def test_a_long_one_reports_and_stops_when_nobody_waits(start, analysis):
    begun, may_go_on = threading.Event(), threading.Event()
    done = []

    @analysis
    def rolls(*, steps: int = 3, progress=lambda done, total, partial=None: None) -> Sums:
        for step in range(steps):
            begun.set()
            assert may_go_on.wait(PATIENCE)
            progress(step + 1, steps, np.zeros(1))
            done.append(step)
        return Sums(np.zeros(steps))

    engine = start()
    left = engine.submit(Request.of("rolls", steps=50))
    assert begun.wait(PATIENCE)
    left.leave()
    may_go_on.set()
    with pytest.raises(Cancelled):
        left.result()
    assert done == []
    job = engine.submit(Request.of("rolls"))
    assert len(job.result().sums) == 3 and (job.progress.done, job.progress.total) == (3, 3)


@pytest.mark.parametrize(
    ("request_", "field", "said"),
    [
        (Request.of("running_sums", "tiny"), "model", "running-sums looks at no model: leave the model out"),
        (Request.of("running_sums", edits=EDIT), "edits", "nothing to edit"),
        (Request.of("logit_lens", prompt="x"), "model", "logit-lens needs a model: name one"),
        (Request.of("running_sums", prompt="x"), "prompt", "no setting “prompt”: it takes n, order"),
        (Request.of("running_sums", n=0), "n", "nothing to sum"),
    ],
)
def test_a_model_where_none_is_read_and_none_where_one_is_needed(start, request_, field, said):
    engine = start(lambda model_id, progress: pytest.fail("opened a model"))
    job = engine.submit(request_)
    with pytest.raises(InputError, match=said) as told:
        job.result()
    assert told.value.field == field
    job.leave()
    assert engine.cached(request_) is None


# Python ---------------------------------------------------------------------------------------------------------


def test_run_without_a_model():
    np.testing.assert_array_equal(mi_core.run("running_sums", n=2).sums, [1, 3])
    with pytest.raises(InputError, match="looks at no model"):
        mi_core.run("running_sums", "loupe-mini")


def test_copied_python_is_the_same_computation():
    request = Request.of("running_sums", n=2, order="down")
    names: dict = {}
    exec(request.as_python(), names)
    np.testing.assert_array_equal(names["result"].sums, [2, 3])
    assert "''" not in request.as_python()


def test_no_one_foretells_what_has_no_model():
    with pytest.raises(InputError, match="is not foretold"):
        mi_core.run("cost", "loupe-mini", of="running_sums")


# Command line ---------------------------------------------------------------------------------------------------


def test_help_shows_no_model_no_edits_and_no_list_of_prompts(run):
    status, out, _ = run("running-sums", "--help")
    assert status == 0 and "--n <int> How many of them." in " ".join(out.split())
    assert not [option for option in ("--model", "--edits", "--prompts", "--prompt") if option in out]
    assert all(option in out for option in ("--format", "--out", "--table"))
    status, out, _ = run("depth", "--help")
    assert "--model" in out and "--edits" in out and "--prompt" not in out
    assert "running-sums" in run("analyses")[1] and "What do the first whole numbers sum to?" in run("--help")[1]


@pytest.mark.parametrize("option", ["--prompts", "--model", "--edits"])
def test_options_that_are_not_there_are_refused(run, option):
    status, out, err = run("running-sums", option, "x")
    assert (status, out) == (2, "") and f"No such option: {option}" in err and err.count("\n") == 1


def test_copied_command_computes_the_same(run):
    request = Request.of("running_sums", n=4, order="down")
    words = shlex.split(request.as_command())
    assert words == ["python", "-m", "mi_core", "running-sums", "--n", "4", "--order", "down"]
    status, out, err = run(*words[3:], "--format", "csv")
    assert (status, err) == (0, "")
    assert pd.read_csv(io.StringIO(out))["sum"].tolist() == [4, 7, 9, 10]


def test_without_a_prompt_on_a_model(run, mini):
    status, out, err = run("depth", "--format", "json", "--scale", "2")
    whole = json.loads(out)
    assert (status, err) == (0, "")
    assert whole["model"] == "loupe-mini" and whole["settings"] == {"scale": 2.0}
    assert whole["tables"]["sums"][0]["sum"] == 2 * mini.n_layers


def test_export_says_that_there_is_no_model(run):
    status, out, err = run("running-sums", "--format", "json")
    whole = json.loads(out, parse_constant=pytest.fail)
    assert (status, err) == (0, "")
    assert whole["model"] is None and "edits" not in whole
    assert whole["settings"] == {"n": 3, "order": "up"}
    assert whole["tables"] == {"sums": [{"n": 1, "sum": 1.0}, {"n": 2, "sum": 3.0}, {"n": 3, "sum": 6.0}]}
    assert export.as_dict(Request.of("running_sums"), running_sums()) == whole
    assert "They sum to 6" in run("running-sums")[1]


# Signatures, read without importing -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(_index._files()))
def test_parameters_are_those_of_the_function(name):
    import inspect

    assert _index.parameters(name) == tuple(inspect.signature(find_analysis(name)).parameters)


def test_reading_parameters_imports_nothing(monkeypatch):
    monkeypatch.setattr(_index.importlib, "import_module", lambda name: pytest.fail(f"imported {name}"))
    _index._read.cache_clear()
    assert "prompt" in _index.parameters("predict") and _index.question("predict").endswith("?")
    assert _index.is_imported("predict") == ("mi_core.analyses.predict" in sys.modules)
