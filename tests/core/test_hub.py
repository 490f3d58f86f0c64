"""Downloading models, from a hub of the test's own; in a process of its own, because the hub's address is read once."""

import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from mi_core.models.loading import fingerprint
from tests.core.hub_server import Hub
from tests.patience import SECONDS

REPOSITORY = Path(__file__).parents[2]

# Runs each step (a model id and how) and prints what came of it.
SCRIPT = """
import json, sys
from mi_core.errors import InputError
from mi_core.models import hub, loading

for model_id, how in json.loads(sys.argv[1]):
    seen = []
    watch = lambda *step: seen.append(step)
    try:
        if how == "open":
            model = loading.load(model_id, watch)
            tokens = model.tokens(" the cat sat on")
            said = {"logits": model.run(tokens).logits[-1].tolist(), "fingerprint": model.fingerprint}
        else:
            said = {"folder": str(hub.download(model_id, model_id, watch))}
    except InputError as error:
        said = {"error": error.message, "field": error.field}
    print(json.dumps(said | {"seen": seen}), flush=True)
"""


def in_own_process(endpoint: str, home: Path, *steps: tuple[str, str], **env: str) -> list[dict]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, json.dumps(steps)],
        cwd=REPOSITORY,
        env=inherited | {"HF_ENDPOINT": endpoint, "HF_HOME": str(home), "NO_PROXY": "127.0.0.1"} | env,
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture(scope="module")
def repos(tiny_folder, tmp_path_factory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("hub")
    whole = shutil.copytree(tiny_folder("gpt2"), root / "whole")
    (whole / "pytorch_model.bin").write_bytes(b"pickle")
    (whole / "modeling.py").write_text("raise SystemExit('this code must never run')")
    pickled = root / "pickled"
    pickled.mkdir()
    for name in ("config.json", "tokenizer.json"):
        shutil.copy(whole / name, pickled / name)
    (pickled / "pytorch_model.bin").write_bytes(b"pickle")
    return {"tiny/whole": whole, "tiny/pickled": pickled, "tiny/gated": whole, "tiny/spoiled": whole,
            "tiny/whole@step8": tiny_folder("neox")}  # fmt: skip


@pytest.fixture(scope="module")
def hub(repos):
    server = Hub(repos, gated=("tiny/gated",), spoiled=("tiny/spoiled",))
    yield server
    server.close()


@pytest.fixture
def nowhere() -> str:
    """An address where nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}"


@pytest.mark.slow
def test_download_then_open_offline(hub, nowhere, tmp_path, tiny_model):
    """Only what is needed is fetched, bytes are counted, and the second time no network is there."""
    (first,) = in_own_process(hub.endpoint, tmp_path, ("tiny/whole", "open"))
    assert "error" not in first, first
    (second,) = in_own_process(nowhere, tmp_path, ("tiny/whole", "open"))
    fetched = {path.rpartition("/")[2] for path in hub.fetched if path.startswith("tiny/whole/")}
    assert fetched == {
        "config.json", "generation_config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json",
    }  # fmt: skip
    model = tiny_model("gpt2")
    logits = model.run(model.tokens(" the cat sat on")).logits[-1]
    assert first["logits"] == second["logits"] == pytest.approx(logits.tolist(), abs=1e-5)
    assert first["fingerprint"] == second["fingerprint"] == model.fingerprint
    steps = [step for step in first["seen"] if step[2].startswith("Downloading tiny/whole: ")]
    done = [done for done, _, _ in steps]
    size = sum((hub.repos["tiny/whole"] / name).stat().st_size for name in fetched)
    assert done[0] == 0 and done[-1] == size and done == sorted(done)
    assert {total for _, total, _ in steps} == {size}
    assert not any("Downloading" in message for _, _, message in second["seen"])


@pytest.mark.slow
def test_what_the_hub_refuses(hub, tmp_path):
    ids = ["tiny/gated", "tiny/absent", "tiny/pickled", "tiny/spoiled"]
    gated, absent, pickled, spoiled = in_own_process(hub.endpoint, tmp_path, *((name, "fetch") for name in ids))
    assert gated["error"] == (
        "tiny/gated is gated: accept its licence at huggingface.co/tiny/gated, then sign in on this machine with "
        "“hf auth login”."
    )
    assert absent["error"].startswith("Hugging Face has no public model “tiny/absent”: check the spelling")
    assert pickled["error"].startswith("tiny/pickled offers no safetensors weights")
    assert not any(path.startswith("tiny/pickled") for path in hub.fetched)
    assert spoiled["error"] == "tiny/spoiled was damaged on its way here: try again."
    assert not list(tmp_path.glob("**/models--tiny--spoiled/snapshots/*/model.safetensors"))
    assert {answer["field"] for answer in (gated, absent, pickled, spoiled)} == {"model"}


@pytest.mark.slow
def test_a_revision_is_a_model_of_its_own(hub, nowhere, tmp_path, tiny_folder):
    asked = [("tiny/whole@step8", "open"), ("tiny/whole@step9", "open")]
    opened, unknown = in_own_process(hub.endpoint, tmp_path, *asked)
    (again,) = in_own_process(nowhere, tmp_path, asked[0])
    assert opened["fingerprint"] == again["fingerprint"] == fingerprint(tiny_folder("neox"))
    assert opened["seen"][0][2].startswith("Downloading tiny/whole@step8: ")
    assert unknown["error"] == (
        "Hugging Face has no such revision of tiny/whole as tiny/whole@step9 names: check it there."
    )


@pytest.mark.slow
def test_no_network(nowhere, tmp_path):
    (unreachable,) = in_own_process(nowhere, tmp_path, ("gpt2-small", "open"))
    assert unreachable["error"] == (
        "gpt2-small is not on this machine and could not be downloaded: check the network connection, "
        "or choose loupe-mini, which works offline."
    )
    (offline,) = in_own_process(nowhere, tmp_path, ("tiny/whole", "fetch"), HF_HUB_OFFLINE="1")
    assert "downloads are switched off (HF_HUB_OFFLINE)" in offline["error"]
