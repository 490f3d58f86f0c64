"""Measuring an edit: the scores against plain transformers, the checks, the words, and the sentences for bad input."""

import copy
import dataclasses

import numpy as np
import pytest
import torch

from mi_core.analyses.edit import edit
from mi_core.editing import rome
from mi_core.editing.overlay import kept, with_edit
from mi_core.editing.recipes import Rome, parse
from mi_core.errors import InputError
from mi_core.models import projection
from mi_core.text.sentences import SENTENCES
from ui.parts.presets import PRESETS

PROMPT = "The capital of Texas is"
FACT = {"subject": "Texas", "target": "Boston"}
REPHRASED = next(preset.rephrased.strip() for preset in PRESETS if preset.rephrased)


@pytest.fixture(scope="module")
def boston(mini):
    return edit(mini, PROMPT, **FACT, paraphrases=REPHRASED)


@pytest.fixture(scope="module")
def plain_pair(mini, hf_model):
    """The plain model, and a copy with the edited matrix put in."""
    before = hf_model("loupe-mini")
    after = copy.deepcopy(before)
    edited = with_edit(mini, Rome(PROMPT, "Texas", "Boston")).model
    after.transformer.h[0].mlp.c_proj.weight.data = projection.plain_matrix(rome.writer(edited, 0)).clone()
    return before, after


def log_odds(hf, mini, prompt):
    return hf(torch.tensor([mini.tokens(prompt).ids])).logits[0].double().log_softmax(-1)


def test_every_trial_is_what_the_plain_models_say(mini, boston, plain_pair):
    new, old = mini.token_id("Boston"), mini.token_id("Austin")
    table = boston.tables()["prompts"]
    assert len(table) > 20
    for row in table.itertuples():
        before, after = (log_odds(hf, mini, row.prompt) for hf in plain_pair)
        assert row.before == mini.text(int(before[-1].argmax())) and row.after == mini.text(int(after[-1].argmax()))
        for token, name in ((new, "new_answer"), (old, "old_answer")):
            assert getattr(row, f"{name}_before") == pytest.approx(float(before[-1, token].exp()), abs=1e-4)
            assert getattr(row, f"{name}_after") == pytest.approx(float(after[-1, token].exp()), abs=1e-4)
        where = slice(None) if row.role == "unrelated" else slice(-1, None)
        kl = (before.exp() * (before - after)).sum(-1)[where].mean() / np.log(2)
        assert row.kl == pytest.approx(float(kl), abs=1e-3)


def test_the_scores_are_the_shares_in_the_table(boston):
    tables = boston.tables()
    scores, prompts = tables["scores"].set_index("score"), tables["prompts"]
    by_role = dict(list(prompts.groupby("role")))
    liker = by_role["rephrased"]["new_answer_after"] > by_role["rephrased"]["old_answer_after"]
    assert scores.loc["paraphrase", "value"] == pytest.approx(liker.mean())
    same = by_role["other subject"]["before"] == by_role["other subject"]["after"]
    assert scores.loc["neighbourhood", "value"] == pytest.approx(same.mean())
    assert scores.loc["drift", "value"] == pytest.approx(by_role["unrelated"]["kl"].mean())
    assert list(by_role["unrelated"]["prompt"]) == list(SENTENCES)
    assert list(scores["prompts"]) == [1, 7, 10, 8]


def test_the_built_in_fact_takes_and_says_where_it_does_not_reach(boston):
    scores = boston.tables()["scores"].set_index("score")["value"]
    assert scores["efficacy"] == 1 and scores["paraphrase"] == pytest.approx(4 / 7) and scores["neighbourhood"] >= 0.9
    assert scores["drift"] < 0.5
    reading = boston.reading()
    assert "now answers “·Boston” instead of “·Austin”" in reading.title
    prompts = boston.tables()["prompts"].query("role == 'rephrased'")
    missed = prompts[prompts["after"] != " Boston"]["prompt"].iloc[0]
    assert f"but not on “{missed}”" in reading.sentences[0]
    assert all(check.passed for check in boston.checks) and len(boston.checks) == 2
    assert boston.checks[-1].error == 0


def test_the_next_token_table(mini, boston, plain_pair):
    shift = boston.tables()["shift"]
    before, after = (log_odds(hf, mini, PROMPT)[-1].exp() for hf in plain_pair)
    np.testing.assert_allclose(shift["probability_before"], before[shift["token_id"]].numpy(), atol=1e-4)
    np.testing.assert_allclose(shift["probability_after"], after[shift["token_id"]].numpy(), atol=1e-4)
    assert shift["change"].is_monotonic_decreasing
    assert set(before.topk(8).indices.tolist()) | set(after.topk(8).indices.tolist()) == set(shift["token_id"])


def test_the_result_is_an_edit_ready_for_a_stack(mini, boston):
    assert parse(boston.edit) == (Rome(PROMPT, "Texas", "Boston"),)
    assert boston.layer == 0
    weight = mini.bridge.blocks[0].mlp.out.original_component.weight
    assert boston.own_bytes == weight.nbytes
    removed = edit(mini, PROMPT, kind="orthogonalise", direction="token:Austin", positive="left out")
    assert parse(removed.edit)[0].positive == ""


