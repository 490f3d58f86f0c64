// What Streamlit (1.67.0) leaves for readers of the screen to guess: its list of pages holds groups where a list may hold
// only items, the canvas of a table has no name though its frame has one, and a small table none but its box's, a
// toast is labelled by nothing; and what is scrolled by a pointer only.
function nameAll() {
  for (const pages of document.querySelectorAll('[data-testid="stSidebarNavItems"]:not([role])')) pages.setAttribute("role", "none")
  for (const group of document.querySelectorAll('[data-testid="stSidebarNavItems"] > div:not([role])')) group.setAttribute("role", "list")
  for (const frame of document.querySelectorAll('[data-testid="stDataFrameResizable"][aria-label]')) nameGrid(frame)
  for (const table of document.querySelectorAll("[role=dialog] table, details table")) nameTable(table)
  for (const frame of document.querySelectorAll('[class*="st-key-"][class*="-frame"]')) reachFrame(frame)
  for (const toast of document.querySelectorAll('[data-testid="stToast"]:not([aria-label])')) nameToast(toast)
}

// It is labelled by an element that does not exist.
function nameToast(toast) {
  toast.removeAttribute("aria-labelledby")
  toast.setAttribute("aria-label", toast.querySelector('[data-testid="stMarkdownContainer"]')?.textContent || "Note")
}

function nameTable(table) {
  if (table.hasAttribute("aria-label") || table.hasAttribute("role")) return
  const box = table.closest("[role=dialog], details")
  table.setAttribute("aria-label", box.getAttribute("aria-label") ?? box.querySelector("summary p")?.textContent ?? "")
}

// A chart that is wider than its place is scrolled by keys too.
function reachFrame(frame) {
  if (frame.scrollWidth <= frame.clientWidth) return frame.removeAttribute("tabindex")
  if (frame.hasAttribute("tabindex")) return
  frame.tabIndex = 0
  frame.setAttribute("role", "group")
  frame.setAttribute("aria-label", frame.querySelector("[role=graphics-document]")?.getAttribute("aria-label") ?? "")
}

function nameGrid(frame) {
  const name = frame.getAttribute("aria-label")
  for (const part of frame.querySelectorAll('canvas[data-testid="data-grid-canvas"], table[role="grid"]')) {
    if (part.getAttribute("aria-label") !== name) part.setAttribute("aria-label", name)
  }
  for (const shade of frame.querySelectorAll("canvas:not([data-testid], [aria-hidden])")) shade.setAttribute("aria-hidden", "true")
}

let isDue = false

function nameSoon() {
  if (isDue) return
  isDue = true
  requestAnimationFrame(() => {
    isDue = false
    nameAll()
  })
}

nameSoon()
new MutationObserver(nameSoon).observe(document.body, { childList: true, subtree: true })
