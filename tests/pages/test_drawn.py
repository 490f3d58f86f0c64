"""What pages show is made once, belongs to one result and one choice, and is what the exports write."""

import gc
import json

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as some

from charts import theme
from charts.figures import FIGURES
from charts.ready import ready, with_rows
from tests.pages.test_pages import PAGES, START, visit
from ui import drawn, show
from ui.parts.presets import PRESETS

STORY = {name: getattr(PRESETS[0], name) for name in ("prompt", "target", "foil")}
# Choices of a reader that change a chart, beside what every page starts with.
VIEWS = [
    *((page, {}) for page in PAGES),
    ("pages/look/logit_lens.py", {"colour": "doubt (entropy)", "follow": "rank", "half": True}),
    ("pages/look/attention.py", {"weighted": True}),
    ("pages/look/attribution.py", {"layer": 1, "head": 2}),
    ("pages/intervene/ablation.py", {"metric": "all probabilities (KL)"}),
    ("pages/intervene/ablation.py", {"site": "positions", "metric": "probability"}),
    ("pages/intervene/ablation.py", {"site": "features"}),
    ("pages/intervene/patching.py", {"estimate": True, "metric": "probability"}),
    ("pages/intervene/patching.py", {"patch": "heads", "cell": "L1H0"}),
    ("pages/intervene/path_patching.py", {"site": "MLPs"}),
    ("pages/intervene/steering.py", {"sweep": True, "measure": "surprise of the text"}),
]


def on_screen(app):
    """Every chart of a page as a specification with its rows, without the colours of the page's theme."""
    charts = [element.proto for element in app.get("vega_lite_chart")]
    specs = [json.loads(chart.spec) | {"datasets": {}} for chart in charts]
    for spec, chart in zip(specs, charts, strict=True):
        for of_the_page in ("config", "autosize"):  # its colours, and the width of its place
            spec.pop(of_the_page)
        for dataset in chart.datasets:
            with pa.ipc.open_stream(dataset.data.data) as stream:
                spec["datasets"][dataset.name] = stream.read_all().to_pylist()
    return specs


def comparable(spec):
    """JSON of what is drawn; views are renamed on their way to the browser, and `null` titles written as blanks."""
    datasets = {name: [_shown(row) for row in rows] for name, rows in spec["datasets"].items()}
    drawn_alike = {key: value for key, value in spec.items() if key != "autosize"}
    return json.dumps(_nameless(drawn_alike | {"datasets": datasets}), sort_keys=True)


def _shown(row):
    return {name: None if isinstance(value, float) and value != value else value for name, value in row.items()}


def _nameless(value):
    if isinstance(value, list):
        return [_nameless(item) for item in value]
    if not isinstance(value, dict):
        return value
    named = {key: item for key, item in value.items() if key != "views"}
    if str(named.get("name")).startswith("view_"):
        del named["name"]
    return {key: _nameless(item) for key, item in named.items()}


@pytest.mark.parametrize(("page", "view"), VIEWS, ids=[f"{page.split('/')[-1]} {view}" for page, view in VIEWS])
def test_chart_on_the_page_is_the_chart_that_is_exported(page, view, monkeypatch):
    shown, plain = [], show.footer

    def footer(answer, *, spec=None, **row):
        shown.extend([] if spec is None else [spec])
        return plain(answer, spec=spec, **row)

    monkeypatch.setattr(show, "footer", footer)  # which gets what the buttons export
    app = visit(START, **STORY, **view)
    if page != START:
        shown.clear()
        app.switch_page(page).run()
    assert not app.exception and not app.error
    screen = on_screen(app)
    assert len(screen) == len(shown) >= 1
    for spec, exported in zip(screen, shown, strict=True):
        assert comparable(spec) == comparable(with_rows(exported))


