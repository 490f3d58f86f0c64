"""Concepts of the generator: what it knows of a token, and when the top contexts of a feature share one."""

import numpy as np
import pytest

from training import concepts
from training.sample import Document

TEXTS = ["", "The", " capital", " of", " France", " is", " Paris", ".", " in", " x", " 42"]


def document(kind: str, *words: str) -> Document:
    ids = tuple(TEXTS.index(word) for word in words)
    return Document((0, *ids), (kind,) * (len(ids) + 1))


FACT = document("facts", "The", " capital", " of", " France", " is", " Paris", ".")
CODE = document("code", " x", " in", " x")
STORY = document("stories", " in", " Paris")


def test_a_token_is_of_the_classes_of_its_word_and_stands_before_those_of_the_next():
    assert concepts.concepts_of(FACT, 4, TEXTS) == {"is a country", "before a verb for one", "in facts"}
    found = concepts.concepts_of(FACT, 5, TEXTS)
    assert {"is a verb for one", "before a capital", "in facts"} == found
    assert concepts.concepts_of(FACT, 7, TEXTS) == {"in facts"}


def test_words_of_python_are_of_python_in_code_alone():
    assert "is a Python word" in concepts.concepts_of(CODE, 2, TEXTS)
    assert "is a variable" in concepts.concepts_of(CODE, 3, TEXTS)
    assert "is a Python word" not in concepts.concepts_of(STORY, 1, TEXTS)


def test_digits_are_a_class_of_their_own():
    assert concepts.classes_of(" 42") == ("digits",)


def test_peaks_are_the_strongest_position_of_each_document_strongest_first():
    where, pos = np.array([0, 0, 1, 2]), np.array([3, 5, 1, 2])
    value = np.array([1.0, 4.0, 9.0, 2.0])
    assert concepts.peaks(where, pos, value) == [(1, 1), (0, 5), (2, 2)]
    many = np.arange(concepts.PEAKS + 5)
    assert len(concepts.peaks(many, many * 0 + 1, many * 1.0)) == concepts.PEAKS


@pytest.mark.parametrize(("right", "expected"), [(10, True), (8, True), (7, False)])
def test_monosemantic_means_four_in_five_of_all_ten(right, expected):
    sample = [FACT] * right + [STORY] * (10 - right)
    places = [(i, 4) for i in range(right)] + [(i, 1) for i in range(right, 10)]
    name, share, n = concepts.shared(places, sample, TEXTS, left_out={"in facts", "in stories"})
    assert (name, share, n) == ("is a country", right / 10, 10)
    row = {"concept": name, "concept_share": share, "concept_contexts": n}
    assert concepts.monosemantic(row) is expected
    assert not concepts.monosemantic(row | {"concept_contexts": 9})


def test_what_most_tokens_have_is_no_concept():
    sample = [FACT] * 9 + [CODE]
    left_out = concepts.common(sample, TEXTS)
    assert "in facts" in left_out and "in code" not in left_out
    assert concepts.shared([(0, 7)], sample, TEXTS, left_out) == ("", 0.0, 1)
    assert concepts.things([(0, 7)], sample, TEXTS, left_out) == [("", 1)]
    chance = concepts.by_chance(sample, TEXTS, left_out, n=20)
    assert 0 <= chance["monosemantic_by_chance"] <= 1 <= chance["things_by_chance"] <= concepts.PEAKS


def test_unrelated_things_are_told_one_by_one():
    """What most peaks are comes first, then what most of the others are."""
    sample, left_out = [FACT, CODE], {"in facts", "in code"}
    places = [(0, 4), (0, 4), (0, 4), (1, 2)]
    assert concepts.concepts_of(CODE, 2, TEXTS) >= {"is a Python word"}
    assert concepts.things(places, sample, TEXTS, left_out) == [("is a country", 3), ("is a Python word", 1)]
    assert concepts.things(places[:3], sample, TEXTS, left_out) == [("is a country", 3)]
    assert concepts.things([], sample, TEXTS, left_out) == []


def test_the_table_counts_what_is_live_and_shared():
    rows = [
        {"density": 0.1, "concept": "is a city", "concept_share": 0.9, "concept_contexts": 10},
        {"density": 0.1, "concept": "in code", "concept_share": 0.5, "concept_contexts": 10},
        {"density": 0.0, "concept": "", "concept_share": 0.0, "concept_contexts": 0},
    ]
    assert "| `here` | 2 | 1 | 1 / 0 / 0 | is a city (1) |" in concepts.table({"here": rows})
