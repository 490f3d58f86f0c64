"""Tokens added and subtracted, against numpy on transformers' own embeddings."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mi_core.analyses.analogy import analogy
from mi_core.errors import InputError
from tests.core.plain_reference import final_norm, norm_weight


def reference(hf, space: str) -> np.ndarray:
    """Every token's vector, by hand."""
    if space == "embedding":
        return hf.get_input_embeddings().weight.detach().double().numpy()
    rows = hf.get_output_embeddings().weight.detach().double()
    rows = (rows - rows.mean(0)) * norm_weight(hf, final_norm(hf)).detach().double()
    is_layer_norm = getattr(final_norm(hf), "bias", None) is not None
    return (rows - rows.mean(-1, keepdim=True) if is_layer_norm else rows).numpy()


@pytest.mark.parametrize("space", ["embedding", "unembedding"])
def test_cosines_and_ranks_are_those_of_numpy(architecture, tiny_model, hf_model, space):
    model = tiny_model(architecture)
    words = (" cat", " dog", " the")
    found, rows = (
        analogy(model, a=words[0], b=words[1], c=words[2], space=space),
        reference(hf_model(architecture), space),
    )
    ids = [model.token_id(word) for word in words]
    vector = rows[ids[0]] - rows[ids[1]] + rows[ids[2]]
    np.testing.assert_allclose(found.vector, vector, atol=1e-5)
    texts = np.array(model.text_ids)
    for row, query in enumerate((vector, rows[ids[2]])):
        near = rows[texts] @ query / np.linalg.norm(rows[texts], axis=-1) / np.linalg.norm(query)
        np.testing.assert_allclose(found.cosine[row], np.sort(near)[::-1][: found.cosine.shape[1]], atol=1e-5)
        order = [token for token in texts[np.argsort(-near)] if token not in ids]
        if row == 0:
            assert found.answer == model.text(order[0])
        else:
            assert found.control == model.text(order[0])
            assert model.text(order[found.control_rank - 1]) == found.answer
    assert all(check.passed for check in found.checks)


def test_inputs_are_named_and_counted_out(mini):
    table = analogy(mini).tables()["nearest"]
    assert dict(zip(table["token"], table["input"], strict=True)).items() >= {" Italy": "c", " Paris": "a"}.items()
    for _, rows in table.groupby("query"):
        left = rows["rank_without_inputs"].dropna()
        assert left.tolist() == list(range(1, len(left) + 1))
        assert rows.loc[rows["rank_without_inputs"].isna(), "input"].ne("").all()


def test_the_control_says_where_the_arithmetic_is_needed(mini):
    needed, idle = analogy(mini), analogy(mini, a="king", b="man", c="woman")
    assert needed.answer == " Rome" and needed.control_rank > 10
    assert "the arithmetic does bring it up" in needed.reading().sentences[1]
    assert idle.answer == idle.control == " queen"
    assert "the arithmetic is not needed for it" in idle.reading().sentences[1]
    assert "With them it is nearest to “·woman”, one of the three." in idle.reading().sentences


@settings(max_examples=20, deadline=None)
@given(ids=st.lists(st.integers(300, 5000), min_size=3, max_size=3, unique=True))
def test_what_must_hold_for_any_three_tokens(mini, ids):
    a, b, c = (f'"{mini.text(token)}"' for token in ids)
    found = analogy(mini, a=a, b=b, c=c)
    assert all(check.passed for check in found.checks)
    assert (np.diff(found.cosine, axis=-1) <= 0).all()
    assert found.answer not in found.words
    flipped = analogy(mini, a=c, b=b, c=a)  # adding has no order
    np.testing.assert_allclose(flipped.vector, found.vector, atol=1e-5)
    assert torch.tensor(found.cosine[1, 0]).isclose(torch.tensor(1.0), atol=1e-5)


@pytest.mark.parametrize(
    ("given", "message", "field"),
    [
        ({"a": "antidisestablishment"}, "is . tokens for this model", "a"),
        ({"c": " "}, "A word is missing", "c"),
        ({"b": "Paris"}, "What is subtracted is one of the other words", "b"),
        ({"space": "nowhere"}, "“nowhere” is no space: use embedding or unembedding", "space"),
        ({"top_k": 6000}, "top_k is 6,003", "top_k"),
    ],
)
def test_bad_words_get_a_sentence(mini, given, message, field):
    with pytest.raises(InputError, match=message) as caught:
        analogy(mini, **given)
    assert caught.value.field == field
