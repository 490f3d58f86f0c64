"""The heads' page: roles, one head's weights, who hears whom, one look taken apart; one's own text."""

import pytest

from tests.pages.test_other_models import open_on
from tests.pages.test_pages import sentences, unescaped, visit

HEADS = "pages/look/heads.py"
NAMES = "When Mary and John went to the store, John gave a drink to"


def charts(app) -> str:
    return "\n".join(element.proto.spec for element in app.get("vega_lite_chart"))


def links(app) -> dict[str, str]:
    """Page → the query of the link that proves."""
    found = [link.proto for link in app.get("page_link") if link.proto.label.startswith("Prove it: ")]
    return {link.page: link.query_string for link in found}


@pytest.mark.parametrize(
    ("state", "title", "drawn"),
    [
        (
            {},
            "6 of 16 heads have a clear role; the clearest is L0H3",
            ("what followed last time", "L1H0 looks at", "L1H0’s attention to what followed last time"),
        ),
        ({"role": "current_token", "measured": "text", "layer": 1, "head": 0}, "6 of 16 heads", ("in ordinary text",)),
        (
            {"view": "circuit"},
            "L0H3 copies",
            ("says when it reads a token", "chooses most sharply", "looks at most, whatever asks", "by position alone"),
        ),
        ({"view": "circuit", "layer": 1, "head": 1, "gains": "folded"}, "L1H1 copies", ("L1H1 looks for",)),
        ({"view": "pairs"}, "L0H3 writes what L1H3’s values read", ("values read",)),
        (
            {"view": "score", "layer": 1, "head": 1, "parts": "components"},
            "L1H1 looks from “·to”",
            ("L1H1 looks from",),
        ),
    ],
)
def test_each_view_has_its_finding(state, title, drawn):
    app = visit(HEADS, prompt=NAMES, **state)
    assert not app.exception and not app.error
    assert title in unescaped(app.header[0].value)
    assert all(words in charts(app) for words in drawn)


def test_a_pair_leads_to_the_paths_between_them():
    app = visit(HEADS, view="pairs", heard_by="K")
    assert links(app) == {"path_patching": "to-receiver=L1H1&to-input=k"}
    app.text_input(key="pair").set_value("l0h0 l1h2").run()
    assert links(app) == {"path_patching": "to-receiver=L1H2&to-input=k"}
    app.text_input(key="pair").set_value("L0H0").run()
    assert not links(app) and "type both" in sentences(app)


def test_heads_look_at_ones_own_text(tmp_path, monkeypatch):
    monkeypatch.setenv("LOUPE_CACHE", str(tmp_path))
    app = visit(HEADS, role="previous_token", least=90)
    assert "1 of 16 heads gives it at least 90% of its attention: L0H0 (97.5%)." in [
        unescaped(each.value) for each in app.markdown
    ]
    text = "Tom saw the cat and the cat saw Tom. " * 40
    app.file_uploader(key="heads_file").set_value(("mine.txt", text.encode(), "text/plain")).run()
    assert not app.exception and not app.error
    assert any("excerpts of mine.txt" in unescaped(each.value) for each in app.markdown)
    app.file_uploader(key="heads_file").set_value(("mine.txt", "é".encode("latin-1"), "text/plain")).run()
    assert not app.exception and "is not a text file in UTF-8" in unescaped(sentences(app))


def test_what_an_architecture_cannot_give_is_said(tiny_folder):
    app = open_on(HEADS, tiny_folder("llama"), view="score", parts="auto", layer=1, head=1)
    assert (
        not app.exception
        and not app.error
        and any("earlier layers wrote" in unescaped(each.value) for each in app.markdown)
    )
    for state in ({"view": "circuit", "layer": 9}, {"view": "roles", "layer": 9}):
        app = visit(HEADS, **state)
        assert not app.exception and "There is no" in unescaped(sentences(app))