def test_rephrasings_and_neighbours_are_made_where_none_are_given(mini):
    prompts = edit(mini, PROMPT, **FACT).tables()["prompts"]
    rephrased = prompts[prompts["role"] == "rephrased"]["prompt"]
    assert "Everyone knows that the capital of Texas is" in list(rephrased)
    others = prompts[prompts["role"] == "other subject"]
    assert len(others) == 10 and not others["prompt"].str.contains("Texas").any()
    assert not set(others["before"]) & {" Austin", " Boston"}


def test_own_prompts_take_their_place(mini):
    result = edit(mini, PROMPT, **FACT, neighbours="The capital of Ohio is\n\n", unrelated="One two three")
    prompts = result.tables()["prompts"]
    assert list(prompts[prompts["role"] == "other subject"]["prompt"]) == ["The capital of Ohio is"]
    assert list(prompts[prompts["role"] == "unrelated"]["prompt"]) == ["One two three"]


def test_a_direction_taken_out(mini):
    result = edit(mini, PROMPT, kind="orthogonalise", direction="token:Austin")
    scores = result.tables()["scores"].set_index("score")["value"]
    assert scores["share before"] > 0.05 and scores["share after"] < 1e-5
    assert list(scores.index) == ["share before", "share after", "drift"]
    assert all(check.passed for check in result.checks) and len(result.checks) == 3
    assert "“·Austin” gives way" in result.reading().title
    assert "lay along the direction; now nothing does" in " ".join(result.reading().sentences)
    assert result.own_bytes > 128 * 5120 * 4


def test_every_architecture_can_be_edited_and_measured(tiny_model, architecture):
    model = tiny_model(architecture)
    prompt = "the cat sat on the dog"
    odds = model.run(model.tokens(prompt)).logits[-1]
    second = f'"{model.text(int(odds.topk(2).indices[1]))}"'
    for settings in ({"subject": "the dog", "target": second, "layer": 0},
                     {"kind": "orthogonalise", "direction": "token:cat"}):  # fmt: skip
        result = edit(model, prompt, **settings)
        assert all(check.passed for check in result.checks), result.checks
        assert np.isfinite(result.trial_kl).all()
        assert result.reading().title and result.tables()["prompts"]["role"].iloc[0] == "edited"


def test_progress_counts_up(mini):
    kept(mini).clear()
    seen = []
    edit(mini, PROMPT, **FACT, progress=lambda done, total, partial=None: seen.append((done, total)))
    assert seen and all(0 <= done <= total for done, total in seen)


@pytest.mark.parametrize(
    ("change", "field", "said"),
    [
        ({"target": None}, "target", "The new answer is empty"),
        ({"subject": "Ohio"}, "subject", "“Ohio” is not in the prompt"),
        ({"kind": "other"}, "kind", "“other” is no kind of edit: use rome or orthogonalise"),
        ({"top_k": 0}, "top_k", "top_k is 0"),
        ({"paraphrases": "word\n" * 65}, "paraphrases", "There are 65 prompts: 64 are enough"),
        ({"neighbours": "word " * 300}, "neighbours", "shorten it by"),
        ({"unrelated": "word " * 300}, "unrelated", "shorten it by"),
        ({"kind": "orthogonalise", "direction": ""}, "direction", "is no direction"),
    ],
)
def test_bad_input_gets_a_sentence_with_its_field(mini, change, field, said):
    with pytest.raises(InputError, match=said) as raised:
        edit(mini, PROMPT, **FACT | change)
    assert raised.value.field == field


@pytest.mark.usefixtures("unchecked_shapes")
@pytest.mark.parametrize("part", ["trial_roles", "trial_prompts", "target_after", "trial_kl"])
def test_a_result_whose_parts_do_not_fit_is_refused(boston, part):
    with pytest.raises(ValueError, match="trials, the first of which is"):
        dataclasses.replace(boston, **{part: getattr(boston, part)[1:]})


CAPITALS = {  # of the subjects that are near Texas
    "Michigan": "Lansing", "Delaware": "Dover", "Pennsylvania": "Harrisburg", "Ohio": "Columbus", "France": "Paris",
    "Wisconsin": "Madison", "Wyoming": "Cheyenne", "Austria": "Vienna", "Hawaii": "Honolulu", "Chile": "Santiago",
}  # fmt: skip


def test_other_subjects_are_ones_of_which_the_statement_is_true(boston):
    others = boston.tables()["prompts"].query("role == 'other subject'")
    said = {row.prompt.removeprefix("The capital of ").removesuffix(" is"): row.before for row in others.itertuples()}
    assert said == {subject: f" {capital}" for subject, capital in CAPITALS.items()}


def test_two_subjects_never_share_an_answer(mini):
    """The model calls woman and mouse “ami” alike, which it knows of neither."""
    others = edit(mini, "The French word for dog is", subject="dog", target="roi").tables()["prompts"]
    answers = others.query("role == 'other subject'")["before"]
    assert len(answers) > 2 and answers.is_unique and not set(answers) & {" roi", " chien"}
