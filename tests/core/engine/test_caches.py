"""What the engine keeps, in memory and on disk, and that it stays as it was."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
from safetensors.torch import load_file, save_file

from mi_core.jobs import engine as engine_module
from mi_core.jobs.memory import sealed, size_of
from mi_core.jobs.request import Request
from mi_core.jobs.store import Store
from mi_core.models.loading import fingerprint, load
from tests.core.engine.bench import Answer, assert_same, lens, ready
from tests.core.sae_folders import save_sae


def test_importing_the_package_imports_no_torch():
    code = (
        "import sys, mi_core, mi_core.jobs.engine; mi_core.jobs.engine.Engine().close(); "
        "print([name for name in ('torch', 'transformers', 'transformer_lens') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_result_once_computed_comes_back_at_once(start, tmp_path):
    engine = ready(start(store=Store(tmp_path)))
    first = engine.run(lens("once"))
    job = engine.submit(lens("once"))
    assert job.done
    assert job.result() is first is engine.cached(lens("once"))
    assert engine.cached(lens("twice")) is None


def test_results_survive_the_process_on_disk(start, tmp_path, tiny, monkeypatch):
    first = ready(start(store=Store(tmp_path))).run(lens("kept"))
    again = start(store=Store(tmp_path))
    assert again.cached(lens("kept")) is None, "without the model its fingerprint is not known"
    ready(again)
    monkeypatch.setattr(tiny, "run", lambda *a, **k: pytest.fail("computed again"), raising=False)
    assert_same(again.run(lens("kept")), first)


def test_an_sae_or_a_note_that_changes_is_read_again(start, tiny_folder, tmp_path):
    folder = shutil.copytree(tiny_folder("gpt2"), tmp_path / "model")
    sae = save_sae(folder, "blocks.1.hook_resid_pre")
    request = Request.of("features", str(folder), prompt="the cat sat")
    engine = ready(start(lambda model_id, progress: load(model_id), store=Store(tmp_path / "c")), str(folder))
    plain = engine.run(request)
    assert engine.run(request) is plain
    notes = {"features": [{"feature": feature, "label": "cats"} for feature in range(48)]}
    (sae / "features.json").write_text(json.dumps(notes))
    labelled = engine.run(request)
    assert set(labelled.tables()["features"]["label"]) == {"cats"} != set(plain.tables()["features"]["label"])
    save_sae(folder, "blocks.1.hook_resid_pre", kind="topk")
    other = engine.run(request)
    assert not np.array_equal(other.tables()["features"]["activation"], labelled.tables()["features"]["activation"])
    assert engine.run(request) is other


def test_contexts_that_change_are_read_again(start, tiny_folder, tmp_path):
    folder = shutil.copytree(tiny_folder("gpt2"), tmp_path / "model")
    sae = save_sae(folder, "blocks.1.hook_resid_pre")
    request = Request.of("feature", str(folder), prompt="the cat sat", feature=3)
    engine = ready(start(lambda model_id, progress: load(model_id), store=Store(tmp_path / "c")), str(folder))
    for word in ("old", "new"):
        found = {"features": {"3": [{"tokens": [word], "activations": [1.0], "peak": 0}]}}
        (sae / "contexts.json").write_text(json.dumps(found))
        assert engine.run(request).contexts[0].tokens == (word,)


def test_weights_replaced_by_a_copy_with_its_dates_are_read_again(start, tiny_folder, tmp_path):
    folder = shutil.copytree(tiny_folder("gpt2"), tmp_path / "model")
    weights = save_sae(folder, "blocks.1.hook_resid_pre") / "sae_weights.safetensors"
    request = Request.of("features", str(folder), prompt="the cat sat")
    engine = ready(start(lambda model_id, progress: load(model_id), store=Store(tmp_path / "c")), str(folder))
    before, stat = engine.run(request), weights.stat()
    arrays = load_file(weights)
    save_file({name: -array for name, array in arrays.items()}, weights)
    os.utime(weights, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert weights.stat().st_size == stat.st_size
    assert not np.array_equal(engine.run(request).feature_ids, before.feature_ids)


@pytest.mark.parametrize("name", ["generation_config.json", "tokenizer.json", "tokenizer_config.json", "config.json"])
def test_every_file_that_is_read_is_in_the_fingerprint(tiny_folder, tmp_path, name):
    folder = shutil.copytree(tiny_folder("gpt2"), tmp_path / "model")
    path = folder / name
    path.write_text("{}" if not path.exists() else path.read_text())
    before = fingerprint(folder)
    path.write_text(path.read_text() + " ")
    assert fingerprint(folder) != before


def test_damaged_entries_are_computed_again(start, tmp_path):
    first = ready(start(store=Store(tmp_path))).run(lens("kept"))
    (entry,) = tmp_path.glob("logit_lens/*.result")
    whole = entry.read_bytes()
    for damage in (b"", whole[:-7], whole[:100] + bytes([whole[100] ^ 1]) + whole[101:]):
        entry.write_bytes(damage)
        assert_same(ready(start(store=Store(tmp_path))).run(lens("kept")), first)
        assert entry.read_bytes() == whole


def test_shared_results_cannot_be_written_to(start):
    result = ready(start()).run(lens("shared"))
    with pytest.raises(ValueError, match="read-only"):
        result.entropy[0, 0] = 1.0


def test_memory_does_not_grow_with_the_number_of_prompts(start):
    size = size_of(ready(start()).run(lens("prompt 000")))
    engine = ready(start(result_bytes=int(size * 10.5)))
    for i in range(60):
        engine.run(lens(f"prompt {i:03}"))
    kept = [i for i in range(60) if engine.cached(lens(f"prompt {i:03}"))]
    assert kept == list(range(60 - len(kept), 60))
    assert 8 <= len(kept) <= 11


def test_a_sealed_slice_does_not_keep_the_whole(start):
    whole = np.zeros(10_000)
    answer = sealed(Answer("tiny", "x", whole[:10]))
    assert answer.numbers.base is None
    assert size_of(answer) < 2000


def test_run_uses_the_one_engine_of_the_process(start, monkeypatch):
    mine = start()
    monkeypatch.setattr(engine_module, "_process_engine", mine)
    import mi_core

    assert engine_module.engine() is mine
    assert mi_core.run("logit_lens", "tiny", prompt="hello", top_k=2).prediction_ids.shape[2] == 2
