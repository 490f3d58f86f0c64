"""The training of the built-in model: same seed, same bytes; nothing held out is seen; and it runs through."""

import functools
import json
import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from random import Random

import pytest
import torch
from torch.nn import functional as F

from training import __main__ as command
from training import highlights, seen, tokenizer
from training import train as training_loop
from training.corpus import facts, people, prose, words
from training.corpus.generate import DRILL, EARLY, GENERATORS, MIXTURE, document
from training.corpus.markup import articles, parse, question
from training.export import network_of, to_transformers, write
from training.network import CrossEntropy, Network
from training.stream import CHUNK, Stream
from training.train import Recipe, train

MODEL = Path(__file__).parents[2] / "models" / "loupe-mini"
SIZES = {"vocabulary": 4608, "context": 64, "layers": 2, "width": 32, "heads": 2, "hidden": 48}


def stream(seed: int = 3, rows: int = 2, context: int = 128) -> Stream:
    return Stream(MODEL / "tokenizer.json", seed, rows, context)


def first(source: Stream, n: int, start: int = 0) -> list:
    return list(islice(source.batches(start), n))


def same(a, b) -> bool:
    return all(torch.equal(x, y) for x, y in zip(vars(a).values(), vars(b).values(), strict=True))


@pytest.mark.slow
def test_the_same_seed_builds_the_shipped_tokenizer_byte_for_byte(tmp_path):
    recipe = Recipe()
    tokenizer.build(recipe.vocabulary, tmp_path, recipe.context, recipe.seed)
    assert (tmp_path / "tokenizer.json").read_bytes() == (MODEL / "tokenizer.json").read_bytes()


def test_the_same_seed_gives_the_same_batches_and_another_seed_others():
    a, b, other = first(stream(), 3), first(stream(), 3), first(stream(seed=4), 3)
    assert all(same(x, y) for x, y in zip(a, b, strict=True))
    assert not same(a[0], other[0])


def test_a_run_that_is_resumed_sees_what_it_would_have_seen():
    whole = first(stream(rows=1, context=64), CHUNK + 2)
    assert same(whole[CHUNK], first(stream(rows=1, context=64), 1, start=CHUNK)[0])


@pytest.mark.parametrize("kind", GENERATORS)
def test_documents_are_deterministic_and_well_marked(kind):
    texts = [document(kind, Random(i)) for i in range(200)]
    assert texts == [document(kind, Random(i)) for i in range(200)]
    for text in texts:
        plain, spans = parse(text)
        assert "[[" not in plain and "]]" not in plain and "{" not in plain.replace("{}", "")
        assert all(0 < a < b <= len(plain) for a, b in spans)


def test_marks():
    assert parse("The capital[[ Paris]] and[[ x]].") == ("The capital Paris and x.", [(11, 17), (21, 23)])
    assert question("Where?[[ There]]. And[[ here]].") == ("Where?", " There")
    assert articles("a apple and a[[ orange]], a pear") == "an apple and an[[ orange]], a pear"


@pytest.mark.slow
def test_what_is_held_out_is_never_written():
    """Held-out phrasings, second steps, pairs of names and first years, in many documents of their kinds."""
    held = [t.split("[[")[0] for t in facts.CAPITAL_HELD + facts.LANDMARK_HELD]
    patterns = [re.compile(re.escape(t).replace(r"\{k\}", ".+").replace(r"\{l\}", ".+")) for t in held]
    hops = {city for city, _, _ in facts.HOP_HELD}
    r = Random("held out")
    for _ in range(8000):
        prompt = facts.fact(r).split("[[")[0]
        assert not any(p.fullmatch(prompt) for p in patterns), prompt
        hop = re.match(r"The capital of the state containing (.+) is$", prompt)
        assert not (hop and hop[1] in hops)
    for _ in range(4000):
        a, b = people.name_pair(r)
        assert not people.held_pair(a, b)
        year = re.search(r"The (\w+) lasted from (?:the year )?(\d\d)(\d\d)", words.greater_than(r))
        assert not (year and words.held_year(year[1], int(year[2]), int(year[3])))
    for actions in (people.GIVEN["held_action"], people.GIVEN["held_setup"]):
        trained = people.GIVEN["action"] + people.GIVEN["setup"]
        assert not set(actions) & set(trained)
    assert len(facts.HOP_HELD) >= 40 and len(held) >= 16


