// What Streamlit (1.67.0) leaves for readers of the screen to guess: its list of pages holds groups where a list may hold
// only items, the canvas of a table has no name though its frame has one, and a small table none but its box's.
function nameAll() {
  for (const pages of document.querySelectorAll('[data-testid="stSidebarNavItems"]:not([role])')) pages.setAttribute("role", "none")
  for (const group of document.querySelectorAll('[data-testid="stSidebarNavItems"] > div:not([role])')) group.setAttribute("role", "list")
  for (const frame of document.querySelectorAll('[data-testid="stDataFrameResizable"][aria-label]')) nameGrid(frame)
  for (const table of document.querySelectorAll("[role=dialog] table:not([aria-label]):not([role])")) {
    table.setAttribute("aria-label", table.closest("[role=dialog]").getAttribute("aria-label") ?? "")
  }
}

function nameGrid(frame) {
  const name = frame.getAttribute("aria-label")
  for (const part of frame.querySelectorAll('canvas[data-testid="data-grid-canvas"], table[role="grid"]')) {
    if (part.getAttribute("aria-label") !== name) part.setAttribute("aria-label", name)
  }
  for (const shade of frame.querySelectorAll("canvas:not([data-testid], [aria-hidden])")) shade.setAttribute("aria-hidden", "true")
}

nameAll()
new MutationObserver(nameAll).observe(document.body, { childList: true, subtree: true })
