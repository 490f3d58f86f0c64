// Called again whenever the data change: chips are made anew only when the tokens did, else only re-marked.
const MOST = 1000
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

function build(root, state) {
  const { tokens } = state
  const half = MOST / 2
  const middle = tokens.slice(half, -half)
  const folded = tokens.length > MOST && !state.open && !middle.some(token => token.pos === state.selected)
  if (!folded) return root.replaceChildren(...tokens.map(chip))
  const more = document.createElement("button")
  more.className = "more"
  more.textContent = `… show all ${tokens.length.toLocaleString("en")} tokens`
  more.onclick = event => {
    event.stopPropagation()
    state.open = true
    build(root, state)
    mark(root, state)
    const first = chipAt(root, tokens[half].pos)
    if (first) first.focus()
  }
  root.replaceChildren(...tokens.slice(0, half).map(chip), more, ...tokens.slice(-half).map(chip))
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
  chips[to].focus()
}

export default function (component) {
  const { data, parentElement, setTriggerValue } = component
  const root = parentElement.querySelector(".chips")
  const state = (root.state ??= { open: false })
  const tokens = JSON.stringify(data.tokens)
  state.selected = data.selected
  if (state.json !== tokens) {
    Object.assign(state, { json: tokens, tokens: data.tokens })
    root.setAttribute("role", "listbox")
    root.setAttribute("aria-orientation", "horizontal")
    build(root, state)
    for (const element of root.querySelectorAll(".chip")) unmark(element)
  } else if (!chipAt(root, state.selected)) build(root, state)
  root.setAttribute("aria-label", data.label)
  mark(root, state)

  const pick = element => {
    if (!element) return
    state.selected = Number(element.dataset.pos)
    mark(root, state) // at once: the answer from the server may take a moment
    setTriggerValue("picked", state.selected)
  }
  root.onclick = event => pick(event.target.closest(".chip"))
  root.onkeydown = event => {
    if (event.key in STEPS || event.key === "Home" || event.key === "End") return move(root, event)
    const element = event.target.closest(".chip")
    if (!element || (event.key !== "Enter" && event.key !== " ")) return
    event.preventDefault()
    pick(element)
  }
}
