"""The training timeline: one cursor for every picture, a checkpoint as the sidebar's model, and what is not there."""

from huggingface_hub import constants

from tests.core.checkpoint_folders import as_revisions, with_checkpoints
from tests.pages.test_links import follow
from tests.pages.test_pages import sentences, unescaped, visit

PAGE = "pages/understand/training_timeline.py"


def titles(app) -> str:
    return "\n".join(chart.proto.spec for chart in app.get("vega_lite_chart"))


def headers(app) -> list[str]:
    return [unescaped(box.value) for box in app.header]


def test_one_cursor_moves_every_picture():
    app = visit(PAGE)
    assert not app.exception and not app.error
    assert headers(app)[:2] == [
        "Naming capitals comes first, by step 1,100; telling who is given something comes last, by step 5,000",
        "“·Austin” is the top guess from step 1,100 on",
    ]
    assert "This is loupe-mini as it ships, to the last bit" in unescaped(sentences(app))
    app.select_slider(key="step").set_value("3000").run()
    assert not app.exception and app.query_params["step"] == "3000"
    assert "This is the model loupe-mini@3000: its weights are stored with 16 bits" in unescaped(sentences(app))
    for title in (
        "at step 3,000, on random tokens",
        "The next token at step 0 and at step 3,000",
        "reads at step 3,000",
    ):
        assert title in titles(app)
    app.selectbox(key="compared").set_value("15000").run()
    assert headers(app)[2] == "Steps 3,000 and 15,000 both say “·Austin” after “·is” (position 5)"
    assert "What this does not show" in "".join(box.value for box in app.subheader)


def test_a_checkpoint_of_the_sidebar_is_where_the_cursor_stands_and_opens_on_other_pages():
    app = follow("training_timeline", {"model": "loupe-mini@2500"})
    assert not app.exception and not app.error and "The link" not in sentences(app)
    assert app.select_slider(key="step").value == "2500" and app.session_state["model"] == "loupe-mini@2500"
    app = follow("logit_lens", {"model": "loupe-mini@2500"})
    assert not app.exception and not app.error and "“·Austin”" in headers(app)[0]
    app = follow("logit_lens", {"model": "loupe-mini@7"})
    assert not app.exception and "loupe-mini has no checkpoint 7: choose one of 0, 1100" in unescaped(sentences(app))


def test_a_step_that_is_not_there_and_edits_that_are_on_are_named():
    edit = '[{"kind":"rome","prompt":"The capital of Texas is","subject":"Texas","target":"Boston"}]'
    app = follow("training_timeline", {"step": "77"})
    assert "The link asks for step=77, which this model does not have; showing 15,000." in unescaped(sentences(app))
    app = visit(PAGE, edit_stack=edit)
    assert not app.exception and not app.error and "Edits that are on are left out here" in sentences(app)
    assert "“·Austin” is the top guess" in headers(app)[1]


def test_a_folder_of_one_s_own_has_no_measurements_but_all_else(tiny_folder, tmp_path):
    folder = with_checkpoints(tiny_folder("gpt2"), tmp_path / "series", (5, 40))
    app = visit(PAGE, model=str(folder), prompt="the cat sat on the dog")
    assert not app.exception and not app.error
    assert len(headers(app)) == 2 and list(app.select_slider(key="step").options) == ["5", "40"]
    assert "What the lens reads" in titles(app) and "Heads that changed most" not in titles(app)


def test_a_public_series_is_looked_at_by_its_revisions(tiny_folder, tmp_path, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    as_revisions(tiny_folder("neox"), tmp_path, "tiny/series", (8, 64, 512))
    asked = {"model": "tiny/series@step64", "prompt": "the cat sat on the dog"}
    app = visit(PAGE, **asked)
    assert not app.exception and not app.error
    assert list(app.select_slider(key="step").options) == ["8", "64", "512"]
    assert app.select_slider(key="step").value == "64"
    assert "This is the model tiny/series@step64: its weights are stored with 16 bits" in unescaped(sentences(app))
    app.text_input(key="fetched").set_value("8, 512").run()
    assert not app.exception and not app.error and list(app.select_slider(key="step").options) == ["8", "512"]
    app.text_input(key="fetched").set_value("8, five").run()
    assert not app.exception
    assert unescaped(app.error[0].value) == "Steps are whole numbers, separated by commas, such as 0, 1000, 143000."
    app.text_input(key="fetched").set_value("8, 9").run()
    assert not app.exception and "tiny/series@step9 is not on this machine" in unescaped(sentences(app))
