"""Tables of prompts as people bring them: workbooks, pasted lines, names that are nearly right, what cannot be read."""

import io
import zipfile

import openpyxl
import pytest

from mi_core.errors import InputError
from mi_core.sharing import prompt_list, prompt_table

ODD = ['=HYPERLINK("http://x")', "<script>alert(1)</script>", "a\nb", "é🙂", "‮right to left", "x" * 30_000]


def workbook(path, rows, **more):
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    for cell in (cell for row in book.active.iter_rows() for cell in row if isinstance(cell.value, str)):
        cell.data_type = "s"  # openpyxl would make a formula of it
    book.save(path)
    return path


def test_a_workbook_is_read_like_csv(tmp_path):
    rows = [["Prompt ", "Top K", None], *([text, 3, None] for text in ODD), [None, None, None], ["a", 4.0, None]]
    path = workbook(tmp_path / "list.xlsx", rows)
    table = prompt_table.opened(path)
    assert table.header == ("Prompt", "Top K") and len(table.rows) == len(ODD) + 1
    assert prompt_list.read(path, "predict") == [
        *({"prompt": text, "top_k": 3} for text in ODD), {"prompt": "a", "top_k": 4},
    ]  # fmt: skip


def test_cells_of_a_workbook_are_what_a_person_would_type(tmp_path):
    path = workbook(
        tmp_path / "list.xlsx", [["prompt", "weighted", "pos"], ["a", True, 2], ["b", False, -1], [12, None, None]]
    )
    assert prompt_list.read(path, "attention") == [
        {"prompt": "a", "weighted": True, "pos": 2}, {"prompt": "b", "weighted": False, "pos": -1}, {"prompt": "12"},
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "is not a workbook that can be read"),
        (b"PK\x03\x04 nothing", "is not a workbook that can be read"),
        (b"prompt\nhello\n", "is not a workbook that can be read"),
    ],
)
def test_what_is_no_workbook_gets_a_sentence(tmp_path, content, sentence):
    (tmp_path / "list.xlsx").write_bytes(content)
    with pytest.raises(InputError, match=sentence) as refused:
        prompt_table.opened(tmp_path / "list.xlsx")
    assert refused.value.field == "prompts"


def test_an_archive_of_something_else_gets_a_sentence(tmp_path):
    with zipfile.ZipFile(tmp_path / "list.xlsx", "w") as archive:
        archive.writestr("hello.txt", "hello")
    with pytest.raises(InputError, match="is not a workbook that can be read"):
        prompt_table.opened(tmp_path / "list.xlsx")


def test_a_workbook_that_unpacks_to_too_much_is_not_unpacked(tmp_path, monkeypatch):
    path = workbook(tmp_path / "list.xlsx", [["prompt"], *(["the same words"] for _ in range(5_000))])
    monkeypatch.setattr(prompt_table, "MOST_UNPACKED", 50_000)
    with pytest.raises(InputError, match="MB, and at most 0 are read: split it"):
        prompt_table.opened(path)


@pytest.mark.parametrize(
    ("text", "prompts"),
    [
        ("one\n\n two \r\nthree", ["one", " two ", "three"]),
        ("Hello, world\nprompt me, please", ["Hello, world", "prompt me, please"]),
        ("Prompt me", ["Prompt me"]),
        ("target;Prompt\na;One, two\n;Three", ["One, two", "Three"]),
        ('prompt\n"a\nb"\n', ["a\nb"]),
        ('"unclosed\nquotes', ['"unclosed', "quotes"]),
    ],
)
def test_what_is_pasted_is_lines_or_a_table(text, prompts):
    table = prompt_table.pasted(text)
    rows = prompt_list.settings(table, prompt_list.matched(table, "predict"), "predict")
    assert [row["prompt"] for row in rows] == prompts


def test_plain_text_is_a_prompt_a_line(tmp_path):
    (tmp_path / "list.txt").write_text("One, two\n\nthree\n", "utf-8")
    assert prompt_list.read(tmp_path / "list.txt", "predict") == [{"prompt": "One, two"}, {"prompt": "three"}]


