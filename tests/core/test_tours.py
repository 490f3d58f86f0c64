"""Every number that a tour tells to expect is what the built-in model gives, asked without any page."""

import math
from dataclasses import dataclass, replace
from types import SimpleNamespace

import pandas as pd
import pytest

import mi_core
from mi_core.analyses._index import parameters
from ui import words
from ui.parts.presets import PRESETS
from ui.tours.plan import CHOSEN, FORMS, TOURS, Live

STEPS = [(tour, number, step) for tour in TOURS.values() for number, step in enumerate(tour.steps, 1)]
NAMES = [f"{tour.name} {number}" for tour, number, _ in STEPS]
LONGEST = 330  # characters of what a step says
# What the fields of a page are called by its analysis, where that is otherwise; all else that a step says is looks.
CALLED = {"patching": {"patch": "site"}, "edits": {"edit_kind": "kind", "new_answer": "target"}, "steering": {}}
LOOKS = {"view", "heard_by", "pair", "by"}


def asked(step) -> dict:
    """The settings of the analysis that give a step's number."""
    takes = parameters(step.live.analysis)
    corrupted = next((preset.corrupted for preset in PRESETS if preset.prompt == step.prompt), "")
    given = {"prompt": step.prompt, "target": step.target, "foil": step.foil, "corrupted": corrupted}
    called = CALLED.get(step.page, {})
    given |= {called.get(name, name): value for name, value in step.fields.items() if name not in LOOKS}
    if step.page == "steering":
        strength = given.pop("times" if given["operation"] == "clamp" else "strength")
        given |= {"direction": f"feature:{given['feature']}", "strength": strength, "max_new_tokens": 1}
    if step.page == "neurons" and step.live.analysis == "neurons_and_features":
        given["sae"] = "blocks.3.hook_resid_post"  # the page's usual one
    return {name: value for name, value in given.items() if name in takes and value != ""}


@pytest.mark.parametrize(("tour", "number", "step"), STEPS, ids=NAMES)
def test_the_model_gives_what_a_step_expects(tour, number, step):
    value = step.live.of(mi_core.run(step.live.analysis, "loupe-mini", **asked(step)))
    assert value is not None and step.live.holds(value), f"{value} is not {step.live.expected()}"


@pytest.mark.parametrize(("tour", "number", "step"), STEPS, ids=NAMES)
def test_a_step_is_whole(tour, number, step):
    fields = words.of_page(step.url)
    for key, value in step.fields.items():
        given = [str(each).lower() if isinstance(each, bool) else str(each) for each in
                 (value if isinstance(value, list) else [value])]  # fmt: skip
        assert fields[key] not in words.SIDEBAR and fields[key].fault(given) is None, key
    assert step.say.endswith((".", "?")) and step.do.endswith((".", "?")) and len(step.say) <= LONGEST, step.say
    assert step.title and step.lit and step.live.says and step.live.form in FORMS
    assert step.live.low < step.live.high and not (math.isinf(step.live.low) and math.isinf(step.live.high))


def test_the_tours_are_short_and_in_order_and_links_to_them_stay():
    assert list(TOURS) == [
        "two_heads_that_copy", "who_gets_the_drink", "where_a_fact_lives", "a_later_year", "push_a_thought",
        "neurons_are_liars",
    ]  # fmt: skip
    for tour in TOURS.values():
        assert 4 <= len(tour.steps) <= words.TOUR_STEP.high and tour.sentence.endswith(".")


@dataclass
class Found:
    """A result with a table."""

    pos: int = 1
    size: float = 2.5

    def tables(self) -> dict[str, pd.DataFrame]:
        return {"rows": pd.DataFrame({"pos": [0, 1, 1, 1], "name": list("abba"), "value": [9.0, -3.0, 1.0, None]})}


LIVE = Live(analysis="any", says="A number", column="value", form="signed", low=0, high=2, table="rows")


@pytest.mark.parametrize(
    ("changed", "value"),
    [
        ({}, 9.0),
        ({"where": {"pos": CHOSEN}}, 1.0),
        ({"where": {"pos": CHOSEN, "name": "b"}}, 1.0),
        ({"where": {"name": "b"}, "take": "rows"}, 2.0),
        ({"where": {"name": "c"}}, None),
        ({"where": {"name": "c"}, "take": "rows"}, None),
        ({"where": {"pos": 1, "name": "a"}}, None),
        ({"where": {"name": "a"}, "but": {"pos": 1}}, 9.0),
        ({"where": {"name": "b"}, "but": {"pos": 1}}, None),
        ({"table": "", "column": "size"}, 2.5),
    ],
)
def test_a_number_is_found_in_a_result(changed, value):
    assert replace(LIVE, **changed).of(Found()) == value


def test_without_a_position_the_last_one_is_looked_at():
    result = SimpleNamespace(tokens=[0, 1], tables=Found().tables)
    assert replace(LIVE, where={"pos": CHOSEN}).of(result) == 1.0


def test_a_range_is_said_and_its_ends_belong_to_it():
    assert LIVE.expected() == "0.00 to +2.00" and LIVE.holds(0) and LIVE.holds(2) and not LIVE.holds(2.001)
    assert replace(LIVE, low=-1.5, high=math.inf).expected() == "at least −1.50"
    assert replace(LIVE, low=-math.inf, form="share").expected() == "at most 200%"
    assert not LIVE.holds(math.nan)
