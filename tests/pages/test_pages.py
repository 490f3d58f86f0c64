"""Every page, run as a visitor would: it finds something, shows its checks, and bears bad input without losing it."""

import re
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from mi_core.analyses._index import parameters
from tests.patience import SECONDS
from ui.parts.presets import PRESETS

ROOT = Path(__file__).resolve().parents[2]
START = "pages/start/start.py"
PATCHING = "pages/intervene/patching.py"
EDITS = "pages/intervene/edits.py"
ASKED = re.compile(r'compute\(\s*"(\w+)"')  # the analyses that a page's file asks for
PAGES = sorted(  # that find something; others are only read
    path.relative_to(ROOT).as_posix()
    for path in (ROOT / "pages").rglob("*.py")
    if ASKED.search(path.read_text("utf-8"))
)
PAIRED = (PATCHING, "pages/intervene/path_patching.py", "pages/intervene/circuit.py")  # which need a second prompt


def reads_a_prompt(page: str) -> bool:
    """Whether any analysis of the page takes a prompt."""
    return any("prompt" in parameters(name) for name in ASKED.findall((ROOT / page).read_text(encoding="utf-8")))


READ_A_PROMPT = [page for page in PAGES if reads_a_prompt(page)]


def visit(page: str, **state) -> AppTest:
    """A fresh session that opens a page with these values in the sidebar."""
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=SECONDS)
    for name, value in state.items():
        app.session_state[name] = value
    return app.run() if page == START else app.switch_page(page).run()


def sentences(app: AppTest) -> str:
    """Everything the page says in a message."""
    return "\n".join(box.value for kind in (app.error, app.info, app.warning, app.caption) for box in kind)


def unescaped(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text)


@pytest.mark.parametrize("page", PAGES)
def test_page_finds_something(page):
    app = visit(page)
    assert not app.exception and not app.error
    assert len(app.title) == 1
    assert app.header, "no finding"
    assert app.get("vega_lite_chart"), "no chart"
    popovers = [(block.proto.popover.label, block) for block in app.get("popover")]
    labels = {label for label, _ in popovers}
    assert {"How to read", "Checked", "Table", "Export"} <= labels and "Check failed" not in labels
    for label, block in popovers:
        said = [markdown.value for markdown in block.markdown]
        if label == "How to read":
            assert len(said[0].split()) > 15
        if label == "Checked":
            held = [row.split("|")[-2].strip() for row in said[1].splitlines()[2:]]
            assert held and set(held) == {"yes"}


@pytest.mark.parametrize("page", READ_A_PROMPT)
@pytest.mark.parametrize(
    ("prompt", "said"),
    [
        ("", "The prompt is empty"),
        ("   \n\t ", "The prompt is empty"),
        ("word " * 20_000, "shorten it by"),
    ],
    ids=["empty", "spaces", "100,000 characters"],
)
def test_unusable_prompt_gets_a_sentence_and_is_kept(page, prompt, said):
    app = visit(page, prompt=prompt)
    assert not app.exception
    assert said in unescaped(sentences(app))
    assert app.text_area(key="prompt").value == prompt


ODD = {
    "markup": "<script>alert(1)</script> <b>bold</b> **bold** [link](http://x) $x^2$ :smile: :red[hi]",
    "emoji": "A smile 😀 and 👩‍👩‍👧‍👦 family",
    "control": "bell \x07 and null \x00 and escape \x1b[31m",
    "special token": "The end<|endoftext|>The start",
    "scripts": "עברית عربي Ünïcödé 漢字",
    "one letter": "x",
}
# One page per way of drawing tokens: strip, cells of a chart, canvas, names of bars, running text
DRAWN = (START, *(f"pages/look/{name}.py" for name in ("logit_lens", "attention", "attribution")),
         "pages/intervene/steering.py")  # fmt: skip


@pytest.mark.parametrize(
    ("page", "odd"),
    [(page, odd) for page in READ_A_PROMPT for odd in ODD if odd == "markup" or page in DRAWN],
)
def test_odd_prompt_is_read_as_it_is(page, odd):
    prompt = ODD[odd]
    app = visit(page, prompt=prompt)
    assert not app.exception
    assert app.header or (page in (*PAIRED, EDITS) and app.error)  # what is found may be nothing to change
    assert app.text_area(key="prompt").value == prompt


def test_special_token_in_the_prompt_is_pointed_out():
    assert "<|endoftext|>" in unescaped(sentences(visit(START, prompt="The end<|endoftext|>The start")))


def test_answer_of_several_tokens_is_repaired_by_one_click():
    app = visit("pages/look/attribution.py", target="Washingtonian")
    assert not app.exception
    assert "tokens for this model" in unescaped(app.error[0].value)
    app.button(key="repair-target").click().run()
    assert not app.exception and not app.error
    assert app.header and app.text_input(key="target").value.startswith('"')


def test_same_answer_and_foil_is_pointed_out():
    app = visit("pages/look/attribution.py", target="Austin", foil=" Austin")
    assert "same token" in unescaped(app.error[0].value)


def test_position_beyond_the_prompt_falls_back_and_says_so():
    app = visit("pages/look/logit_lens.py", pos=99)
    assert not app.exception and app.header
    assert "positions 0 to" in unescaped(sentences(app))


@pytest.mark.parametrize(("model", "said"), [("no-such-model", "There is no model"), ("/nowhere/at/all", "folder")])
def test_unusable_model_gets_a_sentence(model, said):
    app = visit(START, model=model)
    assert not app.exception
    assert said in unescaped(sentences(app))


