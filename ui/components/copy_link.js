// The link is made in the browser when it is asked for, from the address as it is then.
const SECONDS = 6

function shortened({ short, tag, version, beside }, withLong) {
  const given = [...new URLSearchParams(location.search), ...(withLong ? Object.entries(beside) : [])]
  const asked = new URLSearchParams([[tag, version]])
  for (const [key, value] of given) {
    const name = key.slice(key.lastIndexOf(".") + 1)
    asked.append(key.slice(0, key.length - name.length) + (short[name] ?? name), value)
  }
  return asked.toString()
}

// As ui/packed.py unpacks it: zlib behind the number of the packing.
async function packed(query) {
  const stream = new Blob([query]).stream().pipeThrough(new CompressionStream("deflate"))
  const bytes = new Uint8Array(await new Response(stream).arrayBuffer())
  const text = Array.from(bytes, byte => String.fromCharCode(byte)).join("")
  return "1." + btoa(text).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "")
}

async function link(data, withLong) {
  const query = shortened(data, withLong), place = location.origin + location.pathname
  if ((place + query).length < data.long || !window.CompressionStream) return `${place}?${query}`
  return `${place}?${data.packed}=${await packed(query)}`
}

async function made(data) {
  const names = Object.keys(data.beside)
  const whole = await link(data, true)
  if (whole.length <= data.longest || !names.length) return { text: whole, left: data.left_out }
  return { text: await link(data, false), left: [...data.left_out, `the long text of ${names.join(", ")}`] }
}

export default function (component) {
  const { data, parentElement } = component
  parentElement.data = data
  if (parentElement.leave) return parentElement.leave // Streamlit calls this for every change of the data
  const [button, box, said, field] = ["button", ".told", "p", "input"].map(name => parentElement.querySelector(name))
  let timer = null
  const close = () => { box.hidden = true }
  const copy = async () => {
    const { text, left } = await made(parentElement.data)
    const isCopied = await navigator.clipboard?.writeText(text).then(() => true, () => false)
    const without = left.length ? ` It does not carry ${left.join(" and ")}.` : ""
    clearTimeout(timer)
    box.hidden = false
    const at = button.getBoundingClientRect()
    box.style.top = `${at.bottom + 6}px`
    box.style.right = `${Math.max(window.innerWidth - at.right - 120, 16)}px`
    field.hidden = !!isCopied
    field.value = text
    said.textContent = (isCopied ? "Link copied." : "Copy this link:") + without
    if (!isCopied) field.select()
    else timer = setTimeout(close, 1000 * (SECONDS + 4 * left.length))
  }
  const away = event => { if (event.key === "Escape" || (event.type === "pointerdown" && !event.composedPath().includes(box))) close() }
  button.addEventListener("click", copy)
  document.addEventListener("pointerdown", away)
  document.addEventListener("keydown", away)
  return (parentElement.leave = () => {
    clearTimeout(timer)
    parentElement.leave = null
    button.removeEventListener("click", copy)
    document.removeEventListener("pointerdown", away)
    document.removeEventListener("keydown", away)
  })
}
