"""Texts in which a unit fires most: against a plain loop over texts, and what must hold however they are read."""

import json
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mi_core.analyses.cost import cost
from mi_core.analyses.feature import feature
from mi_core.analyses.max_activating import SAMPLE, max_activating
from mi_core.errors import InputError
from mi_core.firing import passages
from mi_core.firing.passages import Passage, batches, parts
from mi_core.firing.strongest import Strongest
from mi_core.models import catalogue, hooks
from mi_core.text.sampled import start
from tests.conftest import WORDS
from tests.core.plain_reference import d_head, mlp_projection, plain, w_o
from tests.core.sae_folders import k_of, topk_encode, weights_of
from training import texts as sample

TEXTS = [  # which begin otherwise each, so that no two activations are the same
    str(number) + "".join(WORDS[(number * 7 + place * place) % len(WORDS)] for place in range(length))
    for number, length in enumerate((3, 9, 1, 70, 9, 12, 150, 5, 6, 30))
]


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("LOUPE_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "texts.jsonl"
    path.write_text("\n".join(map(json.dumps, TEXTS)), "utf-8")
    return str(path)


def by_hand(model, activation):
    """(activation, text, position) where each text is strongest, the strongest first: one passage after the other."""
    begins, found = start(model), []
    length = model.n_ctx - len(begins)
    for number, text in enumerate(TEXTS):
        ids = model.tokenizer.encode(text, add_special_tokens=False)
        pieces = [begins + ids[at : at + length] for at in range(0, len(ids), length)]
        peaks = [
            (float(value), number, pos)
            for piece in pieces
            for pos, value in enumerate(activation(tuple(piece)))
            if pos >= len(begins)
        ]
        found.append(max(peaks, key=lambda peak: peak[0]))
    return sorted(found, key=lambda peak: -peak[0])


def neuron_by_hand(hf, layer, number):
    def activation(ids):
        seen = []
        handle = mlp_projection(hf, layer).register_forward_pre_hook(lambda module, args: seen.append(args[0]))
        with torch.no_grad():
            hf(torch.tensor([list(ids)]))
        handle.remove()
        return seen[0].view(len(ids), -1)[:, number]

    return activation


def head_by_hand(hf, layer, head):
    def activation(ids):
        z = plain(hf, ids).z[layer][:, head]
        return (z @ w_o(hf, layer)[head * d_head(hf) : (head + 1) * d_head(hf)]).norm(dim=-1)

    return activation


def along_by_hand(hf, layer, vector):
    unit = torch.tensor(vector) / torch.tensor(vector).norm()
    return lambda ids: plain(hf, ids).resid[layer] @ unit


@pytest.mark.parametrize("unit", ["neuron", "head", "direction"])
def test_the_strongest_texts_are_those_of_a_plain_loop(architecture, tiny_model, hf_model, file, unit):
    model, hf = tiny_model(architecture), hf_model(architecture)
    vector = [float(number % 5 - 2) for number in range(model.d_model)]
    asked, activation = {
        "neuron": ({"layer": 1, "neuron": 7}, neuron_by_hand(hf, 1, 7)),
        "head": ({"layer": 2, "head": 1}, head_by_hand(hf, 2, 1)),
        "direction": (
            {"direction": json.dumps({"direction": "vector", "vector": " ".join(map(str, vector)), "layer": 3})},
            along_by_hand(hf, 3, vector),
        ),
    }[unit]
    found = max_activating(model, file=file, unit=unit, **asked)
    wanted = by_hand(model, cache(activation))
    wanted = [peak for peak in wanted if peak[0] > 0 or not found.fires]
    texts = found.tables()["texts"]
    np.testing.assert_allclose(texts["activation"], [peak[0] for peak in wanted], rtol=1e-4, atol=1e-5)
    assert [(row.text, row.pos) for row in texts.itertuples()] == [peak[1:] for peak in wanted]
    assert all(check.passed for check in found.checks) and len(found.checks) == 1 + bool(wanted)
    assert found.n_texts == len(TEXTS) and found.tables()["histogram"]["tokens"].sum() == found.n_tokens


def test_features_of_an_autoencoder(with_sae, hf_model, file):
    model, hf = with_sae("llama"), hf_model("llama")
    folder = Path(model.id) / "saes" / hooks.resid_post(0)
    w, k = weights_of(folder), k_of(folder)
    best = topk_encode(plain(hf, model.tokens(TEXTS[1]).ids).resid[1], w, k).argmax(-1)[-1].item()
    found = max_activating(model, file=file, feature=best, top_k=4)
    wanted = by_hand(model, lambda ids: topk_encode(plain(hf, ids).resid[1], w, k)[:, best])
    texts = found.tables()["texts"]
    np.testing.assert_allclose(texts["activation"], [peak[0] for peak in wanted[:4]], rtol=1e-4)
    assert list(texts["text"]) == [peak[1] for peak in wanted[:4]]
    assert found.n_firing_texts == sum(peak[0] > 0 for peak in wanted)


def test_its_passage_as_a_prompt_shows_the_same_feature(mini):
    found = max_activating(mini, feature=115, sae="blocks.2.hook_resid_pre", top_k=3)
    for one in found.strongest:
        shown = feature(mini, one.prompt, feature=115, sae="blocks.2.hook_resid_pre")
        assert shown.tokens.texts[one.pos] == one.token
        assert shown.activations[one.pos] == pytest.approx(one.activation, rel=1e-4)


def test_the_sample_of_the_built_in_model_is_that_of_its_corpus(tmp_path, mini):
    sample.write_texts(tmp_path)
    assert (tmp_path / SAMPLE).read_bytes() == (catalogue.find(mini.id).folder / SAMPLE).read_bytes()
    found = max_activating(mini, unit="head", layer=0, head=0, top_k=1)
    assert found.n_texts == len(sample.texts()) and found.file == ""


class Stopped(Exception):
    """Somebody pressed Stop."""


def test_what_was_stopped_goes_on_to_the_same_result(tiny_model, file, tmp_path, monkeypatch):
    monkeypatch.setattr(passages, "WINDOW", 60)
    monkeypatch.setattr(passages, "PART", 100)  # the longer texts go over several windows
    asked = {"file": file, "unit": "neuron", "layer": 1, "neuron": 7, "top_k": 4}
    whole, told = max_activating(tiny_model("gpt2"), **asked), []

    def stop(done, total, partial=None):
        told.append((done, partial))
        if done > total // 2:
            raise Stopped

    with pytest.raises(Stopped):
        max_activating(tiny_model("gpt2"), **asked, progress=stop)
    assert told[-1][1].n_texts < len(TEXTS) and told[-1][1].reading().title
    (kept,) = (tmp_path / "cache" / "firing").iterdir()
    again = []
    result = max_activating(tiny_model("gpt2"), **asked, progress=lambda done, total, partial=None: again.append(done))
    assert min(again) > 1 and again == sorted(again)
    for name, table in whole.tables().items():
        assert table.equals(result.tables()[name]), name
    assert (whole.mean, whole.standard_deviation) == (result.mean, result.standard_deviation)
    assert not kept.exists()


def test_another_file_unit_or_number_begins_anew(tiny_model, file, tmp_path, monkeypatch):
    from mi_core.firing.kept import place
    from mi_core.firing.unit import unit

    model, empty = tiny_model("gpt2"), {"feature": None, "sae": None, "head": None, "direction": ""}
    one, other = (unit(model, "neuron", layer=1, neuron=number, **empty) for number in (1, 2))
    before = {place(model, one, file, 4), place(model, other, file, 4), place(model, one, file, 5)}
    Path(file).write_text('"more"', "utf-8")
    assert len(before | {place(model, one, file, 4)}) == 4


def test_texts_at_random_are_the_same_for_every_unit(mini):
    first, second = (max_activating(mini, unit="neuron", layer=1, neuron=n, top_k=5) for n in (3, 4))
    assert [one.text for one in first.random] == [one.text for one in second.random]
    assert len({one.text for one in first.random}) == 5


VALUES = st.lists(
    st.lists(st.floats(-1e6, 1e6, width=32, allow_subnormal=False) | st.just(0.0), min_size=1, max_size=6),
    min_size=1, max_size=30,
)  # fmt: skip


@settings(max_examples=60)
@given(VALUES, st.lists(st.integers(0, 12)), st.integers(1, 6), st.integers(1, 7))
def test_whatever_the_windows_it_keeps_the_strongest_and_no_more(values, repeats, top_k, window):
    """Against sorting all of it; what is kept on the way survives being written down."""
    texts = np.sort(np.resize(repeats or [0], len(values)))
    rows = [Passage(int(text), (0, *range(1, len(own) + 1))) for text, own in zip(texts, values, strict=True)]
    arrays, found = [np.array(own, np.float32) for own in values], Strongest(top_k)
    for at in range(0, len(rows), window):
        found.add(rows[at : at + window], arrays[at : at + window], 1)
        assert len(found.peaks) <= top_k and len(found.drawn) <= top_k
        found = Strongest.of(json.loads(json.dumps(found.kept())))
    found.finish()
    largest = {int(t): max(float(own.max()) for t2, own in zip(texts, arrays, strict=True) if t2 == t) for t in texts}
    wanted = sorted(largest.items(), key=lambda one: (-one[1], one[0]))[:top_k]
    assert [(peak.text, peak.activation) for peak in found.peaks] == wanted
    assert found.n_texts == len(largest) and found.n_firing == sum(value > 0 for value in largest.values())
    every = np.concatenate(arrays).astype(float)
    assert found.total == pytest.approx(every.sum(), abs=1e-6 * (1 + np.abs(every).sum()))
    _counted(found.histogram, every)


def _counted(histogram, values):
    edges, tokens = histogram.bins()
    assert histogram.zeros == (values == 0).sum() and tokens.sum() + histogram.zeros == len(values)
    assert len(tokens) <= 64
    for low, high, number in zip(edges[:-1], edges[1:], tokens, strict=True):
        held = (values >= low) & (values < high) if low >= 0 else (values > low) & (values <= high)
        assert number == (held & (values != 0)).sum() or np.abs(values[values != 0]).min() < 2.0**-24


@settings(max_examples=40)
@given(st.lists(st.integers(1, 128), min_size=1, max_size=60), st.booleans())
def test_every_passage_is_read_once_in_passes_of_bounded_size(lengths, padded):
    found = batches(lengths, padded=padded)
    assert sorted(number for batch in found for number in batch) == list(range(len(lengths)))
    for batch in found:
        assert len(batch) == 1 or len(batch) * max(lengths[i] for i in batch) <= passages.AT_ONCE
        assert padded or len({lengths[i] for i in batch}) == 1


@given(st.lists(st.text(" ab", max_size=90), max_size=4))
def test_parts_of_long_texts_hold_all_of_them(texts):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passages, "PART", 20)
        found = list(parts(texts))
    assert all(len(part.characters) <= 20 for part in found)
    for number, text in enumerate(texts):
        assert "".join(part.characters for part in found if part.text == number) == text


