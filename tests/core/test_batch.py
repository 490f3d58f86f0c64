"""Lists of prompts on the command line: overrides, resuming, torn files, rows that cannot be used."""

import csv
import io
import json
import shutil

import pandas as pd
import pytest
from safetensors.torch import load_file, save_file

from mi_core.commandline import main
from mi_core.errors import InputError
from mi_core.models import loading
from mi_core.sharing import conditions, output, prompt_list
from mi_core.sharing.batch_file import BatchFile

PROMPTS = [
    "The capital of Texas is",
    'He said, "The\nEiffel Tower is in the city of',
    "é🙂 The Colosseum is in the city of",
]


@pytest.fixture
def prompts(tmp_path):
    path = tmp_path / "prompts.csv"
    pd.DataFrame({"prompt": PROMPTS}).to_csv(path, index=False)
    return path


@pytest.fixture
def computed(monkeypatch) -> list[str]:
    """The prompts that are computed, in order."""
    seen, compute = [], output.compute

    def counted(request):
        seen.append(dict(request.settings)["prompt"])
        return compute(request)

    monkeypatch.setattr(output, "compute", counted)
    return seen


def run(*words) -> int:
    return main([str(word) for word in words])


@pytest.mark.parametrize("name", ["out.csv", "out.json"])
def test_every_row_as_if_alone(prompts, tmp_path, capsys, name):
    out = tmp_path / name
    assert run("predict", "--prompts", prompts, "--top-k", 3, "--out", out) == 0
    captured = capsys.readouterr()
    assert captured.out == "" and "3/3" in captured.err
    for row, prompt in enumerate(PROMPTS):
        assert run("predict", "--prompt", prompt, "--top-k", 3, "--format", "json") == 0
        alone = json.loads(capsys.readouterr().out)
        assert held(out, row) == alone["tables"]["predictions"]


def held(out, row: int) -> list[dict]:
    """The rows of table predictions that the file has for a prompt."""
    if out.suffix == ".json":
        whole = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()][row]
        assert (whole["row"], whole["prompt"]) == (row, PROMPTS[row])
        return whole["tables"]["predictions"]
    table = pd.read_csv(out, keep_default_na=False)
    mine = table[table["row"] == row]
    assert mine["prompt"].unique().tolist() == [PROMPTS[row]]
    rows = mine.drop(columns=["row", "prompt"]).to_dict("records")
    float32 = ("logit", "probability")
    return [
        {k: float(pd.array([v], dtype="Float32")[0]) if k in float32 else v for k, v in row.items()} for row in rows
    ]


@pytest.mark.parametrize("name", ["out.csv", "out.json"])
def test_a_second_run_computes_nothing(prompts, tmp_path, computed, name):
    out = tmp_path / name
    assert run("predict", "--prompts", prompts, "--out", out) == 0
    content = out.read_bytes()
    assert computed == PROMPTS
    assert run("predict", "--prompts", prompts, "--out", out) == 0
    assert computed == PROMPTS
    assert out.read_bytes() == content


@pytest.mark.parametrize("name", ["out.csv", "out.json"])
def test_goes_on_wherever_it_was_stopped(prompts, tmp_path, name):
    """Cut the file at any byte: the next run ends with the same file."""
    out = tmp_path / name
    assert run("predict", "--prompts", prompts, "--top-k", 2, "--out", out) == 0
    content = out.read_bytes()
    for cut in range(0, len(content), 23 if name == "out.csv" else 301):
        out.write_bytes(content[:cut])
        assert run("predict", "--prompts", prompts, "--top-k", 2, "--out", out) == 0
        assert out.read_bytes() == content, cut


def test_columns_override_settings(tmp_path, capsys):
    path = tmp_path / "prompts.csv"
    path.write_text("prompt,target,top-k\nThe capital of Texas is,Austin,2\nThe capital of Texas is,,\n", "utf-8")
    assert run("predict", "--prompts", path, "--top-k", 4, "--format", "json") == 0
    first, second = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert (first["settings"]["target"], first["settings"]["top_k"]) == ("Austin", 2)
    assert (second["settings"]["target"], second["settings"]["top_k"]) == (None, 4)


