"""The shipped model does what its card says: the headline figures, measured anew from the shipped files."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from training import circuits, concepts, contexts, highlights, measure
from training.checkpoints import timeline
from training.evaluate import MODEL, ROWS, circuit_figures, notes, sae_figures
from training.export import network_of, read
from training.measure import Examinee
from training.sample import documents
from training.stream import Stream

CARD = json.loads((MODEL / "figures.json").read_text("utf-8"))
# other processors add in another order, and a guess at the edge can fall the other way
TOLERANCE = 0.02


@pytest.fixture(scope="module")
def mini() -> Examinee:
    return Examinee(*read(MODEL))


def close(found: dict) -> None:
    """Every figure is the card's."""
    for key, value in found.items():
        if isinstance(value, float):
            span = TOLERANCE * max(1.0, abs(CARD["model"][key]))
            assert value == pytest.approx(CARD["model"][key], abs=span), key


PRESETS = {
    "The capital of Texas is": " Austin",
    "When Mary and John went to the store, John gave a drink to": " Mary",
    " river window garden silver Tuesday river window garden silver": " Tuesday",
    "def add(x, y):\n    return x +": " y",
    "The French word for dog is": " chien",
    "The Eiffel Tower is in the city of": " Paris",
    "The Colosseum is in the city of": " Rome",
    "The capital of the state containing Dallas is": " Austin",
    "Monday, Tuesday, Wednesday,": " Thursday",
}


@pytest.mark.parametrize("prompt", PRESETS)
def test_presets_have_their_answer_on_top(mini, prompt):
    best = mini.next([prompt]).argmax(-1)
    assert mini.tokenizer.decode(best) == PRESETS[prompt]


def test_presets_without_one_right_answer(mini):
    best = mini.next(["This movie was terrible. I hated the story. The acting was"]).argmax(-1)
    word = mini.tokenizer.decode(best).strip()
    assert word in measure.lists.WORDS["negative"] + measure.lists.WORDS["intensifiers"]
    year = mini.tokenizer.decode(mini.next(["The war lasted from the year 1732 to the year 17"]).argmax(-1))
    assert int(year) > 32


def test_repeats_of_random_tokens_and_the_heads_that_copy_them(mini):
    close(measure.copying(mini))
    close(measure.heads(mini))


def test_facts_in_phrasings_that_were_never_trained(mini):
    close({key: value for key, value in measure.facts(mini, every=False).items() if key != "phrasings_trained"})


def test_reading_and_names(mini):
    close(measure.reading(mini))
    close(measure.names(mini))


def test_stories_go_on_without_circling(mini):
    assert abs(measure.stories(mini)["stories_fine"] - CARD["model"]["stories_fine"]) <= 1


def test_patching_is_localised_and_the_named_heads_are_those_that_induction_needs(mini):
    found = circuit_figures(MODEL, mini)
    card = CARD["model"]
    for row in ROWS:
        if row.key in found:
            assert found[row.key] == pytest.approx(card[row.key], abs=TOLERANCE)
            assert row.passed(found[row.key]), row.what
    ablated = found["ablated"]
    assert ablated["named_are"] == card["ablated"]["named_are"]
    assert ablated["named"] < 0.2 < 0.9 < ablated["plain"]
    roles = {row["head"]: row for row in ablated["heads"]}
    assert roles[card["previous_head_is"]]["loss"] > 1, "without the head of the token before, copying breaks"
    assert len(circuits.table(ablated, 3).splitlines()) == 5


def test_features_share_the_concepts_that_their_notes_name():
    """The middle SAE read anew: the same features share the same concepts; at random places hardly any would."""
    hook = "blocks.2.hook_resid_pre"
    about = json.loads((MODEL / "saes" / hook / "features.json").read_text("utf-8"))
    bridge, sae = contexts.read(MODEL, MODEL / "saes" / hook)
    sample = documents(bridge.tokenizer, about["sample"]["tokens"], about["sample"]["seed"], context=128)
    found, texts = (
        contexts.firing(bridge, sae, sample),
        [bridge.tokenizer.decode([i]) for i in range(bridge.cfg.d_vocab)],
    )
    left_out, same, rows = concepts.common(sample, texts), 0, notes(MODEL, hook)
    for row in rows[::8]:
        fires = found.of(row["feature"])
        peaks = concepts.peaks(fires.document, fires.pos, fires.value)
        name, share, n = concepts.shared(peaks, sample, texts, left_out)
        same += (name, n) == (row["concept"], row["concept_contexts"]) and abs(share - row["concept_share"]) <= 0.1
    assert same >= 0.97 * len(rows[::8])
    assert about["sample"]["monosemantic_by_chance"] <= 0.02


