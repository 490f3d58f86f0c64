// Every head's pattern on one canvas. Called again whenever the data change; it then only draws again.
const SMALLEST = 72, LARGEST = 132, GAP = 6, LEFT = 30, TOP = 20
const MOST_PIXELS = 16e6 // of the canvas; browsers refuse much more
const STEPS = { ArrowRight: [0, 1], ArrowLeft: [0, -1], ArrowDown: [1, 0], ArrowUp: [-1, 0] }

function bytes(text) {
  const raw = atob(text)
  const out = new Uint8Array(raw.length)
  for (let i = 0; i < raw.length; i++) out[i] = raw.charCodeAt(i)
  return out
}

function rgb(text) {
  const context = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true })
  context.fillStyle = text
  context.fillRect(0, 0, 1, 1)
  return [...context.getImageData(0, 0, 1, 1).data].slice(0, 3)
}

// 256 colours from the theme's sequential scale; between background and accent where a theme has none.
function colours(style) {
  const listed = style.getPropertyValue("--st-chart-sequential-colors").match(/#[0-9a-f]{3,8}|rgba?\([^)]*\)/gi)
  const ends = ["--st-secondary-background-color", "--st-primary-color"].map(name => style.getPropertyValue(name))
  const stops = (listed && listed.length > 1 ? listed : ends).map(rgb)
  const table = new Uint32Array(256)
  for (let i = 0; i < 256; i++) {
    const at = (i / 255) * (stops.length - 1)
    const low = Math.min(Math.floor(at), stops.length - 2)
    const [r, g, b] = stops[low].map((from, c) => Math.round(from + (stops[low + 1][c] - from) * (at - low)))
    table[i] = (255 << 24) | (b << 16) | (g << 8) | r
  }
  return table
}

// A head's picture with at most `most` cells a side; where cells must share a pixel, the largest weight is kept.
function picture(view, first, table, most) {
  const n = view.size[3]
  const fold = Math.max(1, Math.ceil(n / most))
  const side = Math.ceil(n / fold)
  const image = new ImageData(side, side)
  const pixels = new Uint32Array(image.data.buffer)
  const largest = new Uint8Array(side * side)
  for (let q = 0; q < n; q++)
    for (let k = 0; k <= q; k++) {
      const at = Math.floor(q / fold) * side + Math.floor(k / fold)
      const weight = view.cells[first + q * n + k]
      if (weight > largest[at]) largest[at] = weight
    }
  for (let q = 0; q < side; q++) for (let k = 0; k <= q; k++) pixels[q * side + k] = table[largest[q * side + k]]
  const canvas = new OffscreenCanvas(side, side)
  canvas.getContext("2d").putImageData(image, 0, 0)
  return canvas
}

// How many times its size the page around an element shows it.
function zoom(element) {
  return element.getBoundingClientRect().width / element.offsetWidth || 1
}

function corner(view, row, head) {
  return [LEFT + head * (view.cell + GAP), TOP + row * (view.cell + GAP)]
}

function draw(view) {
  const { root, canvas, size: [n_layers, n_heads] } = view
  const room = view.scroll.clientWidth
  if (!room) return
  view.cell = Math.floor(Math.min(LARGEST, Math.max(SMALLEST, (room - LEFT) / n_heads - GAP)))
  const width = LEFT + n_heads * (view.cell + GAP)
  const height = TOP + n_layers * (view.cell + GAP)
  const ratio = Math.min((window.devicePixelRatio || 1) * zoom(root), Math.sqrt(MOST_PIXELS / (width * height)))
  canvas.width = Math.round(width * ratio)
  canvas.height = Math.round(height * ratio)
  canvas.style.width = `${width}px`
  canvas.style.height = `${height}px`
  const style = getComputedStyle(root)
  const context = canvas.getContext("2d")
  context.scale(ratio, ratio)
  context.imageSmoothingEnabled = false
  const table = colours(style)
  const n = view.size[3]
  for (let row = 0; row < n_layers; row++)
    for (let head = 0; head < n_heads; head++) {
      const [x, y] = corner(view, row, head)
      const image = picture(view, (row * n_heads + head) * n * n, table, view.cell * ratio)
      context.drawImage(image, x, y, view.cell, view.cell)
    }
  lines(view, context, style)
}

// Frames, names of rows and columns, and the outline of the chosen head.
function lines(view, context, style) {
  const { layer, head } = view.selected
  const text = style.getPropertyValue("--st-text-color").trim() || style.color
  const border = style.getPropertyValue("--st-border-color").trim() || text
  context.textBaseline = "middle"
  for (let row = 0; row < view.size[0]; row++)
    for (let column = 0; column < view.size[1]; column++) {
      const [x, y] = corner(view, row, column)
      const chosen = view.layers[row] === layer && column === head
      context.strokeStyle = chosen ? text : border
      context.lineWidth = chosen ? 2.5 : 1
      context.strokeRect(x, y, view.cell, view.cell)
    }
  context.fillStyle = text
  const font = bold => `${bold ? 700 : 400} 12px ${style.fontFamily}`
  context.textAlign = "center"
  for (let column = 0; column < view.size[1]; column++) {
    context.font = font(column === head)
    context.fillText(`H${column}`, corner(view, 0, column)[0] + view.cell / 2, TOP / 2)
  }
  context.textAlign = "left"
  view.layers.forEach((number, row) => {
    context.font = font(number === layer)
    context.fillText(`L${number}`, 2, corner(view, row, 0)[1] + view.cell / 2)
  })
}

// What lies under the pointer: row and head, and query and key where there is a cell.
function under(view, event) {
  const box = view.canvas.getBoundingClientRect()
  const times = zoom(view.root)
  const [x, y] = [(event.clientX - box.left) / times - LEFT, (event.clientY - box.top) / times - TOP]
  const pitch = view.cell + GAP
  const [row, head] = [Math.floor(y / pitch), Math.floor(x / pitch)]
  if (x < 0 || y < 0 || row >= view.size[0] || head >= view.size[1]) return null
  const n = view.size[3]
  const [q, k] = [Math.floor(((y % pitch) / view.cell) * n), Math.floor(((x % pitch) / view.cell) * n)]
  return { row, head, q, k, inside: q < n && k < n }
}

function span(view, cell) {
  const first = cell * view.block
  const last = Math.min(first + view.block, view.labels.length) - 1
  const name = pos => `${pos} ${view.labels[pos] ?? ""}`
  return first >= last ? name(first) : `${name(first)} … ${name(last)}`
}

function tell(view, event) {
  const at = under(view, event)
  view.tip.hidden = !at || !at.inside
  if (view.tip.hidden) return
  const n = view.size[3]
  const weight = (view.cells[((at.row * view.size[1] + at.head) * n + at.q) * n + at.k] / 255) * view.top
  const head = `L${view.layers[at.row]}H${at.head}`
  const most = view.block > 1 ? "at most " : ""
  const what = at.k > at.q ? "no token reads a later one" : `${span(view, at.q)} → ${span(view, at.k)}: ${most}${weight.toFixed(2)}`
  view.tip.textContent = `${head}\n${what}`
  const box = view.root.getBoundingClientRect()
  const [x, y] = [event.clientX - box.left, event.clientY - box.top].map(by => by / zoom(view.root))
  view.tip.style.left = `${Math.max(0, Math.min(x + 14, view.root.offsetWidth - view.tip.offsetWidth))}px`
  view.tip.style.top = `${y + 18}px`
}

function describe(view) {
  const { layer, head } = view.selected
  const shape = `${view.size[0]} layers of ${view.size[1]} heads over ${view.labels.length} tokens`
  view.scroll.setAttribute("aria-label", `Attention patterns: ${shape}. Chosen: layer ${layer}, head ${head}. Arrow keys choose a head.`)
}

function choose(view, row, head, delay) {
  if (row < 0 || head < 0 || row >= view.size[0] || head >= view.size[1]) return
  view.selected = { layer: view.layers[row], head }
  draw(view)
  describe(view)
  view.root.querySelector(".speech").textContent = `layer ${view.layers[row]}, head ${head}`
  clearTimeout(view.timer)
  view.timer = setTimeout(() => {
    view.timer = null
    view.send("picked", view.selected)
  }, delay)
}

function listen(view) {
  const { canvas, scroll } = view
  canvas.onmousemove = event => tell(view, event)
  canvas.onmouseleave = () => (view.tip.hidden = true)
  canvas.onclick = event => {
    const at = under(view, event)
    if (at) choose(view, at.row, at.head, 0)
  }
  scroll.tabIndex = 0
  scroll.setAttribute("role", "application")
  scroll.onkeydown = event => {
    if (!(event.key in STEPS)) return
    event.preventDefault()
    const [down, right] = STEPS[event.key]
    choose(view, view.layers.indexOf(view.selected.layer) + down, view.selected.head + right, 250)
    const x = corner(view, 0, view.selected.head)[0]
    if (x < scroll.scrollLeft + LEFT || x + view.cell > scroll.scrollLeft + scroll.clientWidth) scroll.scrollLeft = x - LEFT
  }
  view.root.querySelector(".theme").ontransitionend = () => draw(view)
  view.observer = new ResizeObserver(() => draw(view))
  view.observer.observe(scroll)
}

export default function (component) {
  const { data, parentElement, setTriggerValue } = component
  const root = parentElement.querySelector(".grid")
  const view = (root.view ??= {
    root,
    canvas: root.querySelector("canvas"),
    scroll: root.querySelector(".scroll"),
    tip: root.querySelector(".tip"),
  })
  if (view.packed !== data.pattern) Object.assign(view, { packed: data.pattern, cells: bytes(data.pattern) })
  const { size, top, block, labels, layers, selected } = data
  Object.assign(view, { size, top, block, labels, layers, send: setTriggerValue })
  if (!view.timer) view.selected = selected // a choice on its way to the server counts more than its last answer
  if (!view.observer) listen(view)
  draw(view)
  describe(view)
  return () => {
    view.observer?.disconnect()
    view.observer = null
  }
}
