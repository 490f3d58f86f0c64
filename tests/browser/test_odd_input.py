"""What people paste: nothing, markup, far too much. A sentence says what to do, and what was typed stays."""

from playwright.sync_api import expect

from tests.browser.screen import READING, ask, field, finding, main, settled, sidebar

MARKUP = "<b>bold</b> <script>window.ran = 1</script><img src=x onerror='window.ran = 2'> **b** $x^2$ :smile: :red[r]"
FAR_TOO_LONG = "word " * 20_000


def test_an_empty_prompt_gets_a_sentence_and_a_way_back(page):
    page.goto("/logit_lens")
    expect(finding(page)).to_contain_text("“·Austin”")
    ask(page, "")
    expect(sidebar(page).get_by_role("alert")).to_contain_text("The prompt is empty")
    expect(main(page)).to_contain_text("The prompt is empty")
    expect(finding(page)).to_have_count(0)
    ask(page, "The capital of Japan is")
    expect(finding(page)).to_contain_text("“·Tokyo”")
    expect(page.get_by_role("alert")).to_have_count(0)


def test_markup_in_a_prompt_is_text_on_every_page(page):
    for link, path, _ in READING:
        page.goto(f"/{path}")
        expect(finding(page)).to_be_visible()
        ask(page, MARKUP)
        tokens = page.get_by_role("listbox", name="Tokens of the prompt")
        expect(tokens).to_contain_text("]")
        expect(finding(page)).to_be_visible()
        settled(page)
        expect(field(page, "Prompt")).to_have_value(MARKUP)
        text = "".join(tokens.get_by_role("option").locator(".text").all_text_contents())
        assert text.replace("·", " ").replace("<|endoftext|>", "") == MARKUP, link
        expect(main(page).locator("b, img[src=x], .katex, span[style*='color: red']")).to_have_count(0)
        expect(main(page).locator("script", has_text="window.ran")).to_have_count(0)
        expect(main(page)).not_to_contain_text("😄")
        assert page.evaluate("window.ran") is None, link


def test_markup_in_an_answer_is_text(page):
    page.goto("/attribution")
    expect(finding(page)).to_contain_text("“·Austin”")
    answer = field(page, "Answer")
    sentence = sidebar(page).get_by_role("alert").first
    for markup in ("<b>x</b>**b**", "$x^2$:smile::red[r]"):
        answer.fill(markup)
        answer.press("Enter")
        expect(sentence).to_contain_text(f"“{markup}”")
        expect(sentence.locator("b, strong, .katex")).to_have_count(0)
        expect(answer).to_have_value(markup)


def test_a_pasted_book_is_refused_with_a_number_and_kept(page):
    page.goto("/attribution")
    expect(finding(page)).to_contain_text("“·Austin”")
    ask(page, FAR_TOO_LONG)
    expect(sidebar(page).get_by_role("alert")).to_contain_text("shorten it by")
    expect(field(page, "Prompt")).to_have_value(FAR_TOO_LONG)
    expect(finding(page)).to_have_count(0)


def test_an_answer_of_several_tokens_is_repaired_by_one_click(page):
    page.goto("/attribution")
    expect(finding(page)).to_contain_text("“·Austin”")
    answer = field(page, "Answer")
    answer.fill("Washingtonian")
    answer.press("Enter")
    expect(sidebar(page).get_by_role("alert")).to_contain_text("tokens")
    expect(answer).to_have_value("Washingtonian")
    sidebar(page).get_by_role("button", name="Use").click()
    expect(finding(page)).to_be_visible()
    expect(page.get_by_role("alert")).to_have_count(0)
    expect(answer).not_to_have_value("Washingtonian")