def test_names_of_columns_are_forgiven_and_others_are_not_used():
    table = prompt_table.pasted("PROMPT\tTop-K\tPrepend  BOS\tnotes\nHello\t3\tfalse\t=1+1\nBye\tmany\t\t\n")
    columns = prompt_list.matched(table, "predict")
    assert [column.setting for column in columns] == ["prompt", "top_k", "prepend_bos", None]
    first, second = prompt_list.settings(table, columns, "predict")
    assert first == {"prompt": "Hello", "top_k": 3, "prepend_bos": False}
    assert isinstance(second, InputError) and second.message == "Row 1: many is no value for top_k: correct the cell."


def test_any_column_can_be_the_prompt():
    table = prompt_table.separated("sentence,target\nHello,x\n", "This")
    with pytest.raises(InputError, match="This has no column named prompt"):
        prompt_list.matched(table, "predict")
    columns = prompt_list.matched(table, "predict", "sentence")
    assert prompt_list.settings(table, columns, "predict") == [{"prompt": "Hello", "target": "x"}]


def test_several_values_in_a_cell_are_separated_by_semicolons():
    table = prompt_table.separated("prompt,without\nHello,L0H1; MLP 2\n", "This")
    columns = prompt_list.matched(table, "ablated_text")
    assert prompt_list.settings(table, columns, "ablated_text") == [{"prompt": "Hello", "without": ("L0H1", "MLP 2")}]


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("list.csv", b"prompt,notes,Notes\na,b,c\n", "There are 2 columns “notes”: keep one of them"),
        ("list.csv", b"prompt\n" + b"x" * 200_000, "A cell of .* has more than 131,072 characters: shorten it"),
        ("list.txt", b"\xff\xfeh", "is not a CSV file in UTF-8"),
    ],
)
def test_what_cannot_be_used_gets_a_sentence(tmp_path, name, content, sentence):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=sentence):
        table = prompt_table.opened(tmp_path / name)
        prompt_list.matched(table, "predict")


def test_too_much_is_refused_before_it_is_read(tmp_path, monkeypatch):
    (tmp_path / "list.csv").write_bytes(b"prompt\n" + b"hello\n" * 40)
    monkeypatch.setattr(prompt_table, "MOST_ROWS", 39)
    with pytest.raises(InputError, match="has more than 39 rows: split it"):
        prompt_table.opened(tmp_path / "list.csv")
    with (tmp_path / "list.csv").open("r+b") as file:
        file.truncate(prompt_table.MOST_BYTES + 1)  # of nothing: it takes no room
    with pytest.raises(InputError, match="has 50 MB, and at most 50 MB are read: split it"):
        prompt_table.opened(tmp_path / "list.csv")


def test_a_column_without_a_name_is_called_by_its_place():
    assert prompt_table.separated("prompt,,\na,b,c\n", "This").header == ("prompt", "column 2", "column 3")
    assert prompt_table.separated("", "This").rows == ()


def test_an_empty_file_has_no_prompts(tmp_path):
    for name in ("list.csv", "list.txt"):
        (tmp_path / name).write_bytes(b"")
    with pytest.raises(InputError, match="has no column named prompt"):
        prompt_list.read(tmp_path / "list.csv", "predict")
    with pytest.raises(InputError, match="has no prompts: add one"):
        prompt_list.read(tmp_path / "list.txt", "predict")
    with pytest.raises(InputError, match="cannot be read .No such file"):
        prompt_list.read(tmp_path / "none.csv", "predict")


def test_an_empty_workbook_has_no_prompts(tmp_path):
    buffer = io.BytesIO()
    openpyxl.Workbook().save(buffer)
    (tmp_path / "list.xlsx").write_bytes(buffer.getvalue())
    with pytest.raises(InputError, match="has no column named prompt"):
        prompt_list.read(tmp_path / "list.xlsx", "predict")
