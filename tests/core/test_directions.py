"""Where directions come from, and that the same words are the same vector wherever they are written."""

import functools
import json
import math
import re
import subprocess
import sys
from shutil import copytree

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mi_core.analyses.directions import directions
from mi_core.analyses.probe_use import probe_use
from mi_core.analyses.steering import steering
from mi_core.directions import push, spec
from mi_core.directions.direction import Direction, find, token_direction
from mi_core.directions.push import PushSpec, steering_vectors
from mi_core.directions.spec import DirectionSpec
from mi_core.directions.steering_vector import SteeringVector, clamping, steering_hooks
from mi_core.editing import recipes
from mi_core.editing.orthogonalise import removal
from mi_core.editing.overlay import with_edit
from mi_core.editing.recipes import Orthogonalise
from mi_core.errors import InputError
from mi_core.models import hooks
from mi_core.models.loading import load
from mi_core.saes.loading import load_sae
from mi_core.saes.notes import Notes, contexts, notes
from mi_core.text.corpus import kept
from mi_core.text.sentences import sentences
from tests.core.plain_reference import final_norm, normalise, plain
from tests.core.plain_steering import Steered, assert_shift, mean_norm
from tests.core.sae_folders import save_sae

MINI_SAE = "models/loupe-mini/saes/blocks.2.hook_resid_pre"
PROMPT = "This movie was"
POSITIVE = "I loved it.\nThis was wonderful.\n"
NEGATIVE = "I hated it.\n\nThis was terrible."


NUMBERS = ", ".join(str((-1) ** i * (i % 7 + 1)) for i in range(32))
SPECS = [
    {"direction": "feature:5"},
    {"direction": "token:dog"},
    {"direction": "contrast", "positive": " the cat\n the dog", "negative": " on the", "layer": 2},
    {"direction": "vector", "vector": NUMBERS},
]


@pytest.fixture(scope="module")
def scaled(tiny_folder, tmp_path_factory):
    """scaled(normalize): an SAE of a tiny model that gives its input that scale."""

    @functools.cache
    def open_sae(normalize: str):
        folder = copytree(tiny_folder("gpt2"), tmp_path_factory.mktemp("scaled") / normalize)
        save_sae(folder, hooks.resid_post(0), normalize=normalize)
        return load_sae(load(str(folder)))

    return open_sae


@pytest.mark.parametrize("given", SPECS, ids=lambda given: given["direction"])
def test_the_same_words_are_the_same_vector_in_steering_and_in_edits(architecture, with_sae, given):
    """Bit for bit: as settings, as an edit out of a file, and as the one string that carries a direction."""
    model = with_sae(architecture)
    (steered,) = steering_vectors(model, model.tokens(" the cat"), [spec.read(PushSpec, given)])
    (edit,) = recipes.parse(json.dumps([{"kind": "orthogonalise"} | given]))
    carried = spec.read(DirectionSpec, {"direction": DirectionSpec(**given).text})
    assert float(steered.direction.unit.norm()) == pytest.approx(1, abs=1e-6)
    assert torch.equal(steered.direction.unit, removal(model, edit).direction.unit)
    assert torch.equal(steered.direction.unit, find(model, carried).unit)
    assert carried == DirectionSpec(**given) and hash(carried) == hash(DirectionSpec(**given))


def hf_token_direction(hf, word_id: int, at: torch.Tensor) -> torch.Tensor:
    """The gradient of a token's logit less the mean logit, by autograd through transformers' own weights, the final
    norm's scale held at that of `at`."""
    x = at.clone().requires_grad_(True)
    logits = hf.get_output_embeddings()(normalise(hf, final_norm(hf), x, at=at))
    gradient = torch.autograd.grad(logits[word_id] - logits.mean(), x)[0]
    return gradient / gradient.norm()


def test_a_tokens_direction_is_the_gradient_of_its_logit_in_the_plain_model(architecture, tiny_model, hf_model):
    model, hf = tiny_model(architecture), hf_model(architecture)
    at = torch.randn(model.d_model, generator=torch.Generator().manual_seed(3))
    expected = hf_token_direction(hf, model.token_id("dog"), at)
    torch.testing.assert_close(find(model, DirectionSpec("token:dog")).unit, expected, atol=1e-5, rtol=1e-4)
    assert not torch.allclose(find(model, DirectionSpec("token:cat")).unit, expected, atol=1e-2)


