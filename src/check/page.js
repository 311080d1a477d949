// What the pages about a history share: its operations, words and times, rows with lanes, and the
// window on them that is moved and zoomed. A page defines draw(), which shows `rows` between the
// times `from` and `to`.
const KINDS = ["get", "put", "delete", "cas", "append", "incr"];
const [OK, FAILED, UNKNOWN] = [0, 1, 2];
const AXIS = 26, BAR = 18, GAP = 3;

// --- the history ---------------------------------------------------------------------------------

const ops = data.ops.map((o, i) => ({
  i, client: o[0], key: o[1], kind: o[2], ended: o[3], start: o[4], end: o[5], value: o[6],
  expect: o[7], line: o[8], by: o[9], level: o[10], node: o[11], final: o[12] === 1,
  neverRan: o[13] === 1, no: 0,
}));
data.core.forEach((i, n) => { ops[i].no = n + 1; });
const core = data.core.map((i) => ops[i]);
let first = Infinity, last = -Infinity, span = 1;
function widen(a, b) {
  first = Math.min(first, a);
  last = Math.max(last, b);
  span = Math.max(last - first, 1);
}
for (const o of ops) widen(o.start, o.end === null ? o.start : o.end);
if (!ops.length) { first = 0; last = 1; }

const named = (c) => /^\d+$/.test(data.clients[c]) ? `client ${data.clients[c]}` : data.clients[c];
const shown = (text) => text === null ? "absent" : text;
function words(o) {
  const key = data.keys[o.key];
  switch (KINDS[o.kind]) {
    case "get": return `get ${key}` + (o.ended === OK ? ` = ${shown(o.value)}` : "");
    case "put": return `put ${key} = ${shown(o.value)}`;
    case "append": return `append ${key} + ${shown(o.value)}`;
    case "cas": return `cas ${key} ${shown(o.expect)} to ${shown(o.value)}`;
    case "incr": return `incr ${key} by ${o.by}` + (o.ended === OK ? ` = ${shown(o.value)}` : "");
    default: return `delete ${key}`;
  }
}
function outcome(o) {
  if (o.ended === UNKNOWN) return "unknown: at any time after its start, or never";
  if (o.ended === OK) return o.final ? "ok, a final read" : "ok";
  return o.neverRan ? "never ran" : "failed";
}

const UNITS = [["s", 1e9], ["ms", 1e6], ["µs", 1e3], ["ns", 1]];
// `step` decides on the unit and the digits.
function time(ns, step) {
  ns += data.base;
  const [unit, worth] = UNITS.find(([, w]) => step >= w * 0.99) || UNITS[3];
  const digits = step >= worth ? 0 : 3;
  return `${(ns / worth).toFixed(digits)} ${unit}`;
}
function exact(ns) {
  ns += data.base;
  const worth = Math.abs(ns) >= 1e6 || ns === 0 ? 1e6 : Math.abs(ns) >= 1e3 ? 1e3 : 1;
  const unit = worth === 1e6 ? "ms" : worth === 1e3 ? "µs" : "ns";
  return `${(ns / worth).toFixed(worth === 1 ? 0 : 3).replace(/\.?0+$/, "")} ${unit}`;
}
function lasted(ns) {
  const [unit, worth] = UNITS.find(([, w]) => ns >= w) || UNITS[3];
  return `${(ns / worth).toPrecision(4).replace(/\.?0+$/, "")} ${unit}`;
}

// --- rows: of each client, with lanes where it overlaps itself -----------------------------------

let rows = [], height = 0;
function put_in_lanes(row, mine) {
  row.lanes = [];
  mine.sort((a, b) => a.start - b.start || a.i - b.i).forEach((o, n) => {
    // An open end is drawn up to what the client did next.
    const next = mine.slice(n + 1, n + 3).find((p) => p.start > o.start);
    o.stop = o.end !== null ? o.end : next ? next.start : last + span * 0.03;
    let lane = row.lanes.findIndex((l) => l[l.length - 1].stop <= o.start);
    if (lane < 0) lane = row.lanes.push([]) - 1;
    row.lanes[lane].push(o);
    o.row = row;
    o.lane = lane;
  });
  return row;
}
function by_client(some) {
  const of = new Map();
  for (const o of some) {
    if (!of.has(o.client)) of.set(o.client, []);
    of.get(o.client).push(o);
  }
  return of;
}
const alike = (a, b) => a.localeCompare(b, undefined, {numeric: true});

