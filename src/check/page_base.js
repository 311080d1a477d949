// What all pages share: their data, elements and the theme.
const data = JSON.parse(document.getElementById("data").textContent);
const $ = (id) => document.getElementById(id);

function add(parent, tag, text, style) {
  const node = document.createElement(tag);
  if (text !== undefined) node.textContent = text;
  if (style) node.className = style;
  parent.appendChild(node);
  return node;
}
function fact(list, name, text) {
  add(list, "dt", name);
  return add(list, "dd", text);
}

// The theme: what the address asks for (?theme=dark), else what the reader prefers; then a button.
function choose_theme(chosen = () => {}) {
  const set = (name) => {
    document.documentElement.dataset.theme = name;
    chosen();
  };
  const asked = new URLSearchParams(location.search).get("theme");
  set(asked || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light"));
  $("theme").addEventListener("click", () =>
    set(document.documentElement.dataset.theme === "dark" ? "light" : "dark"));
}
