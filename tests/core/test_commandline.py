"""The command line: its JSON, its exit statuses, its one line of explanation, and its numbers."""

import io
import json
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from mi_core.analyses._index import analysis_names, parameters
from mi_core.commandline import main
from mi_core.jobs.request import Request
from mi_core.models import catalogue
from mi_core.sharing import output
from tests.core.questions import LABELLED, TEXT
from tests.patience import SECONDS

REPOSITORY = Path(__file__).parents[2]
PROMPT = "The capital of Texas is"
SETTINGS = {
    "attribution_graph": ["--corrupted", "The capital of France is"],
    "circuit": ["--corrupted", "The capital of France is", "--draws", "2"],
    "drift": ["--other-model", "loupe-mini"],
    "cost": ["--of", "patching", "--settings", json.dumps({"prompt": PROMPT, "corrupted": "The capital of France is"})],
    "edit": ["--subject", "Texas", "--target", "Boston"],
    "feature": ["--feature", "3"],
    "head_circuit": ["--layer", "1", "--head", "1"],
    "neuron": ["--layer", "1", "--neuron", "3"],
    "max_activating": ["--feature", "3"],
    "lens_training": ["--file", str(TEXT), "--steps", "2"],
    "superposition": ["--steps", "5"],
    "unpacking": ["--steps", "5"],
    "probe_use": ["--file", "sentiment", "--placebos", "2"],
    "placebo": ["--of", "ablation", "--settings", json.dumps({"prompt": PROMPT}), "--draws", "2"],
    "probing": ["--file", str(LABELLED), "--shuffles", "1"],
    "patching": ["--corrupted", "The capital of France is"],
    "alignment": ["--corrupted", "The capital of France is"],
    "patched_run": ["--corrupted", "The capital of France is", "--cell", "L2@4"],
    "path_patching": ["--corrupted", "The capital of France is"],
    "score_split": ["--layer", "1", "--head", "1"],
    "steering": ["--direction", "feature:3", "--max-new-tokens", "2"],
    "steering_sweep": ["--direction", "feature:3", "--max-new-tokens", "2"],
}


@pytest.fixture
def run(capsys):
    """run(word, …) -> (status, stdout, stderr)"""

    def call(*words) -> tuple[int, str, str]:
        status = main([str(word) for word in words])
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return call


def run_json(run, *words) -> dict:
    status, out, err = run(*words, "--format", "json")
    assert (status, err) == (0, "")
    return json.loads(out, parse_constant=pytest.fail)


def python(*words: str, **options) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, *words], cwd=REPOSITORY, capture_output=True, text=True, timeout=SECONDS, **options
    )


# Numbers --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def reference(mini, hf_model):
    """Probabilities of the next token after every position, [pos, d_vocab], from plain transformers."""
    ids = torch.tensor([mini.tokens(PROMPT).ids])
    return hf_model("loupe-mini")(ids).logits[0].double().softmax(-1).numpy()


def test_predict_equals_hugging_face(run, reference):
    rows = run_json(run, "predict", "--prompt", PROMPT, "--top-k", 7)["tables"]["predictions"]
    expected = np.argsort(-reference[-1])[:7]
    assert [row["token_id"] for row in rows] == expected.tolist()
    assert [row["rank"] for row in rows] == list(range(1, 8))
    assert [row["probability"] for row in rows] == pytest.approx(reference[-1][expected].tolist(), rel=1e-3)
    assert rows[0]["token"] == " Austin"


def test_logit_lens_last_layer_equals_hugging_face(run, reference):
    _, out, _ = run("logit-lens", "--prompt", PROMPT, "--format", "csv")
    lens = pd.read_csv(io.StringIO(out))
    assert list(lens) == [
        "layer",
        "stage",
        "pos",
        "token",
        "rank",
        "prediction",
        "prediction_id",
        "logit",
        "probability",
    ]
    last = lens[(lens["layer"] == lens["layer"].max()) & (lens["rank"] == 1)].sort_values("pos")
    assert last["prediction_id"].tolist() == reference.argmax(-1).tolist()
    assert last["probability"].tolist() == pytest.approx(reference.max(-1).tolist(), rel=1e-3)


