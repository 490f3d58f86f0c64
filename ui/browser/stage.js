// For who stands before an audience: B makes the screen black and brings it back, and Esc leaves the projector's view,
// once there is no tour to leave.
const FIELDS = "input, textarea, select, [contenteditable]"
const black = document.createElement("div")
black.style = "position: fixed; inset: 0; z-index: 2147483647; background: #000"
black.setAttribute("role", "status")
black.setAttribute("aria-label", "The screen is black. B brings the page back.")

function pressed(event) {
  const leave = document.querySelector(".st-key-leave-projector button")
  const isTyping = event.composedPath()[0].matches?.(FIELDS)
  if (!leave || isTyping || event.defaultPrevented || event.repeat || event.ctrlKey || event.metaKey || event.altKey) return
  if (event.key === "b" || event.key === "B" || event.key === ".") black.isConnected ? black.remove() : document.body.append(black)
  else if (event.key === "Escape" && black.isConnected) black.remove()
  else if (event.key === "Escape" && !document.querySelector('[role="dialog"], [data-testid="stPopoverBody"], .st-key-tour-leave')) leave.click()
}

black.addEventListener("click", () => black.remove())
window.addEventListener("keydown", pressed)
