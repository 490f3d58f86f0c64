// Pages are opened one after the other in a frame that nobody sees: what they compute is then kept on the server, and
// what they are drawn with in the browser.
const READY = 700 // milliseconds without a run: the page is whole
const LONGEST = 60_000 // milliseconds for one page, which may wait for a button

function isCalm(frame) {
  const page = frame.contentDocument
  const app = page?.querySelector('[data-testid="stApp"]')
  return app?.dataset.testScriptState === "notRunning" && page.querySelector("h1") && !page.querySelector('[data-testid="stSkeleton"]')
}

async function calm(frame, isOver) {
  const began = performance.now()
  for (let since = null; performance.now() - began < LONGEST && !isOver(); ) {
    await new Promise(next => setTimeout(next, 100))
    since = isCalm(frame) ? since ?? performance.now() : null
    if (since !== null && performance.now() - since > READY) return true
  }
  return false
}

export default function (component) {
  const { data, parentElement } = component
  if (parentElement.told === data.told) return parentElement.leave // Streamlit calls this for every change of the page
  parentElement.leave?.()
  parentElement.told = data.told
  const [bar, said] = ["progress", "p"].map(name => parentElement.querySelector(name))
  const frame = document.createElement("iframe")
  frame.className = "unseen"
  frame.tabIndex = -1
  frame.setAttribute("aria-hidden", "true")
  let isOver = false
  const open = async () => {
    let waiting = 0
    for (const [number, link] of data.links.entries()) {
      bar.value = number
      said.textContent = `Getting ready: ${number} of ${data.links.length} steps computed.`
      frame.src = link
      waiting += !(await calm(frame, () => isOver))
      if (isOver) return
    }
    bar.value = data.links.length
    said.textContent = waiting
      ? `${data.links.length - waiting} of ${data.links.length} steps are ready; the others wait for a button of their page.`
      : "Every step is computed: nothing waits on stage."
    frame.remove()
  }
  bar.max = data.links.length
  parentElement.append(frame)
  open()
  return (parentElement.leave = () => {
    isOver = true
    parentElement.told = null
    frame.remove()
  })
}
