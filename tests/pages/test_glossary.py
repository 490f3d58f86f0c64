"""Every word that Loupe uses is explained, in short sentences, and found where it is used."""

import re
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as some

from tests.pages.test_pages import ROOT, unescaped, visit
from ui import words
from ui.glossary import mentions, on_page
from ui.glossary.mentions import mentioned, with_links
from ui.glossary.pictures import PICTURES
from ui.glossary.search import search
from ui.glossary.terms import Term, by_name, terms

GLOSSARY = "pages/understand/glossary.py"
# The words of the field, whether this version's texts use them or not.
FIELD = """
token; tokenizer; vocabulary; position; prompt; context length; start token; BOS; corpus; language model; logit;
probability; log-probability; softmax; rank; bit; nat; surprise; surprisal; entropy; perplexity; KL; KL divergence;
temperature; sampling; greedy; seed; logit difference; answer; foil; embedding; unembedding; residual stream; layer;
block; MLP; neuron; activation; weights; parameters; bias; matrix; norm; LayerNorm; RMSNorm; forward pass; gradient;
backward pass; hook; KV cache; fingerprint; checkpoint; mixture of experts; soft cap; attention; attention head;
pattern; attention score; query; key; value; output; induction head; previous-token head; duplicate-token head; name
mover; attention sink; rollout; OV circuit; QK circuit; circuit; composition; copying score; singular direction;
lens; logit lens; tuned lens; Jacobian lens; attribution; direct logit attribution; direct effect; input
attribution; baseline; leave-one-out; occlusion; Shapley value; SHAP; KernelSHAP; LIME; integrated gradients;
completeness; comprehensiveness; sufficiency; gradient × activation; intervention; ablation; zero ablation; mean
ablation; resample ablation; self-repair; placebo; patching; activation patching; attribution patching; clean;
corrupted; denoising; noising; restored; path patching; sender; receiver; steering; strength; clamp; edit; ROME;
orthogonalise; orthogonalisation; paraphrase; neighbour; drift; efficacy; sparse autoencoder; SAE; feature; density;
dead feature; dense feature; reconstruction error; explained variance; label; contexts; promoted token; transcoder;
superposition; interference; dimensionality; sparsity; polysemantic; monosemantic; toy model; importance; ReLU;
vector; dimension; direction; cosine; dot product; contrast; analogy; probe; linear probe; class; accuracy; held out;
penalty; control; control task; selectivity; random weights; mean difference; codelength; ROC curve; AUC; standard
error; standard
deviation; Kendall's τ; R²; histogram; training; loss; training step; bigram; self-check
"""
# Words in capitals that readers meet elsewhere: formats, measures of files, what a machine has.
ELSEWHERE = {
    "CSV", "JSON", "XLSX", "HTML", "PNG", "SVG", "PDF", "UTF", "GB", "MB", "GPU", "CPU", "GPT", "ID", "WF", "UI",
}  # fmt: skip


def said(term: Term) -> list[str]:
    return re.split(r"(?<=[.?])\s+", f"{term.plain} {term.example}")


def test_every_word_of_the_field_is_explained():
    field = [" ".join(word.split()) for word in FIELD.split(";")]
    missing = [word for word in field if search(word).term is None]
    assert len(field) > 150 and not missing, f"write an entry, or name it in one (docs/add-a-word.md): {missing}"


def test_every_abbreviation_that_a_reader_meets_is_explained():
    scripts = [path for layer in ("pages", "ui", "charts") for path in (ROOT / layer).rglob("*.py")]
    texts = [text for path in scripts for text in on_page.texts(path)]
    assert len(texts) > 1000
    everything = [*texts, *(sentence for term in terms() for sentence in said(term))]
    met = {word for text in everything for word in re.findall(r"\b[A-Z]{2,}(?=s?\b)", re.sub(r"[{⟨%#]\S+", "", text))}
    unexplained = {word for word in met - ELSEWHERE if not search(word).term}
    assert {"KL", "SAE", "MLP", "LIME"} <= met and not unexplained


def test_a_word_is_of_one_term_and_what_a_term_names_is_there():
    names = [name for term in terms() for name in (term.name, *term.also)]
    assert len(names) == len(set(names)) and len(terms()) > 150
    files = {path.stem for path in (ROOT / "pages").rglob("*.py")}
    for term in terms():
        assert set(term.related) <= set(by_name()) - {term.name}, term.name
        assert term.picture is None or term.picture in PICTURES, term.name
        assert (term.see.page or "start") in files and term.see.page in words.PAGES, term.name
        fields = words.of_page(term.see.page)
        for key, value in term.see.fields:
            assert key in fields and fields[key].fault([value]) is None, f"{term.name}: {key}={value}"
    assert {term.picture for term in terms()} - {None} == set(PICTURES)


