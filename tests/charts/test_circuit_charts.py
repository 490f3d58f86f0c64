"""A circuit's picture and its curve: what colours and shapes mean is said, in ink that is seen, and fits a phone."""

import re

import pytest
import vl_convert

from charts import figures, theme
from charts.ready import ready, with_rows
from mi_core.analyses.circuit import Circuit, circuit

PHONE_LETTERS = 45  # of a title's line: more are cut off at 390 pixels


@pytest.fixture(scope="module")
def found(mini) -> Circuit:
    return circuit(mini, "The capital of Texas is", corrupted="The capital of France is", draws=2)


def drawn(figure, result, dark: bool = False) -> str:
    return vl_convert.vegalite_to_svg(with_rows(ready(figure(result))) | {"config": theme.config(dark=dark)})


def legend(svg: str) -> list[str]:
    """The words of all legends."""
    return re.findall(r'<g class="mark-text role-legend-label".*?<text[^>]*>([^<]*)</text>', svg)


def test_what_colours_shapes_and_lines_mean_is_said(found):
    assert set(legend(drawn(figures.circuit, found))) == {"above zero", "below zero", "head", "MLP", "tokens, answer"}
    assert set(legend(drawn(figures.circuit_curve, found))) == {"this ranking", "random, equal size"}


def test_the_symbols_of_the_legend_are_seen_on_a_dark_ground(found):
    svg = drawn(figures.circuit, found, dark=True)
    symbols = re.findall(r'<g class="mark-symbol role-legend-symbol".*?</g>', svg)
    assert len(symbols) == 5
    inks = [ink for each in symbols for ink in re.findall(r'(?:fill|stroke)="([^"]+)"', each)]
    assert theme.DARK["text"] in inks
    assert not {"black", "#000", "#000000", theme.LIGHT["text"]} & set(inks)


def test_every_row_has_a_name_of_its_own(found):
    spec = with_rows(ready(figures.circuit(found)))
    rows = re.findall(r"<text[^>]*>(layer [^<]*)</text>", vl_convert.vegalite_to_svg(spec))
    assert len(rows) > 1 and len(rows) == len(set(rows)) and {"layer 0 heads", "layer 0 MLP"} <= set(rows)


def test_titles_fit_a_phone(found):
    for figure in (figures.circuit, figures.circuit_curve):
        title = ready(figure(found))["title"]
        assert max(map(len, title["text"])) <= PHONE_LETTERS
