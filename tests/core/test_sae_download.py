"""A public SAE is fetched while the model serves others; from a hub of the test's own, in a process of its own."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.core.sae_folders import save_sae
from tests.patience import SECONDS

REPOSITORY = Path(__file__).parents[2]
HOOK = "blocks.1.hook_resid_pre"

# The hub holds the weights back until another request has been answered; then it is closed, and the SAE asked for anew.
SCRIPT = """
import json, os, sys
from pathlib import Path
from tests.core.hub_server import Hub

folder, repo, hook = sys.argv[1:]
hub = Hub({"some/saes": Path(repo)})
hub.open.clear()
os.environ["HF_ENDPOINT"] = hub.endpoint

from mi_core.jobs.engine import Engine
from mi_core.saes import loading as saes
from mi_core.jobs.request import Request

entry = saes.SaeEntry(hook=hook, release="some/saes", sae_id=f"saes/{hook}")
saes.available = lambda model_id: (entry,)
engine = Engine()
request = Request.of("features", folder, prompt="the cat sat on", top_k=3)
job = engine.submit(request)
while not hub.fetched or not (job.progress and job.progress.total):
    assert not job.wait(0.02), job.result()
before = job.progress
other = engine.run(Request.of("tokens", folder, prompt="the dog")).reading().title
waiting = not job.done
hub.open.set()
active = job.result().n_active.tolist()
fetched = list(hub.fetched)
hub.close()
saes._loaded.clear()
again = engine.run(Request.of("features", folder, prompt="the cat sat on", top_k=2)).n_active.tolist()
print(json.dumps({"other": other, "waiting": waiting, "total": before.total, "message": before.message,
                  "active": active, "again": again, "fetched": fetched}))
engine.close()
"""


@pytest.mark.slow
def test_others_are_served_while_an_sae_is_downloaded_and_then_no_network_is_needed(tiny_folder, tmp_path):
    sae = save_sae(tmp_path / "repo", HOOK)
    save_sae(tmp_path / "repo", "blocks.2.hook_resid_pre")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tiny_folder("gpt2")), str(tmp_path / "repo"), HOOK],
        cwd=REPOSITORY,
        env=inherited | {"HF_HOME": str(tmp_path / "home"), "NO_PROXY": "127.0.0.1"},
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout.splitlines()[-1])
    assert said["other"].startswith("The model reads")
    assert said["waiting"]
    assert said["total"] == sum(path.stat().st_size for path in sae.iterdir())
    assert said["message"].startswith(f"Downloading the SAE at {HOOK}: ")
    assert said["active"] == said["again"]
    assert sum(said["active"]) > 0
    assert sorted(said["fetched"]) == [
        f"some/saes/saes/{HOOK}/{name}" for name in ("cfg.json", "sae_weights.safetensors")
    ]
