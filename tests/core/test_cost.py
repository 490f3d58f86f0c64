"""What an analysis says it will take, against what it then does."""

import inspect
import json
import sys

import pytest

from mi_core.analyses._index import analysis_names, find_analysis
from mi_core.analyses.cost import LEARNERS, SEARCHES, SWEEPS, cost
from mi_core.errors import InputError
from mi_core.jobs.engine import Engine
from mi_core.jobs.request import Request
from mi_core.jobs.store import Store

SETTINGS = {
    "prompt": "The capital of Texas is",
    "corrupted": "The capital of Ohio is",
    "of": "ablation",
    "settings": json.dumps({"prompt": "The capital of Texas is", "site": "mlp_out", "layer": 1}),
}


def settings(analysis: str) -> dict:
    return {name: SETTINGS[name] for name in inspect.signature(find_analysis(analysis)).parameters if name in SETTINGS}


@pytest.mark.parametrize("analysis", SWEEPS)
def test_the_runs_foretold_are_the_runs_made(mini, analysis):
    told = []
    given = settings(analysis)
    find_analysis(analysis)(mini, **given, progress=lambda done, total, partial=None: told.append((done, total)))
    found = cost(mini, of=analysis, settings=json.dumps(given))
    assert told[-1] == (found.runs, found.runs)
    assert found.seconds > 0 and found.megabytes > 1
    assert found.tables()["cost"].iloc[0].to_dict()["runs"] == found.runs
    assert "takes about" in found.reading().title


def test_an_edit_is_foretold_at_most_and_only_once_made(mini):
    """Every pass of the model is counted, at its first block: the search may end sooner than it could."""
    asked = {"prompt": "The capital of Texas is", "subject": "Texas", "target": "Austin"}
    given = json.dumps(asked | {"target": "Springfield"})
    before = cost(mini, of="edit", settings=given)
    assert before.seconds > 0 and before.megabytes > 1 and "takes at most about" in before.reading().title
    seen = []
    hook = mini.bridge.blocks[0].register_forward_hook(lambda *_: seen.append(1))
    try:
        find_analysis("edit")(mini, **json.loads(given))
    finally:
        hook.remove()
    assert len(seen) <= before.runs <= 2 * len(seen)
    after = cost(mini, of="edit", settings=given)
    assert after.runs < before.runs / 2, "the edited model is at hand"


def test_what_runs_once_is_not_foretold():
    assert not {"predict", "logit_lens", "steering"} & set(SWEEPS)


def test_every_analysis_that_plans_runs_is_foretold():
    plans = {name for name in analysis_names() if hasattr(sys.modules[find_analysis(name).__module__], "planned")}
    assert plans == {*SWEEPS, *LEARNERS, *SEARCHES}


@pytest.mark.parametrize(
    ("analysis", "given", "sentence", "field"),
    [
        ("predict", "{}", "“predict” is not foretold: choose one of .*patching", "of"),
        ("patching", "[1", "must be a JSON object", "settings"),
        ("patching", '"prompt"', "must be a JSON object", "settings"),
        ("patching", '{"prompt": "A b"}', "patching needs a corrupted", "corrupted"),
        ("patching", '{"prompt": "A b", "corrupted": "A b"}', "Both prompts are the same", "corrupted"),
    ],
)
def test_bad_input(mini, analysis, given, sentence, field):
    with pytest.raises(InputError, match=sentence) as caught:
        cost(mini, of=analysis, settings=given)
    assert caught.value.field == field


def test_a_time_is_kept_for_the_hour_and_not_on_disk(mini, tmp_path):
    engine = Engine(store=Store(tmp_path, 10**8), load=lambda model_id, progress: mini)
    request = Request.of("cost", "loupe-mini", of="patching", settings=json.dumps(settings("patching")))
    try:
        found = engine.run(request)
        assert engine.run(request) is found
        engine.run(Request.of("patching", "loupe-mini", **settings("patching")))
    finally:
        engine.close()
    assert {path.name for path in tmp_path.iterdir() if path.is_dir()} == {"patching"}
