// Vega's own slider is moved, as by hand: the chart follows in the browser, and the server hears nothing of it.
const MILLISECONDS = 1600, PLAY = "▶ Play the training", STOP = "■ Stop"
window.loupe_played ??= new Set()

export default function (component) {
  const { data, parentElement } = component
  parentElement.leave?.() // Streamlit calls this for every change of the data, and cleans up only in the end
  const button = parentElement.querySelector("button")
  const slider = () => document.querySelector(`.st-key-${data.frame} input[type="range"]`)
  let began = null
  const move = (input, share) => {
    const [low, high, step] = [input.min, input.max, input.step].map(Number)
    input.value = low + Math.round((share * (high - low)) / step) * step
    input.dispatchEvent(new Event("input", { bubbles: true }))
  }
  const stop = () => {
    began = null
    button.textContent = PLAY
  }
  const tick = now => {
    const input = slider()
    if (began === null || !input) return stop()
    const share = Math.min((now - began) / MILLISECONDS, 1)
    move(input, share)
    if (share === 1) stop()
    else requestAnimationFrame(tick)
  }
  const play = () => {
    window.loupe_played.add(data.told)
    button.textContent = STOP
    requestAnimationFrame(now => tick((began = now)))
  }
  const pressed = () => {
    if (began === null) play()
    else if (slider()) {
      stop()
      move(slider(), 1)
    }
  }
  const touched = event => { if (event.isTrusted && event.target === slider()) stop() }
  const still = matchMedia("(prefers-reduced-motion: reduce)").matches
  const begin = () => {
    if (!slider()) return
    drawn.disconnect()
    if (!still && !window.loupe_played.has(data.told)) play()
  }
  const drawn = new MutationObserver(begin) // the chart may come later than this
  stop()
  button.addEventListener("click", pressed)
  document.addEventListener("pointerdown", touched, true)
  drawn.observe(document.body, { childList: true, subtree: true })
  begin()
  return (parentElement.leave = () => {
    began = null
    drawn.disconnect()
    button.removeEventListener("click", pressed)
    document.removeEventListener("pointerdown", touched, true)
  })
}
