"""Batches behind the pages: the command line's own bytes, stopped and gone on with, in bounded memory."""

import csv
import io
import json
import threading
import tracemalloc
from dataclasses import dataclass, replace

import filelock
import numpy as np
import openpyxl
import pandas as pd
import pytest

from mi_core.analyses import _index
from mi_core.commandline import main
from mi_core.errors import InputError
from mi_core.jobs.engine import engine
from mi_core.result import Check, Reading
from mi_core.sharing import background, batch_table, kept_batch, prompt_list, prompt_table
from mi_core.sharing.batch_summary import batch_summary
from mi_core.sharing.kept_batch import KeptBatch, requests_of
from mi_core.sharing.output import OutputPlan
from tests.patience import SECONDS

LIST = (
    "prompt,target,notes\nThe capital of Texas is,Austin,a\n=1+1 is,,b\nThe capital of Japan is,Washingtonian,c\n ,,\n"
    '"He said, ""The\nEiffel Tower is in",,d\n-1 is less than,,\né🙂 <b>The</b> capital of Italy is,Rome,\n'
)
GOOD = [0, 1, 4, 5, 6]  # the others have an answer of several tokens, and no prompt
SEEN: list[str] = []


@dataclass(frozen=True)
class Letters:
    """Letters of a prompt."""

    counts: np.ndarray
    checks: tuple[Check, ...] = (Check("one is one", 0.0, 0.0),)

    def tables(self) -> dict[str, pd.DataFrame]:
        letter = [chr(97 + at % 26) for at in range(len(self.counts))]
        return {"letters": pd.DataFrame({"letter": letter, "count": self.counts, "code": "0"})}

    def reading(self) -> Reading:
        return Reading("Letters", ())


def letters(prompt: str, *, n: int = 3) -> Letters:
    """How often does each letter stand in it?

    Args:
        prompt: Text.
        n: How many letters.
    """
    SEEN.append(prompt)
    if "bad" in prompt:
        raise InputError("This is a bad prompt: write a better one.", "prompt")
    if "broken" in prompt:
        raise ZeroDivisionError
    if "wait" in prompt:
        assert RELEASED.wait(SECONDS)
    return Letters(np.arange(n, dtype=np.float64) + prompt.count("a") / 8)


RELEASED = threading.Event()


@pytest.fixture(autouse=True)
def added():
    SEEN.clear(), RELEASED.clear()
    with _index.added(letters):
        yield
    RELEASED.set()


def kept_of(
    text: str, analysis: str = "letters", model: str = "", table: str | None = "letters", **shared
) -> KeptBatch:
    given = prompt_table.pasted(text)
    rows = prompt_list.settings(given, prompt_list.matched(given, analysis), analysis)
    plan = OutputPlan(analysis, model, table=table)
    return KeptBatch.of(plan, requests_of(plan, shared, rows), engine().fingerprint(model) if model else "")


def finished(kept: KeptBatch) -> background.BackgroundRun:
    run = background.start(kept)
    run.join(SECONDS)
    assert not run.is_alive
    return run


def many(n: int, word: str = "prompt") -> str:
    return "\n".join(["prompt", *(f"{word} {at} {'a' * (at % 5)}" for at in range(n))])


@pytest.fixture
def predicted() -> KeptBatch:
    engine().run(requests_of(OutputPlan("predict", "loupe-mini"), {}, [{"prompt": "The"}])[0])  # the model is open
    kept = kept_of(LIST, "predict", "loupe-mini", "predictions", top_k=3)
    finished(kept)
    return kept


@pytest.mark.parametrize("form", ["csv", "csv-raw", "json"])
def test_the_files_are_those_of_the_command_line_to_the_byte(predicted, tmp_path, form, capsys):
    (tmp_path / "list.csv").write_text(LIST.replace("notes", "pos").replace(",a\n", ",\n").replace(",b\n", ",\n")
                                       .replace(",c\n", ",\n").replace(",d\n", ",\n"), "utf-8")  # fmt: skip
    out = tmp_path / "out"
    words = ["predict", "--prompts", tmp_path / "list.csv", "--table", "predictions", "--top-k", 3]
    assert main([str(word) for word in (*words, "--format", form, "--out", out)]) == 2, "two rows cannot be used"
    files = {"csv": predicted.csv, "json": predicted.jsonl}
    mine = files[form] if form in files else batch_table.raw_csv(predicted)
    assert mine.read_bytes() == out.read_bytes()
    assert predicted.done() == len(GOOD) == len(predicted.jsonl.read_text("utf-8").splitlines())


