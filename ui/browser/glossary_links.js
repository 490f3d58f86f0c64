// Words of the glossary: a link to one opens it within this session, as a page of Loupe, with what stands in the sidebar;
// and every tooltip ends with links to the terms that it uses. What finds them is made in ui/glossary/mentions.py.
const { page, kept, pattern, names } = window.loupe_glossary
const terms = new RegExp(pattern, "g")
const isTerm = link => link?.getAttribute("href")?.split("?")[0] === page

// Streamlit (1.67.0) opens links of texts in another tab. It follows the browser's history to any of its pages.
function open(link) {
  const to = new URL(link.getAttribute("href"), location.href)
  for (const [key, value] of new URLSearchParams(location.search)) if (kept.includes(key)) to.searchParams.append(key, value)
  history.pushState(null, "", to)
  window.dispatchEvent(new PopStateEvent("popstate"))
  document.querySelector('[data-testid="stMain"]')?.scrollTo(0, 0)
}

function onClick(event) {
  const link = event.target.closest?.("a[href]")
  const isPlain = event.button === 0 && !(event.ctrlKey || event.metaKey || event.shiftKey || event.altKey)
  if (!isPlain || !isTerm(link)) return
  event.preventDefault()
  event.stopPropagation()
  open(link)
}

function termsOf(text) {
  const found = [...text.matchAll(terms)].map(match => names[match[1]] ?? names[match[1][0].toLowerCase() + match[1].slice(1)])
  return [...new Set(found)]
}

function linkTo(term) {
  const link = document.createElement("a")
  link.href = `${page}?${new URLSearchParams({ term })}`
  link.textContent = term
  return link
}

function addWords(box) {
  const found = termsOf(box.textContent)
  const line = document.createElement("p")
  line.className = "loupe-terms"
  line.append(...found.flatMap((term, i) => [i ? " · " : "Words: ", linkTo(term)]))
  line.hidden = !found.length
  box.append(line)
}

window.addEventListener("click", onClick, true)
new MutationObserver(() => {
  document.querySelectorAll('[data-testid="stTooltipContent"]:not(:has(> .loupe-terms))').forEach(addWords)
}).observe(document.body, { childList: true, subtree: true })
