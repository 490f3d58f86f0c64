"""A pin comes back from anything that can hold text as it was, and what is none is said to be none."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mi_core.errors import InputError
from mi_core.jobs.request import Request
from mi_core.sharing import here
from mi_core.sharing.pin import LONGEST_NOTE, Pin, read
from mi_core.text.corpus import kept

TEXAS = "The capital of Texas is"
FACT = '[{"kind": "rome", "prompt": "The capital of Texas is", "subject": "Texas", "target": "Boston"}]'


def pin(**written) -> Pin:
    request = Request.of("ablation", "loupe-mini", prompt=TEXAS, also=["L0H0", "MLP 2"], pos=None, edits=FACT)
    shown = {"figure": "ablation", "view": (("measure", "change"),), "page": "ablation", "query": "pos=3&also=L0H0"}
    return Pin(request, "effects", **shown | written)


def through_json(value: Pin) -> Pin:
    return read(json.loads(json.dumps(value.as_dict())))


TEXTS = st.text(st.characters(exclude_categories=("Cs",)), max_size=40)


@given(note=TEXTS, claim=TEXTS, evidence=st.none() | TEXTS, how=TEXTS)
def test_a_pin_comes_back_as_it_was(note, claim, evidence, how):
    given_one = pin(note=note, claim=claim, evidence=evidence, how=how)
    assert through_json(given_one) == given_one
    assert read(through_json(given_one).as_dict()).id == given_one.id


def test_a_pin_is_named_by_what_is_shown_and_not_by_what_is_written():
    assert pin(note="one").id == pin(note="another", claim="more", page="").id
    assert pin().id != pin(view=(("measure", "kl"),)).id != pin(figure="").id


def test_a_claim_sheet_is_there_once_something_is_written():
    assert pin(evidence=None).sheet == {} == pin(claim="  \n").sheet
    assert pin(limits="one prompt").sheet == {"claim": "", "evidence": "", "control": "", "limits": "one prompt"}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"analysis": "astrology"}, "There is no analysis “astrology”"),
        ({"analysis": None}, "There is no analysis “”"),
        ({"settings": {"prompt": TEXAS, "magic": 1}}, "ablation has no setting “magic”"),
        ({"settings": [1]}, "“settings” is no list of names and values"),
        ({"settings": {"prompt": {"a": 1}}}, "“settings” holds what is no plain value"),
        ({"settings": {"prompt": float("nan")}}, "“settings” holds what is no plain value"),
        ({"settings": {"model": "gpt2"}}, "ablation has no setting “model”"),
        ({"model": ""}, "ablation needs a model"),
        ({"model": 3}, "“model” is no text"),
        ({"edits": "[1"}, "The edits are not JSON"),
        ({"note": "x" * (LONGEST_NOTE + 1)}, "“note” has more than 20,000 characters"),
        ({"view": {"layer": object}}, "“view” holds what is no plain value"),
    ],
)
def test_what_is_no_pin_is_refused_with_what_is_wrong(change, said):
    with pytest.raises(InputError) as error:
        read(pin().as_dict() | change)
    assert said in error.value.message
    with pytest.raises(InputError, match="it is no list of names and values"):
        read([change])


def test_half_characters_and_odd_addresses_are_made_harmless():
    odd = read(pin().as_dict() | {"note": "a\ud800b", "query": "javascript:alert(1)&prompt=%3Cscript%3E&x=%ff"})
    assert odd.note == "a?b" and odd.note.encode()
    assert odd.query == "prompt=%3Cscript%3E&x=%EF%BF%BD"


def test_what_came_from_elsewhere_fetches_no_model_and_reads_no_file_of_this_computer(tmp_path, monkeypatch):
    assert here.obstacle(Request.of("predict", "loupe-mini", prompt="a")) == ""
    assert here.obstacle(Request.of("predict", "loupe-mini@2500", prompt="a")) == ""
    for model in ("gpt2-small", "owner/name", "/nowhere/at/all", "nothing"):
        assert here.obstacle(Request.of("predict", model, prompt="a")) == f"The model {model} is not on this computer."
    (tmp_path / "config.json").write_text("{}")
    assert here.obstacle(Request.of("predict", str(tmp_path), prompt="a")) == ""
    monkeypatch.setenv("LOUPE_MODEL_FOLDERS", "")
    assert "is not on this computer" in here.obstacle(Request.of("predict", str(tmp_path), prompt="a"))
    secret = tmp_path / "secret.txt"
    secret.write_text("not for everyone")
    asked = {"unit": "neuron", "layer": 0, "neuron": 0}
    assert "a file of texts" in here.obstacle(Request.of("max_activating", "loupe-mini", file=str(secret), **asked))
    brought = kept(b"one\n\ntwo", "mine.txt")
    assert here.obstacle(Request.of("max_activating", "loupe-mini", file=str(brought), **asked)) == ""
    behind = f"{brought.parent}/../../../{secret.name}"
    assert "a file of texts" in here.obstacle(Request.of("max_activating", "loupe-mini", file=behind, **asked))
