// One act, one entry in the browser's history. Streamlit writes the address once for each value that changes: as a new
// entry where the server changed it, over the last one where a field did. Here the first change after an act is the new
// entry, and what follows from it is written over that one.
const write = { push: history.pushState.bind(history), over: history.replaceState.bind(history) }
let hasActed = false

function actOn(event) {
  const isTyping = event.key?.length === 1 && event.target.matches?.("input:not([type=range]), textarea")
  if (event.isTrusted && !isTyping) hasActed = true // what is typed counts once it is applied
}

function writeEntry(state, title, address) {
  const isNew = new URL(address ?? location.href, location.href).href !== location.href
  write[isNew && hasActed ? "push" : "over"](state, title, address)
  if (isNew) hasActed = false
}

window.addEventListener("pointerdown", actOn, true)
window.addEventListener("keydown", actOn, true)
window.addEventListener("popstate", () => { hasActed = false }, true)
history.pushState = history.replaceState = writeEntry