def test_without_a_tokens_direction_nothing_moves_its_logit_against_the_mean(architecture, tiny_model, hf_model):
    """The plain model's final norm and unembedding read what the edited model's stream ends in."""
    model, hf = tiny_model(architecture), hf_model(architecture)
    token, ids = model.token_id("dog"), model.tokens(" the cat sat on the dog").ids

    def lead(stream):
        logits = hf.get_output_embeddings()(final_norm(hf)(stream))
        return logits[:, token] - logits.mean(-1)

    other = with_edit(model, Orthogonalise("token:dog")).model
    final = hooks.resid_post(other.n_layers - 1)
    edited = other.run_ids(other.rows([ids]), [final])[final][0]
    before, after = lead(plain(hf, ids).resid[-1]), lead(edited)
    assert float(before.std()) > 0.1
    assert float((after - after[0]).abs().max()) < 1e-4 * float(before.abs().max())


@pytest.mark.parametrize(
    ("former", "present"),
    [
        ({"direction": "token: dog"}, DirectionSpec("token:dog")),
        ({"direction": " token :dog "}, DirectionSpec("token:dog")),
        ({"direction": "numbers", "numbers": "1 2"}, DirectionSpec("vector", vector="1 2")),
        ({"direction": "vector", "numbers": "1 2"}, DirectionSpec("vector", vector="1 2")),
        ({"direction": '{"direction": "numbers", "numbers": "1 2"}'}, DirectionSpec("vector", vector="1 2")),
        ({"direction": '{"direction": "feature:3", "layer": 1}', "layer": 2}, DirectionSpec("feature:3", layer=2)),
        ({"direction": '{"direction": "feature:3", "layer": 1}', "sae": None}, DirectionSpec("feature:3", layer=1)),
    ],
)
def test_former_spellings_and_one_string_mean_what_they_did(former, present):
    assert spec.read(DirectionSpec, former) == present
    assert spec.read(Orthogonalise, former) == Orthogonalise(**vars(present))


TEXT = st.text(max_size=12)


@given(st.builds(DirectionSpec, TEXT, st.none() | TEXT, TEXT, TEXT, TEXT, st.none() | st.integers(0, 99)))
def test_one_string_says_all_of_a_direction(asked):
    if asked.direction.startswith("{"):
        return  # which is such a string itself
    assert spec.read(DirectionSpec, {"direction": asked.text}) == asked
    assert DirectionSpec(asked.direction).direction == asked.direction


def test_a_probe_s_direction_is_the_one_that_was_tried_out(mini):
    used = probe_use(mini, "The French word for dog is", file="language", label="French", layer=3, placebos=1)
    found = find(mini, DirectionSpec("probe:language/French", layer=3))
    np.testing.assert_allclose(found.unit, used.direction, atol=1e-6)
    assert found.layer == 3 and found.label == "the probe of “French”"
    assert find(mini, DirectionSpec("probe:language/French")).layer == mini.n_layers // 2
    removed = removal(mini, Orthogonalise("probe:language/French", layer=3)).direction
    torch.testing.assert_close(removed.unit, found.unit)


def test_texts_of_one_s_own_are_found_by_what_they_hold(mini):
    words = ("cat", "dog", "house", "tree", "book", "car", "sea", "hill")
    rows = [f"The {word} was {how},{how},{word}" for word in words for how in ("up", "down")]
    path = kept("\n".join(["text,label,group", *rows]).encode(), "mine.csv")
    assert kept(path.read_bytes(), "mine.csv") == path
    found = find(mini, DirectionSpec(f"probe:{path.parent.name}/down", layer=1))
    other = find(mini, DirectionSpec(f"probe:{path.parent.name}/up", layer=1))
    torch.testing.assert_close(found.unit, -other.unit)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("probe:sentiment", "“probe:sentiment” lacks its class"),
        ("probe:elsewhere/positive", "There are no labelled texts “elsewhere” on this computer"),
        ("probe:../texts/positive", "There are no labelled texts “..” on this computer"),
        ("probe:0123456789abcdef/positive", "There are no labelled texts “0123456789abcdef” on this computer"),
        ("probe:sentiment/happy", "“happy” is no class of these texts: use positive or negative"),
    ],
)
def test_a_probe_that_there_is_not_gets_a_sentence(mini, words, said):
    with pytest.raises(InputError, match=re.escape(said)) as caught:
        find(mini, DirectionSpec(words))
    assert caught.value.field == "direction"


def test_words_need_neither_torch_nor_a_model():
    code = "import sys, mi_core, mi_core.editing.recipes, mi_core.directions.spec; print('torch' in sys.modules)"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "False"