@pytest.mark.parametrize("preset", PRESETS, ids=lambda preset: preset.title)
def test_preset_fills_the_sidebar_and_finds_something(preset):
    app = visit(START, prompt="something else", pos=1)
    app.button(key=f"preset-{preset.title}").click().run()
    assert not app.exception and not app.error
    assert app.text_area(key="prompt").value == preset.prompt
    assert app.text_input(key="target").value == preset.target
    assert app.number_input(key="pos").value is None
    assert app.header


def test_head_without_layer_and_head_that_does_not_exist():
    app = visit("pages/look/attribution.py", layer=77)
    assert not app.exception
    assert "There is no layer 77" in unescaped(sentences(app))


def test_steering_at_strength_zero_says_that_nothing_changes():
    app = visit("pages/intervene/steering.py", strength=0.0)
    assert not app.exception
    assert "nothing changes" in unescaped(app.header[0].value)
    before, after = (code.value for code in app.code[:2])
    assert before == after


def test_feature_that_does_not_exist():
    app = visit("pages/intervene/steering.py", feature=999_999)
    assert not app.exception
    assert "no feature" in unescaped(sentences(app))


@pytest.mark.parametrize(
    ("corrupted", "said"),
    [
        ("The capital of Texas is", "same"),
        ("The capital of the state of France is", "tokens"),
        ("word " * 500, "tokens"),
    ],
    ids=["the same prompt", "another length", "too long"],
)
def test_second_prompt_that_cannot_be_patched_gets_a_sentence(corrupted, said):
    app = visit(PATCHING, corrupted=corrupted)
    assert not app.exception
    assert said in unescaped(sentences(app))
    assert app.text_input(key="corrupted").value == corrupted


@pytest.mark.parametrize(
    ("patch", "more"),
    [
        ("resid_pre", {"metric": "probability", "cell": "L2@4"}),
        ("attn_out", {"direction": "noise", "metric": "kl", "cell": "l1@5"}),
        ("mlp_out", {"estimate": True}),
        ("head", {"estimate": True, "metric": "kl"}),
        ("head_pos", {"cell": "L3H0@5"}),
        ("q", {}),
        ("k", {"metric": "probability"}),
        ("v", {"cell": "L3H0"}),
        ("pattern", {"direction": "noise"}),
    ],
)
def test_every_kind_of_patch_finds_something(patch, more):
    app = visit(PATCHING, patch=patch, **more)
    assert not app.exception and not app.error
    assert app.header and app.get("vega_lite_chart")


def test_a_second_prompt_of_another_length_is_repaired_by_one_click():
    app = visit(PATCHING, corrupted="The capital of New York is")
    assert "must be equally long" in unescaped(sentences(app))
    app.button(key="repair-corrupted").click().run()
    assert not app.error and app.header
    repaired = app.text_input(key="corrupted").value
    assert re.fullmatch(r"The capital of (?!Texas)\w+ is", repaired)


def test_a_second_prompt_is_proposed_for_a_prompt_of_ones_own():
    app = visit(PATCHING, prompt="The capital of Spain is")
    assert app.header and "Found for your prompt" in sentences(app)
    assert app.text_input(key="corrupted").placeholder == "The language of Spain is"
    app.button(key="suggest").click().run()
    offers = [button for button in app.button if str(button.key).startswith("swap-")]
    assert len(offers) == 4 and not any("Madrid" in offer.label for offer in offers)
    next(offer for offer in offers if "Spain" in offer.label).click().run()
    assert app.header and not app.error
    assert re.fullmatch(r"The capital of (?!Spain)\w+ is", app.text_input(key="corrupted").value)


def test_estimates_become_exact_by_one_click():
    app = visit(PATCHING, estimate=True)
    assert "estimates from one backward pass" in "".join(text.value for text in app.markdown)
    next(button for button in app.button if button.label == "Run all exactly").click().run()
    assert app.toggle(key="estimate").value is False
    assert "estimates from one backward pass" not in "".join(text.value for text in app.markdown)


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ({"cell": "L9@4"}, "There is no layer 9"),
        ({"cell": "L1H2"}, "write it like L1@1"),
        ({"estimate": True, "metric": "kl", "direction": "noise"}, "has no slope"),
    ],
)
def test_bad_patches_get_a_sentence_and_are_kept(state, said):
    app = visit(PATCHING, **state)
    assert not app.exception and said in unescaped(sentences(app))
    assert all(app.session_state[name] == value for name, value in state.items())


def test_another_site_forgets_the_cell():
    app = visit(PATCHING, cell="L1@4")
    app.selectbox(key="patch").set_value("head").run()
    assert app.text_input(key="cell").value == "" and not app.error and app.header


def test_patching_with_parts_out_of_both_runs():
    app = visit(PATCHING, also=["L0H2"], cell="L1@4")
    assert not app.exception and not app.error
    first, one = (unescaped(box.value) for box in app.header[:2])
    assert first.startswith("With L0H2 out in both runs: ") and one.startswith("With L0H2 out and L1@4 patched")
    assert app.selectbox(key="mode").value == "mean"
    wrong = visit(PATCHING, also=["L9H0"])
    assert "There is no layer 9" in unescaped(wrong.error[0].value) and wrong.multiselect(key="also").value == ["L9H0"]
    assert not [box for box in visit(PATCHING).selectbox if box.key == "mode"]


@pytest.mark.parametrize("site", ["head", "attn_out", "mlp_out"])
@pytest.mark.parametrize("mode", ["mean", "resample", "zero"])
def test_every_kind_of_ablation_finds_something(site, mode):
    app = visit("pages/intervene/ablation.py", site=site, mode=mode)
    assert not app.exception and not app.error
    assert app.header and app.get("vega_lite_chart")
