"""The timeline against the file that training wrote, and its sentences against its tables."""

import json
import math

import numpy as np
import pytest

from mi_core.analyses.training_timeline import training_timeline
from mi_core.errors import InputError
from mi_core.models import catalogue
from tests.core.checkpoint_folders import with_checkpoints
from tests.sentences import faults

ROWS = json.loads((catalogue.find("loupe-mini").folder / "checkpoints" / "scores.json").read_text("utf-8"))[
    "checkpoints"
]


def test_tables_hold_what_was_measured(mini):
    tables = training_timeline(mini).tables()
    scores = tables["scores"].set_index(["step", "metric"])["value"]
    for row in ROWS:
        assert scores[row["step"], "repeat_loss"] == pytest.approx(row["figures"]["repeat_loss"] / math.log(2))
        for metric in ("capitals", "indirect_object", "repeat_accuracy"):
            assert scores[row["step"], metric] == row["figures"][metric]
    roles = tables["roles"].query("step == 3250 and role == 'previous_token'").sort_values(["layer", "head"])
    row = next(row for row in ROWS if row["step"] == 3250)
    np.testing.assert_array_equal(roles["score"], np.ravel(row["heads"]["previous"]))
    assert list(tables["checkpoints"]["bits"]) == [16] * 11 + [32]


def test_what_came_when(mini):
    found = training_timeline(mini)
    reading = found.reading()
    assert reading.title == (
        "Naming capitals comes first, by step 1,100; telling who is given something comes last, by step 5,000"
    )
    assert "Copying a passage that comes again goes from 25.0% to 76.9% right between steps 3,000 and 3,250." in (
        reading.sentences
    )
    assert "L1H0 looks at what followed last time (92.9%" in reading.sentences[-1]
    assert not faults(found)
    names = {check.name: check for check in found.checks}
    assert names["the last checkpoint is loupe-mini, bit for bit"].error == 0 and all(c.passed for c in found.checks)


def test_a_checkpoint_tells_of_its_training(mini):
    from mi_core.models.loading import load

    own, other = training_timeline(mini), training_timeline(load("loupe-mini@3000"))
    assert own.model == other.model == "loupe-mini"
    np.testing.assert_array_equal(own.value, other.value)


def test_nothing_measured_gets_a_sentence(tiny_folder, tiny_model, tmp_path):
    with pytest.raises(InputError, match="Nothing was measured along the training of .*: choose loupe-mini"):
        training_timeline(tiny_model("llama"))


def test_what_never_grows_is_said_to(tiny_folder, tmp_path):
    from mi_core.models.loading import load

    folder = with_checkpoints(tiny_folder("gpt2"), tmp_path / "flat", (1,))
    rows = [{"step": step, "tokens": step, "figures": {"odd_thing": 0.5}, "heads": {}} for step in (1, 2)]
    (folder / "checkpoints" / "scores.json").write_text(json.dumps({"checkpoints": rows}))
    found = training_timeline(load(str(folder)))
    assert found.reading().title == "Nothing that was measured has grown over 2 steps of training"
    assert found.tables()["roles"].empty and found.models == (f"{folder}@1", str(folder))