// The index of the first operation of a lane that ends at or after a time.
function first_after(lane, time_) {
  let low = 0, high = lane.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (lane[middle].stop < time_) low = middle + 1; else high = middle;
  }
  return low;
}

function hit(px, py) {
  if (px < gutter || py < AXIS) return null;
  const y = py - AXIS + scroll;
  const row = rows.find((r) => y >= r.top && y < r.top + r.height);
  if (!row) return null;
  const lane = row.lanes[Math.floor((y - row.top - row.pad + GAP / 2) / (BAR + GAP))];
  if (!lane) return null;
  const near = 3 / (width - gutter) * (to - from);
  let found = null;
  for (let n = first_after(lane, t(px) - near); n < lane.length; ++n) {
    const o = lane[n];
    if (o.start > t(px) + near) break;
    if (!found || o.no) found = o;
  }
  return found;
}

const CHAR = 6.65;  // of the 11 px monospace font
function label(o, room) {
  const fits = (s) => s.length * CHAR + 8 <= room;
  const short = KINDS[o.kind] === "cas" ? `${shown(o.expect)}→${shown(o.value)}`
    : KINDS[o.kind] === "delete" ? data.keys[o.key]
    : `${data.keys[o.key]}=${o.ended === OK || KINDS[o.kind] !== "get" ? shown(o.value) : "?"}`;
  return [words(o), short, shown(o.value)].find(fits) || "";
}

// --- the window on them --------------------------------------------------------------------------

const view = $("view");
let width = 0, tall = 0, gutter = 90;      // CSS pixels
let from = first, to = last, scroll = 0;   // what is seen
let hovered = null;

const x = (t) => gutter + (t - from) / (to - from) * (width - gutter);
const t = (px) => from + (px - gutter) / (width - gutter) * (to - from);
const top_of = (o) => AXIS + o.row.top + o.row.pad + o.lane * (BAR + GAP) - scroll;

function show(a, b) {
  const least = 20, most = span * 1.3 + 20;
  const size = Math.min(Math.max(b - a, least), most);
  const middle = Math.min(Math.max((a + b) / 2, first - span * 0.1), last + span * 0.1);
  from = middle - size / 2;
  to = middle + size / 2;
  redraw();
}
function zoom(factor, at = (from + to) / 2) {
  show(at - (at - from) * factor, at + (to - at) * factor);
}
function move(share) { show(from + (to - from) * share, to + (to - from) * share); }
function scroll_to(y) {
  scroll = Math.max(0, Math.min(y, height - (tall - AXIS)));
  redraw();
}
function show_all() { show(first - span * 0.02, last + span * 0.04); }
function show_around(some) {
  const a = Math.min(...some.map((o) => o.start));
  const b = Math.max(...some.map((o) => o.end === null ? o.start : o.end));
  const around = Math.max((b - a) * 0.18, 10);
  scroll_to(0);
  show(a - around, b + around);
}
function show_near(o) {
  const size = Math.max((o.stop - o.start) * 8, 40);
  scroll_to(o.row.top - (tall - AXIS) / 2);
  show(Math.min(o.start - size / 2, o.start), o.start + size);
  hovered = o;
}

let asked = false;
function redraw() {
  if (!asked) {
    asked = true;
    requestAnimationFrame(() => { asked = false; draw(); });
  }
}

// The times at which the axis has a mark.
function step_of(room) {
  const rough = (to - from) / Math.max(room / 110, 1);
  const power = 10 ** Math.floor(Math.log10(rough));
  return Math.max(1, [1, 2, 5, 10].find((m) => m * power >= rough) * power);
}
function marks() {
  const step = step_of(width - gutter), out = [];
  const begin = Math.ceil((from + data.base) / step) * step - data.base;
  for (let at = begin; at <= to; at += step) {
    if (Math.round(x(at)) >= gutter) out.push([Math.round(x(at)) + 0.5, time(at, step)]);
  }
  return out;
}

// --- the page around them ------------------------------------------------------------------------

