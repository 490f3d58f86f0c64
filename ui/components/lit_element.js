// What is lit is brought into sight once it is drawn, and only once: then a reader scrolls as they like. The outline
// itself is a style. The keys press the card's own buttons, so that they do what is seen.
const KEYS = { ArrowLeft: ".st-key-tour-back a", ArrowRight: ".st-key-tour-next a", Escape: ".st-key-tour-leave button" }
const REMOTE = { PageUp: KEYS.ArrowLeft, PageDown: KEYS.ArrowRight, " ": KEYS.ArrowRight } // a presenter's, on stage
const FIELDS = "input, textarea, select, [contenteditable]"
const OPEN = '[role="dialog"], [data-testid="stPopoverBody"], [data-testid="stSelectboxVirtualDropdown"]'
const SMALL = "(max-width: 767px), (max-height: 600px)" // as in ui/tours/card.css
const STILL = 400 // milliseconds without a change of its place: it is drawn

function lit(name) {
  return name ? document.querySelector(`.st-key-${name}-frame`) ?? document.querySelector(`.st-key-${name}`) : null
}

// Arrows belong to what has the focus: they step only where that is the page itself, or the card.
function isFree(event) {
  const [at] = event.composedPath()
  if (event.key === "Escape") return !at.matches?.(FIELDS) && !document.querySelector(OPEN)
  return !at.closest || at === document.body || at.matches("main, [data-testid='stMain']") || !!at.closest(".st-key-tour-card")
}

function isOnStage() {
  return !!document.querySelector(".st-key-leave-projector")
}

function isRunning() {
  return document.querySelector('[data-testid="stApp"]').dataset.testScriptState !== "notRunning"
}

function pressed(event) {
  const bare = !(event.shiftKey || event.ctrlKey || event.metaKey || event.altKey || event.repeat)
  const keys = isOnStage() ? { ...KEYS, ...REMOTE } : KEYS
  if (!(event.key in keys) || !bare || event.defaultPrevented || !isFree(event)) return
  const button = document.querySelector(keys[event.key])
  if (!button) return
  event.preventDefault()
  button.click()
}

// How much of the card may scroll away where there is little room: all but its last row.
function measure(card) {
  const [all, foot] = [card, card.querySelector(".st-key-tour-foot")].map(each => each.getBoundingClientRect())
  card.parentElement.style.setProperty("--tour-above", `${foot.top - all.top - 8}px`)
}

// What is lit comes into sight; where there is little room the card does, whose words come first, and on stage the finding.
function show(element) {
  const behavior = matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth"
  if (matchMedia(SMALL).matches || isOnStage()) document.querySelector('[data-testid="stMain"]').scrollTo({ top: 0, behavior })
  else element.scrollIntoView({ block: "nearest", behavior })
}

export default function (component) {
  const { data, parentElement } = component
  parentElement.leave?.() // Streamlit calls this for every change of the data, and cleans up only in the end
  let timer = null
  const wait = () => {
    if (window.loupe_lit === data.told) return drawn.disconnect()
    const element = lit(data.name)
    clearTimeout(timer)
    if (element?.getBoundingClientRect().height > 8) timer = setTimeout(() => {
      if (isRunning()) return wait() // and may still move it
      window.loupe_lit = data.told
      drawn.disconnect()
      show(element)
    }, STILL)
  }
  const drawn = new MutationObserver(wait) // it may come later than this
  const card = document.querySelector(".st-key-tour-card")
  const sized = new ResizeObserver(() => measure(card))
  const said = parentElement.querySelector("[role=status]")
  if (said.textContent !== data.note) said.textContent = data.note
  document.addEventListener("keydown", pressed)
  drawn.observe(document.body, { childList: true, subtree: true })
  if (card) sized.observe(card) // it may be gone already
  wait()
  return (parentElement.leave = () => {
    clearTimeout(timer)
    drawn.disconnect()
    sized.disconnect()
    document.removeEventListener("keydown", pressed)
  })
}
