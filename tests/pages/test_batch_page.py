"""The page Batch: lists that are pasted or brought, what is said of them, a batch started, stopped and gone on with."""

import json
from io import BytesIO

import openpyxl
import pytest

from mi_core.analyses._index import analysis_names, files_among, find_analysis, parameters, settings_of
from mi_core.sharing import background
from tests.pages.test_links import follow
from tests.pages.test_pages import sentences, unescaped, visit
from tests.patience import SECONDS
from ui import words
from ui.fields import for_all

BATCH = "pages/share/batch.py"
TWO = "prompt,Target,notes\nThe capital of Texas is,Austin,<b>x</b>\nThe capital of Peru is,Lima,y\n"


def pasted(text: str, **state):
    return visit(BATCH, prompts=text, **state)


def finished(app):
    """Until the batch that was started has ended, and the page knows."""
    for run in list(background._running.values()):
        run.join(SECONDS)
    return app.run()


def in_link(app, key: str) -> str:
    value = app.query_params[key]
    return value if isinstance(value, str) else value[0]


def markdown(app) -> str:
    return unescaped("\n".join(block.value for block in app.markdown))


def test_without_a_list_it_says_what_to_bring_and_has_an_example():
    app = visit(BATCH)
    assert not app.exception and not app.error
    assert "A prompt a line. Or a table whose first line names its columns" in sentences(app)
    app.button(key="prompts-example").click().run()
    assert not app.exception and not app.error
    assert "5 prompts take " in unescaped(sentences(app)) and app.selectbox(key="table").value == "predictions"
    assert in_link(app, "prompts").startswith("prompt,target\n"), "a link carries what is pasted"


def test_columns_are_told_and_a_batch_is_run_and_shown():
    app = pasted(TWO)
    said = markdown(app)
    assert "| Target | sets the answer |" in said and "| notes | is not used |" in said
    app.button(key="batch-start").click().run()
    app = finished(app)
    assert not app.exception and not app.error
    assert unescaped(app.header[0].value).startswith("The largest probability of each prompt: median ")
    assert app.get("vega_lite_chart") and "All 20 lines." in sentences(app)
    labels = {button.proto.label for button in app.get("download_button")}
    assert labels >= {"Table as CSV", "Raw text as CSV", "JSON lines", "Table as XLSX"}
    command = next(block.value for block in app.code if "--prompts" in block.value)
    assert command == (
        "python -m mi_core predict --model loupe-mini --prompts prompts.csv --table predictions --out results.csv"
    )
    app.selectbox(key="column").set_value("logit").run()
    app.selectbox(key="each").set_value("mean").run()
    assert unescaped(app.header[0].value).startswith("The average logit of each prompt: median ")
    assert (in_link(app, "column"), in_link(app, "each")) == ("logit", "mean")


def test_rows_that_fail_are_named_and_the_others_go_on():
    app = pasted("prompt,target,top_k\nThe capital of Texas is,Washingtonian,\nA,,many\n**The** is,,\n")
    app.button(key="batch-start").click().run()
    app = finished(app)
    assert not app.exception and not app.error and app.header
    assert "1 of 3 prompts are done; 2 could not be used." in unescaped(sentences(app))
    said = markdown(app)
    assert "| 0 | The capital of Texas is | “Washingtonian” is 2 tokens" in said
    assert "| Row 1: many is no value for top_k: correct the cell. |" in said.replace("| 1 |  ", "")


def test_settings_for_every_row_are_read_off_the_analysis_and_travel_in_the_link():
    app = pasted("The capital of Texas is\nThe capital of Peru is")
    app.number_input(key="all-predict-top_k").set_value(3).run()
    app.text_input(key="all-predict-foil").set_value("Dallas").run()
    held = json.loads(in_link(app, "for_all"))
    assert held == {"foil": "Dallas", "top_k": 3}
    other = follow("batch", {"prompts": "The capital of Texas is\nOne", "for_all": json.dumps(held | {"nonsense": 1})})
    assert other.number_input(key="all-predict-top_k").value == 3
    assert other.text_input(key="all-predict-foil").value == "Dallas"
    assert "asks for nonsense=1, which is left out" in unescaped(sentences(other))
    app.button(key="batch-start").click().run()
    assert "All 6 lines." in sentences(finished(app))