def test_rows_that_cannot_be_used_come_last_and_are_named(tmp_path, capsys):
    path, out = tmp_path / "prompts.csv", tmp_path / "out.csv"
    pd.DataFrame({"prompt": ["The", " ", "A", "x" * 10_000]}).to_csv(path, index=False)
    assert run("predict", "--prompts", path, "--out", out) == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert last == "2 of 4 prompts could not be used; the first is row 1: The prompt is empty: type a few words."
    assert pd.read_csv(out)["row"].unique().tolist() == [0, 2]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"text\nhello\n", "has no column named prompt"),
        (b"", "has no column named prompt"),
        (b"prompt\n", "has no prompts"),
        (b"prompt,tagret\nhello,x\n", "The column “tagret” is no setting of this analysis: rename or remove it"),
        (b"prompt,top_k\nhello,many\n", "Row 0: many is no value for top_k: correct the cell"),
        (b"prompt\nhello,too,many\n", "Row 0 has more cells than there are columns"),
        (b"prompt;target\nhello;too;many\n", "cells than there are columns: quote cells with semicolons"),
        (b"prompt,prompt\nhello,other\n", "There are 2 columns “prompt”: keep one of them"),
        (b"prompt,top-k,top_k\nhello,1,2\n", "There are 2 columns “top_k”: keep one of them"),
        (b"prompt\n\xff\xfe\n", "is not a CSV file in UTF-8"),
        (b'prompt\n"never closed\n', "is not a CSV file in UTF-8"),
    ],
)
def test_lists_that_cannot_be_used(tmp_path, content, sentence, capsys):
    path = tmp_path / "prompts.csv"
    path.write_bytes(content)
    assert run("predict", "--prompts", path) == 2
    captured = capsys.readouterr()
    assert captured.out == "" and captured.err.count("\n") == 1
    assert sentence in captured.err


def test_a_byte_order_mark_is_no_part_of_the_column(tmp_path):
    path = tmp_path / "prompts.csv"
    path.write_bytes(b"\xef\xbb\xbfprompt\r\nhello\r\n")
    assert prompt_list.read(path, "predict") == [{"prompt": "hello"}]


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("marked", [False, True])
def test_lists_as_spreadsheets_of_other_countries_write_them(tmp_path, separator, encoding, marked):
    path, out = tmp_path / "prompts.csv", io.StringIO()
    csv.writer(out, delimiter=separator).writerows([["target", "prompt", "top-k"], ["a", "One, two; thrée", "3"]])
    path.write_text(f"sep={separator}\r\n" * marked + out.getvalue(), encoding=encoding, newline="")
    assert prompt_list.read(path, "predict") == [{"prompt": "One, two; thrée", "target": "a", "top_k": 3}]


@pytest.mark.parametrize(
    "content", ["a,b\n1,2\n", "row,prompt\n0,Another prompt\n", "row,prompt\nx,y\n", "row,prompt\n77,y\n"]
)
def test_someone_elses_file_is_left_alone(prompts, tmp_path, content, capsys):
    out = tmp_path / "out.csv"
    out.write_text(content)
    assert run("predict", "--prompts", prompts, "--out", out) == 2
    assert "holds something else than results of this list: name another file" in capsys.readouterr().err
    assert out.read_text() == content


CHANGES = {
    "model": (lambda tiny: ["predict", "--model", tiny], "model was loupe-mini, and is "),
    "analysis": (lambda tiny: ["logit-lens"], "analysis was predict, and is logit_lens"),
    "setting": (lambda tiny: ["predict", "--top-k", "3"], "top_k was 10, and is 3 in row 0"),
    "edits": (lambda tiny: ["predict", "--edits", EDIT], "edits was not set, and is "),
}
EDIT = json.dumps([{"kind": "orthogonalise", "direction": "token:Austin"}])


@pytest.mark.parametrize("name", ["out.csv", "out.json"])
@pytest.mark.parametrize("finished", [False, True])
@pytest.mark.parametrize("change", CHANGES)
def test_rows_made_under_other_conditions_are_not_gone_on_with(
    prompts, tmp_path, tiny_folder, capsys, computed, change, finished, name
):
    out = tmp_path / name
    assert run("predict", "--prompts", prompts, "--out", out) == 0
    if not finished:
        out.write_bytes(b"".join(out.read_bytes().splitlines(keepends=True)[:-1]))
    content, (words, sentence) = out.read_bytes(), CHANGES[change]
    capsys.readouterr(), computed.clear()
    assert run(*words(tiny_folder("qwen3")), "--prompts", prompts, "--out", out) == 2
    said = capsys.readouterr().err
    assert "holds rows made under other conditions: " in said and sentence in said and "--anew" in said
    assert out.read_bytes() == content and not computed
    assert run(*words(tiny_folder("qwen3")), "--prompts", prompts, "--out", out, "--anew") == 0
    assert computed == PROMPTS
    assert run(*words(tiny_folder("qwen3")), "--prompts", prompts, "--out", out) == 0
    assert computed == PROMPTS


def test_a_model_whose_files_have_changed_is_another(prompts, tmp_path, tiny_folder, capsys):
    """The same name, other weights: the fingerprint says so; the same files elsewhere are the same model."""
    folder, out = tmp_path / "model", tmp_path / "out.csv"
    shutil.copytree(tiny_folder("gpt2"), folder)
    assert run("predict", "--model", folder, "--prompts", prompts, "--out", out) == 0
    for same in (tiny_folder("gpt2"), folder):
        assert run("predict", "--model", same, "--prompts", prompts, "--out", out) == 0
    weights = load_file(folder / "model.safetensors")
    name = next(iter(weights))
    save_file(weights | {name: weights[name] + 1}, folder / "model.safetensors", metadata={"format": "pt"})
    capsys.readouterr()
    assert run("predict", "--model", folder, "--prompts", prompts, "--out", out) == 2
    assert "the model's files have changed" in capsys.readouterr().err