# Every analysis -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", analysis_names())
def test_json_contract(run, name):
    asked = ["--prompt", PROMPT] if "prompt" in parameters(name) else []
    whole = run_json(run, name.replace("_", "-"), *asked, *SETTINGS.get(name, []))
    assert list(whole) == ["analysis", "model", "settings", "versions", "tables", "units", "checks"]
    settings = json.loads(whole["settings"]["settings"]) if name in ("cost", "placebo") else whole["settings"]
    model = "loupe-mini" if "model" in parameters(name) else None
    assert (whole["analysis"], whole["model"], settings.get("prompt", PROMPT)) == (name, model, PROMPT)
    assert whole["tables"] and all(isinstance(rows, list) for rows in whole["tables"].values())
    columns = {table: set(rows[0]) for table, rows in whole["tables"].items() if rows}
    assert list(whole["units"]) == list(whole["tables"])
    assert all(set(whole["units"][table]) <= columns[table] for table in columns)
    assert all(check["passed"] and set(check) == {"name", "error", "tolerance", "passed"} for check in whole["checks"])


def test_help_explains_every_setting(run):
    status, out, err = run("logit-lens", "--help")
    assert (status, err) == (0, "")
    text = " ".join(out.split())
    assert "--top-k <int> How many guesses to keep per cell. [default: 5]" in text
    assert "--norm <recomputed|frozen>" in text and "--resid-mid / --no-resid-mid" in text
    assert "nostalgebraist 2020" in text and "Args:" not in text


def test_copied_command_asks_for_the_same(run):
    """What the dashboard offers as "copy as command" comes back as the same settings."""
    request = Request.of(
        "logit_lens", "loupe-mini", prompt="--It's \"so\"\n $HOME é🙂", top_k=3, resid_mid=True, norm="frozen",
        prepend_bos=False, pos=-2,
    )  # fmt: skip
    words = shlex.split(request.as_command())
    assert words[:3] == ["python", "-m", "mi_core"]
    assert run_json(run, *words[3:])["settings"] == request.bound()


# Bad input ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["predict", "--prompt", ""], "The prompt is empty"),
        (["predict", "--prompt", "  \n "], "The prompt is empty"),
        (["predict", "--prompt", "a" * 100_000], "reads at most 256"),
        (["predict", "--prompt", "a\udcff"], "The prompt is not valid UTF-8 text"),
        (["predict"], "predict needs --prompt, or a list of prompts with --prompts"),
        (["feature", "--prompt", "a"], "feature needs --feature"),
        (["predict", "--prompt", PROMPT, "--model", "no-such-model"], "There is no model “no-such-model”"),
        (["predict", "--prompt", PROMPT, "--model", "owner/absent"], "is not on this machine and downloads are"),
        (["predict", "--prompt", PROMPT, "--model", "/no/folder"], "There is no folder /no/folder"),
        (["predict", "--prompt", PROMPT, "--target", "Hello wonderful world"], "an answer is one"),
        (["predict", "--prompt", PROMPT, "--top-k", "99999"], "choose a number from 1 to 5,120"),
        (["predict", "--prompt", PROMPT, "--top-k", "0"], "choose a number from 1 to"),
        (["predict", "--prompt", PROMPT, "--top-k", "many"], "Invalid value for '--top-k'"),
        (["predict", "--prompt", PROMPT, "--pos", "99"], "There is no position 99"),
        (["logit-lens", "--prompt", PROMPT, "--norm", "no"], "is not one of 'recomputed', 'frozen'"),
        (["predict", "--prompt", PROMPT, "--tpo-k", "3"], "No such option: --tpo-k (Possible options: "),
        (["predict", "--prompt"], "Option '--prompt' requires an argument"),
        (
            ["predict", "--prompt", PROMPT, "more"],
            "Got unexpected extra argument(s) (more): see python -m mi_core predict --help",
        ),
        (["predict", "--prompt", PROMPT, "--format", "xls"], "There is no format xls: choose one of table, csv"),
        (["predict", "--prompt", PROMPT, "--table", "none"], "There is no table none: choose one of predictions"),
        (["predict", "--prompt", PROMPT, "--out", "/no/folder/x.csv"], "There is no folder /no/folder to write x.csv"),
        (["predict", "--prompt", PROMPT, "--out", "/"], "is a folder: name a file with --out"),
        (["predict", "--prompts", "/no/list.csv"], "/no/list.csv cannot be read (No such file or directory)"),
        (["pre-dict", "--prompt", PROMPT], "There is no command pre-dict: did you mean predict?"),
        (["--verbose"], "No such option: --verbose"),
    ],
    ids=lambda value: " ".join(value)[:40].strip() if isinstance(value, list) else "",
)
def test_bad_input_is_one_line_and_status_2(run, words, sentence):
    status, out, err = run(*words)
    assert status == 2
    assert out == ""
    assert err.count("\n") == 1 and err.endswith("\n")
    assert sentence in err
    assert "Traceback" not in err