def test_what_an_analysis_needs_is_asked_for():
    app = pasted("prompt\nThe capital of Texas is\n", analysis="patching")
    assert "This analysis needs “Second prompt”: fill it in" in unescaped(sentences(app)) and not app.exception
    app = pasted("prompt,Corrupted\nThe capital of Texas is,The capital of France is\n", analysis="patching")
    assert not app.error and "1 prompt takes " in unescaped(sentences(app))
    assert "| Corrupted | is the second prompt |" in markdown(app)


@pytest.mark.parametrize("analysis", list(words.BATCHED))
def test_every_setting_has_a_field_that_shows_what_a_link_says(analysis):
    """Of every analysis that can be asked: no setting is of a kind that has no field."""
    for name, setting in settings_of(find_analysis(analysis)).items():
        kind = for_all._kind(setting)
        value = kind[0] if isinstance(kind, tuple) else {bool: True, int: 3, float: 0.5}.get(kind, "word")
        assert for_all._fits(setting, value), name
        assert not for_all._fits(setting, None) and not for_all._fits(setting, [1])


def test_every_analysis_that_reads_a_prompt_and_no_file_can_be_asked():
    asked = {name for name in analysis_names() if "prompt" in parameters(name) and not files_among(name)}
    assert set(words.BATCHED) == asked


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("prompt,prompt\na,b", "There are 2 columns “prompt”: keep one of them."),
        ("prompt,target\n", "What was pasted has no prompts: add one per line below the first."),
        ('prompt,target\n"a,b\n', "What was pasted is not a CSV file in UTF-8"),
        (" \n", "A prompt a line."),
        ("word " * 20_000, "shorten it by"),
        ("prompt,target\n" + ",\n" * 3, "The prompt is empty"),
    ],
)
def test_lists_that_cannot_be_used_get_a_sentence_and_are_kept(text, said):
    app = pasted(text)
    assert not app.exception and said in unescaped(sentences(app))
    assert app.text_area(key="prompts").value == text


def test_a_model_that_cannot_be_had_gets_a_sentence():
    app = pasted("One\nTwo", model="no-such-model")
    assert not app.exception and "There is no model" in unescaped(sentences(app))


def uploaded(name: str, content: bytes):
    app = visit(BATCH, rows_from="file")
    app.file_uploader(key="prompts_file").upload(name, content).run()
    return app


def test_a_workbook_is_brought_and_any_column_may_hold_the_prompts():
    book, buffer = openpyxl.Workbook(), BytesIO()
    for row in (
        ["id", "Sentence", "Answer"],
        [1, "The capital of Texas is", "Austin"],
        [2, "The capital of Peru is", "x"],
    ):
        book.active.append(row)
    book.save(buffer)
    app = uploaded("my list.xlsx", buffer.getvalue())
    assert not app.exception and not app.error
    assert app.selectbox(key="prompt_column").value == "Sentence", "the longest texts"
    assert "| Sentence | is the prompt |" in markdown(app) and "but not the file" in sentences(app)
    app.switch_page("pages/look/attention.py").run()
    app.switch_page(BATCH).run()
    assert "Still with my list.xlsx." in unescaped(sentences(app)) and "2 prompts take" in unescaped(sentences(app))


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("empty.csv", b"", "has no column named prompt"),
        ("binary.csv", b"prompt\n\xff\xfe\x00", "is not a CSV file in UTF-8: save it as one."),
        ("<b>no.xlsx", b"PK", "is not a workbook that can be read: save it as XLSX or CSV."),
    ],
)
def test_files_that_cannot_be_read_get_a_sentence(name, content, said):
    app = uploaded(name, content)
    assert not app.exception and said in unescaped(sentences(app))


def test_addresses_of_the_page_say_what_is_shown():
    app = follow("batch", {"analysis": "logit_lens", "prompts": "The capital of Texas is", "table": "tokens"})
    assert not app.exception and app.selectbox(key="analysis").value == "logit_lens"
    assert in_link(app, "analysis") == "logit_lens" and in_link(app, "table") == "tokens"
