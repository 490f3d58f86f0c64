"""Every figure of loupe-mini from its shipped files, beside what it should reach.

python -m training.evaluate [--model models/loupe-mini] [--json FILE]
"""

import argparse
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from training import circuits, concepts, highlights, measure
from training.depth import needed
from training.export import network_of, read
from training.measure import Examinee
from training.saes import hooks, quality

MODEL = Path(__file__).parents[1] / "models" / "loupe-mini"
#: A layer counts as needed when some task loses at least this accuracy without it.
NEEDED = 0.10


@dataclass(frozen=True)
class Row:
    """One line of the table: what is measured, its key among the figures, and the target (at most, where ``low``)."""

    what: str
    key: str
    target: float
    low: bool = False

    def passed(self, value: float) -> bool:
        """Whether the target is reached."""
        return value <= self.target if self.low else value >= self.target


ROWS = [
    Row("capitals of 77 countries and 50 states", "capitals_trained", 1.0),
    Row("capitals and landmarks, all trained phrasings", "phrasings_trained", 1.0),
    Row("capitals and landmarks, 18 held-out phrasings: mean", "phrasings_held", 0.95),
    Row("  worst phrasing", "phrasings_held_worst", 0.85),
    Row("languages", "languages", 0.99),
    Row("city → capital of its state, held-out cities", "two_hop_held", 0.90),
    Row("indirect object, held-out pairs of names", "indirect_object", 0.99),
    Row("  logit difference", "indirect_object_difference", 5.0),
    Row("  held-out wordings: mean", "indirect_object_wordings", 0.90),
    Row("  worst held-out wording", "indirect_object_worst_wording", 0.90),
    Row("  behind 30-60 unrelated tokens", "indirect_object_behind", 0.97),
    Row("  logit difference there", "indirect_object_behind_difference", 5.0),
    Row("induction on random tokens, worst period and prefix", "induction_worst", 0.97),
    Row("best induction head", "induction_head", 0.90),
    Row("best previous-token head", "previous_head", 0.95),
    Row("who lives where, who has what (2-4 people)", "binding", 0.95),
    Row("two steps, the first of them in the prompt", "chain", 0.90),
    Row("years: probability above the first", "years_above", 0.96),
    Row("years: probability at or below", "years_below", 0.03, low=True),
    Row("sentiment: probability of words of the right mood", "sentiment_right", 0.85),
    Row("sentiment: of the wrong mood", "sentiment_wrong", 0.005, low=True),
    Row("pronoun", "pronoun", 0.99),
    Row("verb agreement past a distractor", "agreement", 0.99),
    Row("opposites, plurals, translations, days, months", "words", 0.99),
    Row("Python arguments", "code", 0.99),
    Row("stories that do not circle, of 20", "stories_fine", 17),
    Row("layers that some task needs (share)", "layers_needed", 1.0),
]
#: Of all that single patches bring back, what the strongest few have; how many, says ``training.circuits``.
LOCALISED = {
    "resid_pre": "places in the residual stream",
    "attn_out": "attention outputs",
    "head": "heads",
}
MOST = 0.5
ROWS += [
    Row(f"{pair} patched: share of the {few} strongest {LOCALISED[site]}", f"localised {pair} {site}", MOST)
    for pair in circuits.PAIRS
    for site, few in circuits.FEW.items()
]
ROWS += [Row("heads whose ablation hurts induction most that have a role in it (share)", "heads_agree", MOST)]
STEERED = Row("of 10 seeds with the push", "passed", highlights.PASSED)
PLAIN = Row("of 10 seeds without it", "plain", highlights.PLAIN, low=True)
SAE_ROWS = [
    Row("explained variance", "explained_variance", 0.92),
    Row("loss recovered against uniform", "recovered", 0.98),
    Row("dead", "dead", 0.03, low=True),
    Row("features whose top contexts share a concept", "monosemantic", 30),
]


