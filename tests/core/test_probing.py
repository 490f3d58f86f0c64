"""Probing: against scikit-learn on plain transformers, what each control must be, and what is refused."""

import json
import math
import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, StratifiedGroupKFold, StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from mi_core.analyses.cost import cost
from mi_core.analyses.probing import probing
from mi_core.errors import InputError
from mi_core.models.untrained import untrained
from mi_core.probing import controls, fit, penalty
from mi_core.probing.codelength import codelength
from mi_core.probing.groups import fillers, found
from mi_core.probing.labelled import SHIPPED, read_labelled
from tests.core.plain_reference import plain
from training.probing import SETS

FRAMES = (" the {a} sat", " on the {a} dog", " {a} the sat on")
WORDS = {"one": ("cat", "dog", "sat", "on the"), "other": ("the", "cat cat", "dog dog", "on")}
ROWS = [(frame.format(a=word), label, frame) for frame in FRAMES for label in WORDS for word in WORDS[label]]


@pytest.fixture
def table(tmp_path):
    """table(rows): the path of such a file."""

    def write(rows, head="text,label,group", name="texts.csv"):
        path = tmp_path / name
        path.write_text("\n".join([head, *(",".join(row) for row in rows)]), encoding="utf-8")
        return str(path)

    return write


@pytest.fixture(scope="module")
def sentiment(mini):
    return probing(mini, "sentiment")


def reference(c=0.1):
    return make_pipeline(StandardScaler(), LogisticRegression(C=c, max_iter=2000))


@pytest.mark.parametrize("position", ["last", "mean"])
def test_accuracies_are_those_of_scikit_learn_on_plain_transformers(
    architecture, tiny_model, hf_model, table, position
):
    model = tiny_model(architecture)
    result = probing(model, table(ROWS), position=position, shuffles=1, random_weights=False, c=0.5)
    assert all(check.passed for check in result.checks) and set(result.c) == {0.5}
    y, groups = np.array([row[1] for row in ROWS]), [row[2] for row in ROWS]
    resid = [plain(hf_model(architecture), model.tokens(row[0]).ids).resid for row in ROWS]
    bos = int(model.tokens(" cat").has_bos)
    for layer in range(model.n_layers + 1):
        x = np.stack([each[layer][-1] if position == "last" else each[layer][bos:].mean(0) for each in resid])
        x = x.astype(float)
        by_group = list(StratifiedGroupKFold(3, shuffle=True, random_state=0).split(x, y, groups))
        expected = cross_val_predict(reference(0.5), x, y, cv=by_group, method="predict_proba")
        ours = result.probability[layer]
        order = [list(np.unique(y)).index(label) for label in result.held.classes]
        np.testing.assert_allclose(ours, expected[:, order], atol=2e-3)
        at_random = list(StratifiedKFold(5, shuffle=True, random_state=0).split(x, y))
        guesses = cross_val_predict(reference(0.5), x, y, cv=at_random)
        assert abs(result.random_split[layer] - (guesses == y).mean()) <= 1 / len(y)


def test_a_random_split_tells_a_false_story(sentiment):
    """Templates that a probe has not seen are far harder, and the words alone do better than the model."""
    layers = sentiment.tables()["layers"].set_index("layer")
    for layer in (2, 3):
        assert layers.loc[layer, "random_split"] > 0.85 and layers.loc[layer, "held_out_words"] > 0.85
        assert layers.loc[layer, "accuracy"] < layers.loc[layer, "random_split"] - 0.2
    assert layers.loc[3, "accuracy"] == pytest.approx(0.5, abs=0.1)
    assert abs(layers["shuffled"] - 0.5).max() < 0.1
    assert layers["control"].between(0.4, 0.65).all()
    title, *said = (sentiment.reading().title, *sentiment.reading().sentences)
    assert "but the words alone give 100%" in title and "that number flatters" in said[0]
    assert said[-1].startswith("Decodable is not used")


def test_the_numbers_of_the_tables_are_each_other_s(sentiment):
    tables, n = sentiment.tables(), len(sentiment.held.texts)
    layers = tables["layers"]
    np.testing.assert_allclose(layers["selectivity"], layers["accuracy"] - layers["control"])
    np.testing.assert_allclose(layers["compression"], n * math.log2(2) / layers["codelength"])
    right = tables["confusion"].query("label == predicted").groupby("layer")["texts"].sum()
    np.testing.assert_allclose(right / n, layers.set_index("layer")["accuracy"])
    wrong = tables["errors"].groupby("layer").size()
    np.testing.assert_allclose(n - wrong, right)
    assert (layers["low"] < layers["accuracy"]).all() and (layers["accuracy"] < layers["high"]).all()
    cosines = tables["cosines"]
    np.testing.assert_allclose(
        cosines[(cosines["layer"] == cosines["other_layer"]) & (cosines["layer"] > 0)]["cosine"], 1
    )
    groups = tables["groups"]
    assert np.average(groups["accuracy"], weights=groups["texts"]) == pytest.approx(layers["accuracy"].max())


