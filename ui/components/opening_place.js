// A chart that is wider than its frame opens at its finding, and stays there as either grows: until a reader scrolls on.
export default function (component) {
  const { parentElement } = component
  const { frame, at, beside, told } = component.data
  parentElement.leave?.() // Streamlit calls this for every change of the data, and cleans up only in the end
  const scroller = document.querySelector(`.st-key-${frame}`)
  if (!scroller) return // its chart has gone already
  const open = () => {
    const [whole, seen] = [scroller.scrollWidth, scroller.clientWidth]
    const sizes = `${told} ${whole} ${seen}`
    if (scroller.sizes === sizes || whole <= seen + 1) return
    const moved = scroller.told === told && Math.abs(scroller.scrollLeft - scroller.opened) > 2
    Object.assign(scroller, { sizes, told })
    if (moved) return
    scroller.scrollLeft = beside + at * (whole - beside) - seen / 2
    scroller.opened = scroller.scrollLeft
  }
  const drawn = new MutationObserver(open) // the chart may come later than this
  drawn.observe(scroller, { childList: true, subtree: true })
  const sized = new ResizeObserver(open)
  sized.observe(scroller)
  return (parentElement.leave = () => {
    drawn.disconnect()
    sized.disconnect()
  })
}
