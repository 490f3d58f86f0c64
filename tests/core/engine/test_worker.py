"""Computing without an engine: what a worker on another machine would do with a request that reached it by value."""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path

import pytest

from mi_core.analyses import _index
from mi_core.analyses.path_patching import path_patching
from mi_core.errors import InputError
from mi_core.jobs.request import Request
from mi_core.jobs.worker import compute, is_long
from tests.core.engine.bench import assert_same
from tests.core.engine.sums import running_sums

ELSEWHERE = """
import pickle, sys, threading
from mi_core.jobs.worker import compute
from mi_core.models.loading import load

request, told = pickle.loads(sys.stdin.buffer.read()), []
result = compute(request, load(request.model), lambda done, total, partial=None: told.append((done, total)))
assert "loupe worker" not in [thread.name for thread in threading.enumerate()]
sys.stdout.buffer.write(pickle.dumps((result, told)))
"""
PAIR = {"prompt": "The capital of Texas is", "corrupted": "The capital of France is"}


def test_request_and_result_go_to_another_process_and_back(mini):
    done = subprocess.run(
        [sys.executable, "-c", ELSEWHERE],
        input=pickle.dumps(Request.of("path_patching", "loupe-mini", **PAIR)),
        cwd=Path(__file__).parents[3],
        capture_output=True,
        timeout=200,
    )
    assert done.returncode == 0, done.stderr.decode()
    result, told = pickle.loads(done.stdout)
    assert_same(result, path_patching(mini, **PAIR))
    assert told and told[-1][0] == told[-1][1]


def test_progress_can_be_left_out(mini):
    assert_same(compute(Request.of("path_patching", "loupe-mini", **PAIR), mini), path_patching(mini, **PAIR))


def test_what_progress_raises_ends_it(mini):
    def enough(done, total, partial=None):
        raise InterruptedError(f"after {done} of {total}")

    with pytest.raises(InterruptedError, match="after"):
        compute(Request.of("path_patching", "loupe-mini", **PAIR), mini, enough)
    compute(Request.of("predict", "loupe-mini", prompt="x"), mini, enough)  # a short one does not report


def test_edits_are_made_on_the_plain_model_it_is_given(mini):
    edits = [{"kind": "rome", "prompt": PAIR["prompt"], "subject": "Texas", "target": "Boston"}]
    plain = compute(Request.of("predict", "loupe-mini", prompt=PAIR["prompt"]), mini)
    edited = compute(Request.of("predict", "loupe-mini", prompt=PAIR["prompt"], edits=edits), mini)
    assert (plain.predictions[0], edited.predictions[0]) == (" Austin", " Boston")


def test_without_a_model():
    with _index.added(running_sums):
        assert compute(Request.of("running_sums", n=4), None).sums.tolist() == [1, 3, 6, 10]
        with pytest.raises(InputError, match="nothing to sum"):
            compute(Request.of("running_sums", n=0), None)


def test_which_are_long():
    assert is_long(Request.of("patching", "m")) and not is_long(Request.of("predict", "m"))
