"""Roles against plain transformers' attention, position by position; the built-in model's known heads; files."""

import numpy as np
import pytest
import torch

from mi_core.analyses import head_roles as module
from mi_core.analyses.head_roles import head_roles
from mi_core.errors import InputError
from mi_core.heads.profile import IN_TEXT, LONGEST, excerpts, followers
from mi_core.heads.roles import ROLES, repeated
from mi_core.text.sample import TEXTS
from tests.core.plain_reference import plain

NAMES = [role.name for role in ROLES]
TEXT_NAMES = [role.name for role in IN_TEXT]


def key_of(role: str, query: int, first: int, period: int) -> int | None:
    """The one key that a role looks at, told by hand; None where the role is not asked of this query."""
    second = query >= first + period
    return {
        "previous_token": query - 1 if query > first else None,
        "induction": query - period + 1 if second else None,
        "duplicate_token": query - period if second else None,
        "first_token": 0 if query >= first else None,
        "current_token": query if query >= first else None,
    }[role]


def by_hand(attention, keys):
    """Mean of attention[..., query, key] over the queries that have a key."""
    return np.mean([attention[..., query, key] for query, key in enumerate(keys) if key is not None], axis=0)


def scores(found, table, role, shape=(3, 4)):
    rows = found.tables()[table].query("role == @role").sort_values(["layer", "head"])
    return rows["score"].to_numpy().reshape(shape)


def test_roles_on_random_tokens_equal_plain_transformers(architecture, tiny_model, hf_model):
    model = tiny_model(architecture)
    found = head_roles(model, rows=3, period=9, excerpts=1)
    drawn = repeated(model, 3, 9, 0)
    seen = [plain(hf_model(architecture), row).attention.numpy() for row in drawn.ids.tolist()]
    for role in NAMES:
        keys = [key_of(role, query, drawn.first, 9) for query in range(drawn.ids.shape[1])]
        expected = np.mean([by_hand(attention, keys) for attention in seen], axis=0)
        np.testing.assert_allclose(scores(found, "scores", role), expected, atol=1e-5)
        even = by_hand(np.stack([np.full(len(keys), 1 / (q + 1)) for q in range(len(keys))]), keys)
        assert found.tables()["scores"].query("role == @role")["even"].iloc[0] == pytest.approx(even, rel=1e-5)
    assert all(check.passed for check in found.checks)


def test_text_equals_plain_transformers(architecture, tiny_model, hf_model):
    model = tiny_model(architecture)
    found = head_roles(model, rows=1, period=2, excerpts=2)
    summed, weight = dict.fromkeys(TEXT_NAMES, 0.0), dict.fromkeys(TEXT_NAMES, 0)
    entropy, distance, n = 0.0, 0.0, 0
    for ids in excerpts(model, TEXTS, 2):
        attention = plain(hf_model(architecture), ids).attention.double().numpy()
        for query in range(1, len(ids)):
            row, n = attention[:, :, query], n + 1
            entropy = entropy + sum(-row[..., k] * np.log2(np.maximum(row[..., k], 1e-300)) for k in range(len(ids)))
            distance = distance + sum(row[..., k] * (query - k) for k in range(query + 1))
            keys = {"previous_token": [query - 1] * (query > 1), "first_token": [0], "current_token": [query]}
            keys["induction"] = [k + 1 for k in range(1, query - 1) if ids[k] == ids[query]]
            for role, where in keys.items():
                if where:
                    summed[role], weight[role] = summed[role] + row[..., where].sum(-1), weight[role] + 1
    for role in TEXT_NAMES:
        np.testing.assert_allclose(scores(found, "text", role), summed[role] / weight[role], atol=1e-5)
    spread = found.tables()["spread"]
    np.testing.assert_allclose(spread["entropy"].to_numpy().reshape(3, 4), entropy / n, atol=1e-4)
    np.testing.assert_allclose(spread["distance"].to_numpy().reshape(3, 4), distance / n, atol=1e-3)


