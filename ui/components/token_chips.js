// Called again whenever the data change: chips are made anew only when the tokens or the view did, else only re-marked.
const MOST = 1000
const EDGE = 24 // pixels kept free beside the chosen chip, so that there is seen to be more
const REMEMBERED = "loupe-words"
const STEPS = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }

function chip(token) {
  const element = document.createElement("div")
  element.className = token.special ? "chip special" : "chip"
  element.setAttribute("role", "option")
  element.title = token.tooltip ? `${token.text}\n${token.tooltip}` : token.text
  element.dataset.pos = token.pos
  if (token.value !== null && token.value !== undefined)
    element.style.setProperty("--tint", Math.min(1, Math.max(0, token.value)))
  const index = document.createElement("span")
  index.className = "index"
  index.textContent = token.pos
  const text = document.createElement("span")
  text.className = "text"
  text.textContent = token.text // never innerHTML: a prompt may hold anything
  element.append(index, text)
  return element
}

// The pieces of a word next to each other, in one frame; a word of one piece is its chip.
function words(chips, tokens) {
  const groups = []
  chips.forEach((chip, i) => (tokens[i].begins || !i ? groups.push([chip]) : groups.at(-1).push(chip)))
  return groups.map(pieces => {
    if (pieces.length === 1) return pieces[0]
    const word = document.createElement("div")
    word.className = "word"
    word.setAttribute("role", "group")
    word.setAttribute("aria-label", pieces.map(piece => piece.querySelector(".text").textContent).join(""))
    word.append(...pieces)
    return word
  })
}

function laid(tokens, state) {
  const chips = tokens.map(chip)
  return state.words ? words(chips, tokens) : chips
}

function build(root, state) {
  const { tokens } = state
  const half = MOST / 2
  const middle = tokens.slice(half, -half)
  const folded = tokens.length > MOST && !state.open && !middle.some(token => token.pos === state.selected)
  if (!folded) return root.replaceChildren(...laid(tokens, state))
  const more = document.createElement("button")
  more.className = "more"
  more.textContent = `… show all ${tokens.length.toLocaleString("en")} tokens`
  more.onclick = event => {
    event.stopPropagation()
    state.open = true
    build(root, state)
    mark(root, state)
    const first = chipAt(root, tokens[half].pos)
    if (first) go(root, first)
  }
  root.replaceChildren(...laid(tokens.slice(0, half), state), more, ...laid(tokens.slice(-half), state))
}

function chipAt(root, pos) {
  return root.querySelector(`.chip[data-pos="${Number(pos)}"]`)
}

function mark(root, state) {
  for (const old of root.querySelectorAll('.chip[tabindex="0"], .chip[aria-selected="true"]')) unmark(old)
  const chosen = chipAt(root, state.selected)
  if (chosen) chosen.setAttribute("aria-selected", "true")
  const stop = chosen || root.querySelector(".chip")
  if (stop) stop.tabIndex = 0
}

// Scrolls the row, never the page; to the middle where `centred`, else no further than needed.
function reveal(root, element, centred) {
  const [row, box] = [root.getBoundingClientRect(), element.getBoundingClientRect()]
  if (centred) root.scrollLeft += (box.left + box.right - row.left - row.right) / 2
  else if (box.left < row.left + EDGE) root.scrollLeft += box.left - row.left - EDGE
  else if (box.right > row.right - EDGE) root.scrollLeft += box.right - row.right + EDGE
}

function revealChosen(root, centred = true) {
  const chosen = root.querySelector('.chip[aria-selected="true"]')
  if (chosen) reveal(root, chosen, centred)
  shade(root)
}

// A row that goes on beyond an edge fades there.
function shade(root) {
  root.classList.toggle("before", root.scrollLeft > 1)
  root.classList.toggle("after", root.scrollLeft + root.clientWidth < root.scrollWidth - 1)
}

function go(root, element) {
  element.focus({ preventScroll: true })
  reveal(root, element, false)
}

function remembered() {
  try {
    return localStorage.getItem(REMEMBERED) === "true"
  } catch {
    return false // a browser that keeps nothing
  }
}

function remember(words) {
  try {
    localStorage.setItem(REMEMBERED, words)
  } catch {}
}

function unmark(element) {
  element.tabIndex = -1
  element.setAttribute("aria-selected", "false")
}

function move(root, event) {
  const chips = [...root.querySelectorAll(".chip")]
  const at = chips.indexOf(event.target.closest(".chip"))
  const to = event.key === "Home" ? 0 : event.key === "End" ? chips.length - 1 : at + STEPS[event.key]
  if (at < 0 || Number.isNaN(to) || !chips[to]) return
  event.preventDefault()
  chips[to].tabIndex = 0
  if (chips[at].getAttribute("aria-selected") !== "true") chips[at].tabIndex = -1
  go(root, chips[to])
}

function show(root, state) {
  build(root, state)
  for (const element of root.querySelectorAll(".chip")) unmark(element)
  mark(root, state)
  revealChosen(root)
}

function offerWords(root, button, state) {
  button.hidden = state.tokens.every((token, i) => token.begins || !i)
  button.setAttribute("aria-pressed", state.words)
  root.classList.toggle("words", state.words)
  button.onclick = () => {
    state.words = !state.words
    remember(state.words)
    offerWords(root, button, state)
    show(root, state)
  }
}

export default function (component) {
  const { data, parentElement, setTriggerValue } = component
  const root = parentElement.querySelector(".row")
  const state = (root.state ??= { open: false, words: remembered() })
  const tokens = JSON.stringify(data.tokens)
  state.selected = data.selected
  root.setAttribute("aria-label", data.label)
  if (state.json !== tokens) {
    Object.assign(state, { json: tokens, tokens: data.tokens })
    offerWords(root, parentElement.querySelector(".view"), state)
    show(root, state)
  } else if (!chipAt(root, state.selected)) show(root, state)
  else {
    mark(root, state)
    revealChosen(root, false)
  }

  const pick = element => {
    if (!element) return
    state.selected = Number(element.dataset.pos)
    mark(root, state) // at once: the answer from the server may take a moment
    revealChosen(root, false)
    setTriggerValue("picked", state.selected)
  }
  root.onscroll = () => shade(root)
  root.onclick = event => pick(event.target.closest(".chip"))
  root.onkeydown = event => {
    if (event.key in STEPS || event.key === "Home" || event.key === "End") return move(root, event)
    const element = event.target.closest(".chip")
    if (!element || (event.key !== "Enter" && event.key !== " ")) return
    event.preventDefault()
    pick(element)
  }
  const observer = new ResizeObserver(() => revealChosen(root))
  observer.observe(root)
  return () => observer.disconnect()
}