def test_directions_are_the_probe_s_weights_and_the_means_difference(mini, sentiment):
    held = sentiment.held
    x = np.stack(
        [mini.run(mini.tokens(text), mini.resid_names())[mini.resid_names()[2]][-1].numpy() for text in held.texts]
    )
    positive = np.array(held.labels) == "positive"
    means = x[positive].mean(0) - x[~positive].mean(0)
    weights = LogisticRegression(C=sentiment.c[2], max_iter=2000).fit(
        StandardScaler().fit_transform(x.astype(float)), positive
    )
    logistic = weights.coef_[0] / x.std(0)
    at = held.classes.index("positive")
    for ours, theirs in zip(sentiment.directions[2, :, at], (logistic, means), strict=True):
        np.testing.assert_allclose(ours, theirs / np.linalg.norm(theirs), atol=2e-3)


def test_a_seed_gives_the_same_and_random_weights_are_others(mini, table):
    file = table([(f"The {word}", label, word) for word in "abcdefgh" for label in ("x", "y")])
    ids = mini.rows([mini.tokens(" cat").ids])
    one, same, other = (untrained(mini, seed).run_ids(ids).logits for seed in (0, 0, 1))
    assert torch.equal(one, same) and not torch.equal(one, other)
    assert not torch.allclose(one, mini.run_ids(ids).logits)
    state = torch.random.get_rng_state()
    first, again = (probing(mini, file, shuffles=2) for _ in range(2))
    assert torch.equal(state, torch.random.get_rng_state())
    np.testing.assert_array_equal(first.codelength, again.codelength)
    np.testing.assert_array_equal(first.untrained, again.untrained)


def test_a_named_token_is_read_where_it_stands_last(mini, table):
    rows = [
        (f"The cat saw the {word} cat there", label, word) for word in ("old", "new", "big", "red") for label in "xy"
    ]
    result = probing(mini, table(rows * 4), position="token", token="cat", shuffles=1, random_weights=False)
    assert result.probability[0] == pytest.approx(0.5)  # the same token and position everywhere
    with pytest.raises(InputError, match="Text 1, “The cat saw the old cat there”, has no token “·dog”") as caught:
        probing(mini, table(rows * 4), position="token", token="dog")
    assert caught.value.field == "token"


# The pieces ----------------------------------------------------------------------------------------------------------


@given(st.lists(st.integers(0, 3), min_size=4, max_size=60), st.integers(2, 6))
def test_who_knows_nothing_needs_n_log_k_bits(labels, k):
    y = np.array(labels) % k
    uniform = lambda known, block: np.full((len(block), k), 1 / k)  # noqa: E731
    assert codelength(y, k, np.arange(len(y)), uniform) == pytest.approx(len(y) * math.log2(k))


def test_blocks_are_those_of_the_paper_and_who_knows_all_pays_for_the_first():
    y, seen = np.tile([0, 1], 500), []

    def oracle(known, block):
        seen.append((len(known), len(block)))
        return np.eye(2)[y[block]]

    assert codelength(y, 2, np.arange(1000), oracle) == 2  # the first label, and that after it: one class only so far
    assert [known for known, _ in seen] == [2, 4, 8, 16, 32, 63, 125, 250, 500]


@settings(max_examples=30)
@given(st.integers(0, 50), st.integers(1, 50))
def test_intervals_are_wilson_s(right, wrong):
    share, n = right / (right + wrong), right + wrong
    low, high = fit.wilson(share, n)
    for end in (low, high):  # where the score test would just reject
        assert (share - end) ** 2 == pytest.approx(fit.Z**2 * end * (1 - end) / n, abs=1e-12)