def test_code_that_has_changed_is_named(prompts, tmp_path, capsys):
    out = tmp_path / "out.csv"
    assert run("predict", "--prompts", prompts, "--out", out) == 0
    beside = conditions.place(out)
    kept = json.loads(beside.read_text("utf-8"))
    assert kept["model"] == "loupe-mini" and kept["analysis"] == "predict" and kept["edits"] is None
    assert kept["fingerprint"] == loading.fingerprint(loading.locate("loupe-mini"))
    assert [row["top_k"] for row in kept["rows"]] == [10, 10, 10]
    beside.write_text(json.dumps(kept | {"versions": kept["versions"] | {"loupe_code": "0123"}}), "utf-8")
    capsys.readouterr()
    assert run("predict", "--prompts", prompts, "--out", out) == 2
    assert "Loupe's code has changed" in capsys.readouterr().err


def test_a_row_whose_settings_have_changed_is_named(tmp_path, capsys):
    path, out = tmp_path / "prompts.csv", tmp_path / "out.csv"
    path.write_text("prompt;top-k\nThe;2\nA;2\n", "utf-8")
    assert run("predict", "--prompts", path, "--out", out) == 0
    path.write_text("prompt;top-k\nThe;2\nA;2\nOne more;4\n", "utf-8")
    assert run("predict", "--prompts", path, "--out", out) == 0, "a longer list goes on"
    path.write_text("prompt;top-k\nThe;2\nA;3\nOne more;4\n", "utf-8")
    capsys.readouterr()
    assert run("predict", "--prompts", path, "--out", out) == 2
    assert "top_k was 2, and is 3 in row 1" in capsys.readouterr().err


def test_rows_of_which_nothing_says_what_they_are_stay(prompts, tmp_path, capsys):
    out = tmp_path / "out.csv"
    assert run("predict", "--prompts", prompts, "--out", out) == 0
    content = out.read_bytes()
    for spoilt in ("", "[]", "{"):
        conditions.place(out).write_text(spoilt)
        assert run("predict", "--prompts", prompts, "--out", out) == 2
        assert "says what its rows were made with: name another file" in capsys.readouterr().err
        assert out.read_bytes() == content


@pytest.mark.parametrize("kind", ["csv", "csv-raw"])
def test_a_prompt_that_is_a_formula_is_found_again(tmp_path, computed, kind):
    formulas = ['=HYPERLINK("http://x")', "-1 and", "'=quoted", "@SUM(1)", "+1"]
    path, out = tmp_path / "prompts.csv", tmp_path / "out.csv"
    pd.DataFrame({"prompt": formulas}).to_csv(path, index=False)
    words = ("predict", "--prompts", path, "--out", out, "--format", kind, "--top-k", 1)
    assert run(*words) == 0
    cells = pd.read_csv(out)["prompt"].tolist()
    assert cells == (formulas if kind == "csv-raw" else [f"'{text}" for text in formulas])
    content = out.read_bytes()
    out.write_bytes(content[:-4])
    assert run(*words) == 0
    assert out.read_bytes() == content and computed == [*formulas, formulas[-1]]


def test_one_prompt_beside_a_list_and_anew_without_one(prompts, capsys):
    assert run("predict", "--prompts", prompts, "--prompt", "The") == 2
    assert "There is --prompt beside --prompts: leave one of them out" in capsys.readouterr().err
    assert run("predict", "--prompt", "The", "--anew") == 2
    assert "--anew is for a list of prompts" in capsys.readouterr().err


def test_only_csv_and_json(prompts, tmp_path, capsys):
    assert run("predict", "--prompts", prompts, "--out", tmp_path / "x.parquet") == 2
    assert "A list of prompts is written as csv or json, not as parquet" in capsys.readouterr().err


def test_a_failed_write_leaves_the_file_as_it_was(tmp_path, monkeypatch):
    out = tmp_path / "out.csv"
    out.write_bytes(b"before\n")

    class Full:
        def __init__(self, file):
            self.file = file

        def __enter__(self):
            return self

        def __exit__(self, *error):
            self.file.close()

        def __getattr__(self, name):
            return getattr(self.file, name)

        def write(self, block):
            return self.file.write(block[:3])

    real = type(out).open
    monkeypatch.setattr(type(out), "open", lambda path, *args, **kw: Full(real(path, *args, **kw)))
    with pytest.raises(InputError, match="could not be written .the disk is full."):
        BatchFile("csv", out).append(b"rows\n")
    monkeypatch.undo()
    assert out.read_bytes() == b"before\n"
