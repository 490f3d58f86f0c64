"""`python -m benchmarks.same_tables COMMIT`: whether every analysis gives the same tables as at another commit.

A list of requests that touches every analysis, on the built-in model and on tiny random models of five architectures,
is computed by this tree and by a checkout of COMMIT; tables, sentences, self-checks and refusals are compared. Numbers
count as the same to 1e-5 of the largest in their column. Prints what differs, and exits with 1 where anything does.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

TOLERANCE = 1e-5
SITES = ("resid_pre", "attn_out", "mlp_out", "head", "head_pos", "q", "k", "v", "pattern")
STORY = {
    "prompt": "When Mary and John went to the store, John gave a drink to",
    "corrupted": "When Mary and John went to the store, Mary gave a drink to",
}
TINY = {"prompt": " the cat sat on the dog", "corrupted": " the dog sat on the dog"}
FACT = {"prompt": "The capital of Texas is", "corrupted": "The capital of France is"}


def requests(mini: str, tiny: list[str]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """(analysis, model, settings) of everything that is compared."""
    for model, texts in [(mini, STORY), (mini, FACT), *((folder, TINY) for folder in tiny)]:
        one, pair = {"prompt": texts["prompt"]}, texts
        yield "tokens", model, one
        yield "predict", model, one
        yield "logit_lens", model, one
        yield "logit_lens", model, one | {"norm": "frozen", "resid_mid": True, "pos": 3}
        yield "attention", model, one
        yield "attention", model, one | {"layer": 1, "head": 1, "weighted": True}
        yield "attribution", model, one
        yield "attribution", model, one | {"layer": 1, "head": 0, "pos": 3}
        yield "alignment", model, pair
        yield "counterpart", model, one
        for site in ("head", "attn_out", "mlp_out", "position"):
            yield "ablation", model, one | {"site": site}
        yield "ablation", model, one | {"site": "neuron", "layer": 0, "mode": "zero", "also": ("L0H0",)}
        yield "ablation", model, one | {"site": "head", "mode": "resample", "at": "pos"}
        yield "ablated_text", model, one | {"without": ("L0H0", "MLP 1"), "max_new_tokens": 5}
        for site in SITES:
            yield "patching", model, pair | {"site": site}
        yield "patching", model, pair | {"site": "head", "estimate": True, "metric": "probability"}
        yield "patching", model, pair | {"direction": "noise", "metric": "kl"}
        yield "patched_run", model, pair | {"cell": "L1@2"}
        yield "patched_run", model, pair | {"cell": "L1H0", "site": "head"}
        yield "path_patching", model, pair
        yield "path_patching", model, pair | {"receiver": "L1H0", "input": "k", "mlps": "freeze"}
        yield "path_patching", model, pair | {"site": "mlp_out", "direction": "noise"}
        push = one | {"max_new_tokens": 5}
        yield "steering", model, push | {"direction": "token:the", "strength": 0.5, "layer": 1}
        yield "steering", model, push | {"direction": "contrast", "positive": " the cat", "negative": " the dog"}
        yield "steering_sweep", model, push | {"direction": "token:the", "strengths": (0.0, 0.5)}
        yield "edit", model, one | {"kind": "orthogonalise", "direction": "contrast", "positive": " the cat",
                                    "negative": " the dog"}  # fmt: skip
    yield "edit", mini, {"prompt": FACT["prompt"], "subject": "Texas", "target": "Boston"}
    yield "predict", mini, {"prompt": "no such thing", "target": "two words"}
    yield "features", mini, {"prompt": STORY["prompt"]}
    yield "feature", mini, {"prompt": STORY["prompt"], "feature": 7}
    yield "ablation", mini, {"prompt": FACT["prompt"], "site": "feature"}
    yield "steering", mini, {"prompt": FACT["prompt"], "direction": "feature:7", "operation": "clamp",
                             "max_new_tokens": 5, "largest": 2.0}  # fmt: skip


def computed(mini: str, tiny: list[str]) -> dict[str, Any]:
    """Every answer as plain values, by what was asked."""
    import mi_core

    found = {}
    for analysis, model, settings in requests(mini, tiny):
        name = f"{analysis} · {Path(model).name} · {json.dumps(settings, ensure_ascii=False)}"
        try:
            result = mi_core.run(analysis, model, **settings)
        except mi_core.InputError as error:
            found[name] = {"refused": error.message}
            continue
        reading = result.reading()
        found[name] = {
            "tables": {key: json.loads(frame.to_json(orient="columns")) for key, frame in result.tables().items()},
            "sentences": [reading.title, *reading.sentences],
            "checks": {check.name: check.passed for check in result.checks},
        }
    return found


def differences(ours: Any, theirs: Any, where: str = "") -> Iterator[str]:
    """Every place where two answers are not the same, in words."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        for key in [*ours, *(key for key in theirs if key not in ours)]:
            if key not in ours or key not in theirs:
                yield f"{where}/{key}: only {'here' if key in ours else 'there'}"
            elif not _same_column(ours[key], theirs[key]):
                yield from differences(ours[key], theirs[key], f"{where}/{key}")
    elif ours != theirs:
        yield f"{where}: {str(ours)[:120]} here, {str(theirs)[:120]} there"


def _same_column(ours: Any, theirs: Any) -> bool:
    """Whether two columns of numbers differ by no more than rounding."""
    if not isinstance(ours, dict) or not isinstance(theirs, dict) or ours.keys() != theirs.keys():
        return ours == theirs
    pairs = [(ours[key], theirs[key]) for key in ours]
    if not all(isinstance(value, int | float) for pair in pairs for value in pair if value is not None):
        return ours == theirs
    reach = max((abs(value) for pair in pairs for value in pair if value is not None), default=0.0)
    return all(
        (a is None) == (b is None) and (a is None or math.isclose(a, b, rel_tol=0, abs_tol=TOLERANCE * reach))
        for a, b in pairs
    )


def _tiny_models(folder: Path) -> list[str]:
    from tests import conftest

    made = []
    for name in conftest.ARCHITECTURES:
        conftest._random_model(name).save_pretrained(folder / name)
        conftest._tokenizer().save_pretrained(folder / name)
        made.append(str(folder / name))
    return made


def _in_tree(tree: Path, out: Path, tiny: list[str]) -> dict[str, Any]:
    """The answers of another checkout, in a process of its own with an empty cache."""
    environment = os.environ | {"LOUPE_CACHE": str(out.with_suffix(".cache")), "PYTHONPATH": str(tree)}
    command = [sys.executable, str(Path(__file__)), "--write", str(out), "--tiny", *tiny]
    subprocess.run(command, cwd=tree, env=environment, check=True)
    return json.loads(out.read_text(encoding="utf-8"))


def main() -> int:
    """Compare this tree with a commit, or write the answers of the tree that is on the path."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.same_tables", description=__doc__)
    parser.add_argument("commit", nargs="?", default="HEAD")
    parser.add_argument("--write", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--tiny", nargs="*", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.write:
        given.write.write_text(json.dumps(computed("loupe-mini", given.tiny)), encoding="utf-8")
        return 0
    from benchmarks.other_tree import ROOT, checkout  # which the other tree, where this file runs too, need not have

    with tempfile.TemporaryDirectory() as name, checkout(given.commit) as tree:
        folder = Path(name)
        tiny = _tiny_models(folder / "tiny")
        ours, theirs = (_in_tree(at, folder / f"{at.name}.json", tiny) for at in (ROOT, tree))
    found = list(differences(ours, theirs))
    print("\n".join(found) or f"{len(ours)} answers are the same as at {given.commit}.")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
