"""A report's files: whatever a text holds is text in them, the numbers are all there, and nothing is fetched."""

import base64
import hashlib
import io
import json
import re
from html.parser import HTMLParser

import pypdf
import pytest

from charts import figures
from charts.ready import ready, with_rows
from charts.report.html import page
from charts.report.paper import BODY, HEADING, MARGIN, WIDTH, measured, wrapped
from charts.report.pdf import pdf
from mi_core.analyses.logit_lens import logit_lens
from mi_core.analyses.predict import predict
from mi_core.jobs.request import Request
from mi_core.sharing import report
from mi_core.sharing.pin import Pin

HOSTILE = "</script><img src=x onerror=alert(1)> **bold** {{ 7 * 7 }} \x00 \u202eabc\u202c =1+1 🙂 東京 عربى <!--"
SHOWN = "</script><img src=x onerror=alert(1)> **bold** {{ 7 * 7 }} ␀ ⟨U+202E⟩abc⟨U+202C⟩ =1+1 🙂 東京 عربى <!--"
PROMPT = "The capital of Texas is"
LONG = "When Mary and John went to the store, John gave a drink to " * 3


class Page(HTMLParser):
    """The elements of a page with their attributes, and the text outside scripts and styles."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements, self.texts, self._raw = [], [], False
        self.scripts: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        self._raw = tag in ("script", "style")
        if tag == "script":
            self.scripts.append("")

    def handle_endtag(self, tag):
        self._raw = False

    def handle_data(self, data):
        if not self._raw:
            self.texts.append(data)
        elif self.elements[-1][0] == "script":
            self.scripts[-1] += data

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())


def entry(analysis, result, figure, table, prompt, **written):
    pin = Pin(Request.of(analysis, "loupe-mini", prompt=prompt), table, figure.__name__, page=analysis, **written)
    return report.entry(pin, report.made(pin, result, with_rows(ready(figure(result)))))


@pytest.fixture(scope="module")
def hostile(mini):
    """A report in which every text that a person can write is hostile."""
    texts = dict.fromkeys(("note", "claim", "evidence", "control", "limits", "how"), HOSTILE)
    result = predict(mini, HOSTILE)
    made = entry("predict", result, figures.predict, "predictions", HOSTILE, query="prompt=%3C%2Fscript%3E", **texts)
    return report.document(HOSTILE, [made])


@pytest.fixture(scope="module")
def document(mini):
    """A report of two results."""
    return report.document(
        "Where it is known",
        [
            entry("predict", predict(mini, PROMPT), figures.predict, "predictions", PROMPT, note="First line\nsecond"),
            entry("logit_lens", logit_lens(mini, PROMPT), figures.logit_lens, "lens", PROMPT, claim="It knows."),
        ],
    )  # fmt: skip


def test_whatever_a_text_holds_is_text(hostile):
    written = Page(page(hostile))
    tags = [tag for tag, _ in written.elements]
    assert "img" not in tags and tags.count("script") == 4
    assert not [name for _, attributes in written.elements for name in attributes if name.startswith("on")]
    assert written.text.count(SHOWN) >= 6 and "49" not in re.findall(r"\b49\b", written.text)
    assert "\x00" not in page(hostile) and "\u202e" not in written.text
    how = "</script><img src=x onerror=alert(1)> bold {{ 7 * 7 }}"
    assert how in written.text, "an explanation may be emphasised, and no more"


def test_a_file_runs_its_own_scripts_and_fetches_nothing(hostile):
    html = page(hostile)
    (policy,) = [
        attributes["content"]
        for tag, attributes in Page(html).elements
        if tag == "meta" and attributes.get("http-equiv") == "Content-Security-Policy"
    ]
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == "'none'" and "unsafe" not in rules["script-src"]
    run = [script for script, (_, attributes) in zip(
        Page(html).scripts, [each for each in Page(html).elements if each[0] == "script"], strict=True
    ) if "type" not in attributes]  # fmt: skip
    allowed = {f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'" for script in run}
    assert len(run) == 2 and allowed == set(rules["script-src"].split())
    for _, attributes in Page(html).elements:
        assert not {"src", "srcset", "action"} & set(attributes)
        assert attributes.get("href", "#").startswith("#")


def test_the_json_within_is_the_document(document, hostile):
    for each in (document, hostile):
        html = page(each)
        assert json.loads(report.DATA.search(html)[1]) == json.loads(json.dumps(each))
        opened = report.read(html.encode())
        assert opened.title == each["title"][:300] and opened.left_out == ()
        for pin, result in zip(opened.pins, each["results"], strict=True):
            assert pin.as_dict() == json.loads(json.dumps(result["pin"]))
            assert opened.stored[pin.id]["table"] == json.loads(json.dumps(result["table"]))
            again = report.entry(pin, opened.stored[pin.id])
            assert json.loads(json.dumps(again)) == json.loads(json.dumps(result)), "and can be written again"


def test_twenty_results_are_less_than_four_megabytes(mini):
    results = []
    for number in range(20):
        prompt = f"{number} {LONG}"
        if number % 2:
            results.append(entry("predict", predict(mini, prompt), figures.surprise, "positions", prompt))
        else:
            results.append(entry("logit_lens", logit_lens(mini, prompt), figures.logit_lens, "target", prompt))
    html = page(report.document("Twenty", results))
    assert len(html.encode()) < 4_000_000
    assert html.count("vegaEmbed=") == 1, "Vega is within once"


def text_of(content: bytes) -> tuple[list[str], pypdf.PdfReader]:
    reader = pypdf.PdfReader(io.BytesIO(content))
    return [" ".join(each.extract_text().split()) for each in reader.pages], reader


def test_paper_holds_finding_note_claim_caption_and_checks(document):
    pages, reader = text_of(pdf(document))
    assert len(pages) == 3 and reader.metadata.title == "Where it is known"
    for box in (each.mediabox for each in reader.pages):
        assert (round(box.width), round(box.height)) == (595, 842)
    findings = [result["finding"] for result in document["results"]]
    assert all(finding in pages[0] for finding in findings)
    for text, result in zip(pages[1:], document["results"], strict=True):
        for said in (result["finding"], *result["caption"], *result["sentences"], result["checks"][0]["name"]):
            assert " ".join(said.split()) in text
    assert "First line" in pages[1] and "second" in pages[1] and "Claim" not in pages[1]
    assert "Claim It knows." in pages[2] and report.evidence(document["results"][1])[:60] in pages[2]
    assert "·Austin" in pages[2], "the chart is words and shapes, not a picture of them"


def test_paper_bears_any_text_and_goes_on_to_the_next_page(hostile):
    long = json.loads(json.dumps(hostile))
    long["results"][0]["pin"]["note"] = "A note that goes on. " * 400 + "THE END " + "W" * 500
    pages, _ = text_of(pdf(long))
    assert len(pages) > 3 and "THE END" in " ".join(pages)
    assert "onerror=alert(1)" in pages[0]


@pytest.mark.parametrize("style", [BODY, HEADING])
@pytest.mark.parametrize("text", [LONG, "W" * 300, "東京" * 100, HOSTILE * 3, "a\n\n b\tc", ""])
def test_lines_fit_and_nothing_is_lost(text, style):
    lines = wrapped(text, WIDTH - 2 * MARGIN, style)
    assert all(measured(line, style) <= WIDTH - 2 * MARGIN for line in lines)
    assert "".join("".join(lines).split()) == "".join(text.split())
