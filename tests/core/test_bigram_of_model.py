"""What embedding and unembedding alone say, against plain transformers."""

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
import torch

from mi_core.analyses import bigram_of_model as module
from mi_core.analyses.bigram_of_model import SOURCES, bigram_of_model
from mi_core.errors import InputError
from mi_core.text import sampled
from tests.core.plain_reference import final_norm, plain
from tests.sentences import faults

K = 5


def test_each_source_is_that_of_plain_transformers(architecture, tiny_model, hf_model, monkeypatch):
    """Every text that the model wrote is read by itself, and summed place by place."""
    monkeypatch.setattr(module, "ROWS", 3)
    monkeypatch.setattr(module, "ROWS_FROM_TOKEN", 2)
    monkeypatch.setattr(module, "LENGTH", 10)
    model, hf = tiny_model(architecture), hf_model(architecture)
    found = bigram_of_model(model, token=" cat", top_k=K)
    token, begin = model.token_id(" cat"), sampled.start(model)
    rows = [row.tolist() for first, n in (([*begin, token], 2), (begin, 3))
            for row in sampled.sampled_text(model, first, n, 10)]  # fmt: skip
    chances, followers = [], Counter()
    for row in rows:
        resid, logits = plain(hf, row).resid, plain(hf, row).logits
        followers.update(second for first, second in pairwise(row) if first == token)
        for pos in [pos for pos, one in enumerate(row) if one == token]:
            with torch.no_grad():
                read = [hf.get_output_embeddings()(final_norm(hf)(resid[at][pos])) for at in (0, 1)]
            cap = getattr(hf.config, "final_logit_softcapping", None)
            read = [cap * torch.tanh(one / cap) if cap else one for one in read]
            chances.append(torch.stack([*read, logits[pos]]).double().softmax(-1))
    mean = torch.stack(chances).mean(0)
    for row, source in enumerate(SOURCES):
        np.testing.assert_allclose(found.probability[row], mean[row].topk(K).values, rtol=1e-3, err_msg=source)
    assert dict(zip(found.followed_by, found.counts, strict=True)) == {
        model.text(one): count for one, count in followers.items()
    }
    assert all(check.passed for check in found.checks)


def test_tied_embeddings_say_the_token_itself_and_the_first_block_knows_what_follows(mini):
    found = bigram_of_model(mini)
    assert found.tied and found.predictions[0] == " of" and found.probability[0, 0] > 0.999
    assert found.predictions[6] == found.predictions[12] == found.followed_by[0] == " the"
    title, said = found.reading().title, " ".join(found.reading().sentences)
    assert title == "After “·of”, embedding and unembedding alone say “·of” (over 99.9%)"
    assert "tied embeddings" in said
    assert faults(found) == []
    assert found.probability[1, 0] == pytest.approx(found.counts[0] / found.counts.sum(), abs=0.15)


@pytest.mark.parametrize(
    ("asked", "message", "field"),
    [
        ({"token": " "}, "The token is missing", "token"),
        ({"token": "antidisestablishment"}, "tokens for this model", "token"),
        ({"top_k": 6000}, "top_k is 6,000", "top_k"),
    ],
)
def test_what_is_no_token_gets_a_sentence(mini, asked, message, field):
    with pytest.raises(InputError, match=message) as caught:
        bigram_of_model(mini, **asked)
    assert caught.value.field == field