def test_the_penalty_is_that_of_scikit_learn_s_search_over_whole_groups():
    """With the loss as what is searched, in folds of equal size, so that the mean over folds is that over texts."""
    random = np.random.default_rng(0)
    y, groups = np.tile([0, 1], 30), np.repeat([str(number) for number in range(15)], 4)
    x = random.normal(size=(60, 30)) + y[:, None] * random.normal(size=30) * 0.6
    inner = StratifiedGroupKFold(penalty.INNER_FOLDS, shuffle=True, random_state=0)
    for number in range(4):
        x[:, number] += random.normal(size=15).repeat(4) * 3  # what a group shares
        grid = {"logisticregression__C": list(penalty.CHOICES)}
        search = GridSearchCV(reference(), grid, scoring="neg_log_loss", cv=inner).fit(x, y, groups=groups)
        asked = (x, y, groups.tolist(), penalty.CHOICES, 0)
        assert penalty.chosen(*asked, lambda: None) == search.best_params_["logisticregression__C"]


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 1000))
def test_the_texts_that_are_tested_have_no_say_in_the_penalty(seed):
    random = np.random.default_rng(seed)
    y, groups = np.tile([0, 1], 20), [str(number // 4) for number in range(40)]
    x = random.normal(size=(40, 12)) + y[:, None]
    folds = fit.group_folds(y, groups, seed)
    asked = (folds[:1], groups, penalty.CHOICES, seed, lambda: None)
    known = penalty.of_folds(x, y, *asked)
    x[folds[0]], y[folds[0]] = random.normal(size=(len(folds[0]), 12)) * 100, random.integers(0, 2, len(folds[0]))
    assert penalty.of_folds(x, y, *asked) == known


def test_where_a_class_has_one_group_left_the_penalty_is_the_usual_one():
    x, y = np.eye(8), np.tile([0, 1], 4)
    assert penalty.chosen(x, y, list("aabbaabb"), penalty.CHOICES, 0, lambda: None) in penalty.CHOICES
    assert penalty.chosen(x, y, list("abababab"), penalty.CHOICES, 0, lambda: None) == penalty.USUAL


@settings(max_examples=20)
@given(st.integers(0, 100))
def test_no_group_is_on_both_sides_and_every_text_is_tested_once(seed):
    random = np.random.default_rng(seed)
    groups, y = [f"{number}" for number in random.integers(0, 12, 80)], np.tile([0, 1], 40)
    folds = fit.group_folds(y, groups, seed)
    assert sorted(np.concatenate(folds)) == list(range(80))
    for test in folds:
        assert not {groups[i] for i in test} & {groups[i] for i in np.setdiff1d(np.arange(80), test)}


def test_the_control_task_gives_a_word_one_class_and_keeps_how_often_there_is_each():
    words = [f"w{number % 20}" for number in range(100)]
    labels = controls.control_labels(np.tile([0, 1], 50), words, 0)
    assert len({*zip(words, labels.tolist(), strict=True)}) == 20 and labels.mean() == 0.5
    assert (controls.control_labels(np.tile([0, 1], 50), words, 1) != labels).any()


def test_words_are_counted_as_within_the_folds():
    held = read_labelled("capital")
    y = np.array(held.numbers)
    folds = fit.group_folds(y, held.groups, 0)
    ours = fit.held_out(controls.word_counts(held.texts), [y], folds, [0.1] * len(folds), lambda: None)[0]
    splits = [(np.setdiff1d(np.arange(len(y)), test), test) for test in folds]
    inside = make_pipeline(
        CountVectorizer(token_pattern=r"\w+|[^\w\s]"),
        StandardScaler(with_mean=False),
        LogisticRegression(C=0.1, max_iter=2000),
    )
    theirs = cross_val_predict(inside, np.array(held.texts), y, cv=splits, method="predict_proba")
    np.testing.assert_allclose(ours, theirs, atol=1e-3)


def test_groups_are_what_is_left_when_the_words_that_differ_are_masked():
    texts = ["I find it lovely.", "I find it bad.", "I find it dull.", "The film was bad", "The film was lovely", "Yes"]
    assert found(texts) == ["I find it …"] * 3 + ["The film was …"] * 2 + ["Yes"]
    assert fillers(texts, found(texts)) == ["lovely", "bad", "dull", "bad", "lovely", "Yes"]
    assert found(["We saw New York", "We saw Rome", "We saw Lake City"]) == ["New York", "Rome", "Lake City"]


def test_groups_that_are_not_named_are_found(tmp_path):
    held = read_labelled("sentiment")
    path = tmp_path / "texts.tsv"
    path.write_text("\n".join(["label\ttext", *map("\t".join, zip(held.labels, held.texts, strict=True))]))
    again = read_labelled(str(path))
    assert again.found and not held.found and again.texts == held.texts
    assert len(set(zip(again.groups, held.groups, strict=True))) == len(set(held.groups)) == len(set(again.groups))


@pytest.mark.parametrize("name", SHIPPED)
def test_the_sets_that_ship_are_those_that_the_training_writes(name):
    held = read_labelled(name)
    assert [*zip(held.texts, held.labels, held.groups, strict=True)] == [*SETS[name]()]
    assert max(map(len, held.texts)) < 64  # so that a model that reads letters has room for them


# What is refused -----------------------------------------------------------------------------------------------------

GOOD = [row for number in range(8) for row in ((f"a {number}", "x", f"{number}"), (f"b {number}", "y", f"{number}"))]


@pytest.mark.parametrize(
    ("rows", "head", "said"),
    [
        (GOOD[:3], None, "There are 3 texts: give at least 8 for each class"),
        (GOOD[:-1], None, "The class “y” has 7 texts"),
        ([(t, "x", g) for t, _, g in GOOD], None, "All texts are of one class, “x”"),
        ([(t, f"{n}", g) for n, (t, _, g) in enumerate(GOOD * 2)], None, "There are 32 classes: at most 10"),
        ([(t, label, label) for t, label, _ in GOOD], None, "are of one group, so none of it would be left"),
        ([(t, label) for t, label, _ in GOOD], "sentence,label", "names no column text"),
        ([(t, label) for t, label, _ in GOOD], "text,class", "names no column label"),
        ([*GOOD, ("only a text",)], None, "Line 18 of texts.csv lacks a text or a label"),
        ([*GOOD, ("a, b", "x", "g")], None, 'put "double quotes" around its text'),
        (GOOD * 150, None, "There are 2,400 texts: take at most 2,000"),
        ([], "", "texts.csv is empty"),
    ],
)  # fmt: skip
def test_what_cannot_be_tested_honestly_is_refused(table, rows, head, said):
    with pytest.raises(InputError) as caught:
        read_labelled(table(rows, "text,label,group" if head is None else head))
    assert said in caught.value.message and caught.value.field == "file"


def test_files_that_cannot_be_read_are_refused(tmp_path):
    latin, other, large = (tmp_path / name for name in ("latin.csv", "texts.pdf", "large.csv"))
    latin.write_bytes("text,label\né,x".encode("latin-1"))
    other.write_bytes(b"text,label")
    with large.open("wb") as file:
        file.truncate(200_000_000)
    for path, said in (
        (latin, "is not a text file in UTF-8"),
        (other, "is neither .csv nor .tsv"),
        (large, "has 200 MB"),
        (tmp_path / "none.csv", "There is no file none.csv"),
    ):
        with pytest.raises(InputError, match=said):
            read_labelled(str(path))


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"c": 0.0}, "C is 0"),
        ({"c": float("nan")}, "C is nan"),
        ({"shuffles": 0}, "There are 0 shuffles"),
        ({"position": "first"}, "is no place to read"),
        ({"position": "token"}, "The token is missing"),
    ],
)
def test_bad_settings_get_a_sentence(mini, asked, said):
    with pytest.raises(InputError, match=said) as caught:
        probing(mini, "sentiment", **asked)
    assert caught.value.field in asked or caught.value.field == "token"