def test_folder_without_weights(run, tmp_path):
    folder = catalogue.find("loupe-mini").folder
    for name in ("config.json", "tokenizer.json"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    status, out, err = run("predict", "--model", tmp_path, "--prompt", PROMPT)
    assert (status, out) == (2, "")
    assert (
        err
        == "The folder has no weights: it needs model.safetensors, or model.safetensors.index.json with its parts.\n"
    )


def test_a_place_that_cannot_be_written(run, tmp_path, monkeypatch):
    monkeypatch.setattr(output.os, "access", lambda path, mode: False)  # permissions would not stop a root user
    monkeypatch.setattr(output, "compute", lambda request: pytest.fail("nobody waits for what cannot be kept"))
    status, _, err = run("predict", "--prompt", PROMPT, "--out", tmp_path / "x.csv")
    assert (status, err) == (2, f"{tmp_path / 'x.csv'} cannot be written: choose another place with --out.\n")


def test_a_write_that_fails_leaves_nothing(run, tmp_path, monkeypatch):
    def full(*paths):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(output.os, "replace", full)
    status, _, err = run("predict", "--prompt", PROMPT, "--out", tmp_path / "x.csv")
    assert status == 2 and "could not be written (No space left on device)" in err and err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_defect_is_one_line_too(run, monkeypatch):
    def broken(request):
        raise ZeroDivisionError("one\ntwo")

    monkeypatch.setattr(output, "compute", broken)
    status, out, err = run("predict", "--prompt", PROMPT)
    assert (status, out) == (1, "")
    assert err.count("\n") == 1 and "ZeroDivisionError: one two" in err


# Output ---------------------------------------------------------------------------------------------------------


def test_format_follows_the_file_name(run, tmp_path):
    for name in ("x.csv", "x.json", "x.parquet", "x.html"):
        assert run("predict", "--prompt", PROMPT, "--out", tmp_path / name) == (0, "", "")
    table = pd.read_csv(tmp_path / "x.csv")
    pd.testing.assert_frame_equal(table, pd.read_parquet(tmp_path / "x.parquet"), check_dtype=False)
    whole = json.loads((tmp_path / "x.json").read_text())
    assert [row["token_id"] for row in whole["tables"]["predictions"]] == table["token_id"].tolist()
    assert "·Austin" in (tmp_path / "x.html").read_text(encoding="utf-8")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["x.csv", "x.html", "x.json", "x.parquet"]


def test_a_workbook_has_every_table(run, tmp_path):
    out = tmp_path / "x.xlsx"
    assert run("logit-lens", "--prompt", PROMPT, "--out", out) == (0, "", "")
    sheets = pd.read_excel(out, sheet_name=None)
    assert list(sheets) == ["lens", "target", "about"] and len(sheets["lens"]) > 20
    assert f"Prompt: “{PROMPT}”" in sheets["about"]["about"].tolist()


def test_a_picture_is_of_the_size_that_was_asked_for_and_says_so(run, tmp_path):
    out = tmp_path / "x.png"
    words = ("logit-lens", "--prompt", PROMPT, "--out", out, "--size", "column")
    assert run(*words, "--ground", "transparent") == (0, "", "")
    with Image.open(out) as picture:
        assert abs(picture.width / picture.info["dpi"][0] * 25.4 - 85) < 0.2
        assert picture.getpixel((0, 0))[3] == 0
        captioned = picture.height
    assert run(*words, "--no-caption") == (0, "", "")
    with Image.open(out) as picture:
        assert picture.height < captioned and picture.getpixel((0, 0))[3] == 255


def test_a_picture_has_a_width_of_ones_own_and_says_only_what_was_asked_for(run, tmp_path):
    out = tmp_path / "x.png"
    words = ("logit-lens", "--prompt", PROMPT, "--out", out)
    assert run(*words, "--width", "120mm", "--ppi", "150") == (0, "", "")
    with Image.open(out) as picture:
        assert picture.info["dpi"][0] == pytest.approx(150, abs=0.1)
        assert picture.width == pytest.approx(120 / 25.4 * 150, abs=1)
    out = tmp_path / "x.svg"
    words = (*words[:-1], out, "--no-cell-text", "--no-title", "--label-columns", "2", "--label-rows", "0")
    assert run(*words) == (0, "", "")
    svg = out.read_text(encoding="utf-8")
    assert "Austin</text>" not in svg and ">embeddings<" not in svg and ">1 The<" not in svg and ">2 ·capital<" in svg
    assert "<text" in svg
    assert run(*words, "--letters", "outlines") == (0, "", "")
    assert "<text" not in out.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--size", "huge", "--format", "png"), "There is no size huge: choose one of screen, slide, column, page."),
        (("--theme", "red", "--format", "svg"), "There is no theme red: choose one of light, dark."),
        (("--ground", "white"), "Only pictures take --ground: leave that out, or choose {pictures}."),
        (("--no-caption", "--format", "csv"), "Only pictures take --no-caption: leave that out, or choose {pictures}."),
        (
            ("--no-title", "--ppi", "300"),
            "Only pictures take --ppi and --no-title: leave that out, or choose {pictures}.",
        ),
        (("--width", "12in", "--format", "svg"), "Write a width as 120mm or 1600px: a number and its unit."),
        (("--width", "9mm", "--format", "svg"), "The width is 9 mm: choose one from 45 to 1,000."),
        (("--ppi", "5", "--format", "png"), "The resolution is 5 pixels per inch: choose one from 72 to 1,200."),
    ],
)
def test_what_is_for_pictures_is_checked(run, words, message):
    status, out, err = run("predict", "--prompt", PROMPT, *words)
    assert (status, out, err) == (2, "", message.format(pictures="png, svg, pdf or vega-lite") + "\n")


