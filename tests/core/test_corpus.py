"""Texts of a user's own file: every format, and everything that can be wrong with one."""

import json

import pytest

from mi_core.errors import InputError
from mi_core.text import corpus
from mi_core.text.corpus import read_texts


def written(tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize(
    ("name", "content", "texts"),
    [
        ("a.txt", "one\ntwo\n", ["one", "two"]),
        ("a.txt", "one\nmore\n\n\ntwo", ["one\nmore\n", "two"]),
        ("a.csv", 'label,text\n1,"one, two"\n2,three\n', ["one, two", "three"]),
        ("a.tsv", "text\tlabel\none\t1\n", ["one"]),
        ("a.jsonl", '"one"\n\n{"text": "two 🙂"}\n', ["one", "two 🙂"]),
        ("b.TXT", "\ufeffone\n", ["one"]),
    ],
)
def test_every_format_is_read(tmp_path, name, content, texts):
    assert list(read_texts(written(tmp_path, name, content))) == texts


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.txt", "", "is empty"),
        ("a.txt", " \n \n", "holds no text"),
        ("a.txt", "é".encode("latin-1"), "is not a text file in UTF-8"),
        ("a.pdf", "one", "is none of .txt, .csv"),
        ("a.csv", "name\none\n", "has no column named text"),
        ("a.csv", 'text\n"one\n', "is not a table that can be read"),
        ("a.jsonl", "{not json", "Line 1 of a.jsonl is not JSON"),
        ("a.jsonl", json.dumps({"words": "x"}), "Line 1 of a.jsonl has no text"),
    ],
)
def test_what_cannot_be_read_gets_a_sentence(tmp_path, name, content, said):
    with pytest.raises(InputError, match=said) as caught:
        list(read_texts(written(tmp_path, name, content)))
    assert caught.value.field == "file"


def test_what_is_not_there_or_too_large_gets_a_sentence(tmp_path, monkeypatch):
    with pytest.raises(InputError, match="There is no file gone.txt"):
        list(read_texts(tmp_path / "gone.txt"))
    monkeypatch.setattr(corpus, "MOST_BYTES", 3)
    with pytest.raises(InputError, match="at most 0 MB are read"):
        list(read_texts(written(tmp_path, "a.txt", "four")))