def test_sentences_are_short_and_never_explain_a_term_by_itself():
    long = [sentence for term in terms() for sentence in said(term) if len(sentence.split()) > 25]
    assert not long, long
    for term in terms():
        assert 1 <= len(re.findall(r"[.?](?:\s|$)", term.plain)) <= 4, term.name
        assert term.plain[-1] in ".?" and term.example[-1] in ".?", term.name
        assert term not in mentioned(term.short), f"{term.name} is explained by itself: {term.short}"


def test_explanations_link_to_every_other_term_that_they_use():
    for term in terms():
        shown = mentions.linked(term.plain, term)
        assert shown.count(f"]({mentions.PAGE}?") == len(set(mentioned(term.plain)) - {term})
        assert unescaped(re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", shown)) == term.plain


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Each layer of the residual stream", ["layer", "residual stream"]),  # the longest
        ("An attention head, and heads", ["attention head"]),  # once
        ("Tokens and Logits", ["token", "logit"]),  # one or many, capital or not
        ("tokenized betoken tokens-first token_id", []),  # whole words only
        ("Rome is the capital of Italy", []),
        ("ROME did it", ["ROME"]),
        ("the K-composition of SAEs", ["composition", "sparse autoencoder"]),
        ("", []),
    ],
)
def test_terms_are_found_in_a_text(text, found):
    assert [term.name for term in mentioned(text)] == found


@given(some.lists(some.sampled_from(sorted(mentions.names())), min_size=1, max_size=6))
def test_every_name_is_found_wherever_it_stands(names):
    text = "; ".join(names)
    assert [term.name for term in mentioned(text)] == list(dict.fromkeys(mentions.names()[name] for name in names))


@given(some.text(max_size=200))
def test_any_text_keeps_its_words(text):
    assert with_links(text).startswith(text)


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        ("residual-stream", "residual stream"),  # as links say it too
        ("  Residual  Stream ", "residual stream"),
        ("resid_pre", "residual stream"),
        ("TOKENS", "token"),
        ("sae", "sparse autoencoder"),
        ("orthogonalis", "orthogonalise"),  # a part that fits one
    ],
)
def test_a_search_forgives(typed, found):
    assert search(typed).term == by_name()[found]


def test_a_search_offers_what_fits_and_what_is_near():
    assert {"zero ablation", "mean ablation"} <= {term.name for term in search("ablatio").others}
    assert search("atention").near[0].name == "attention" and not search("xyzzy").near


def test_every_page_has_words_and_its_how_to_reads_have_links():
    for page in set(words.PAGES) - {"glossary"}:
        assert on_page.of_page(page), page
    how = "The darker a cell, the more of the head's attention goes there."
    assert [term.name for term in mentioned(how)] == ["attention head", "attention"]
    shown = with_links(how)
    assert shown.startswith(how) and "(glossary?term=attention+head) · " in shown


def links(text: str) -> set[str]:
    found = [urlsplit(target) for target in re.findall(r"\]\((glossary[^)]*)\)", text)]
    return {parse_qs(target.query)["term"][0] for target in found if target.query}


def test_the_page_shows_a_term_what_it_means_and_all_of_them():
    app = visit(GLOSSARY, model="no-such-model", prompt="")
    assert not app.exception and app.header[0].value == "token"
    assert {term.name for term in terms()} <= links("\n".join(box.value for box in app.markdown))
    app.text_input(key="term").set_value("Residual-stream").run()
    assert not app.exception and not app.error and app.header[0].value == "residual stream"
    see = next(link.proto for link in app.get("page_link") if link.proto.label == "Read it after every layer")
    assert (see.page, see.query_string) == ("logit_lens", "to-read_by=logit")
    assert len(app.get("vega_lite_chart")) == 1
    app.text_input(key="term").set_value("atention").run()
    assert not app.header and "There is no word “atention” here" in unescaped(
        "".join(box.value for box in app.markdown)
    )


def test_every_title_has_its_words_beside_it_and_every_how_to_read_ends_in_links():
    app = visit("pages/look/logit_lens.py")
    boxes = {str(block.proto.popover.label): block for block in app.get("popover")}
    assert "tuned lens" in links("".join(box.value for box in boxes["Words on this page"].markdown))
    assert "token" in links(boxes["How to read"].markdown[0].value)


@pytest.mark.parametrize("name", PICTURES)
def test_every_picture_shows_and_holds(name):
    import mi_core
    from mi_core.analyses._index import parameters
    from ui.glossary.pictures import PICTURES

    picture = PICTURES[name]
    model = "loupe-mini" if "model" in parameters(picture.analysis) else ""
    result = mi_core.run(picture.analysis, model, **picture.settings)
    assert picture.table in result.tables() and all(check.passed for check in result.checks)
    assert picture.figure(result, **picture.view).to_dict()["description"]
    assert all(len(sentence.split()) <= 30 for sentence in re.split(r"(?<=[.?])\s+", picture.how))