def test_one_table(run):
    whole = run_json(run, "logit-lens", "--prompt", PROMPT, "--table", "target")
    assert list(whole["tables"]) == list(whole["units"]) == ["target"]
    assert whole["units"]["target"]["kl_to_final"] == "bits"
    _, out, _ = run("logit-lens", "--prompt", PROMPT, "--table", "target", "--format", "csv")
    assert "kl_to_final" in out.partition("\n")[0]


def test_table_for_people(run):
    status, out, err = run("predict", "--prompt", PROMPT)
    assert (status, err) == (0, "")
    assert "·Austin" in out and "Self-check: probabilities sum to 1: holds" in out


@pytest.mark.parametrize(
    ("name", "magic"), [("x.png", b"\x89PNG"), ("x.svg", b"<svg"), ("x.pdf", b"%PDF"), ("x.vl.json", b"{")]
)
def test_images(run, tmp_path, name, magic):
    assert run("logit-lens", "--prompt", PROMPT, "--out", tmp_path / name) == (0, "", "")
    assert (tmp_path / name).read_bytes().startswith(magic)


def test_what_has_no_chart(run):
    assert run("tokens", "--prompt", PROMPT, "--format", "svg") == (2, "", "tokens has no chart: choose csv or json.\n")


# Lists ----------------------------------------------------------------------------------------------------------


def test_models(run):
    status, out, err = run("models")
    assert (status, err) == (0, "")
    for entry in catalogue.entries():
        assert entry.id in out and entry.description in out
    listed = json.loads(run("models", "--format", "json")[1])
    assert [model["id"] for model in listed] == [entry.id for entry in catalogue.entries()]