@pytest.mark.parametrize("normalize", ["none", "layer_norm", "constant_norm_rescale"])
@settings(deadline=None, max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 10**6), feature=st.integers(0, 47), goal=st.floats(0, 20))
def test_clamping_changes_one_feature_and_keeps_the_error_term(scaled, normalize, seed, feature, goal):
    """Its own value: nothing, bit for bit. Another: the decoded change, whatever scale the SAE gives its input."""
    sae = scaled(normalize)
    x = torch.randn(2, 5, 32, generator=torch.Generator().manual_seed(seed)) * 3
    own = sae.encode(x)[..., feature]
    assert (x + clamping(sae, feature, x, own) == x).all()
    code = sae.encode(x)
    error = x - sae.decode(code, x)
    code[..., feature] = goal
    expected = sae.decode(code, x) + error
    torch.testing.assert_close(x + clamping(sae, feature, x, torch.tensor(goal)), expected, atol=2e-4, rtol=1e-4)


def test_where_the_largest_activation_is_known_from(mini, with_sae, monkeypatch):
    options = {"direction": "feature:757", "operation": "clamp", "strength": 1, "max_new_tokens": 1}
    sae = load_sae(mini)
    (noted,) = steering(mini, PROMPT, **options).pushes
    assert noted.scale == notes(sae.entry).of(757).max_activation
    assert noted.scale_from == "in the autoencoder's sample text"
    monkeypatch.setattr(push, "notes", lambda entry: Notes({}))
    (stored,) = steering(mini, PROMPT, **options).pushes
    assert stored.scale == max(max(context.activations) for context in contexts(sae.entry, 757))
    assert stored.scale_from == "in its stored contexts"
    monkeypatch.undo()
    model = with_sae("gpt2")
    (measured,) = steering(model, " the cat", **options | {"direction": "feature:5"}).pushes
    sentence = model.tokens(sentences(model)[0])
    own = load_sae(model)
    first = own.encode(model.run(sentence, [own.hook])[own.hook])[int(sentence.has_bos) :, 5].max()
    assert measured.scale >= float(first) and measured.scale > 0
    assert measured.scale_from == "in the built-in sentences"
    monkeypatch.setattr(push, "_measured", lambda *_: 0.0)
    with pytest.raises(InputError, match="never fires in the built-in sentences") as caught:
        steering(model, " the cat", **options | {"direction": "feature:5"})
    assert caught.value.field == "largest"


def test_a_token_is_pushed_along_what_the_output_reads_for_it(mini, hf_model):
    hf = hf_model("loupe-mini")
    result = steering(mini, PROMPT, direction="token:Paris", strength=0.3, max_new_tokens=1)
    (one,) = result.pushes
    assert one.layer == 3 and "“·Paris”" in one.label
    u = hf.lm_head.weight[mini.token_id("Paris")] - hf.lm_head.weight.mean(0)
    direction = u * hf.transformer.ln_f.weight
    direction = direction - direction.mean()
    ids = list(result.tokens.ids)
    vector = 0.3 * mean_norm(hf, ids, 3) * direction / direction.norm()
    assert_shift(result, hf(torch.tensor([ids])).logits[0, -1], Steered(hf, 3, vector, 1).logits(ids))


def test_no_direction_raises_a_token_more_directly(architecture, tiny_model):
    """Its logit less the mean logit, straight through the final norm's linear part: largest along its own direction."""
    model = tiny_model(architecture)
    token = model.token_id("dog")
    own = token_direction(model, "dog", None).unit
    others = torch.nn.functional.normalize(torch.randn(500, model.d_model, generator=torch.Generator().manual_seed(0)))
    near = torch.nn.functional.normalize(own + 0.05 * others, dim=-1)
    effects = model.unembed(model.final_norm.linear(torch.cat([own[None], others, near])))
    effects = effects[:, token] - effects.mean(-1)
    assert effects.argmax() == 0


def test_pasted_numbers_are_the_direction_they_spell(mini):
    row = load_sae(mini).W_dec[757]
    options = {"layer": 2, "max_new_tokens": 5}
    expected = steering(mini, PROMPT, direction="feature:757", **options)
    for separator in (",", ", ", ";", "\n", " "):
        text = separator.join(f"{7 * value:.9g}" for value in row.tolist())
        found = steering(mini, PROMPT, direction="vector", vector=text, **options)
        np.testing.assert_allclose(found.shift.logits[1], expected.shift.logits[1], atol=1e-4)
        assert found.texts[1].text == expected.texts[1].text


