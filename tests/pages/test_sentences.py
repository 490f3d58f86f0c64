"""The sentences on every page are those of its results, held against their tables; also where nothing moves."""

import pytest

from tests.pages.test_pages import PAGES, unescaped, visit
from tests.sentences import faults
from ui import compute
from ui.parts.presets import PRESETS

NAMES = PRESETS[1]
ASKED = {
    "a story": {"prompt": NAMES.prompt, "target": NAMES.target, "foil": NAMES.foil},
    "another prompt": {"prompt": "The capital of Ohio is"},
}
GLOSSARY = "pages/understand/glossary.py"  # which finds nothing of its own: its examples are other pages'
#: What moves nothing, by page: no push, a head that reads what matters nowhere, a patch before the prompts differ.
STILL = {
    "steering": {"strength": 0.0, "sweep": True, "reach": (0.0, 0.0)},
    "ablation": {"site": "feature", "feature": 115, "sae": "blocks.2.hook_resid_pre"},
    "attribution": {"layer": 3, "head": 1},
    "patching": {"cell": "L1H1", "patch": "q"},
    "path_patching": {"receiver": "L2H0", "input": "k"},
    "edits": {"edit_kind": "orthogonalise", "edit_direction": "token", "edit_token": "purple"},
    "features": {"feature": 115},
    "circuit": {"outside": "zero"},  # where nothing moves there is none, and it says so (tests/core/test_circuit.py)
    "attribution_graph": {"alone": True, "pos": 1},
    "logit_lens": {"target": " the"},
    "attention": {"layer": 3, "head": 2},
    "heads": {"view": "score", "layer": 0, "head": 3},
}


@pytest.fixture
def answers(monkeypatch):
    """Every answer that a page gets, in their order."""
    got, computed = [], compute._computed
    monkeypatch.setattr(compute, "_computed", lambda *asked: got.append(computed(*asked)) or got[-1])
    return got


@pytest.mark.parametrize("case", [*ASKED, "nothing moves"])
@pytest.mark.parametrize("page", [page for page in PAGES if page != GLOSSARY])
def test_what_a_page_says_is_what_its_results_say(page, case, answers):
    name = page.rpartition("/")[2].removesuffix(".py")
    app = visit(page, **(ASKED["a story"] | STILL.get(name, {"pos": 1}) if case == "nothing moves" else ASKED[case]))
    assert not app.exception and not app.error and app.header
    shown = unescaped("\n".join(box.value for kind in (app.header, app.markdown, app.caption) for box in kind))
    readings = [answer.result.reading() for answer in answers]
    said = {reading.title for reading in readings}
    others = ("Where to look next",)
    assert {unescaped(box.value) for box in app.header} - set(others) <= said
    main = next(reading for reading in readings if reading.title == unescaped(app.header[0].value))
    assert all(sentence in shown for sentence in main.sentences)
    found = [f"{answer.request.analysis}: {fault}" for answer in answers for fault in faults(answer.result)]
    assert not found, "\n".join(found)
