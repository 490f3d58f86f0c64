// Enter applies a prompt, as it does every other field; Shift+Enter begins a new line. Streamlit's fields of several
// lines apply on Ctrl+Enter only, so that is what they are given. While a word is being composed (Chinese, Japanese,
// Korean), Enter belongs to the composing.
const FIELDS = ".st-key-prompt textarea"

function apply(field) {
  const applies = { key: "Enter", code: "Enter", keyCode: 13, ctrlKey: true, bubbles: true, cancelable: true }
  field.dispatchEvent(new KeyboardEvent("keydown", applies))
}

function enterApplies(event) {
  const isBare = event.key === "Enter" && !(event.shiftKey || event.ctrlKey || event.metaKey || event.altKey)
  const isComposing = event.isComposing || event.keyCode === 229
  if (!isBare || isComposing || !event.target.matches?.(FIELDS)) return
  event.preventDefault()
  event.stopPropagation()
  apply(event.target)
}

// On a slow machine a prompt can be typed and entered before this is here: its Enter has become a line's end.
function enterCameFirst(field) {
  if (!field?.matches?.(FIELDS) || !field.value.endsWith("\n")) return
  // React takes a value for its own unless it is set past React's own setter
  Object.getOwnPropertyDescriptor(HTMLTextAreaElement.prototype, "value").set.call(field, field.value.slice(0, -1))
  field.dispatchEvent(new Event("input", { bubbles: true }))
  setTimeout(() => apply(field))
}

window.addEventListener("keydown", enterApplies, true)
enterCameFirst(document.activeElement)