def test_analyses(run):
    status, out, err = run("analyses")
    assert (status, err) == (0, "")
    assert "logit-lens      What would the model say if it stopped at layer L?" in out
    listed = json.loads(run("analyses", "--format", "json")[1])
    assert [item["analysis"].replace("-", "_") for item in listed] == list(analysis_names())


def test_no_words_is_help(run):
    status, out, err = run()
    assert (status, err) == (0, "") and "logit-lens" in out and out == run("--help")[1]


@pytest.mark.parametrize("words", [["models"], ["analyses"], ["--help"], ["predcit"]])
def test_lists_need_no_torch(words):
    script = f"import sys; from mi_core.commandline import main; main({words}); sys.exit('torch' in sys.modules)"
    assert python("-c", script).returncode == 0


# As a process ---------------------------------------------------------------------------------------------------


def test_as_a_process():
    done = python("-m", "mi_core", "predict", "--prompt", PROMPT, "--format", "json")
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["tables"]["predictions"][0]["token"] == " Austin"
    bad = python("-m", "mi_core", "predict", "--prompt", PROMPT, "--model", "no-such-model")
    assert (bad.returncode, bad.stdout) == (2, "")
    assert bad.stderr.startswith("There is no model “no-such-model”") and bad.stderr.count("\n") == 1


@pytest.mark.skipif(sys.platform == "win32", reason="needs a POSIX pipe")
def test_a_reader_that_leaves():
    command = f"{shlex.quote(sys.executable)} -m mi_core models | true; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], cwd=REPOSITORY, capture_output=True, text=True, timeout=SECONDS)
    assert (done.stdout, done.stderr) == ("0\n", "")


# Edits ----------------------------------------------------------------------------------------------------------

BOSTON = [{"kind": "rome", "prompt": PROMPT, "subject": "Texas", "target": "Boston"}]


def test_any_analysis_can_be_computed_with_edits_on(run, tmp_path):
    file = tmp_path / "edits.json"
    file.write_text(json.dumps(BOSTON, indent=2))
    plain = run_json(run, "predict", "--prompt", PROMPT)
    edited = run_json(run, "predict", "--prompt", PROMPT, "--edits", file)
    assert plain["tables"]["predictions"][0]["token"] == " Austin" and "edits" not in plain
    assert edited["tables"]["predictions"][0]["token"] == " Boston" and edited["edits"] == BOSTON
    command = shlex.split(Request.of("predict", "loupe-mini", prompt=PROMPT, edits=BOSTON).as_command())
    assert run_json(run, *command[3:])["tables"] == edited["tables"]
    assert run_json(run, "predict", "--prompt", PROMPT)["tables"] == plain["tables"]


def test_edits_stack_on_each_other_when_one_is_measured(run):
    paris = ["--subject", "France", "--target", "Rome"]
    measured = run_json(run, "edit", "--prompt", "The capital of France is", *paris, "--edits", json.dumps(BOSTON))
    assert measured["tables"]["scores"][0] | {"meaning": ""} == {
        "score": "efficacy", "value": 1.0, "prompts": 1, "meaning": ""
    }  # fmt: skip


def test_a_batch_takes_edits(run, tmp_path):
    prompts = tmp_path / "prompts.csv"
    prompts.write_text(f"prompt\n{PROMPT}\nThe capital of Japan is\n")
    status, out, _ = run("predict", "--prompts", prompts, "--edits", json.dumps(BOSTON), "--format", "csv")
    table = pd.read_csv(io.StringIO(out))
    assert status == 0 and list(table[table["rank"] == 1]["token"]) == [" Boston", " Tokyo"]


@pytest.mark.parametrize(
    ("given", "said"),
    [("/nowhere/edits.json", "cannot be read"), ("[nonsense", "not JSON"), ("[3]", "Edit 1 has no known kind")],
)
def test_edits_that_cannot_be_used_get_one_line(run, given, said):
    status, _, err = run("predict", "--prompt", PROMPT, "--edits", given)
    assert status == 2 and said in err and err.count("\n") == 1
