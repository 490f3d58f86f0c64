"""One patch, run exactly: against plain transformers, against the map it is a cell of, and what it says."""

import json

import numpy as np
import pytest
import torch

from mi_core.analyses.patched_run import patched_run
from mi_core.analyses.patching import patching
from mi_core.commandline import main
from mi_core.errors import InputError
from tests.core.plain_hooks import activations, hooks_left, run_edited
from tests.core.plain_reference import plain

CLEAN, CORRUPTED = " the cat sat on the dog on", " the cat sat the the cat on"
TEXAS, FRANCE = "The capital of Texas is", "The capital of France is"


@pytest.mark.parametrize("direction", ["denoise", "noise"])
def test_all_three_runs_equal_plain_transformers(architecture, tiny_model, hf_model, direction):
    model, hf = tiny_model(architecture), hf_model(architecture)
    ask = {"corrupted": CORRUPTED, "cell": "L1H2", "site": "head", "target": "cat", "foil": "dog", "top_k": 300}
    found = patched_run(model, CLEAN, direction=direction, **ask)
    ids = [found.tokens.ids, found.corrupted_tokens.ids]
    source, into = ids if direction == "denoise" else ids[::-1]
    z = activations(hf, source, "z")[1][:, 2]
    edit = ("z", 1, lambda x: x.__setitem__((slice(None), 2), z))
    expected = torch.stack([row[-1] for row in (plain(hf, into).logits, run_edited(hf, into, [edit]))])
    expected = torch.cat([expected, plain(hf, source).logits[-1:]])
    assert len(set(found.shift.token_ids.tolist())) == 300
    np.testing.assert_allclose(found.shift.logits, expected[:, found.shift.token_ids], atol=1e-4)
    np.testing.assert_allclose(found.shift.probabilities, expected.softmax(-1)[:, found.shift.token_ids], atol=1e-5)
    moved = np.abs(found.shift.probabilities[1] - found.shift.probabilities[0])
    assert (np.diff(moved) <= 0).all() and moved[0] > 1e-4
    assert all(check.passed for check in found.checks), found.checks


def test_a_cell_without_some_parts_is_what_the_map_without_them_says(mini):
    ask = {"corrupted": FRANCE, "site": "head", "without": ("L0H2", "MLP 1")}
    found = patched_run(mini, TEXAS, cell="L1H0", **ask)
    whole = patching(mini, TEXAS, **ask)
    assert found.measured[0, 1] == pytest.approx(whole.value[1, 0], abs=1e-3)
    assert found.reading().title.startswith("With L0H2 and MLP 1 out and L1H0 patched, ")
    assert all(check.passed for check in found.checks)


@pytest.mark.parametrize("direction", ["denoise", "noise"])
@pytest.mark.parametrize(
    ("site", "cell", "index"),
    [
        ("resid_pre", "L2@4", (2, 4)),
        ("attn_out", "L0@5", (0, 5)),
        ("head", "L3H1", (3, 1)),
        ("head_pos", "L1H0@5", (1, 0, 5)),
        ("k", "L1H3", (1, 3)),
        ("pattern", "L0H2", (0, 2)),
    ],
)
def test_a_cell_is_what_the_map_says_of_it(mini, site, cell, index, direction):
    ask = {"corrupted": FRANCE, "site": site, "direction": direction}
    found = patched_run(mini, TEXAS, cell=cell, **ask)
    table = found.tables()["measures"].set_index("metric")
    for metric in ("logit_difference", "probability", "kl"):
        whole = patching(mini, TEXAS, metric=metric, **ask)
        assert table.loc[metric, "after"] == pytest.approx(whole.value[index], abs=1e-4)
        assert table.loc[metric, "restored"] == pytest.approx(whole.restored[index], abs=1e-3)


def test_a_patch_before_the_prompts_differ_changes_nothing(mini):
    found = patched_run(mini, TEXAS, corrupted=FRANCE, cell="L1@2")
    np.testing.assert_allclose(found.shift.logits[1], found.shift.logits[0], atol=1e-4)
    np.testing.assert_allclose(found.restored, 0, atol=1e-4)


def test_the_whole_stream_of_the_last_token_gives_the_goal(mini):
    """At the one token that differs, the embedding is all there is to patch."""
    found = patched_run(mini, TEXAS, corrupted=FRANCE, cell="L0@4")
    np.testing.assert_allclose(found.shift.logits[1], found.shift.logits[2], atol=1e-3)
    np.testing.assert_allclose(found.restored, 1, atol=1e-3)


def test_the_answers_and_the_top_guesses_are_always_listed(mini):
    found = patched_run(mini, TEXAS, corrupted=FRANCE, cell="L1@4", target="Mary", foil="dog", top_k=1)
    listed = set(found.shift.token_ids.tolist())
    assert {found.target.token_id, found.target.foil_id} <= listed
    for prompt in (TEXAS, FRANCE):
        assert int(mini.run(mini.tokens(prompt)).logits[0].argmax()) in listed


def test_the_reading_says_what_becomes_of_the_answer(mini):
    reading = patched_run(mini, TEXAS, corrupted=FRANCE, cell="L0@4").reading()
    assert reading.title.startswith("With L0@4 patched, “·Austin” goes from ") and "under 0.1%" in reading.title
    assert "turns from “·Paris” into “·Austin”" in reading.sentences[0]
    assert "stays “·Paris”" in patched_run(mini, TEXAS, corrupted=FRANCE, cell="L0@2").reading().sentences[0]


@pytest.mark.parametrize(
    ("site", "cell", "message"),
    [
        ("resid_pre", "L9@4", "There is no layer 9"),
        ("resid_pre", "L1@6", "There is no L1@6: positions here go from 0 to 5"),
        ("head", "L1H4", "There is no L1H4: heads here go from 0 to 3"),
        ("head", "L1@4", "“L1@4” names no head: write it like L1H1"),
        ("resid_pre", "L1H2", "“L1H2” names no place in the residual stream: write it like L1@1"),
        ("head_pos", "L1H1", "write it like L1H1@1"),
        ("head_pos", "second", "“second” names no head at a position"),
        ("head_pos", "", "“” names no head at a position"),
    ],
)
def test_a_cell_that_is_none_gets_a_sentence(mini, site, cell, message):
    with pytest.raises(InputError, match=message) as caught:
        patched_run(mini, TEXAS, corrupted=FRANCE, site=site, cell=cell)
    assert caught.value.field == "cell"


def test_grouped_keys_are_counted_by_key_value_head(tiny_model):
    ask = {"corrupted": CORRUPTED, "target": "cat", "foil": "dog", "site": "v"}
    patched_run(tiny_model("llama"), CLEAN, cell="L1H1", **ask)
    with pytest.raises(InputError, match="heads here go from 0 to 1"):
        patched_run(tiny_model("llama"), CLEAN, cell="L1H2", **ask)


def test_nothing_is_left_behind(mini):
    held = hooks_left(mini)
    patched_run(mini, TEXAS, corrupted=FRANCE, site="pattern", cell="L1H1")
    assert hooks_left(mini) == held


def test_on_the_command_line(mini, capsys):
    words = ["patched-run", "--prompt", TEXAS, "--corrupted", FRANCE, "--cell", "L0@4", "--format", "json"]
    assert main(words) == 0
    rows = json.loads(capsys.readouterr().out)["tables"]["shift"]
    assert rows[0]["token"] in (" Austin", " Paris") and rows[0]["probability_after"] is not None