def test_a_text_that_is_too_long_is_named(mini, table):
    rows = [*GOOD, ("word " * 300, "x", "g")]
    with pytest.raises(InputError, match=r"Text 17 is \d+ tokens long"):
        probing(mini, table(rows))


# Long work -----------------------------------------------------------------------------------------------------------


def test_it_can_be_stopped_between_any_two_fits_and_texts_are_not_read_again(mini, table, monkeypatch):
    class Stopped(Exception):
        pass

    seen = []

    def stop(done, total, partial=None):
        seen.append((done, total))
        if done > len(GOOD) + 20:
            raise Stopped

    with pytest.raises(Stopped):
        probing(mini, table(GOOD), progress=stop)
    done = [each for each, _ in seen]
    assert done == sorted(done) and np.diff(done[1:]).max() == 1 and len({total for _, total in seen}) == 1
    monkeypatch.setattr(mini, "run_ids", None)  # all that is needed again is kept
    with pytest.raises(Stopped):
        probing(mini, table(GOOD), progress=stop)


def test_the_layers_so_far_are_a_probing_of_their_own(mini, table):
    partials = []
    whole = probing(mini, table(GOOD), shuffles=1, progress=lambda done, total, so_far=None: partials.append(so_far))
    found = [so_far for so_far in partials if so_far is not None]
    assert [so_far.layers for so_far in found] == [tuple(range(n)) for n in range(1, mini.n_layers + 2)]
    assert found[1].reading().title.startswith("So far, up to layer 1 of 4: ")
    assert not whole.reading().title.startswith("So far")
    for so_far in found:
        n = len(so_far.layers)
        assert so_far.tables()["layers"].equals(whole.tables()["layers"].head(n))
        np.testing.assert_array_equal(so_far.probability, whole.probability[:n])


def test_what_it_will_take_is_foretold(mini):
    found = cost(mini, of="probing", settings=json.dumps({"file": "sentiment"}))
    assert found.runs == 2 * 96 and found.seconds > 0 and found.megabytes > 0
    assert "It reads 192 texts" in found.reading().sentences[0]


def test_fits_converge(mini, table):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        probing(mini, table(GOOD), shuffles=1, random_weights=False, c=1e4)