def test_a_pass_ends_where_the_activation_is(tiny_model):
    model, seen = tiny_model("gpt2"), []
    ids = model.rows([[0, 5, 6], [0, 7, 8]])
    after = {hooks.resid_pre(2): lambda value, hook: seen.append(value)}
    with model.hooked(after):
        found = model.activation(ids, hooks.resid_pre(1))
        assert not seen
    whole = model.run_ids(ids, [hooks.resid_pre(1)])
    torch.testing.assert_close(found, whole[hooks.resid_pre(1)])


def test_a_long_search_is_foretold(mini, file):
    found = cost(mini, of="max_activating", settings=json.dumps({"file": file, "unit": "head", "layer": 1, "head": 0}))
    assert found.runs == len(TEXTS) and found.seconds > 0 and found.megabytes > 1
    assert "This search takes about" in found.reading().title and "probes" not in found.reading().sentences[0]


def test_what_never_fires_says_so(tiny_model, tmp_path):
    (tmp_path / "one.txt").write_text(" cat")
    asked = {"file": str(tmp_path / "one.txt"), "unit": "neuron", "layer": 1}
    silent = [max_activating(tiny_model("gpt2"), **asked, neuron=number) for number in range(8)]
    title = next(one for one in silent if not one.strongest).reading().title
    assert "fires most on no token" not in title and "fires on no token of one.txt" in title


