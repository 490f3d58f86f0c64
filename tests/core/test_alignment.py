"""Two prompts side by side, whatever their lengths."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mi_core.analyses.alignment import alignment
from mi_core.errors import InputError

TEXAS = "The capital of Texas is"
TEXT = st.text(st.sampled_from("abc XYZ.é日"), min_size=1, max_size=20).filter(str.strip)


def test_prompts_of_equal_length_are_paired_position_by_position(mini):
    found = alignment(mini, TEXAS, corrupted="The capital of France is")
    assert found.pairs == tuple((pos, pos) for pos in range(6))
    table = found.tables()["pairs"]
    assert table[table["differs"]][["pos", "token", "corrupted_token"]].values.tolist() == [[4, " Texas", " France"]]
    assert found.reading().title == "The prompts differ at 1 of 6 positions"
    assert found.reading().sentences == ("“·Texas” against “·France” at position 4.",)


def test_where_one_prompt_has_more_the_other_has_nothing(mini):
    found = alignment(mini, TEXAS, corrupted="The capital of New York is")
    assert found.pairs == ((0, 0), (1, 1), (2, 2), (3, 3), (4, 4), (None, 5), (5, 6))
    table = found.tables()["pairs"]
    assert table["differs"].tolist() == [False] * 4 + [True, True, False]
    assert table["token"].isna().sum() == 1 and table.loc[5, "corrupted_token"] == " York"
    assert found.reading().title == "The prompts are 6 and 7 tokens long"


def test_the_same_prompt_twice_is_said(mini):
    assert alignment(mini, TEXAS, corrupted=TEXAS).reading().title == "Both prompts are the same"


@settings(max_examples=30, deadline=None)
@given(clean=TEXT, corrupted=TEXT)
def test_every_token_of_both_prompts_stands_somewhere_once_and_in_order(mini, clean, corrupted):
    found = alignment(mini, clean, corrupted=corrupted)
    for side, tokens in enumerate((found.tokens, found.corrupted_tokens)):
        assert [pair[side] for pair in found.pairs if pair[side] is not None] == list(range(len(tokens)))
    assert (None, None) not in found.pairs


@pytest.mark.parametrize(("corrupted", "message"), [("  ", "The prompt is empty"), ("word " * 600, "tokens long")])
def test_an_unusable_second_prompt_is_said_beside_its_own_field(mini, corrupted, message):
    with pytest.raises(InputError, match=message) as caught:
        alignment(mini, TEXAS, corrupted=corrupted)
    assert caught.value.field == "corrupted"
    with pytest.raises(InputError) as caught:
        alignment(mini, "", corrupted=TEXAS)
    assert caught.value.field == "prompt"
