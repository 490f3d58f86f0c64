"""Snapshots of training in half precision, and what each of them could do: a timeline of how induction appears.

``checkpoints/step_<N>.safetensors`` hold the weights under transformers' names (without the tied ``lm_head.weight``);
the last step has none, because ``model.safetensors`` is that one. ``checkpoints/scores.json``: ``{"run": {...},
"checkpoints": [{"step", "tokens", "figures": {...}, "heads": {"induction": [layer][head], "previous": …, "duplicate":
…}}]}``.
"""

from pathlib import Path
from random import Random

import torch
from safetensors.torch import save_file

from training import questions as ask
from training.contexts import save_json
from training.corpus import people
from training.export import read, renamed, to_transformers
from training.measure import Examinee, copying, head_scores, share


def write_checkpoints(run: Path, steps: list[int], last: int, out: Path, about: dict) -> None:
    """Copy the snapshots of a run and measure each, and the model in `out`, which is that of the last step."""
    folder = out / "checkpoints"
    folder.mkdir(parents=True, exist_ok=True)
    model, tokenizer = read(out)
    rows = []
    for step in steps:
        weights = torch.load(run / f"step_{step}.pt", weights_only=True)
        shipped = {name: tensor.half().contiguous() for name, tensor in renamed(weights).items()}
        shipped.pop("lm_head.weight")
        save_file(shipped, folder / f"step_{step}.safetensors", metadata={"format": "pt"})
        m = Examinee(to_transformers({n: w.float() for n, w in weights.items()}, about["heads"]), tokenizer)
        rows.append(measured(step, m, about))
    rows.append(measured(last, Examinee(model, tokenizer), about))
    save_json(folder / "scores.json", {"run": about, "checkpoints": rows})


def measured(step: int, m: Examinee, about: dict) -> dict:
    """A row of ``scores.json``."""
    return {"step": step, "tokens": step * about["tokens_per_step"]} | timeline(m)


def timeline(m: Examinee) -> dict:
    """Loss and accuracy in the second copy of random tokens, capitals, indirect objects, and each head's roles."""
    ids = ask.repeats(m.model.config.vocab_size, 30, 20, 16, seed=11)
    logits = torch.stack(m.logits(ids.tolist(), [31] * 16))
    told = logits[:, 1:-1].log_softmax(-1).gather(-1, ids[:, -29:, None])
    r = Random("timeline")
    pairs = ask.indirect_objects(r, 100, people.GIVEN["setup"], people.GIVEN["action"])
    capitals = ask.capitals("The capital of {k} is[[ {c}]].")
    scores = {name: [[round(x, 4) for x in row] for row in s.tolist()] for name, s in head_scores(m).items()}
    figures = {
        "repeat_loss": round(-told.mean().item(), 4),
        "repeat_accuracy": copying(m, (30,), (20,))["induction_mean"],
        "capitals": share(m.right(capitals)),
        "indirect_object": share(m.right(pairs)),
    }
    return {"figures": figures, "heads": scores}
