/** Makes HTML elements. Knows nothing of what they show. */

/**
 * @template {keyof HTMLElementTagNameMap} Name
 * @param {Name} name
 * @param {Record<string, string>} attributes
 * @param {...(Node | string)} children
 * @returns {HTMLElementTagNameMap[Name]}
 */
export function element(name, attributes, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

/** A button with a name for the eye and one for the ear. @param {string} words @param {string} label @param {() => void} press */
export function linkButton(words, label, press) {
  const button = element("button", { class: "link", type: "button", "aria-label": label }, words);
  button.addEventListener("click", press);
  return button;
}
