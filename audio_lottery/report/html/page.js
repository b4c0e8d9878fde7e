"use strict";
// Tables sort by a click on a head: numbers by their size, missing values ("-") always last.
function key(text) {
  const number = text.match(/^[<>]?\s*(-?\d*\.?\d+)/);
  if (text === "-" || text === "") return null;
  return number ? (text.startsWith("<") ? parseFloat(number[1]) - 1e-9 : parseFloat(number[1])) : text.toLowerCase();
}
function compare(a, b) {
  if (typeof a === typeof b) return a < b ? -1 : a > b ? 1 : 0;
  return typeof a === "number" ? -1 : 1;
}
function sort(head) {
  const table = head.closest("table"), column = head.cellIndex, body = table.tBodies[0];
  const down = head.getAttribute("aria-sort") === "ascending";
  for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", down ? "descending" : "ascending");
  const rows = [...body.rows].map(row => [key(row.cells[column].textContent.trim()), row]);
  const known = rows.filter(pair => pair[0] !== null), missing = rows.filter(pair => pair[0] === null);
  known.sort((a, b) => (down ? -1 : 1) * compare(a[0], b[0]));
  body.append(...known.concat(missing).map(pair => pair[1]));
}
for (const button of document.querySelectorAll("th button"))
  button.addEventListener("click", () => sort(button.closest("th")));
document.getElementById("theme").addEventListener("click", () => {
  const root = document.documentElement, dark = matchMedia("(prefers-color-scheme: dark)").matches;
  const now = root.dataset.theme || (dark ? "dark" : "light");
  root.dataset.theme = now === "dark" ? "light" : "dark";
});
// An audio file that has been moved or deleted leaves no broken player behind.
for (const audio of document.querySelectorAll("audio"))
  audio.addEventListener("error", () => audio.remove());