def test_what_failed_is_kept_with_its_sentence(predicted):
    failures = dict(predicted.failures())
    assert set(failures) == {2, 3} and "is 2 tokens for this model" in failures[2]
    assert failures[3] == "The prompt is empty: type a few words."


def test_the_workbook_holds_the_same_numbers_and_texts(predicted):
    sheet = openpyxl.load_workbook(batch_table.xlsx(predicted), read_only=True)["predictions"]
    header, *rows = [list(row) for row in sheet.iter_rows(values_only=True)]
    raw = list(csv.reader(io.StringIO(batch_table.raw_csv(predicted).read_text("utf-8"), newline="")))
    assert header == raw[0] and len(rows) == len(raw) - 1
    at = header.index("probability")
    for mine, theirs in zip(rows, raw[1:], strict=True):
        assert mine[1] == theirs[1] and mine[header.index("token")] == theirs[header.index("token")]
        assert mine[at] == pytest.approx(float(theirs[at]), rel=1e-6)


def test_the_first_lines_and_the_columns(predicted):
    known = batch_table.columns(predicted)
    assert known.names == ("row", "prompt", "rank", "token", "token_id", "logit", "probability")
    assert known.numbers == ("rank", "token_id", "logit", "probability")
    assert known.units == {"logit": "logits", "probability": "probability"}
    frame = batch_table.first_lines(predicted, known, 4)
    assert frame["row"].tolist() == [0, 0, 0, 1] and frame["prompt"][3] == "=1+1 is"
    assert frame["rank"].tolist() == [1, 2, 3, 1] and frame["rank"].dtype == "Int64"
    assert frame["token"][0] == " Austin"


def test_the_summary_is_that_of_the_tables(predicted):
    lines = [json.loads(line) for line in predicted.jsonl.read_text("utf-8").splitlines()]
    each = {line["row"]: [row["probability"] for row in line["tables"]["predictions"]] for line in lines}
    for word, of in {"max": max, "min": min, "mean": np.mean, "first": lambda values: values[0]}.items():
        summary = batch_summary(predicted, "probability", word)
        assert summary.rows.tolist() == GOOD
        np.testing.assert_allclose(summary.values, [of(each[row]) for row in GOOD], rtol=1e-6)
    every = batch_summary(predicted, "probability", "line")
    np.testing.assert_allclose(every.values, [value for row in GOOD for value in each[row]], rtol=1e-6)
    assert every.tables()["bins"]["lines"].sum() == len(every.values)
    best = batch_summary(predicted, "probability")
    title, sentences = best.reading().title, " ".join(best.reading().sentences)
    assert title.startswith(f"The largest probability of each prompt: median {np.median(best.values):.1%}, from ")
    low = GOOD[int(best.values.argmin())]
    assert "That is of 5 prompts." in sentences and f"(row {low}), and largest" in sentences
    assert all(check.passed for check in best.checks)
    for wrong in ("token", "row", "nothing"):
        with pytest.raises(InputError, match=f"There are no numbers in a column {wrong}: choose one of rank, "):
            batch_summary(predicted, wrong)


def test_checks_that_do_not_hold_are_counted():
    kept = kept_of('prompt\n"say ""passed"": false"\nother')
    finished(kept)
    assert batch_table.failed_checks(kept) == 0
    kept.jsonl.write_bytes(kept.jsonl.read_bytes().replace(b'"passed": true', b'"passed": false', 1))
    assert batch_table.failed_checks(kept) == 1
    assert [check.error for check in batch_summary(kept, "count").checks] == [1.0]


def test_a_row_that_fails_is_no_end_and_one_that_breaks_neither():
    kept = kept_of("a\nbad\nbroken\nb\n")
    run = finished(kept)
    assert (run.done, run.failed, run.error, kept.done()) == (2, 2, "", 2)
    assert kept.failures() == [
        (1, "This is a bad prompt: write a better one."),
        (2, "This could not be computed (ZeroDivisionError). The server's log has the details."),
    ]


def test_cancelled_and_gone_on_with_without_computing_again():
    kept = kept_of("one\ntwo\nwait three\nfour")
    run = background.start(kept)
    while kept.done() < 2:
        assert run.is_alive
    assert background.start(kept) is run, "the same question is computed once"
    run.cancel()
    run.join(SECONDS)
    RELEASED.set()
    assert kept.done() == 2 and not run.error
    finished(kept)
    assert kept.done() == 4 and SEEN.count("one") == 1
    assert [json.loads(line)["row"] for line in kept.jsonl.read_text().splitlines()] == [0, 1, 2, 3]