@pytest.mark.parametrize(("page", "view"), VIEWS, ids=[f"{page.split('/')[-1]} {view}" for page, view in VIEWS])
def test_command_line_draws_what_the_page_shows(page, view, monkeypatch):
    """But for the title, which is the finding, since a picture stands alone."""
    drawings, plain = [], show.chart

    def chart(answer, figure, *, key, how, table, on_select=None, **settings):
        drawings.append((answer, figure, settings))
        return plain(answer, figure, key=key, how=how, table=table, on_select=on_select, **settings)

    monkeypatch.setattr(show, "chart", chart)
    app = visit(START, **STORY, **view)
    if page != START:
        drawings.clear()
        app.switch_page(page).run()
    screen = on_screen(app)
    for (answer, figure, settings), spec in zip(drawings, screen, strict=True):
        anew = ready(figure(answer.result, **settings))
        assert comparable(spec) == comparable(with_rows(anew))
        if FIGURES.get(answer.request.analysis) is figure:
            settings.pop("title", None)
            picture = with_rows(ready(figure(answer.result, title="The finding", **settings)))
            assert picture["title"]["text"] == ["The finding"]
            untitled = [{**one, "title": "", "description": ""} for one in (picture, spec)]
            assert comparable(untitled[0]) == comparable(untitled[1])


@pytest.mark.parametrize("page", PAGES)
def test_a_page_whose_result_is_known_makes_nothing_anew(page):
    app = visit(page, **STORY)
    app.run()
    before, made = on_screen(app), drawn.drawn.made
    app.run()
    assert drawn.drawn.made == made
    assert on_screen(app) == before and before
    visit(page, **STORY)
    assert drawn.drawn.made == made, "another session draws its own"


def test_sessions_with_other_settings_see_their_own_charts():
    colours = {"probability of the guess": "probability", "doubt (entropy)": "entropy"}
    people = {colour: visit("pages/look/logit_lens.py", **STORY, colour=colour) for colour in colours}
    for _ in range(2):
        for colour, app in people.items():
            app.run()
            layers = on_screen(app)[0]["layer"]
            assert layers[0]["encoding"]["color"]["field"] == colours[colour]


def test_sessions_with_other_prompts_see_their_own_charts():
    people = {country: visit(START, prompt=f"The capital of {country} is") for country in ("Texas", "Japan")}
    for _ in range(2):
        for country, app in people.items():
            app.run()
            tokens = [row.get("token") for rows in on_screen(app)[-1]["datasets"].values() for row in rows]
            assert f"·{country}" in tokens


def test_words_are_in_the_ink_of_whichever_theme_is_on():
    ink = {role: f"light-dark({theme.LIGHT[role]}, {theme.DARK[role]})" for role in ("text", "quiet")}
    for chart in visit(START, **STORY).get("vega_lite_chart"):
        config = json.loads(chart.proto.spec)["config"]
        assert config["text"] == {"color": ink["text"]}
        assert config["axis"]["labelColor"] == ink["text"]
        assert config["axis"]["titleColor"] == ink["quiet"]


class Made:
    """Stands for a result: objects that compare equal are different results all the same."""

    def __init__(self, number):
        self.number = number

    def __eq__(self, other):
        return True

    __hash__ = None


def repeated(result, times=1, *, mark="x"):
    return f"{result.number}{mark}" * times


@given(
    some.integers(1_000, 4_000),
    some.lists(some.tuples(some.integers(0, 3), some.integers(1, 600), some.sampled_from("xyz"))),
)
def test_what_is_held_is_bounded_and_never_another_s(most, asked):
    results, kept = [Made(number) for number in range(4)], drawn.Drawn(most)
    for number, times, mark in asked:
        assert kept(results[number], repeated, times, mark=mark) == f"{number}{mark}" * times
        assert kept.held_bytes <= most
    assert kept.made <= len(asked)


def test_a_result_that_is_gone_leaves_nothing_to_the_one_that_takes_its_place():
    kept = drawn.Drawn(2**20)
    for number in range(200):  # Python gives a new object the address of one that is gone
        assert kept(Made(number), repeated) == f"{number}x"
        gc.collect(0)
    assert kept.made == 200
