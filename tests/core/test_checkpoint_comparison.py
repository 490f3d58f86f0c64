"""Two checkpoints side by side, against each by itself."""

import numpy as np
import pytest
import torch

from mi_core.analyses.checkpoint_comparison import checkpoint_comparison
from mi_core.analyses.predict import predict
from mi_core.analyses.training_timeline import training_timeline
from mi_core.errors import InputError
from mi_core.models.loading import load
from tests.core.checkpoint_folders import with_checkpoints
from tests.sentences import faults

FACT = "The capital of Texas is"
PROMPT = " the cat sat on"


def test_probabilities_are_those_of_each_by_itself(mini):
    found = checkpoint_comparison(mini, FACT, first=2500, second=4000, top_k=5)
    table = found.tables()["predictions"].set_index("token")
    for step, when in ((2500, "before"), (4000, "after")):
        own = predict(load(f"loupe-mini@{step}"), FACT, top_k=5).tables()["predictions"]
        for row in own.itertuples():
            assert table.at[row.token, f"probability_{when}"] == pytest.approx(row.probability, abs=1e-6)
            assert table.at[row.token, f"rank_{when}"] == row.rank
    logits = [load(f"loupe-mini@{step}").run(found.tokens).logits[-1].double() for step in (2500, 4000)]
    q, p = (torch.log_softmax(row, -1) for row in logits)
    assert found.kl == pytest.approx(float((p.exp() * (p - q)).sum() / np.log(2)), abs=1e-4)
    assert all(check.passed for check in found.checks) and not faults(found)


def test_what_was_measured_changed_most(mini):
    found = checkpoint_comparison(mini, FACT, first=2500, second=4000)
    tables, values = found.tables(), training_timeline(mini).tables()["scores"].set_index(["step", "metric"])["value"]
    for row in tables["scores"].itertuples():
        assert row.change == pytest.approx(values[4000, row.metric] - values[2500, row.metric])
    assert "Of what was measured, copying a passage that comes again changed most: 0.9%, then 98.3%." in (
        found.reading().sentences
    )
    most = tables["heads"].loc[tables["heads"]["change"].abs().idxmax()]
    assert f"Of the heads, L{most.layer}H{most['head']} changed most" in found.reading().sentences[-1]


def test_the_ends_are_the_usual_two_and_nothing_measured_is_left_out(architecture, tiny_folder, tmp_path):
    folder = with_checkpoints(tiny_folder(architecture), tmp_path / "series", (5, 40))
    found = checkpoint_comparison(load(str(folder)), PROMPT)
    assert (found.first, found.second) == (5, 40) and set(found.tables()) == {"predictions"}
    assert all(check.passed for check in found.checks) and not faults(found)


def test_two_that_are_none_get_a_sentence(mini, tiny_model):
    with pytest.raises(InputError, match="Both are step 3,000: choose another one to compare with") as caught:
        checkpoint_comparison(mini, FACT, first=3000, second=3000)
    assert caught.value.field == "first"
    with pytest.raises(InputError, match="loupe-mini has no checkpoint 7"):
        checkpoint_comparison(mini, FACT, first=7)
    with pytest.raises(InputError, match="There are no checkpoints of"):
        checkpoint_comparison(tiny_model("llama"), PROMPT)