@pytest.mark.parametrize("which", ["csv", "jsonl"])
def test_torn_anywhere_it_ends_with_the_same_files(which):
    kept = kept_of(many(4, which))
    finished(kept)
    whole = {path: path.read_bytes() for path in (kept.csv, kept.jsonl)}
    torn = getattr(kept, which)
    for cut in range(0, len(whole[torn]), 17 if which == "csv" else 401):
        torn.write_bytes(whole[torn][:cut])
        finished(kept)
        assert {path: path.read_bytes() for path in whole} == whole, cut


def test_other_conditions_are_another_batch():
    same, folders = kept_of("a\nb").folder, set()
    assert same == kept_of("prompt\na\nb").folder
    for text, shared in (("a\nc", {}), ("a\nb", {"n": 4}), ("a", {}), ("prompt,n\na,4\nb,3", {})):
        folders.add(kept_of(text, **shared).folder)
    assert len(folders) == 4 and same not in folders


def test_two_processes_do_not_write_one_file():
    kept = kept_of("first\nsecond")
    kept.folder.mkdir(parents=True)
    with filelock.FileLock(kept.folder / "lock"):
        run = finished(kept)
    assert "Another Loupe on this computer computes this batch now" in run.error and kept.done() == 0
    assert finished(kept).error == "" and kept.done() == 2


def test_forgotten_it_begins_anew():
    kept = kept_of("once\nagain")
    finished(kept)
    background.forget(kept)
    assert not kept.folder.exists() and kept.done() == 0 and background.last_run(kept) is None


def test_the_folder_is_bounded():
    kept = [kept_of(many(3, word)) for word in ("oldest", "older", "new")]
    for one in kept:
        finished(one)
    size = sum(path.stat().st_size for path in kept[-1].folder.glob("*"))
    kept_batch.trim([kept[0].folder], most=size + 1)
    assert [one.folder.exists() for one in kept] == [True, False, True], "what is in use stays"


def test_a_table_of_other_columns_is_not_mixed_in(tmp_path):
    kept = kept_of("prompt,n\na,2\nb,2\nc,2")
    finished(kept)
    kept.csv.write_text(kept.csv.read_text().replace("letter,", "other,")[:-3])
    run = finished(kept)
    assert run.failed == 1 and "those before have row, prompt, other, count" in kept.failures()[0][1]


def test_a_lone_carriage_return_ends_no_row():
    text = 'prompt\n"a\rb"\nc\n'
    kept = kept_of(text)
    finished(kept)
    content = kept.csv.read_bytes()
    assert b'"a\rb"' in content
    kept.csv.write_bytes(content[:-3])
    finished(kept)
    assert kept.csv.read_bytes() == content and SEEN.count("a\rb") == 1


def test_results_do_not_pile_up():
    """A megabyte of each, one at a time."""
    kept = kept_of(many(200, "large"))
    tracemalloc.start()
    try:
        kept.folder.mkdir(parents=True)
        plain = replace(kept.batch, files=(replace(kept.batch.files[0], out=kept.csv),))
        steps = plain.steps(lambda request: Heavy(np.zeros(3), np.ones(2**17)), set())
        assert sum(step.error is None for step in steps) == 200
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 20 * 2**20


@dataclass(frozen=True)
class Heavy(Letters):
    """Letters, and a megabyte."""

    weight: np.ndarray = None
    checks: tuple[Check, ...] = ()

    def __init__(self, counts, weight):
        object.__setattr__(self, "counts", counts)
        object.__setattr__(self, "weight", weight)


@pytest.mark.slow
def test_ten_thousand_rows():
    kept = kept_of(many(10_000, "many"), n=5)
    run = finished(kept)
    assert (run.done, run.failed, kept.done()) == (10_000, 0, 10_000)
    size = kept.csv.stat().st_size
    tracemalloc.start()
    try:
        known = batch_table.columns(kept)
        assert len(batch_table.first_lines(kept, known)) == batch_table.FIRST_LINES
        raw, book = batch_table.raw_csv(kept), batch_table.xlsx(kept)
        peak = tracemalloc.get_traced_memory()[1]
        summary = batch_summary(kept, "count")
    finally:
        tracemalloc.stop()
    assert peak < size / 2, f"{peak:,} of {size:,} bytes"
    assert summary.values.tolist() == [4 + (at % 5) / 8 + 1 / 8 for at in range(10_000)]
    assert raw.stat().st_size == size
    sheet = openpyxl.load_workbook(book, read_only=True)["letters"]
    assert sum(1 for _ in sheet.iter_rows()) == 50_001
    content = kept.csv.read_bytes()
    kept.csv.write_bytes(content[: size // 2])
    SEEN.clear()
    finished(kept)
    assert kept.csv.read_bytes() == content
