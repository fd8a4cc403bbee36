"""Style and script of the report. Neither loads anything from the network."""

from __future__ import annotations

from dynamic_dynamodb.rehearsal import chart

STYLE = """
:root { color-scheme: light; }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 1240px; padding: 16px 20px 60px; background: #fff; color: #222;
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
h1 { font-size: 26px; line-height: 1.25; margin: 8px 0 4px; }
h2 { font-size: 20px; margin: 36px 0 6px; overflow-wrap: anywhere; }
h3 { font-size: 15px; margin: 16px 0 4px; overflow-wrap: anywhere; }
p { margin: 4px 0 10px; max-width: 80ch; overflow-wrap: anywhere; }
a { color: #004f7d; }
.wide { overflow-x: auto; margin: 10px 0 18px;  /* a shadow at the right while more columns follow */
  background: linear-gradient(to left, #fff 60%, transparent) right / 40px 100% no-repeat local,
    linear-gradient(to left, #0003, transparent) right / 14px 100% no-repeat scroll; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: 4px 0 4px 22px; text-align: right; white-space: nowrap; }
th:first-child, td:first-child { padding-left: 0; text-align: left; min-width: 210px; max-width: 360px;
  white-space: normal; overflow-wrap: anywhere; position: sticky; left: 0; background: #fff; }
thead th { font-weight: 600; color: #555; vertical-align: bottom;
  white-space: normal; line-height: 1.25; border-bottom: 1px solid #888; }
tbody td { border-bottom: 1px solid #e4e4e4; }
tr.chosen td { font-weight: 600; }
tr.own td:first-child { padding-left: 18px; }
small { display: block; color: #555; font-size: 13px; font-weight: 400; white-space: normal; }
section { border-top: 1px solid #ccc; margin-top: 28px; content-visibility: auto; contain-intrinsic-size: auto 720px; }
section h2 { margin-top: 18px; }
.sides { display: grid; grid-template-columns: minmax(0, 1fr) 320px; gap: 8px 32px; align-items: start; }
.costs td { border: 0; padding: 2px 0 2px 10px; }
.costs { width: 100%; }
.costs td:first-child { min-width: 0; padding: 2px 0; line-height: 1.25; }
.costs svg { display: block; width: 100%; height: 9px; margin-top: 2px; }
.chart { display: block; width: 100%; height: auto; cursor: crosshair; }
.chart text { font-size: 10.5px !important; font-family: inherit !important; }
.chart path { vector-effect: non-scaling-stroke; }
.key { font-size: 14px; color: #333; margin: 2px 0; }
.key svg { width: 26px; height: 11px; margin: 0 6px 0 16px; }
.key svg:first-child { margin-left: 0; }
.key span { white-space: nowrap; margin-right: 12px; }
details { margin: 4px 0 12px; }
summary { cursor: pointer; color: #004f7d; }
ol { list-style: none; margin: 6px 0; padding: 0; font: 13px/1.45 ui-monospace, "DejaVu Sans Mono", monospace; }
li { padding: 2px 0 2px 13ch; text-indent: -13ch; overflow-wrap: anywhere; }
#tip { position: fixed; z-index: 9; display: none; max-width: min(420px, 92vw); padding: 6px 10px; pointer-events: none;
  background: #222; color: #fff; border-radius: 4px; font-size: 13px; line-height: 1.4; }
@media (max-width: 860px) {
  body { padding: 10px 14px 40px; }
  h1 { font-size: 21px; }
  th, td { padding-left: 14px; }
  .sides { grid-template-columns: minmax(0, 1fr); }
}
@media (max-width: 560px) {
  .chart text { font-size: 17px !important; }
  .chart { margin-left: -4px; }
  th:first-child, td:first-child { min-width: 110px; max-width: 150px; }
  li { padding-left: 2ch; text-indent: -2ch; }
  .wide small { display: none; }  /* they are repeated beside the chart */
}
@media print {
  body { max-width: none; padding: 0; font-size: 11pt; }
  section { content-visibility: visible; break-inside: avoid; }
  section:has(details[open]) { break-inside: auto; }
  h2, h2 + p, h3, h3 + p, .key { break-after: avoid; }
  .chart { break-inside: avoid; }
  details:not([open]) { display: none; }
  .wide { overflow: visible; background: none; }
  tr { break-inside: avoid; }
  th:first-child, td:first-child { position: static; }
  th, td { padding-left: 10px; }
  a { color: inherit; text-decoration: none; }
}
"""

# Shows the nearest change within 12 pixels of the pointer or finger: its line in the list below the chart.
SCRIPT = f"""
(function () {{
  var tip = document.getElementById("tip"), span = document.body.dataset.minutes;
  function nearest(at, minute) {{
    var low = 0, high = at.length - 1, middle;
    while (low < high) {{
      middle = (low + high) >> 1;
      if (at[middle] < minute) low = middle + 1; else high = middle;
    }}
    return low > 0 && minute - at[low - 1] < at[low] - minute ? low - 1 : low;
  }}
  function show(event) {{
    var chart = event.target.closest && event.target.closest("svg.chart");
    tip.style.display = "none";
    if (!chart) return;
    var list = chart.parentNode.querySelector("ol"), box = chart.getBoundingClientRect();
    if (!list) return;
    var at = list.at || (list.at = list.dataset.at.split(",").map(Number));
    var scale = box.width / {chart.WIDTH}, room = {chart.WIDTH - chart.LEFT - chart.RIGHT} * scale;
    var minute = (event.clientX - box.left - {chart.LEFT} * scale) / room * span, found = nearest(at, minute);
    if (Math.abs(at[found] - minute) / span * room > 12) return;
    tip.textContent = list.children[found].textContent.trim();
    tip.style.display = "block";
    var left = Math.min(event.clientX + 14, innerWidth - tip.offsetWidth - 8);
    var top = event.clientY + 18;
    if (top + tip.offsetHeight > innerHeight) top = event.clientY - tip.offsetHeight - 14;
    tip.style.left = Math.max(8, left) + "px";
    tip.style.top = top + "px";
  }}
  document.addEventListener("pointermove", show, {{ passive: true }});
  document.addEventListener("pointerdown", show, {{ passive: true }});
  document.addEventListener("scroll", function () {{ tip.style.display = "none"; }}, {{ passive: true }});
}})();
"""

_SIGNS = (
    ("consumed", f'<path fill="{chart.CONSUMED}" d="M0 0h26v11H0z"/>'),
    ("demand", f'<path stroke="{chart.DEMAND}" stroke-width="2.5" d="M0 6h26"/>'),
    (
        "provisioned",
        f'<path fill="none" stroke="{chart.PROVISIONED}" stroke-width="1.5" d="M0 9h12V2h14"/>',
    ),
    ("throttled", f'<path stroke="{chart.THROTTLED}" stroke-width="3" d="M6 0v11M13 0v11M20 0v11"/>'),
)

KEY = (
    '<p class="key">'
    + " ".join(f'<span><svg viewBox="0 0 26 11" aria-hidden="true">{sign}</svg>{name}</span>' for name, sign in _SIGNS)
    + "</p>"
)
