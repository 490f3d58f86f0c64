"""The page IOI: roles beside what is published, the knockout before and after, one head, and prompts of one's own."""

from tests.pages.test_links import follow
from tests.pages.test_pages import sentences, unescaped, visit

PAGE = "pages/understand/ioi.py"


def titles(app) -> str:
    return "\n".join(chart.proto.spec for chart in app.get("vega_lite_chart"))


def shown(app) -> str:
    return "\n".join([unescaped(sentences(app)), *(unescaped(box.value) for box in app.markdown)])


def rows(app) -> list[str]:
    """Of every table, as Markdown."""
    found = [row for table in app.table for row in table.value.itertuples(index=False)]
    return ["| " + " | ".join(unescaped(str(cell)) for cell in row) + " |" for row in found]


def test_roles_stand_beside_the_published_ones_and_a_head_leads_to_its_proof():
    app = visit(PAGE)
    assert not app.exception and not app.error
    assert "L3H2, L3H3, L2H2 and L3H0 speak for the other name" in unescaped(app.header[0].value)
    assert "What the logit difference is made of" not in titles(app), "nothing is knocked out yet"
    told = rows(app)
    assert "| S-inhibition | looks from the end at S2 and itself says little | L2H0 | L7H3, L7H9, L8H6, L8H10 |" in told
    assert "| L3H2, other speaker | +9.3 (+6.98 to +11.62) | +9.28 | within |" in told
    assert "| L10H7, negative name mover | −1.899 |" in told
    assert "from the end at the name that was said once" in titles(app)
    app.selectbox(key="role").set_value("s_inhibition").run()
    assert "second mention" in titles(app) and app.query_params["role"] == "s_inhibition"
    links = {link.proto.label: link.proto for link in app.get("page_link")}
    assert "Prove it: see which earlier heads L3H2 hears" in links
    app.number_input(key="layer").set_value(0).run()
    labels = [link.proto.label for link in app.get("page_link")]
    assert "Prove it: knock out L0H0 alone" in labels and not any("L0H0 hears" in label for label in labels)
    app.number_input(key="layer").set_value(9).run()
    assert not app.exception and "There is no head L9H0 here" in shown(app)


def test_the_knockout_shows_before_and_after_and_takes_heads_of_ones_own():
    app = visit(PAGE, knocked=True)
    assert not app.exception and not app.error
    assert "the difference goes from +22.50 to −1.40" in shown(app)
    for title in ("What the logit difference is made of", "Who writes more, and who less", "Every prompt by itself"):
        assert title in titles(app)
    app.multiselect(key="without").set_value(["L3H2"]).run()
    assert "With L3H2 knocked out, the difference goes from +22.50 to +14.13" in shown(app)
    app.multiselect(key="without").set_value(["L9H2"]).run()
    assert not app.exception and "There is no layer 9" in shown(app)
    app.toggle(key="knocked").set_value(False).run()
    assert not app.exception and not app.error and "no layer 9" not in shown(app)


def test_prompts_of_ones_own_and_those_that_a_model_cannot_read():
    app = visit(PAGE, names="Mary, John, Tom, Anna, Paul", templates="Then {A} met {B}. {S} gave a book to")
    assert not app.exception and not app.error
    assert "Then Mary met" in "".join(str(table.value) for table in app.table) + shown(app)
    app.text_area(key="names").set_value("Mary, Xyzzy").run()
    assert not app.exception and "reads only “Mary” of these names as a single token" in shown(app)
    app.text_area(key="names").set_value("").run()
    app.text_area(key="templates").set_value("Then {A} met {B}").run()
    assert "needs {A}, {B} and {S} once each" in shown(app)
    app.segmented_control(key="questions").set_value("published").run()
    assert not app.exception and "does not read “Sid” of the published prompts" in shown(app)


def test_a_link_opens_the_same_page():
    query = {"n_prompts": "8", "seed": "3", "knocked": "true", "without": "L3H2", "layer": "3", "head": "3"}
    app = follow("ioi", query)
    assert not app.exception and not app.error and "The link" not in sentences(app)
    assert "In 100.0% of 8 prompts" in shown(app) and "With L3H2 knocked out" in shown(app)
    assert "L3H3 on the first prompt" in shown(app).replace("*", "")


def test_a_model_without_names_gets_a_sentence(tiny_folder):
    app = visit(PAGE, model=str(tiny_folder("llama")))
    assert not app.exception and "reads none of these names as a single token" in shown(app)