def test_contrast_is_the_difference_of_mean_last_activations(mini, hf_model):
    hf = hf_model("loupe-mini")

    def mean_last(lines):
        last = []
        for line in lines:
            ids = torch.tensor([[0, *mini.tokenizer.encode(line, add_special_tokens=False)]])
            last.append(hf(ids, output_hidden_states=True).hidden_states[3][0, -1])
        return torch.stack(last).mean(0)

    difference = mean_last(["I loved it.", "This was wonderful."]) - mean_last(["I hated it.", "This was terrible."])
    result = steering(
        mini, PROMPT, direction="contrast", positive=POSITIVE, negative=NEGATIVE, layer=3, max_new_tokens=1
    )
    ids = list(result.tokens.ids)
    vector = 0.5 * mean_norm(hf, ids, 3) * difference / difference.norm()
    assert_shift(result, hf(torch.tensor([ids])).logits[0, -1], Steered(hf, 3, vector, 1).logits(ids))
    assert (result.pushes[0].feature, result.pushes[0].sae) == (None, None)


def test_contrast_is_read_in_the_middle_unless_told(mini):
    result = steering(mini, PROMPT, direction="contrast", positive=POSITIVE, negative=NEGATIVE, max_new_tokens=1)
    assert result.pushes[0].layer == mini.n_layers // 2


def test_the_start_token_is_never_touched(mini):
    tokens = mini.tokens(PROMPT)
    name = hooks.resid_pre(1)
    vector = SteeringVector(Direction(torch.ones(mini.d_model), 1, "ones"), name, 1.0)
    hook = steering_hooks([vector], [[1.0]], "all", tokens)[name]
    x = torch.zeros(2, len(tokens), mini.d_model)
    out = hook(x, 0)
    assert (out[0] == 0).all()
    assert (out[1, 0] == 0).all()
    assert (out[1, 1:] == 1).all()
    without = steering_hooks([vector], [[1.0]], "all", mini.tokens(PROMPT, prepend_bos=False))[name]
    assert (without(x, 0)[1] == 1).all()


@pytest.mark.parametrize("strength", [math.nan, math.inf, -math.inf, 1e9, "0.5", None, True])
def test_strengths_that_are_no_numbers(mini, strength):
    with pytest.raises(InputError, match="choose a number from −1000 to 1000") as caught:
        steering(mini, PROMPT, direction="feature:757", strength=strength)
    assert caught.value.field == "strength"


@pytest.mark.parametrize(
    ("options", "field", "message"),
    [
        ({"direction": "feature:1024"}, "direction", "no feature 1024: this SAE has features 0 to 1023"),
        ({"direction": "feature:abc"}, "direction", "names no feature: write feature:123"),
        ({"direction": "feature:-1"}, "direction", "names no feature"),
        (
            {"direction": "up"},
            "direction",
            "is no direction: write feature:123, token:Paris, probe:sentiment/positive, contrast, or vector",
        ),
        ({"direction": "feature:1", "layer": 5}, "layer", "no layer 5: choose 0 .* to 4"),
        ({"direction": "feature:1", "sae": "blocks.0.hook_mlp_out"}, "sae", "no SAE at"),
        ({"direction": "feature:1", "positions": "some"}, "positions", "use all, prompt or new"),
        ({"direction": "feature:1", "max_new_tokens": 0}, "max_new_tokens", "choose 1 to 500"),
        ({"direction": "feature:1", "temperature": -0.1}, "temperature", "choose 0"),
        ({"direction": "feature:1", "top_k": 0}, "top_k", "choose a number from 1"),
        ({"direction": "feature:1", "operation": "set"}, "operation", "use add, clamp or hold"),
        ({"direction": "token:Paris", "operation": "clamp"}, "operation", "Only a feature can be clamped"),
        ({"direction": "feature:1", "operation": "clamp", "layer": 2}, "layer", "leave the layer empty"),
        ({"direction": "feature:1", "operation": "clamp", "largest": -1.0}, "largest", "a number above 0"),
        ({"direction": "token: "}, "token", "The token is missing"),
        ({"direction": "token:Constantinople"}, "token", "tokens for this model"),
        ({"direction": "vector"}, "vector", "Paste the direction: 128 numbers"),
        ({"direction": "vector", "vector": "1, 2, 3"}, "vector", "There are 3 numbers, and loupe-mini is 128 wide"),
        ({"direction": "vector", "vector": "1, two, 3"}, "vector", r"“two” \(number 2\) is not a number"),
        ({"direction": "vector", "vector": "nan " * 128}, "vector", r"“nan” \(number 1\) is not a number"),
        ({"direction": "vector", "vector": "0 " * 128}, "vector", "All numbers are 0"),
        ({"direction": "feature:1", "also": ('{"direction": "token:good"}',) * 4}, "also", "at most 4 can be summed"),
        ({"direction": "feature:1", "also": ("token:good",)}, "also", "describes no direction: write an object"),
        ({"direction": "feature:1", "also": ('["token:good"]',)}, "also", "describes no direction"),
        ({"direction": "feature:1", "also": ('{"token": "good"}',)}, "also", "A direction has no “token”"),
        ({"direction": "feature:1", "also": ("{}",)}, "direction2", "Direction 2: “” is no direction"),
        (
            {"direction": "feature:1", "also": ('{"direction": "token:good"}', '{"direction": "feature:-2"}')},
            "direction3",
            "Direction 3: “feature:-2” names no feature",
        ),
        ({"direction": "feature:1", "also": ('{"direction": 5}',)}, "direction2", "The direction is 5"),
        (
            {"direction": "feature:1", "also": ('{"direction": "token:good", "strength": "x"}',)},
            "strength2",
            "Direction 2: The strength is x: choose a number",
        ),
        (
            {"direction": "feature:1", "also": ('{"direction": "token:good", "layer": 9}',)},
            "layer2",
            "Direction 2: There is no layer 9",
        ),
        ({"direction": "contrast"}, "positive", "The positive prompts are empty"),
        ({"direction": "contrast", "positive": "good"}, "negative", "The negative prompts are empty"),
        ({"direction": "contrast", "positive": "good", "negative": "good"}, "negative", "look the same"),
        ({"direction": "contrast", "positive": "good\n" * 65, "negative": "bad"}, "positive", "There are 65 positive"),
        ({"direction": "contrast", "positive": "good", "negative": "bad " * 400}, "negative", "reads at most 256"),
    ],
)
def test_bad_settings(mini, options, field, message):
    with pytest.raises(InputError, match=message) as caught:
        steering(mini, PROMPT, **options)
    assert caught.value.field == field


