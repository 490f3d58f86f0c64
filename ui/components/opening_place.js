// A chart that is wider than its frame opens at its finding, and stays there as either grows: until a reader scrolls on.
// Its title, the names of its rows and its legend stay in sight.
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
    if (moved || at === null) return
    scroller.scrollLeft = beside + at * (whole - beside) - seen / 2
    scroller.opened = scroller.scrollLeft
  }
  const follow = () => scroller.style.setProperty("--scrolled", `${scroller.scrollLeft}px`)
  const arrange = () => {
    const isScrolled = scroller.scrollWidth > scroller.clientWidth + 1
    for (const rows of scroller.querySelectorAll('svg [aria-label^="Y-axis"]')) ground(rows, isScrolled)
    open()
    follow()
  }
  const drawn = new MutationObserver(arrange) // the chart may come later than this
  drawn.observe(scroller, { childList: true, subtree: true })
  const sized = new ResizeObserver(arrange)
  sized.observe(scroller)
  scroller.addEventListener("scroll", follow, { passive: true })
  return (parentElement.leave = () => {
    drawn.disconnect()
    sized.disconnect()
    scroller.removeEventListener("scroll", follow)
  })
}

// The names of the rows stand in front of all else, on the chart's own ground, so that columns pass behind them. Where nothing
// is scrolled, there is no ground: it would cover labels of columns that lean out over them.
function ground(rows, isScrolled) {
  const [chart, plot] = [rows.closest("svg"), rows.parentElement]
  if (plot.lastElementChild !== rows) plot.append(rows)
  const there = rows.querySelector(".ground")
  if (!isScrolled) there?.remove()
  if (!isScrolled || there) return
  const rect = document.createElementNS("http://www.w3.org/2000/svg", "rect")
  const title = chart.querySelector(".role-title")?.getBBox()
  const [left, top] = [500, title ? title.y + title.height : -100] // as far out as a chart goes
  const place = { class: "ground", x: -left, width: left, y: top, height: chart.height.baseVal.value }
  for (const [name, value] of Object.entries(place)) rect.setAttribute(name, value)
  rect.setAttribute("fill", chart.style.backgroundColor || "none")
  rows.prepend(rect)
}
