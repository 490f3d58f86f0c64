"""A report holds a result's numbers to the last digit, and what is no report, or a damaged one, is said to be so."""

import json
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import pytest

from mi_core.analyses.predict import predict
from mi_core.errors import InputError
from mi_core.jobs.request import Request
from mi_core.result import Check, Reading
from mi_core.sharing import report
from mi_core.sharing.pin import Pin

PROMPT = "The capital of Texas is"


@dataclass(frozen=True)
class Odd:
    """A result with every kind of number and text."""

    checks = (Check("one", 0.0, 1.0), Check("two", float("nan"), 1.0))

    def tables(self) -> dict[str, pd.DataFrame]:
        values = [0.1, float("nan"), -float("inf"), 1 / 3, 5e-324]
        texts = ["</script>", "\x00", "a\nb", "🙂", ""]
        return {
            "predictions": pd.DataFrame(
                {
                    "probability": np.array(values), "half": np.float32(values), "token": texts,
                    "rank": pd.array([1, None, 3, 4, 5], dtype="Int64"), "fine": [True, False, True, True, False],
                }
            )
        }  # fmt: skip

    def reading(self) -> Reading:
        return Reading("A finding", ("One.", "Two."))


@pytest.fixture
def asked() -> Pin:
    return Pin(Request.of("predict", "loupe-mini", prompt=PROMPT), "predictions", "predict")


def stored(pin: Pin, result) -> dict:
    """What comes back of a result through the file."""
    written = json.dumps(report.document("t", [report.entry(pin, report.made(pin, result, None))]), allow_nan=False)
    return report.read(written.encode()).stored[pin.id]


def test_numbers_come_back_to_the_last_digit(asked, mini):
    result = predict(mini, PROMPT)
    frame = result.tables()["predictions"]
    back = report.frame(stored(asked, result)["table"])
    assert list(back) == list(frame) and len(back) == len(frame) > 5
    for name in frame:
        assert back[name].tolist() == frame[name].tolist()
    odd, back = Odd().tables()["predictions"], report.frame(stored(asked, Odd())["table"])
    for name in odd:
        for before, after in zip(odd[name].tolist(), back[name].tolist(), strict=True):
            is_number = before is not pd.NA and not (isinstance(before, float) and not np.isfinite(before))
            assert (after == before) if is_number else pd.isna(after)


def test_what_is_said_of_a_result_is_all_there(asked, mini):
    result = predict(mini, PROMPT)
    made = report.made(asked, result, {"mark": "bar"})
    reading = result.reading()
    assert made["finding"] == reading.title and made["sentences"] == list(reading.sentences)
    assert [check["error"] for check in made["checks"]] == [check.error for check in result.checks]
    assert made["table"]["units"]["probability"] == "probability" and made["chart"] == {"mark": "bar"}
    assert "mi_core.run" in made["python"] and "--prompt" in made["command"] and PROMPT in made["caption"][0]
    document = report.document("A title", [report.entry(asked, made)])
    assert document["versions"]["loupe"] and document["written"][:2] == "20"


def test_evidence_is_what_the_result_says_until_somebody_writes_it(asked):
    made = report.made(asked, Odd(), None)
    assert report.evidence(made) == "A finding. One. Two. 1 of 2 self-checks hold."
    assert report.entry(asked, made)["sheet"] == {}
    claimed = report.entry(replace(asked, claim="So it is"), made)["sheet"]
    assert claimed["evidence"] == report.evidence(made) and claimed["claim"] == "So it is"
    own = replace(asked, claim="So it is", evidence="")
    assert report.entry(own, made)["sheet"]["evidence"] == ""


def test_numbers_computed_anew_are_compared_with_those_stored(asked, mini):
    before = report.made(asked, predict(mini, PROMPT), None)["table"]
    assert report.agreement(before, json.loads(json.dumps(before))) == "Computed anew here: the same numbers as stored."
    at = before["columns"].index("probability")
    other = json.loads(json.dumps(before))
    other["rows"][2][at] += 0.25
    assert report.agreement(before, other).endswith("differs from the stored numbers by up to 2.5e-01 in probability.")
    other["rows"][0][before["columns"].index("token")] = " Dallas"
    assert report.agreement(before, other) == "Computed anew here: it differs from the stored one in token."
    other["rows"].pop()
    assert "has other rows" in report.agreement(before, other)
    none = {"columns": ["a"], "rows": [], "units": {}}
    assert "the same numbers" in report.agreement(none, none)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "it is no report that Loupe wrote"),
        (b"<html><script>1</script></html>", "it is no report that Loupe wrote"),
        (b"%PDF-1.7 \xff\xfe", "it is no report that Loupe wrote"),
        (b'{"a": 1}', "it is no report that Loupe wrote"),
        (b'{"loupe_report": 1, "results": [', "it is damaged"),
        (b'{"loupe_report": 1, "results": 3}', "it is damaged"),
        (b'{"loupe_report": 1, "results": [NaN]}', "it is damaged"),
        (b'{"loupe_report": 1, "results": ' + b"[" * 50_000, "it is damaged"),
        (b'{"loupe_report": 7, "results": []}', "it is of another version (7; this Loupe reads 1)"),
    ],
)
def test_what_is_no_report_gets_a_sentence(content, said):
    with pytest.raises(InputError) as error:
        report.read(content)
    assert error.value.message == f"This file cannot be opened: {said}."


def test_of_a_damaged_report_the_rest_is_opened(asked):
    good = report.entry(asked, report.made(asked, Odd(), None))
    bad = json.loads(json.dumps(good))
    bad["table"]["rows"][1].pop()
    worse, worst = good | {"pin": good["pin"] | {"analysis": "astrology"}}, good | {"checks": 3}
    document = report.document("t", [bad, good, worse, worst])
    opened = report.read(json.dumps(document).encode())
    assert [pin.id for pin in opened.pins] == [asked.id]
    assert [text[:9] for text in opened.left_out] == ["Result 1 ", "Result 3 ", "Result 4 "]
    assert "a part of it is missing or damaged" in opened.left_out[0] and "astrology" in opened.left_out[1]
    many = report.read(json.dumps(document | {"results": [good] * 60}).encode())
    assert len(many.pins) == 50 and many.left_out == ("Results after the first 50 are left out.",)


@pytest.mark.parametrize(
    "chart",
    [
        {"data": {"url": "http://example.org/track"}},
        {"layer": [{"mark": "image", "encoding": {"url": {"value": "http://example.org"}}}]},
        {"encoding": {"href": {"field": "a"}}},
        {"usermeta": {"embedOptions": {"loader": {}}}},
    ],
)
def test_a_chart_that_would_fetch_something_is_not_taken_from_a_file(asked, chart):
    entry = report.entry(asked, report.made(asked, Odd(), chart))
    opened = report.read(json.dumps(report.document("t", [entry])).encode())
    assert opened.stored[asked.id]["chart"] is None
    entry["chart"] = {"mark": "bar", "datasets": {"d": [{"a": 1}]}}
    opened = report.read(json.dumps(report.document("t", [entry])).encode())
    assert opened.stored[asked.id]["chart"] == entry["chart"]


def test_half_characters_of_a_file_can_be_written_again(asked):
    entry = report.entry(asked, report.made(asked, Odd(), {"title": "\ud800"})) | {"finding": "a\udfff"}
    opened = report.read(json.dumps(report.document("t", [entry])).encode())
    assert json.dumps(dict(opened.stored[asked.id]), ensure_ascii=False).encode()