def test_indirect_objects_name_the_receiver_once_and_the_giver_twice():
    r = Random(0)
    for _ in range(300):
        pair = people.name_pair(r)
        prompt, answer = question(people.given(r, people.setup(r), people.action(r), pair, r.random() < 0.5))
        giver = next(name for name in pair if f" {name}" != answer)
        assert len(re.findall(rf"\b{giver}\b", prompt)) == 2
        assert len(re.findall(rf"\b{answer.strip()}\b", prompt)) == 1


def test_reviews_keep_their_opinion_and_stories_say_no_sentence_twice():
    r = Random(1)
    for _ in range(300):
        said = set(re.findall(r"\w+", parse(prose.review(r, True))[0]))
        assert not said & {w for w in prose.WORDS["negative"] if w != "sad"}
        sentences = re.split(r"(?<=[.!?]) ", prose.story(r))
        assert len(sentences) == len(set(sentences))


@pytest.mark.slow
def test_every_kind_gets_about_its_share():
    source = stream(rows=8, context=256)
    first(source, CHUNK)
    total, shares = sum(source.counts.values()), sum(MIXTURE.values())
    for kind, share in MIXTURE.items():
        assert source.counts[kind] / total == pytest.approx(share / shares, rel=0.6)


def test_the_phases_change_the_mixture_and_the_drill_repeats_what_is_short():
    phases = ((0, "early"), (CHUNK, "drill"), (3 * CHUNK, "end"))

    def at(step: int) -> tuple[Stream, list[int]]:
        source = Stream(MODEL / "tokenizer.json", 3, 8, 128, phases=phases)
        next(source.batches(step))
        lengths = []
        for _ in range(200):
            ids = source.repeat().ids
            lengths.append(next(p for p in range(1, len(ids)) if p == len(ids) - 1 or ids[-1] == ids[-1 - p]))
        return source, sorted(lengths)

    (early, usual), (drill, short), (last, _) = at(0), at(2 * CHUNK), at(3 * CHUNK)
    assert (early.mixture, drill.mixture, last.mixture) == (EARLY, DRILL, MIXTURE)
    assert short[100] <= 10 < usual[100]
    assert stream().mixture == MIXTURE


def test_who_has_what_asked_backwards_names_who_had_it():
    for asks in (people.backwards, people.swapped):
        for seed in range(200):
            told, spans = parse(asks(Random(seed)))
            facts, asked = told[: spans[0][0]], [told[a:b].strip() for a, b in spans]
            assert len(set(asked)) == len(asked) >= 2
            assert all(re.search(rf"\b{name}\b", facts) for name in asked)


def test_nothing_is_predicted_from_another_document():
    batch = first(stream(), 1)[0]
    starts = batch.ids == 0
    assert (batch.place[starts] == 0).sum() >= starts.any(1).sum()
    # the first position of a document looks at itself alone
    rows, at = (batch.place == 0).nonzero(as_tuple=True)
    assert (batch.mask[rows, 0, at].sum(-1) == 1).all()
    # nothing is to be predicted at the last position of a row, and no document's first token is a target
    assert (batch.weight[:, -1] == 0).all()
    assert (batch.weight[rows[at > 0], at[at > 0] - 1] == 0).all()


def test_cross_entropy_in_one_buffer_equals_torch():
    torch.manual_seed(0)
    x, unembed = torch.randn(7, 5, requires_grad=True), torch.randn(11, 5, requires_grad=True)
    target, weight = torch.randint(0, 11, (7,)), torch.rand(7)
    ours = CrossEntropy.apply(x, unembed, target)
    theirs = F.cross_entropy(x @ unembed.T, target, reduction="none")
    assert torch.allclose(ours, theirs, atol=1e-5)
    found = torch.autograd.grad((ours * weight).sum(), (x, unembed))
    wanted = torch.autograd.grad((theirs * weight).sum(), (x, unembed))
    assert all(torch.allclose(a, b, atol=1e-5) for a, b in zip(found, wanted, strict=True))


def test_export_is_the_same_function_and_reads_back(tmp_path):
    torch.manual_seed(0)
    network = Network(**SIZES).eval()
    model = to_transformers(network.state_dict(), heads=2)
    ids = torch.randint(1, 4608, (2, 40))
    causal = torch.ones(40, 40, dtype=torch.bool).tril()[None, None].expand(2, 1, 40, 40)
    with torch.no_grad():
        x = network.residual(ids, torch.arange(40).expand(2, 40), causal)[-1]
        ours = network.ln_f(x) @ network.wte.weight.T
        theirs = model(ids, attention_mask=torch.ones_like(ids)).logits
    assert torch.allclose(ours, theirs, atol=1e-4)
    write(model, MODEL, tmp_path)
    for a, b in zip(network.parameters(), network_of(tmp_path).parameters(), strict=True):
        assert torch.equal(a, b)


