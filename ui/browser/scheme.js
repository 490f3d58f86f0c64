// What stands outside the page, such as open boxes, is as light or dark as the page, which may change while it is open.
const app = document.querySelector('[data-testid="stApp"]')
const follow = () => { document.documentElement.style.colorScheme = getComputedStyle(app).colorScheme }

follow()
new MutationObserver(follow).observe(app, { attributeFilter: ["class"] })