let more_facts = () => {};  // that a page knows of an operation: (list, o)
function tell(o, event) {
  const tip = $("tip");
  if (!o) { tip.style.display = "none"; return; }
  tip.replaceChildren();
  add(tip, "div", words(o), "op mono");
  const list = add(tip, "dl");
  fact(list, "client", data.clients[o.client]);
  fact(list, "outcome", outcome(o));
  fact(list, "began", exact(o.start));
  if (o.end !== null) fact(list, "ended", `${exact(o.end)} (${lasted(o.end - o.start)} later)`);
  if (o.level) fact(list, "level", o.level);
  if (o.node) fact(list, "node", o.node);
  if (o.line) fact(list, "line", o.line);
  more_facts(list, o);
  tip.style.display = "block";
  const box = tip.getBoundingClientRect();
  const left = event.clientX + 16 + box.width > innerWidth ? event.clientX - box.width - 12
    : event.clientX + 16;
  const above = event.clientY + 16 + box.height > innerHeight;
  tip.style.left = Math.max(4, left) + "px";
  tip.style.top = (above ? event.clientY - box.height - 12 : event.clientY + 16) + "px";
}

// The answer, the contradicting operations, and why each must stand before another.
function fill_verdict(show_one) {
  $("answer").textContent = data.answer;
  $("answer").classList.add(data.answer);
  $("model").textContent = data.model;
  $("sentence").textContent = data.sentence;
  for (const o of core) {
    const row = add($("core"), "tr", undefined, "pick");
    add(add(row, "td", undefined, "num"), "span", o.no, "no");
    add(row, "td", words(o), "op");
    add(row, "td", named(o.client), "when");
    add(row, "td", `${exact(o.start)} – ${o.end === null ? "?" : exact(o.end)}`, "when");
    add(row, "td", o.line ? `line ${o.line}` : "", "line");
    row.addEventListener("click", () => show_one(o));
  }
  data.edges.forEach(([a, b, why], n) => {
    fact($("facts"), n ? "" : "order", `${ops[a].no} before ${ops[b].no}: ${why}`);
  });
  if (data.fits) {
    const many = data.fits === 1 ? "one operation"
      : `${data.fits.toLocaleString("en")} operations, one after another`;
    fact($("facts"), "fits", many + (data.state ? `, then ${data.state}` : ""));
  }
}
function count_of_operations() {
  const some = ops.length < data.total
    ? `, here the ${core.length ? "" : "first "}${ops.length.toLocaleString("en")}` +
      (core.length ? " nearest to the contradiction" : "") : "";
  return `${data.total.toLocaleString("en")} operations${some}`;
}

// --- hand and eye --------------------------------------------------------------------------------

// Where in the view an event is.
function place(event) {
  const box = view.getBoundingClientRect();
  return [event.clientX - box.left, event.clientY - box.top];
}
let drag = null;
view.addEventListener("pointerdown", (event) => {
  drag = {x: event.clientX, y: event.clientY, from, to, scroll};
  view.setPointerCapture(event.pointerId);
  view.classList.add("drag");
  tell(null);
});
view.addEventListener("pointermove", (event) => {
  if (drag) {
    const by = (event.clientX - drag.x) / (width - gutter) * (drag.to - drag.from);
    scroll_to(drag.scroll - (event.clientY - drag.y));
    show(drag.from - by, drag.to - by);
    return;
  }
  const o = hit(...place(event));
  if (o !== hovered) {
    hovered = o;
    redraw();
  }
  tell(o, event);
});
const drop = () => { drag = null; view.classList.remove("drag"); };
view.addEventListener("pointerup", drop);
view.addEventListener("pointercancel", drop);
view.addEventListener("pointerleave", () => { hovered = null; tell(null); redraw(); });
view.addEventListener("wheel", (event) => {
  event.preventDefault();
  const by = event.deltaY * (event.deltaMode === 1 ? 16 : 1), [px] = place(event);
  if (px < gutter) scroll_to(scroll + by);
  else if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
    move((event.deltaX || by) / (width - gutter));
  } else zoom(Math.exp(Math.max(-1, Math.min(1, by / 300))), t(px));
}, {passive: false});
view.addEventListener("dblclick", (event) => zoom(0.4, t(place(event)[0])));
function on_keys(does) {
  view.addEventListener("keydown", (event) => {
    if (does[event.key] && !event.ctrlKey && !event.metaKey && !event.altKey) {
      does[event.key](event);
      event.preventDefault();
    }
  });
}
