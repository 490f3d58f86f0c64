// The same file as a talk: a chart and a sentence a slide, driven by keys. Slide 0 is the title, slide n is result n.
const LARGER = 1.5
const last = report.results.length
let at = 0, typed = "", pause, notes, began

const slideOf = hash => /^#deck(-\d+)?$/.test(hash) ? Math.min(Number(hash.split("-")[1] ?? 0), last) : null

function enter(number = 0) {
  root.classList.add("deck")
  $("#deck").hidden = false
  began ??= Date.now()
  go(number)
}

function leave() {
  if (document.fullscreenElement) document.exitFullscreen()
  root.classList.remove("deck")
  $("#deck").hidden = true
  $("#black").hidden = true
  $$(".slide").forEach(slide => slide.classList.remove("on"))
  history.replaceState(null, "", `#slide-${at}`)
  drawAll().then(() => $(`#slide-${at}`).scrollIntoView())
}

async function go(number) {
  at = Math.max(0, Math.min(number, last))
  $("#black").hidden = true
  $$(".slide").forEach((slide, each) => slide.classList.toggle("on", each === at))
  $("#at").textContent = `${at} / ${last}`
  $("#progress i").style.width = `${last ? 100 * at / last : 100}%`
  $("#said").textContent = at ? `${at} of ${last}: ${report.results[at - 1].finding}` : report.title
  history.replaceState(null, "", `#deck-${at}`)
  tell()
  if (at) await draw(at, { place: $("main").clientWidth * 0.92, scale: LARGER })
}

function type(digit) {
  typed += digit
  $("#at").textContent = `→ ${typed}`
  clearTimeout(pause)
  pause = setTimeout(jump, 1000)
}

function jump() {
  clearTimeout(pause)
  const number = Number(typed)
  typed = ""
  go(number)
}

const toggleFull = () => document.fullscreenElement ? document.exitFullscreen() : root.requestFullscreen().catch(() => {})
const toggleBlack = () => { $("#black").hidden = !$("#black").hidden }
const next = () => go(at + 1)
const back = () => go(at - 1)
const KEYS = {
  ArrowRight: next, ArrowDown: next, PageDown: next, " ": next,
  ArrowLeft: back, ArrowUp: back, PageUp: back, Backspace: back,
  Home: () => go(0), End: () => go(last), b: toggleBlack, ".": toggleBlack, f: toggleFull, s: openNotes, Escape: leave, d: leave,
}

function press(key) {
  if (/^\d$/.test(key)) return type(key)
  if (key === "Enter" && typed) return jump()
  return KEYS[key.length === 1 ? key.toLowerCase() : key]?.()
}

function pressed(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return
  const inDeck = root.classList.contains("deck")
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key
  if (!inDeck) {
    if (key === "d" || key === "F5" && event.shiftKey) { event.preventDefault(); enter(shown()) }
    return
  }
  const isButton = event.target.matches?.("button") && (key === " " || key === "Enter" && !typed)
  if (isButton || !(key in KEYS || /^\d$/.test(key) || key === "Enter" && typed)) return
  event.preventDefault()
  press(key)
}

// The result that is being read: a talk begins there, or at its title.
function shown() {
  if (scrollY < 10) return 0
  return Math.max(0, $$(".slide").findLastIndex(slide => slide.getBoundingClientRect().top < innerHeight / 3))
}

// A second window with what to say. It is filled from here, which works without any server.
function openNotes() {
  notes = window.open("", "loupe-notes", "width=560,height=640")
  if (!notes) return
  const page = notes.document
  page.title = `Notes: ${report.title}`
  page.body.replaceChildren()
  page.body.style.cssText = "font: 20px/1.5 system-ui, sans-serif; margin: 1.5rem; background: #171614; color: #ece9e3"
  page.onkeydown = pressed
  tell()
}

function tell() {
  if (!notes || notes.closed) return
  const body = notes.document.body
  const line = (name, text, style) => {
    const made = notes.document.createElement(name)
    made.textContent = seen(text)
    made.style.cssText = style
    made.dir = "auto"
    body.append(made)
    return made
  }
  const finding = number => number === 0 ? report.title : report.results[number - 1]?.finding ?? "The end"
  body.replaceChildren()
  clock = line("p", "", "color: #b3aca0; margin: 0")
  line("h1", finding(at), "font-size: 1.25em; margin: 0.25em 0 0.75em")
  const said = at ? report.results[at - 1] : null
  line("p", said?.pin.note || "No note.", "white-space: pre-wrap")
  if (said?.sheet.limits) line("p", `Limits: ${said.sheet.limits}`, "white-space: pre-wrap; color: #b3aca0")
  line("p", `Next: ${finding(at + 1)}`, "border-top: 1px solid #47433d; padding-top: 0.75em; color: #b3aca0")
  tick()
}

let clock
function tick() {
  if (!notes || notes.closed || !clock) return
  const seconds = Math.floor((Date.now() - began) / 1000)
  clock.textContent = `${at} / ${last} · ${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`
}
setInterval(tick, 1000)

document.addEventListener("keydown", pressed)
$$("#deck button").forEach(button => button.addEventListener("click", () => press(button.dataset.key)))
$("#black").addEventListener("click", toggleBlack)
$("#present").addEventListener("click", () => enter(0))
addEventListener("hashchange", () => { const number = slideOf(location.hash); if (number !== null) enter(number) })
addEventListener("resize", () => { if (root.classList.contains("deck")) go(at) })
if (slideOf(location.hash) !== null) enter(slideOf(location.hash))
drawAll()