def test_excerpts_are_counted_by_their_score_and_heads_named_from_a_threshold(mini):
    found = head_roles(mini, excerpts=6)
    histogram = found.tables()["histogram"]
    bounds = [*np.arange(0, 1, 0.1), 1.0 + 1e-6]
    for at, role in enumerate(TEXT_NAMES):
        ours = histogram[(histogram["layer"] == 1) & (histogram["head"] == 0) & (histogram["role"] == role)]
        scores_there = found.text[:, at, 1, 0]
        by_hand, _ = np.histogram(scores_there[~np.isnan(scores_there)], bounds)
        assert list(ours["excerpts"]) == list(by_hand)
    assert found.above("previous_token", "random", 0.9).startswith(
        "1 of 16 heads gives it at least 90% of its attention: L0H0 (97.5%)"
    )
    assert found.above("previous_token", "text", 1.0) == "0 of 16 heads give it at least 100% of their attention."


def test_the_built_in_models_known_heads(mini):
    found = head_roles(mini, excerpts=2)
    first = found.tables()["scores"].query("rank == 1").set_index("role")
    named = {role: (int(row.layer), int(row["head"]), round(row.score, 2)) for role, row in first.iterrows()}
    assert named["current_token"] == (0, 3, 0.98) and named["previous_token"] == (0, 0, 0.97)
    induction = found.tables()["scores"].query("role == 'induction' and rank <= 4")
    assert set(induction["layer"]) == {1} and (induction["score"] > 0.7).all()
    reading = found.reading()
    assert reading.title.startswith(
        "6 of 16 heads have a clear role; the clearest is L0H3, which looks at its own token"
    )
    assert (
        "L0H0 looks at the token before; L1H0, L1H1, L1H3 and 1 more look at what followed last time"
        in (reading.sentences[0])
    )
    assert "2 excerpts of the sample that comes with Loupe" in reading.sentences[2]


def test_what_followed_an_earlier_occurrence():
    ids = torch.tensor([[0, 5, 6, 5, 7, 5, 5]])
    found = {(int(q), int(k)) for _, q, k in followers(ids, 1).nonzero()}
    assert found == {(3, 2), (5, 2), (5, 4), (6, 2), (6, 4)}, "never the query itself"


def test_a_file_of_ones_own(mini, tmp_path):
    file = tmp_path / "mine.txt"
    file.write_text(
        "One day a cat sat on a mat, and one day a dog sat on a mat.\n\nshort\n\n" + "Tom saw the cat. " * 60
    )
    seen = []
    found = head_roles(mini, file=str(file), progress=lambda *told: seen.append(told))
    assert found.file == "mine.txt" and "of mine.txt" in found.reading().sentences[-1]
    assert any("cat sat on a mat" in text for text in found.excerpts) and "short" not in found.excerpts
    assert found.n_tokens == sum(found.weight[:, -1])
    assert [told[:2] for told in seen][-1] == (len(seen), len(seen)) and len(seen[0]) == 2
    partial = seen[1][2]
    assert partial.reading().title == found.reading().title and len(partial.excerpts) < len(found.excerpts)
    examples = found.tables()["examples"].query("layer == 0 and head == 3 and role == 'current_token'")
    assert list(examples["place"]) == [1, 2, 3] and (np.diff(examples["score"]) <= 0).all()


def test_batches_change_nothing(tiny_model, monkeypatch):
    model = tiny_model("neox")
    whole = head_roles(model, rows=2, period=6, excerpts=4)
    monkeypatch.setattr(module, "MOST_BYTES", 1)
    single = head_roles(model, rows=2, period=6, excerpts=4)
    np.testing.assert_allclose(single.random, whole.random, atol=1e-6)
    np.testing.assert_allclose(single.in_text, whole.in_text, atol=1e-6)


@pytest.mark.parametrize(
    ("settings", "message", "field"),
    [
        ({"rows": 0}, "Rows must be from 1 to 256", "rows"),
        ({"excerpts": 1001}, "Excerpts must be from 1 to 1,000", "excerpts"),
        ({"period": 200}, "Period, twice in the context, must be from 1 to 127", "period"),
        ({"file": "nowhere.txt"}, "There is no file nowhere.txt", "file"),
    ],
)
def test_bad_settings_get_a_sentence(mini, settings, message, field):
    with pytest.raises(InputError, match=message) as caught:
        head_roles(mini, **settings)
    assert caught.value.field == field


def test_a_file_of_short_lines_gets_a_sentence(mini, tmp_path):
    (tmp_path / "short.txt").write_text("a cat\na dog\n")
    with pytest.raises(InputError, match="no text of 8 tokens or more"):
        head_roles(mini, file=str(tmp_path / "short.txt"))
    assert max(map(len, excerpts(mini, TEXTS, 99))) <= LONGEST