# A set of directions -------------------------------------------------------------------------------------------------


def test_cosines_are_those_of_the_vectors_and_nearest_tokens_those_of_numpy(architecture, with_sae, hf_model):
    model, hf = with_sae(architecture), hf_model(architecture)
    contrast = {"direction": "contrast", "positive": " the cat", "negative": " the dog"}
    asked = ("token: cat", "token: dog", "feature:1", json.dumps(contrast))
    found = directions(model, directions=asked, space="embedding", top_k=5)
    rows = load_sae(model).W_dec.detach().double().numpy()
    np.testing.assert_allclose(found.unit[2], rows[1] / np.linalg.norm(rows[1]), atol=1e-6)
    own = find(model, spec.read(DirectionSpec, contrast)).unit.double().numpy()
    np.testing.assert_allclose(found.unit[3], own, atol=1e-5)
    unit = found.unit.astype(np.float64)
    np.testing.assert_allclose(found.cosine, unit @ unit.T, atol=1e-6)
    np.testing.assert_allclose(np.diagonal(found.cosine), 1, atol=1e-6)
    table = hf.get_input_embeddings().weight.detach().double().numpy()[np.array(model.text_ids)]
    near = unit @ (table / np.linalg.norm(table, axis=-1, keepdims=True)).T
    np.testing.assert_allclose(found.nearest_cosine, np.sort(near)[:, ::-1][:, :5], atol=1e-6)
    assert all(check.passed for check in found.checks)


def test_a_token_is_nearest_to_itself_where_directions_are_the_outputs(mini):
    found = directions(mini, directions=("token:Paris", "token:Paris", "token:happy"))
    assert found.nearest[0] == " Paris" and found.nearest_cosine[0, 0] == pytest.approx(1, abs=1e-5)
    assert found.names[:2] == ("the token “·Paris”", "the token “·Paris” (2)")
    assert (
        found.reading().title
        == "The token “·Paris” and the token “·Paris” (2) point most nearly the same way: cosine +1.00"
    )
    assert found.chance == pytest.approx(1 / math.sqrt(mini.d_model))
    pasted = " ".join(f"{value:.8g}" for value in found.unit[2])
    again = directions(mini, directions=(json.dumps({"direction": "vector", "vector": pasted}), "token:happy"))
    assert again.cosine[0, 1] == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize(
    ("given", "message", "field"),
    [
        ({"directions": ()}, "There are 0 directions: name 1 to 16", "directions"),
        ({"directions": ("token:a",) * 17}, "There are 17 directions", "directions"),
        ({"directions": ("happy",)}, "“happy” is no direction", "direction"),
        ({"directions": ("token:antidisestablishment",)}, "is . tokens for this model", "token"),
        ({"space": "nowhere"}, "“nowhere” is no space", "space"),
    ],
)
def test_a_set_that_cannot_be_read_gets_a_sentence(mini, given, message, field):
    with pytest.raises(InputError, match=message) as caught:
        directions(mini, **given)
    assert caught.value.field == field