@pytest.mark.parametrize(
    ("asked", "field", "said"),
    [
        ({"feature": 3, "top_k": 0}, "top_k", "choose a number from 1 to 100"),
        ({}, "feature", "Which feature"),
        ({"unit": "cell"}, "unit", "is no unit: use feature, neuron, head or direction"),
        ({"unit": "head", "layer": 1}, "head", "Which head"),
        ({"unit": "head", "layer": 1, "head": 99}, "head", "There is no head 99"),
        ({"unit": "head", "layer": 99, "head": 1}, "layer", "There is no layer 99"),
        ({"unit": "neuron", "layer": 1, "neuron": 1, "feature": 3}, "feature", "A neuron has no feature"),
        ({"unit": "neuron", "layer": 1, "neuron": 9999}, "neuron", "9999"),
        ({"unit": "direction"}, "direction", "is no direction: write feature:123"),
        ({"unit": "direction", "direction": "up"}, "direction", "is no direction"),
        ({"feature": 99_999}, "feature", "There is no feature"),
        ({"feature": 3, "file": "gone.txt"}, "file", "There is no file"),
    ],
)
def test_bad_settings_get_a_sentence(mini, asked, field, said):
    with pytest.raises(InputError, match=said) as caught:
        max_activating(mini, **asked)
    assert caught.value.field == field


def test_a_file_that_goes_wrong_late_is_refused_before_it_is_read(mini, tmp_path):
    (tmp_path / "late.jsonl").write_text('"fine"\n' * 30 + "{broken")
    told = []
    with pytest.raises(InputError, match="Line 31 of late.jsonl is not JSON"):
        max_activating(mini, file=str(tmp_path / "late.jsonl"), feature=3, progress=lambda *done: told.append(done))
    assert not told


def test_a_text_of_unknown_tokens_alone_gets_a_sentence(mini, tmp_path, monkeypatch):
    (tmp_path / "odd.txt").write_text("word")
    monkeypatch.setattr(passages, "encode", lambda tokenizer, text: [10**6])
    with pytest.raises(InputError, match="no text that this model can read"):
        max_activating(mini, file=str(tmp_path / "odd.txt"), feature=3)