TINY = Recipe(vocabulary=1200, context=128, layers=2, width=32, heads=2, hidden=48, rows=2, steps=60, warm_up=5)


@pytest.fixture(scope="module", autouse=True)
def words_once() -> Iterator[None]:
    """The words of a seed are the same for every tokenizer: tens of thousands of documents are written once."""
    words = functools.cache(lambda seed, write=tokenizer.word_list: tuple(write(seed)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tokenizer, "word_list", words)
        yield


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> tuple[Path, dict]:
    """The folder and the weights of a tiny run."""
    folder = tmp_path_factory.mktemp("run")
    tokenizer.build(TINY.vocabulary, folder, TINY.context, TINY.seed)
    return folder, train(TINY, folder, (0, 60), "cpu").state_dict()


@pytest.mark.slow
def test_a_second_run_ends_with_the_same_weights(trained, tmp_path):
    (tmp_path / "tokenizer.json").write_bytes((trained[0] / "tokenizer.json").read_bytes())
    again = train(TINY, tmp_path, (), "cpu").state_dict()
    assert all(torch.equal(again[name], weight) for name, weight in trained[1].items())


@pytest.mark.slow
def test_a_run_that_stops_ends_with_the_weights_of_one_that_does_not(trained, tmp_path, monkeypatch):
    (tmp_path / "tokenizer.json").write_bytes((trained[0] / "tokenizer.json").read_bytes())
    done, learn = [], training_loop.learn

    def until_interrupted(*args) -> None:
        done.append(1)
        if len(done) == CHUNK + 4:
            raise KeyboardInterrupt
        learn(*args)

    monkeypatch.setattr(training_loop, "learn", until_interrupted)
    with pytest.raises(KeyboardInterrupt):
        train(TINY, tmp_path, (), "cpu")
    found = train(TINY, tmp_path, (), "cpu").state_dict()
    assert len(done) == TINY.steps + 4, "the second half begins at the saved step"
    assert all(torch.equal(found[name], weight) for name, weight in trained[1].items())


@pytest.mark.slow
def test_one_command_makes_every_file_and_goes_on_where_it_stopped(tmp_path, monkeypatch):
    """Tiny sizes, a short search for features to steer with; the second call finds everything there."""
    for name, short in {"CANDIDATES": 1, "STRENGTHS": (0.5, 1.0), "SEARCH": (0,)}.items():
        monkeypatch.setattr(highlights, name, short)
    monkeypatch.setattr(seen, "DOCUMENTS", 60)

    def run(name: str, steps: int) -> Path:
        out = tmp_path / name
        sizes = {"layers": 2, "width": 32, "heads": 2, "hidden": 48, "context": 128, "rows": 2, "vocabulary": 1200}
        small = {"sae-text": 5000, "sae-tokens": 6000, "sae-features": 64}
        short = {"sample-tokens": 1500, "neuron-tokens": 1500, "lens-steps": 3, "lens-texts": 4, "steps": steps}
        numbers = [word for name, n in (sizes | small | short).items() for word in (f"--{name}", str(n))]
        folders = ["--out", str(out), "--work", str(tmp_path / f"{name} work"), "--device", "cpu"]
        command.main([*folders, *numbers])
        return out

    out = run("whole", 60)
    hooks = {"blocks.0.hook_resid_pre", "blocks.1.hook_resid_pre", "blocks.1.hook_resid_post"}
    assert {folder.name for folder in (out / "saes").iterdir()} == hooks
    for name in ("model.safetensors", "tokenizer.json", "tuned_lens.safetensors", "checkpoints/scores.json"):
        assert (out / name).is_file()
    steps = [row["step"] for row in json.loads((out / "checkpoints" / "scores.json").read_text("utf-8"))["checkpoints"]]
    assert steps == [0, 60] and not (out / "checkpoints" / "step_60.safetensors").exists()
    neurons = json.loads((out / "neurons" / "layer_1.json").read_text("utf-8"))["neurons"]
    assert [row["neuron"] for row in neurons] == list(range(48))
    made = {path: path.stat().st_mtime_ns for path in (out / "saes").rglob("*")}
    run("whole", 60)
    assert made == {path: path.stat().st_mtime_ns for path in (out / "saes").rglob("*")}
