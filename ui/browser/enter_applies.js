// Enter applies a prompt, as it does every other field; Shift+Enter begins a new line. Streamlit's fields of several
// lines apply on Ctrl+Enter only, so that is what they are given. While a word is being composed (Chinese, Japanese,
// Korean), Enter belongs to the composing.
const FIELDS = ".st-key-prompt textarea"

function enterApplies(event) {
  const isBare = event.key === "Enter" && !(event.shiftKey || event.ctrlKey || event.metaKey || event.altKey)
  const isComposing = event.isComposing || event.keyCode === 229
  if (!isBare || isComposing || !event.target.matches?.(FIELDS)) return
  event.preventDefault()
  event.stopPropagation()
  const applies = { key: "Enter", code: "Enter", keyCode: 13, ctrlKey: true, bubbles: true, cancelable: true }
  event.target.dispatchEvent(new KeyboardEvent("keydown", applies))
}

window.addEventListener("keydown", enterApplies, true)
