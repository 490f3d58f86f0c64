"""The stories on the first page, and the features named for steering, do what they say on the built-in model."""

import re

import pytest

import mi_core
from mi_core.saes import highlights
from mi_core.saes import loading as saes
from ui.parts.presets import PRESETS

MODEL = "loupe-mini"
HIGHLIGHTS = [(entry.hook, each) for entry in saes.available(MODEL) for each in highlights.of(MODEL, entry.hook)]
# Words that show a text to be of that kind.
PRAISE = "wonderful great excellent beautiful brilliant amazing loved enjoyed good perfect adored lovely fun"
COMPLAINT = "terrible awful bad horrible boring hated dull worst poor weak disappointing despised painful"
KINDS = {
    "praise": rf"\b({PRAISE.replace(' ', '|')})\b",
    "complaint": rf"\b({COMPLAINT.replace(' ', '|')})\b",
    "French": r"\b(le|la|les|est|était|dans|une|un|et|des|du|je|il|elle|petit|petite)\b",
    "German": r"\b(der|die|das|ist|war|und|ein|eine|nicht|ich|den|dem|auf)\b",
    "code": r"(\bdef\b|\breturn\b|\bself\b|\bimport\b|\bfor \w+ in\b|[=()\[\]]{1,2})",
}
OPPOSITE = {"praise": "complaint", "complaint": "praise"}


@pytest.mark.parametrize("preset", PRESETS, ids=lambda preset: preset.title)
def test_the_model_answers_a_preset_as_its_story_says(preset):
    settings = {"prompt": preset.prompt, "target": preset.target or None}
    result = mi_core.run("predict", MODEL, **settings, foil=preset.foil or None, top_k=10)
    predictions = result.tables()["predictions"]
    answer = preset.target.strip('"') or predictions.iloc[0]["token"]
    if not preset.foil:
        assert predictions.iloc[0]["token"] == answer
        return
    logits = _logits(preset.prompt, (answer, preset.foil.strip('"')))
    assert logits[0] > logits[1] + 1, f"{preset.target} does not stand clearly above {preset.foil}"


def test_no_two_presets_share_a_title_and_each_has_a_story():
    assert len({preset.title for preset in PRESETS}) == len(PRESETS) >= 7
    assert all(preset.story.endswith((".", "?")) and preset.prompt.strip() for preset in PRESETS)


@pytest.mark.parametrize(("hook", "highlight"), HIGHLIGHTS, ids=[each.name for _, each in HIGHLIGHTS])
def test_a_highlight_changes_what_the_model_writes_and_can_be_read(hook, highlight):
    shown = _steered(hook, highlight, highlight.strength)
    plain, steered = (text.text for text in shown.texts)
    assert steered != plain and shown.notes == ()
    found, before = _count(highlight.name, steered), _count(highlight.name, plain)
    assert found >= 2 and found > before, f"{found} words of {highlight.name} against {before}: {steered!r}"
    if highlight.name in OPPOSITE:
        assert found > _count(OPPOSITE[highlight.name], steered), steered


def test_every_highlight_has_a_rule_here():
    assert HIGHLIGHTS, "the built-in model names no features"
    assert {each.name for _, each in HIGHLIGHTS} <= set(KINDS)


def test_a_highlight_at_strength_zero_changes_nothing():
    hook, highlight = HIGHLIGHTS[0]
    plain, steered = _steered(hook, highlight, 0.0).texts
    assert plain.text == steered.text


def _steered(hook: str, highlight, strength: float):
    """What the steering page shows for a highlight."""
    return mi_core.run(
        "steering", MODEL, prompt=highlight.prompt, direction=f"feature:{highlight.feature}", sae=hook,
        strength=strength, max_new_tokens=30,
    )  # fmt: skip


def _count(kind: str, text: str) -> int:
    return len(re.findall(KINDS[kind], text, flags=re.IGNORECASE if kind != "code" else 0))


def _logits(prompt: str, words: tuple[str, str]) -> list[float]:
    """Logits of two one-token words after a prompt, from plain transformers."""
    import torch
    import transformers

    from mi_core.models import catalogue

    folder = catalogue.find(MODEL).folder
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model = transformers.AutoModelForCausalLM.from_pretrained(folder)
    ids = [tokenizer.bos_token_id, *tokenizer(prompt, add_special_tokens=False)["input_ids"]]
    with torch.no_grad():
        logits = model(torch.tensor([ids])).logits[0, -1]
    pieces = [tokenizer(word, add_special_tokens=False)["input_ids"] for word in words]
    assert all(len(piece) == 1 for piece in pieces), "each word of a preset is one token"
    return [float(logits[piece[0]]) for piece in pieces]
