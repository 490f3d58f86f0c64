"""The difference of two lenses against the lenses themselves."""

import numpy as np
import pytest

from mi_core.analyses.jacobian_lens import jacobian_lens
from mi_core.analyses.lens_difference import lens_difference
from mi_core.analyses.logit_lens import logit_lens
from mi_core.analyses.tuned_lens import tuned_lens
from mi_core.errors import InputError
from mi_core.phrases import after_layer

FACT = "The capital of Texas is"


@pytest.mark.parametrize("second", ["tuned", "jacobian"])
def test_the_table_is_one_lens_less_the_other(mini, second):
    table = lens_difference(mini, FACT, second=second, target="Austin").tables()["difference"]
    lens = {"tuned": tuned_lens, "jacobian": jacobian_lens}[second](mini, FACT, target="Austin").tables()
    own = logit_lens(mini, FACT, target="Austin").tables()
    keys = ["layer", "pos"]
    both = own["target"].merge(lens["target"], on=keys, suffixes=("_own", "")).sort_values(keys)
    table = table.sort_values(keys)
    assert len(table) == len(both) == (5 if second == "tuned" else 4) * 6
    np.testing.assert_allclose(table["probability_change"], both["probability"] - both["probability_own"], atol=1e-6)
    np.testing.assert_allclose(table["kl_change"], both["kl_to_final"] - both["kl_to_final_own"], atol=1e-6)
    guesses = lens["lens"].query("rank == 1").sort_values(keys)["prediction"]
    assert list(table["second_prediction"]) == list(guesses)[-len(table) :]


def test_the_finding_speaks_of_the_largest_difference(mini):
    found = lens_difference(mini, FACT, target="Austin")
    table = found.tables()["difference"].query("pos == 5")
    most = table.loc[table["probability_change"].abs().idxmax()]
    assert found.reading().title.lower().startswith(after_layer(most.layer, 4))
    assert f"the tuned lens gives “·Austin” {most.second_probability:.1%}" in found.reading().title
    nearer = (found.tables()["difference"].query("layer < 4")["kl_change"] < 0).sum()
    assert f"in {nearer} of 24 places" in found.reading().sentences[1]


def test_twice_the_same_lens_gets_a_sentence(mini):
    with pytest.raises(InputError, match="The two lenses are the same") as caught:
        lens_difference(mini, FACT, first="tuned", second="tuned")
    assert caught.value.field == "second"


def test_a_model_without_that_lens_gets_a_sentence(tiny_model):
    with pytest.raises(InputError, match="There is no tuned lens for .*: train one on a text file"):
        lens_difference(tiny_model("llama"), " the cat sat")
