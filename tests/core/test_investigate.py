"""An investigation: each sentence rests on its number, and says whether it was measured, seen, or not borne out."""

import numpy as np
import pytest
import torch

from mi_core.analyses._investigation.finding import EVIDENCE
from mi_core.analyses._investigation.steps import STEPS
from mi_core.analyses.ablation import ablation
from mi_core.analyses.cost import cost
from mi_core.analyses.investigate import investigate
from mi_core.errors import InputError
from mi_core.phrases import percent, percent_of_gap, signed
from ui import words

PROMPT = "When Mary and John went to the store, John gave a drink to"
CORRUPTED = "When Mary and John went to the store, Mary gave a drink to"


@pytest.fixture(scope="module")
def found(mini):
    return investigate(mini, PROMPT, corrupted=CORRUPTED)


def by_step(found, step):
    return [each for each in found.findings if each.step == step]


def test_every_step_is_answered_with_a_number_a_check_and_a_page(found):
    assert [name for name in STEPS if by_step(found, name)] == list(STEPS) and found.steps_done == len(STEPS)
    for each in found.findings:
        assert each.evidence in EVIDENCE and each.evidence != "missing"
        assert np.isfinite(each.number) and each.unit and each.sentence.endswith(".")
        assert each.check is not None and each.check.passed
        assert set(each.fields) <= set(words.of_page(each.page)), each.page
    assert found.corrupted == CORRUPTED


def test_sentences_hold_their_numbers(found):
    for each in found.findings:
        written = {percent(each.number), percent_of_gap(each.number), signed(each.number), f"{each.number:.0%}"}
        by_name = each.step in ("lens", "holds")  # whose number is said by where it is reached, or below
        assert by_name or any(one in each.sentence for one in written), (each.sentence, each.number)


def test_numbers_equal_plain_transformers(found, mini, hf_model):
    plain_model, ids = hf_model("loupe-mini"), torch.tensor([mini.tokens(PROMPT).ids])
    out = plain_model(ids, output_attentions=True)
    (says,), (reads,) = by_step(found, "says"), by_step(found, "reads")
    assert says.number == pytest.approx(float(out.logits[0, -1].softmax(-1).max()), rel=1e-4)
    look = out.attentions[reads.fields["layer"]][0, reads.fields["head"], -1]
    assert reads.number == pytest.approx(float(look.max()), abs=1e-4)


def test_ablation_and_the_head_that_writes_most_are_told_apart(found):
    """In this story the head that writes most is not the one on which most hangs; and both are said."""
    needed, writer = by_step(found, "needs")
    assert needed.evidence == "measured" and writer.evidence == "contradicted"
    assert abs(needed.number) > abs(writer.number)
    assert "others step in" in writer.sentence


def test_a_circuit_is_graded_by_chance_and_by_what_is_left(found):
    enough, rest = by_step(found, "circuit")
    assert enough.number >= 0.8 and "random circuit" in enough.control
    assert rest.evidence == "measured" and abs(rest.number) < 0.5


def test_what_cannot_be_asked_says_why_and_the_rest_goes_on(tiny_model):
    found = investigate(tiny_model("gpt2"), " the cat sat on the dog the cat")
    missing = [each for each in found.findings if each.evidence == "missing"]
    assert {each.step for each in missing} >= {"holds"}  # it has no autoencoder
    assert all(each.sentence.endswith(".") and np.isnan(each.number) for each in missing)
    assert found.steps_done == len(STEPS) and len(found.findings) > len(missing)


def test_an_investigation_is_told_as_it_grows(mini):
    seen = []
    investigate(mini, "The capital of Texas is", progress=lambda done, total, partial: seen.append((done, partial)))
    done = [each for each, _ in seen]
    assert done == sorted(done) and done[0] == 0
    lengths = [len(partial.findings) for _, partial in seen]
    assert lengths == sorted(lengths) and {0, 1, 2, 3} <= set(lengths)
    assert all(partial.reading().title for _, partial in seen)


def test_it_is_foretold(mini):
    price = cost(mini, of="investigate", settings='{"prompt": "The capital of Texas is"}')
    assert price.runs > 16 and price.seconds > 0 and "investigation" in price.reading().title


def test_bad_input_is_refused_as_elsewhere(mini):
    for settings, field in (({"prompt": ""}, "prompt"), ({"prompt": PROMPT, "pos": 99}, "pos")):
        with pytest.raises(InputError) as refused:
            investigate(mini, **settings)
        assert refused.value.field == field


def test_the_table_has_a_row_per_finding(found):
    table = found.tables()["findings"]
    assert list(table["finding"]) == list(range(1, len(found.findings) + 1))
    assert table["sentence"].tolist() == [each.sentence for each in found.findings]
    assert set(table["meaning"]) <= set(EVIDENCE.values())


def test_heads_stand_as_they_seem_and_as_they_are_measured(found, mini):
    heads, effects = found.tables()["heads"], ablation(mini, PROMPT).tables()["effects"]
    assert heads["component"].tolist() == effects["component"].tolist()
    assert np.allclose(heads["change"], effects["change"]) and np.allclose(heads["foretold"], effects["foretold"])
