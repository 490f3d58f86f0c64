"""The probing page: each set of texts, one's own, a layer that is chosen, and the direction that is tried out."""

from urllib.parse import parse_qsl

import pytest

from mi_core.analyses.probing import probing
from mi_core.jobs.request import Request
from tests.pages.test_pages import sentences, unescaped, visit
from ui.compute import STOPPED, WRITTEN

PROBING = "pages/look/probing.py"
OWN = "text,label\n" + "\n".join(
    f"{frame} {word}.,{label}"
    for frame in ("I find it", "The movie was", "They said that the book is")
    for label, words in {"good": "lovely great wonderful", "bad": "awful dull terrible"}.items()
    for word in words.split()
)


def findings(app) -> list[str]:
    return [unescaped(box.value) for box in app.header]


def said(app) -> str:
    return unescaped("\n".join(box.value for box in app.markdown))


def test_it_opens_on_texts_that_ship_and_tries_the_direction_out():
    app = visit(PROBING)
    assert not app.exception and not app.error
    first, second = findings(app)
    assert "“positive” or “negative” is read best after layer 0" in first and "the direction to “positive”" in second
    assert "Decodable is not used" in said(app) and "The 19 of 96 texts that it gets wrong" in said(app)
    links = [link.proto for link in app.get("page_link")]
    steering = next(link for link in links if "steer along it after layer 0" in link.label)
    assert "to-source=probe&to-probe=sentiment%2Fpositive&to-layer=1" in steering.query_string


def test_a_layer_a_class_and_a_kind_can_be_chosen():
    app = visit(PROBING, layer=3, towards="negative", kind="mean difference", moved="change")
    assert not app.exception and not app.error
    assert "the direction to “negative”" in findings(app)[1]
    assert "texts that it gets wrong" in said(app) and "The 19 of 96" not in said(app)
    steering = next(link.proto for link in app.get("page_link") if "steer along it" in link.proto.label)
    assert "to-source=vector" in steering.query_string  # a difference of means has no words of its own
    assert any("change of the logit of" in each.proto.spec for each in app.get("vega_lite_chart"))


def test_a_layer_that_is_not_there_gets_a_sentence():
    app = visit(PROBING, layer=9)
    assert not app.exception and len(app.header) == 1
    assert "There is no layer 9: choose 0 (the embeddings) to 4" in unescaped(app.error[0].value)


def test_pasted_texts_are_grouped_by_what_they_share():
    app = visit(PROBING, texts="pasted")
    assert not app.exception and "A table whose first line says" in unescaped(sentences(app)) and not app.header
    app.text_area(key="labelled").set_value(OWN).run()
    assert not app.exception and not app.error
    assert "Whole groups are held out (3 of them, texts equal after masking the words that differ)" in said(app)
    assert "“good” or “bad”" in findings(app)[0]
    probe = next(link.proto for link in app.get("page_link") if "steer along it" in link.proto.label)
    key = dict(parse_qsl(probe.query_string))["to-probe"]
    other = visit("pages/intervene/steering.py", source="probe", probe=key, layer=1)
    assert not other.exception and not other.error and other.selectbox(key="probe").value == key
    assert "your texts: good" in other.selectbox(key="probe").options


def test_a_file_is_read_at_a_named_token():
    app = visit(PROBING, texts="file", read_at="token", read_token="food")
    rows = OWN.replace(".,", " food,")
    app.file_uploader(key="labelled_file").set_value(("mine.csv", rows.encode(), "text/csv")).run()
    assert not app.exception and not app.error
    assert "“good” or “bad”" in findings(app)[0]
    app.text_input(key="read_token").set_value("book").run()
    assert "has no token “·book”" in unescaped(app.error[0].value)


def test_the_layers_so_far_stay_when_it_is_stopped(mini):
    class Enough(Exception):
        """The first layers."""

    def progress(done, total, so_far=None):
        if so_far is not None and len(so_far.layers) == 2:
            raise Enough(so_far)

    with pytest.raises(Enough) as stopped:
        probing(mini, "sentiment", shuffles=1, progress=progress)
    request = Request.of("probing", "loupe-mini", file="sentiment", position="last", token="", prepend_bos=None)
    app = visit(PROBING, **{STOPPED: request, WRITTEN: stopped.value.args[0]})
    assert not app.exception and not app.error
    assert findings(app)[0].startswith(
        "So far, up to layer 1 of 4: “positive” or “negative” is read best after layer 0"
    )
    assert len(app.get("vega_lite_chart")) == 1 and "Stopped before it was finished" in sentences(app)
    assert app.button(key="run-probing").label == "Run again"


@pytest.mark.parametrize(
    ("content", "wrong"),
    [
        (b"text,label\na,x\nb,x\nc,y", "There are 3 texts"),
        ("text,label\né,x".encode("latin-1"), "is not a text file in UTF-8"),
        (b" ", "is empty"),
        (OWN.replace("bad", "good").encode(), "All texts are of one class, “good”"),
    ],
)
def test_what_cannot_be_used_gets_a_sentence(content, wrong):
    app = visit(PROBING, texts="file")
    app.file_uploader(key="labelled_file").set_value(("mine.csv", content, "text/csv")).run()
    assert not app.exception and wrong in unescaped(app.error[0].value) and not app.header
