// A chart that is wider than its frame opens at its finding, once for every finding: who has scrolled on is left alone.
export default function (component) {
  const { frame, at, beside, told } = component.data
  const scroller = document.querySelector(`.st-key-${frame}`)
  const open = () => {
    const whole = scroller.scrollWidth
    if (scroller.told === told || whole <= scroller.clientWidth + 1) return
    scroller.told = told
    scroller.scrollLeft = beside + at * (whole - beside) - scroller.clientWidth / 2
  }
  const drawn = new MutationObserver(open) // the chart may come later than this
  drawn.observe(scroller, { childList: true, subtree: true })
  const sized = new ResizeObserver(open)
  sized.observe(scroller)
  return () => {
    drawn.disconnect()
    sized.disconnect()
  }
}
