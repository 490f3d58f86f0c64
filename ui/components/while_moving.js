// Streamlit tells the server of a slider when it is let go. What it would do is known beforehand at some of its values,
// and is shown here at once, for the value that is nearest while it moves.
export default function (component) {
  const { data, parentElement } = component
  parentElement.leave?.() // Streamlit calls this for every change of the data, and cleans up only in the end
  const line = parentElement.querySelector("p")
  const show = () => {
    const slider = document.querySelector(`.st-key-${data.slider} input[type="range"]`)
    const value = slider ? Number(slider.value) : data.value
    const away = data.values.map(known => Math.abs(known - value))
    const nearest = away.indexOf(Math.min(...away))
    line.querySelector("span").textContent = data.values[nearest].toString().replace("-", "−")
    line.querySelector("q").textContent = data.texts[nearest]
  }
  const later = () => setTimeout(show, 30) // once the slider itself has moved
  for (const kind of ["pointermove", "keydown", "input"]) document.addEventListener(kind, later, true)
  show()
  return (parentElement.leave = () => {
    for (const kind of ["pointermove", "keydown", "input"]) document.removeEventListener(kind, later, true)
  })
}
