// Streamlit's − and + of a number field that is empty are dead, and so are its arrow keys. Here they are woken: they ask
// the server for the number beside the one that the page shows while the field is empty.
const UP = "stNumberInputStepUp", DOWN = "stNumberInputStepDown"
const KEYS = { ArrowUp: 1, ArrowDown: -1 }

function parts(name) {
  const field = document.querySelector(`.st-key-${name}`)
  const input = field?.querySelector('[data-testid="stNumberInputField"]')
  const button = which => field?.querySelector(`[data-testid="${which}"]`)
  return input?.value === "" && !input.validity.badInput ? { input, buttons: [[button(DOWN), -1], [button(UP), 1]] } : null
}

export default function (component) {
  const { data, parentElement, setTriggerValue } = component
  parentElement.leave?.() // Streamlit calls this for every change of the data, and cleans up only in the end
  const wake = () => {
    for (const [name, shown] of Object.entries(data.shown)) {
      for (const [button, by] of parts(name)?.buttons ?? []) {
        const next = shown + by * data.steps[name]
        const possible = next >= data.low && next <= data.high
        if (button?.disabled === possible) button.disabled = !possible
      }
    }
  }
  const step = (event, name, by) => {
    const next = data.shown[name] + by * data.steps[name]
    if (next < data.low || next > data.high) return
    event.preventDefault()
    event.stopPropagation()
    setTriggerValue("stepped", { name, to: next })
  }
  const clicked = event => {
    for (const name of Object.keys(data.shown))
      for (const [button, by] of parts(name)?.buttons ?? []) if (button?.contains(event.target)) step(event, name, by)
  }
  const pressed = event => {
    if (!(event.key in KEYS)) return
    for (const name of Object.keys(data.shown)) if (parts(name)?.input === event.target) step(event, name, KEYS[event.key])
  }
  const changes = new MutationObserver(wake)
  changes.observe(document.body, { subtree: true, childList: true, attributeFilter: ["disabled"] })
  document.addEventListener("click", clicked, true)
  document.addEventListener("keydown", pressed, true)
  wake()
  return (parentElement.leave = () => {
    changes.disconnect()
    document.removeEventListener("click", clicked, true)
    document.removeEventListener("keydown", pressed, true)
  })
}