def test_every_layer_has_thirty_features_whose_contexts_share_a_concept():
    for folder in (MODEL / "saes").iterdir():
        assert sum(map(concepts.monosemantic, notes(MODEL, folder.name))) >= 30


def test_named_features_write_what_their_name_says_and_plain_text_does_not(mini):
    found = highlights.shipped(mini.model, mini.tokenizer, MODEL)
    assert {name: (p["hook"], p["feature"]) for name, p in found.items()} == {
        name: (p["hook"], p["feature"]) for name, p in CARD["steering"].items()
    }
    for name, push in found.items():
        assert push["passed"] >= highlights.PASSED - 1 and push["plain"] <= highlights.PLAIN, name


def test_saes_keep_what_the_card_says():
    for hook, figures in sae_figures(MODEL).items():
        card = CARD["saes"][hook]
        assert figures["l0"] == pytest.approx(card["l0"], abs=0.5)
        assert figures["explained_variance"] == pytest.approx(card["explained_variance"], abs=0.01)
        assert figures["recovered"] == pytest.approx(card["recovered"], abs=0.01)


@torch.no_grad()
def test_the_tuned_lens_is_nearer_to_the_output_than_the_logit_lens():
    """Held-out text, every layer before the last: mean KL from the model's own distribution."""
    network, lens = network_of(MODEL), load_file(MODEL / "tuned_lens.safetensors")
    stream = Stream(MODEL / "tokenizer.json", 99, 4, 256)
    batch = next(stream.batches(0))
    streams = network.residual(batch.ids, batch.place, batch.mask)
    text = batch.ids.flatten() != 0

    def say(x):
        return (network.ln_f(x).flatten(0, 1)[text] @ network.wte.weight.T).log_softmax(-1)

    final = say(streams[-1])
    for layer, x in enumerate(streams[:-1]):
        tuned = x + x @ lens[f"layers.{layer}.weight"].T + lens[f"layers.{layer}.bias"]
        kl = [(final.exp() * (final - say(y))).sum(-1).mean() for y in (tuned, x)]
        assert kl[0] < kl[1]


def test_checkpoints_hold_what_they_say_and_open_in_transformers():
    scores = json.loads((MODEL / "checkpoints" / "scores.json").read_text("utf-8"))["checkpoints"]
    assert 8 <= len(scores) <= 12
    names = {f"step_{row['step']}.safetensors" for row in scores[:-1]}  # the last one is model.safetensors itself
    assert {path.name for path in (MODEL / "checkpoints").glob("*.safetensors")} == names
    model, tokenizer = read(MODEL)
    for row in (scores[-1], scores[5]):
        if row is not scores[-1]:
            weights = load_file(MODEL / "checkpoints" / f"step_{row['step']}.safetensors")
            missing, unexpected = model.load_state_dict({n: w.float() for n, w in weights.items()}, strict=False)
            assert missing == ["lm_head.weight"] and not unexpected
            model.tie_weights()
        found = timeline(Examinee(model, tokenizer))
        for role, shares in found["heads"].items():
            assert torch.allclose(torch.tensor(shares), torch.tensor(row["heads"][role]), atol=TOLERANCE)
        assert found["figures"] == pytest.approx(row["figures"], abs=TOLERANCE)


def test_neurons_and_sizes():
    layers = sorted((MODEL / "neurons").glob("layer_*.json"))
    config = json.loads((MODEL / "config.json").read_text("utf-8"))
    assert len(layers) == config["n_layer"]
    rows = json.loads(layers[0].read_text("utf-8"))["neurons"]
    assert len(rows) == (config["n_inner"] or 4 * config["n_embd"])
    assert all(row["label"] and row["contexts"] for row in rows if row["max_activation"] > 0)
    assert sum(path.stat().st_size for path in Path(MODEL.parent).rglob("*") if path.is_file()) <= 120e6
