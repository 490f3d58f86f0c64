"""What stands below a figure, and what its file is called."""

from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

import mi_core
from mi_core.jobs.request import Request
from mi_core.sharing.caption import LONGEST_NAME, caption, file_name

PAIR = {"prompt": "Mary and John\nwent", "corrupted": "Mary and Mary\nwent"}


def test_a_caption_says_all_that_the_numbers_depend_on():
    result = SimpleNamespace(target=SimpleNamespace(text=" Mary", foil_text=" John"))
    asked = Request.of(
        "patching", "gpt2", **PAIR, target=" Mary", foil=" John", site="head", metric="logit_difference", pos=None,
        edits='[{"kind": "rome", "prompt": "The capital of Texas is", "subject": "Texas", "target": "Boston"}]',
    )  # fmt: skip
    said = caption(asked, result)
    assert said[:3] == (
        "Prompt: “Mary and John↵went”",
        "Second prompt: “Mary and Mary↵went”",
        "Model: gpt2 · answer: “·Mary” · compared with: “·John”",
    )
    assert said[3] == "Settings: site: head", "the usual settings go without saying"
    assert said[4].startswith("Edits: ") and "Texas" in said[4]
    assert said[5] == f"Loupe {mi_core.__version__} · patching" and len(said) == 6


def test_an_answer_that_nobody_named_is_the_result_s_own():
    result = SimpleNamespace(target=SimpleNamespace(text=" Austin", foil_text=None))
    said = caption(Request.of("logit_lens", "loupe-mini", prompt="The capital of Texas is"), result)
    assert said[1] == "Model: loupe-mini · answer: “·Austin”" and len(said) == 3


def test_a_long_prompt_is_cut():
    said = caption(Request.of("tokens", "loupe-mini", prompt="word " * 300), SimpleNamespace())
    assert len(said[0]) < 420 and said[0].endswith("…”")


def test_the_prompt_is_in_the_name_of_the_file():
    request = Request.of("logit_lens", "loupe-mini", prompt="The capital of Texas is")
    assert file_name(request, "lens") == "logit-lens-lens-the-capital-of-texas-is"
    other = Request.of("logit_lens", "loupe-mini", prompt="Größe: 日本の首都は ../../etc/passwd")
    assert file_name(other, "lens") == "logit-lens-lens-größe-日本の首都は-etc-passwd"


@given(st.text())
def test_any_prompt_makes_a_safe_name(prompt):
    name = file_name(Request.of("logit_lens", "loupe-mini", prompt=prompt), "lens")
    assert name.startswith("logit-lens-lens") and len(name) <= LONGEST_NAME
    assert all(letter == "-" or letter.isalnum() for letter in name) and "--" not in name


@pytest.mark.parametrize("word", ["x" * 200])
def test_a_word_that_is_too_long_is_left_out(word):
    assert file_name(Request.of("tokens", "loupe-mini", prompt=f"a {word}")) == "tokens-a"
