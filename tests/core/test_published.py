"""Published values of GPT-2 small: complete, each with its source, and found again where its weights are at hand."""

import functools

import numpy as np
import pytest
import torch

from mi_core.analyses.attribution import attribution
from mi_core.analyses.ioi import ioi
from mi_core.analyses.patching import patching
from mi_core.models import catalogue, hub
from ui.parts.presets import PRESETS
from ui.parts.published import FINDINGS, for_prompt

FORMS = (
    ("When John and Mary went to the shops, {} gave the bag to", "Mary", "John"),
    ("When Tom and James went to the park, {} gave the ball to", "Tom", "James"),
    ("When Dan and Sid went to the shops, {} gave an apple to", "Dan", "Sid"),
    ("After Martin and Amy went to the park, {} gave a drink to", "Martin", "Amy"),
)
# (clean, corrupted, answer, the other name): the giver decides which name is left
PAIRS = [(form.format(b), form.format(a), a, b) for form, *names in FORMS for a, b in (names, names[::-1])]


@pytest.fixture(scope="module")
def gpt2():
    if hub.cached(catalogue.find("gpt2-small").hub_id) is None:
        pytest.skip("GPT-2 small's weights are not on this computer")
    from mi_core.models.loading import load

    return load("gpt2-small")


def values(column):
    """{(layer, head): value} of the one finding with that column."""
    rows = next(finding for finding in FINDINGS if finding.column == column).values
    return {tuple(int(part) for part in row["head"][1:].split("H")): row["value"] for row in rows}


def test_every_finding_belongs_to_a_preset_and_names_its_source():
    titles = {preset.title for preset in PRESETS}
    for finding in FINDINGS:
        assert finding.preset in titles and set(finding.pages) <= {"patching", "path_patching", "ablation"}
        assert finding.source and finding.setting.endswith(".") and len(finding.table()) >= 5


def test_a_finding_is_shown_for_its_own_story_only():
    drink = next(preset for preset in PRESETS if preset.title == "Who gets the drink?")
    assert for_prompt("patching", drink.prompt)[0].column.startswith("share of the difference")
    assert for_prompt("ablation", drink.prompt) and not for_prompt("patching", "The capital of Texas is")
    assert not for_prompt("steering", drink.prompt)


def test_patching_finds_the_published_heads(gpt2):
    runs = [
        patching(gpt2, clean, corrupted=other, site="head", target=a, foil=b, prepend_bos=True)
        for clean, other, a, b in PAIRS
    ]
    clean, corrupted = (np.mean([getattr(run, end) for run in runs]) for end in ("clean", "corrupted"))
    assert clean == pytest.approx(3.552, abs=0.01)
    restored = (np.mean([run.value for run in runs], axis=0) - corrupted) / (clean - corrupted)
    for (layer, head), expected in values("share of the difference restored").items():
        assert restored[layer, head] == pytest.approx(expected, abs=0.005)


def test_attribution_finds_the_published_heads(gpt2):
    tables = [
        attribution(gpt2, clean, target=a, foil=b, prepend_bos=True).tables()["contributions"]
        for clean, _, a, b in PAIRS
    ]
    for (layer, head), expected in values("direct effect (logits)").items():
        rows = [table[(table["layer"] == layer) & (table["head"] == head)] for table in tables]
        assert np.mean([row["contribution"].iloc[0] for row in rows]) == pytest.approx(expected, abs=0.02)


def test_the_circuit_that_finds_who_receives_has_the_published_heads(gpt2):
    known = ioi(gpt2, questions="published", prepend_bos=True).tables()["known"]
    assert set(known.loc[known["known"].notna(), "verdict"]) == {"within"}


def test_the_published_heads_do_induction(gpt2):
    ids = torch.randint(1000, 10_000, (1, 100), generator=torch.Generator().manual_seed(0))
    ids = torch.cat([torch.tensor([[gpt2.tokenizer.bos_token_id]]), ids, ids], dim=1)
    seen = {}

    def keep(pattern, hook, layer):
        seen[layer] = pattern[0].diagonal(-99, dim1=-2, dim2=-1)[:, -100:].mean(-1)

    names = {f"blocks.{i}.attn.hook_pattern": functools.partial(keep, layer=i) for i in range(12)}
    with torch.no_grad(), gpt2.hooked(names):
        gpt2.bridge(ids)
    for (layer, head), expected in values("share of attention").items():
        assert float(seen[layer][head]) == pytest.approx(expected, abs=0.03)
