"""The page of a report: one file that fetches nothing, for light and dark, phones and desktops."""

import base64
import hashlib
import html

_STYLE = """
:root { color-scheme: light dark; --text: #1a1a1a; --dim: #555; --back: #fff; --row: #f3f5f7; --line: #ccd2d8;
  --accent: #0b62a4; }
@media (prefers-color-scheme: dark) {
  :root { --text: #e6e6e6; --dim: #a9b0b8; --back: #15181c; --row: #1e2329; --line: #3a424b; --accent: #7cbcf0; }
}
* { box-sizing: border-box; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 1100px; margin: 1.5rem auto; padding: 0 1rem; color: var(--text);
  background: var(--back); overflow-wrap: anywhere; }
figure { margin: 1.5rem 0; } figcaption, .about { color: var(--dim); } .about { font-size: 13px; }
img, svg { display: block; max-width: 100%; height: auto; background: #fff; border-radius: 6px; }
.wide { overflow-x: auto; border: 1px solid var(--line); border-radius: 6px; }
table { border-collapse: collapse; font-size: 14px; overflow-wrap: normal; }
td, th { padding: .3rem .7rem; text-align: right; vertical-align: bottom; }
td { vertical-align: top; white-space: nowrap; }
td:first-child, th:first-child { text-align: left; } tbody tr:nth-child(even) { background: var(--row); }
small { color: var(--dim); }
th button { font: inherit; font-weight: 600; color: inherit; background: none; border: 0; padding: 0; text-align: inherit;
  cursor: pointer; }
th[aria-sort=ascending] button::after { content: " \\25B2"; } th[aria-sort=descending] button::after { content: " \\25BC"; }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
dl { columns: 24rem; } dl div { break-inside: avoid; }
dt { font-weight: 600; } dd { margin: 0 0 .3rem 1rem; color: var(--dim); } details { margin: .5rem 0; font-size: 14px; }
select { font: inherit; max-width: 100%; } output { display: block; min-height: 1.5em; font-size: 14px; }
svg text { font: 20px system-ui, sans-serif; fill: #333; }
svg .name { font-size: 14px; paint-order: stroke; stroke: #fff; stroke-width: 3px; }
@media (max-width: 600px) { svg text { font-size: 32px; } svg .name { font-size: 20px; } }
svg .off { display: none; } svg .unserved { fill: #999; }
svg .cell { stroke: #000; stroke-width: 1.2; fill-opacity: .8; }
svg .lines { fill: none; stroke: #888; stroke-width: .8; opacity: .6; }
svg .frame { fill: none; stroke: #888; } svg .user:hover, svg .cell:hover { stroke: #000; stroke-width: 4; }
"""
_SCRIPT = """
"use strict";
function value(row, column) {
  const text = row.cells[column].dataset.value;
  return text === "" || isNaN(text) ? text : Number(text);
}
function sort(button) {
  const head = button.closest("th"), table = head.closest("table"), body = table.tBodies[0];
  const up = head.getAttribute("aria-sort") !== "ascending";
  for (const other of table.querySelectorAll("th")) other.setAttribute("aria-sort", "none");
  head.setAttribute("aria-sort", up ? "ascending" : "descending");
  const order = (a, b) => {
    const x = value(a, head.cellIndex), y = value(b, head.cellIndex);
    if (x === "" || y === "") return (x === "") - (y === "");
    const less = typeof x === "number" && typeof y === "number" ? x - y : String(x).localeCompare(String(y));
    return up ? less : -less;
  };
  body.append(...Array.from(body.rows).sort(order));
}
for (const button of document.querySelectorAll("th button")) button.addEventListener("click", () => sort(button));
for (const figure of document.querySelectorAll("figure.map")) {
  const choice = figure.querySelector("select"), shown = figure.querySelector("output");
  const choose = () => {
    for (const group of figure.querySelectorAll("g[data-policy]"))
      group.classList.toggle("off", group.dataset.policy !== choice.value);
  };
  choice.addEventListener("change", choose);
  choose();
  figure.querySelector("svg").addEventListener("click", (event) => {
    const title = event.target.querySelector(":scope > title");
    shown.textContent = title ? title.textContent : "";
  });
}
"""


def page(title: str, body: str) -> str:
    """A whole page; its policy lets it run its own style and script alone, and load nothing.

    Args:
        title: plain text.
        body: HTML.
    """
    rules = (
        "default-src 'none'", "img-src data:", f"style-src '{_digest(_STYLE)}'", f"script-src '{_digest(_SCRIPT)}'",
        "base-uri 'none'", "form-action 'none'",
    )  # fmt: skip
    return (
        "<!doctype html><html lang='en'><head><meta charset='utf-8'>"
        f'<meta http-equiv="Content-Security-Policy" content="{"; ".join(rules)}">'
        "<meta name='viewport' content='width=device-width, initial-scale=1'>"
        "<meta name='referrer' content='no-referrer'>"
        f"<title>{html.escape(title)}</title><style>{_STYLE}</style></head>"
        f"<body>{body}<script>{_SCRIPT}</script></body></html>"
    )


def _digest(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
