// What the browser keeps is told to a session once, before anything is written over it. A change in another tab is told
// too. A browser that keeps nothing (private windows) is left alone.
const KEY = "loupe-pins"

function kept() {
  try { return localStorage.getItem(KEY) ?? "" } catch { return "" }
}

function keep(text) {
  try { text ? localStorage.setItem(KEY, text) : localStorage.removeItem(KEY) } catch { /* full, or forbidden */ }
}

export default function (component) {
  const { data, setTriggerValue, parentElement } = component
  parentElement.leave?.()
  const before = kept()
  const isOwn = before === window.loupe_pins_written && data.text
  if (!data.heard && before && !isOwn) {
    if (window.loupe_pins_told !== data.visit) {
      window.loupe_pins_told = data.visit
      setTriggerValue("arrived", { text: before, whole: false })
    }
  } else if (data.text !== null && data.text !== before) {
    window.loupe_pins_written = data.text
    keep(data.text)
  }
  const changed = event => {
    if (event.key !== KEY || event.newValue === null || event.newValue === data.text) return
    window.loupe_pins_written = event.newValue
    setTriggerValue("arrived", { text: event.newValue, whole: true })
  }
  window.addEventListener("storage", changed)
  return (parentElement.leave = () => window.removeEventListener("storage", changed))
}