def figures(m: Examinee, said: Callable[[str], None] = lambda _: None) -> dict:
    """All figures of the model itself."""
    found: dict = {}
    for part in (measure.facts, measure.names, measure.copying, measure.heads, measure.reading, measure.stories):
        said(f"measuring {part.__name__}")
        found |= part(m)
    said("measuring depth")
    lost = needed(m)
    found["lost_without_layer"] = lost
    found["layers_needed"] = sum(max(tasks.values()) >= NEEDED for tasks in lost.values()) / len(lost)
    return found


def sae_figures(folder: Path, batches: int = 12) -> dict[str, dict[str, float]]:
    """Hook → figures of the shipped SAE there."""
    from sae_lens import SAE

    network, found = network_of(folder), {}
    for site, hook in enumerate(hooks(len(network.blocks))):
        path = folder / "saes" / hook
        if path.exists():
            sae = SAE.load_from_disk(str(path), device="cpu")
            found[hook] = quality(network, sae, site, folder / "tokenizer.json", batches=batches)
            found[hook]["monosemantic"] = sum(map(concepts.monosemantic, notes(folder, hook)))
    return found


def notes(folder: Path, hook: str) -> list[dict]:
    """The rows of a shipped ``features.json``."""
    return json.loads((folder / "saes" / hook / "features.json").read_text("utf-8"))["features"]


def circuit_figures(folder: Path, m: Examinee) -> dict:
    """Patching and ablation: rows of the table, and what every head costs."""
    found = {
        f"localised {pair} {site}": part
        for pair, parts in circuits.localised(folder).items()
        for site, part in parts.items()
    }
    heads = circuits.head_ablations(m)
    return found | {"heads_agree": heads["agreement"], "ablated": heads}


def table(found: dict, saes: dict[str, dict[str, float]], pushes: dict[str, dict]) -> str:
    """The figures of the model, its SAEs and the features to steer with, as a Markdown table."""
    lines = ["| figure | measured | target | |", "|---|---|---|---|"]
    entries = [(row, row.what, found[row.key]) for row in ROWS]
    entries += [(row, f"SAE at {hook}: {row.what}", q[row.key]) for hook, q in saes.items() for row in SAE_ROWS]
    entries += [(row, f"{name}, {row.what}", p[row.key]) for name, p in pushes.items() for row in (STEERED, PLAIN)]
    for row, what, value in entries:
        sign, verdict = "≤" if row.low else "≥", "reached" if row.passed(value) else "not reached"
        lines.append(f"| {what} | {value:g} | {sign} {row.target:g} | {verdict} |")
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, default=MODEL, help="folder of the model")
    parser.add_argument("--json", type=Path, help="also write the figures there")
    options = parser.parse_args(arguments)
    torch.manual_seed(0)
    m = Examinee(*read(options.model))
    found = figures(m, print) | circuit_figures(options.model, m)
    saes = sae_figures(options.model)
    pushes = highlights.shipped(m.model, m.tokenizer, options.model)
    print(table(found, saes, pushes))
    print(f"best induction head {found['induction_head_is']}, best previous-token head {found['previous_head_is']}")
    for layer, tasks in found["lost_without_layer"].items():
        print(f"without layer {layer}: " + ", ".join(f"{task} −{lost:.2f}" for task, lost in tasks.items()))
    ablated = found["ablated"]
    print(circuits.table(ablated))
    print(
        f"accuracy in the second copy {ablated['plain']:.2f}; without {', '.join(ablated['named_are'])} "
        f"{ablated['named']:.2f}; without {', '.join(ablated['others_are'])} {ablated['others']:.2f}"
    )
    print(concepts.table({hook: notes(options.model, hook) for hook in saes}))
    for name, push in pushes.items():
        print(f"{name}: {push['rule']} ({push['hook']}, feature {push['feature']}, on “{push['prompt']}”)")
    if options.json:
        content = {"model": found, "saes": saes, "steering": pushes}
        options.json.write_text(json.dumps(content, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
