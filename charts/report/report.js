// Draws the charts and tables of a report from the JSON within the file. Texts are only ever set as text.
const $ = (selector, within = document) => within.querySelector(selector)
const $$ = (selector, within = document) => [...within.querySelectorAll(selector)]
const report = JSON.parse($("#loupe-report").textContent)
const look = JSON.parse($("#look").textContent)
const root = document.documentElement
const system = matchMedia("(prefers-color-scheme: dark)")

function isDark() {
  return root.dataset.scheme === "dark" || (root.dataset.scheme === "auto" && system.matches)
}

// As wide as its place, within what suits its columns; where it is wider still, it is scrolled.
function widthFor(chart, place) {
  const room = chart.usermeta?.room
  if (!room) return place
  const [least, most] = [room.least, room.most].map(each => room.beside + each * room.columns.length)
  return Math.max(least, Math.min(most, place))
}

// `scale` times its size: letters of a talk are larger, and the chart is laid out for that.
async function draw(number, { place, scale = 1 }) {
  const at = $(`#slide-${number} .chart`)
  if (!at) return
  const { chart } = report.results[number - 1]
  const dark = isDark()
  const width = widthFor(chart, place / scale)
  const wanted = `${Math.round(width)} ${scale} ${dark}`
  if (at.dataset.drawn === wanted) return
  at.dataset.drawn = wanted
  const spec = { ...chart, width, autosize: look.filling }
  // `ast`: expressions are read, not run as code, which the file's own policy forbids
  const options = { mode: "vega-lite", renderer: "svg", actions: false, ast: true, logLevel: 1, config: look.config[dark ? "dark" : "light"] }
  at.view?.finalize()
  const drawn = await vegaEmbed(at, spec, { ...options, tooltip: { theme: dark ? "dark" : "light" } })
  at.view = drawn
  const svg = $("svg", at)
  const [, , wide, high] = svg.getAttribute("viewBox").split(" ").map(Number)
  svg.style.width = `${wide * scale}px`
  svg.style.height = "auto"
  svg.style.aspectRatio = `${wide} / ${high}`
}

async function drawAll() {
  if (root.classList.contains("deck")) return
  const place = $("main").clientWidth - 2 * parseFloat(getComputedStyle($("main")).paddingLeft)
  for (let number = 1; number <= report.results.length; number++) await draw(number, { place })
  root.dataset.drawn = "all"
}

// Text as the rest of the file writes it: what cannot be seen, or turns the line around, has a sign in its place
const TURNS = /[\u202a-\u202e\u2066-\u2069]/
function seen(text, isToken) {
  const signs = isToken ? look.visible : {}
  return [...text].map(c => {
    if (c in signs) return signs[c]
    if (c < " " && c !== "\n") return String.fromCharCode(0x2400 + c.charCodeAt())
    return TURNS.test(c) ? `⟨U+${c.charCodeAt().toString(16).toUpperCase()}⟩` : c
  }).join("")
}

function written(value) {
  if (value === null) return "–"
  if (typeof value !== "number") return String(value)
  const short = Number(value.toPrecision(6)) // what is nearly whole is not made whole
  return String(Number.isInteger(short) ? value : short).replace("-", "−")
}

function element(name, text, parent) {
  const made = document.createElement(name)
  if (text !== undefined) made.textContent = text
  parent?.append(made)
  return made
}

function tableOf({ name, columns, rows, units }) {
  const table = element("table")
  table.setAttribute("aria-label", `Table ${name}`)
  const isToken = columns.map(name => look.tokens.includes(name))
  const isNumber = columns.map((_, at) => rows.some(row => typeof row[at] === "number"))
  const head = element("tr", undefined, element("thead", undefined, table))
  columns.forEach((name, at) => {
    const cell = element("th", name.replaceAll("_", " "), head)
    cell.scope = "col"
    if (isNumber[at]) cell.className = "n"
    if (units[name]) element("small", units[name], cell)
  })
  const body = element("tbody", undefined, table)
  for (const row of rows) {
    const line = element("tr", undefined, body)
    row.forEach((value, at) => {
      const cell = element("td", typeof value === "string" ? seen(value, isToken[at]) : written(value), line)
      if (isNumber[at]) cell.className = "n"
    })
  }
  return table
}

$$("details.table").forEach((details, at) => details.addEventListener("toggle", () => {
  const rows = $(".rows", details)
  if (details.open && !rows.firstChild) rows.append(tableOf(report.results[at].table))
}))

const SCHEMES = { auto: "automatic", light: "light", dark: "dark" }
$("#scheme").addEventListener("click", () => {
  const names = Object.keys(SCHEMES)
  root.dataset.scheme = names[(names.indexOf(root.dataset.scheme) + 1) % names.length]
  $("#scheme").textContent = `Colours: ${SCHEMES[root.dataset.scheme]}`
  drawAll()
})
system.addEventListener("change", drawAll)
let waiting
addEventListener("resize", () => {
  clearTimeout(waiting)
  waiting = setTimeout(drawAll, 150)
})
