// The page of a played scenario: the rows of clients and nodes as SVG.

// --- what is known of the operations -------------------------------------------------------------

const FROM_INITIAL = -1, FROM_NOBODY = -2;  // else the place of the write; null: not on the page
data.ages.forEach((age, i) => {
  if (age) [ops[i].source, ops[i].newer, ops[i].outdated] = age;
});
for (const fault of data.faults) widen(fault.from, fault.to);

function dress(o) {
  if (o.newer === undefined) return "write";  // or a get without an answer
  if (o.source === FROM_NOBODY) return "nobody";
  return ["newest", "second"][o.newer] || "older";
}
for (const o of ops) o.dress = dress(o);
const is_old = (o) => o.dress === "second" || o.dress === "older";
const origin = (o) => ops[o.source];

function age_of(o) {
  if (o.newer === undefined) return "";
  if (o.source === FROM_NOBODY) return "no write is known to have made this value";
  if (o.newer) {
    const newer = o.newer === 1 ? "a newer write" : `the first of ${o.newer} newer writes`;
    return `not the newest: ${newer} had ended ${lasted(o.outdated)} before it began`;
  }
  return o.source === FROM_INITIAL ? "the first value, and nothing newer was there" : "the newest";
}
function made_by(o) {
  const write = origin(o);
  return write ? `${words(write)}, ${named(write.client)}, ${exact(write.start)}` : "";
}
more_facts = (list, o) => {
  if (age_of(o)) fact(list, "read", age_of(o));
  if (made_by(o)) fact(list, "written", made_by(o));
};
function spoken(o) {
  const parts = [`${named(o.client)}: ${words(o)}`];
  if (o.no) parts.push(`number ${o.no} of the contradiction`);
  if (o.ended !== OK || o.final) parts.push(outcome(o));
  if (age_of(o)) parts.push(age_of(o));
  if (made_by(o)) parts.push(`written by ${made_by(o)}`);
  parts.push(`began at ${exact(o.start)}` +
    (o.end === null ? "" : `, took ${lasted(o.end - o.start)}`));
  if (o.node) parts.push(`node ${o.node}`);
  if (o.level) parts.push(o.level);
  return parts.join(" · ");
}

// --- rows: clients, their gets at the end, nodes -------------------------------------------------

const STRIP = 17;  // of a fault's name
const node_rows = new Map();
const row_name = (row) => row.node ? `node ${row.node}`
  : row.final ? `at rest${row.asked ? `, node ${row.asked}` : ""}` : named(row.client);
function lay() {
  const of = by_client(ops);
  rows = [...of.keys()].map((client) => {
    const mine = of.get(client);
    return put_in_lanes({client, final: mine[0].final, asked: mine[0].node}, mine);
  });
  rows.sort((a, b) => a.final - b.final ||
    alike(data.clients[a.client], data.clients[b.client]));
  const named_nodes = [...ops.map((o) => o.node), ...data.faults.flatMap((f) => f.nodes)];
  const most = named_nodes.reduce((a, b) => Math.max(a, b), data.nodes);
  for (let node = 1; node <= most; ++node) {
    const faults = data.faults.filter((f) => f.nodes.includes(node)), ends = [];
    const strips = faults.map((fault) => {
      let strip = ends.findIndex((end) => end <= fault.from);
      if (strip < 0) strip = ends.length;
      ends[strip] = fault.to;
      return {fault, strip};
    });
    const asked = ops.filter((o) => o.node === node).sort((a, b) => a.start - b.start);
    const row = {node, lanes: [], strips, asked, content: Math.max(1, ends.length) * STRIP + 8};
    rows.push(row);
    node_rows.set(node, row);
  }
}
function space() {
  const content = (row) => row.content || row.lanes.length * (BAR + GAP) - GAP;
  const all = rows.reduce((sum, row) => sum + content(row), 0);
  const pad = Math.max(7, Math.min(16, (tall - AXIS - all) / Math.max(rows.length, 1) / 2));
  height = 0;
  for (const row of rows) {
    row.top = height;
    row.pad = pad;
    row.height = 2 * pad + content(row);
    height += row.height;
  }
}

// --- drawing -------------------------------------------------------------------------------------

const MOST_LINES = 300;  // more of them at once would hide what they lead to
let picked = null;       // by the keyboard

function put(layer, tag, attributes, text) {
  const node = document.createElementNS(view.namespaceURI, tag);
  for (const name in attributes) node.setAttribute(name, attributes[name]);
  if (text !== undefined) node.textContent = text;
  layer.appendChild(node);
  return node;
}
const box = (a, y, w, h) =>
  `M${a.toFixed(1)} ${y.toFixed(1)}h${w.toFixed(1)}v${h}h${(-w).toFixed(1)}z`;
const y_of = (row) => AXIS + row.top - scroll;
const in_sight = (row) => y_of(row) < tall && y_of(row) + row.height > AXIS;
const middle = (o) => top_of(o) + BAR / 2;

function draw() {
  for (const id of ["rows", "faults", "bars", "lines", "chosen", "frame"]) $(id).replaceChildren();
  for (const [name, value] of [["x", gutter], ["y", AXIS], ["width", Math.max(0, width - gutter)],
    ["height", Math.max(0, tall - AXIS)]]) {
    $("plot-box").setAttribute(name, value);
  }
  draw_rows();
  draw_faults();
  draw_lines(draw_bars());
  for (const o of core) if (o.row) draw_core(o);
  for (const o of new Set([hovered, picked])) if (o) draw_chosen(o);
  draw_frame();
}

function draw_rows() {
  rows.forEach((row, n) => {
    if (!in_sight(row)) return;
    if (n % 2) {
      put($("rows"), "rect", {class: "band", x: 0, y: y_of(row), width, height: row.height});
    }
    if (n && row.node && !rows[n - 1].node) {
      put($("rows"), "path", {class: "edge", d: `M0 ${Math.round(y_of(row)) + 0.5}h${width}`});
    }
  });
  const d = marks().map(([px]) => `M${px} ${AXIS}V${tall}`).join("");
  put($("rows"), "path", {class: "mark", d});
}

// Names stand over the picture, which may be moved and scrolled below them.
function draw_frame() {
  const frame = $("frame");
  put(frame, "rect", {class: "cover", x: 0, y: 0, width: gutter, height: tall});
  put(frame, "rect", {class: "cover", x: 0, y: 0, width, height: AXIS});
  for (const [px, text] of marks()) {
    put(frame, "text", {class: "quiet", x: px + 4, y: AXIS / 2}, text);
    put(frame, "path", {class: "edge", d: `M${px} ${AXIS - 8}V${AXIS}`});
  }
  for (const row of rows) {
    const y = y_of(row) + row.height / 2;
    if (y < AXIS + 4 || y > tall + 4) continue;
    const room = Math.floor((gutter - 18) / 6.2), name = row_name(row);
    put(frame, "text", {x: 12, y, class: row.node ? "quiet" : ""},
      name.length > room ? "…" + name.slice(1 - room) : name);
  }
  put(frame, "path", {class: "edge", d: `M0 ${AXIS - 0.5}H${width}M${gutter - 0.5} 0V${tall}`});
}

function draw_faults() {
  const layer = $("faults");
  for (const row of node_rows.values()) {
    if (!in_sight(row)) continue;
    const y = y_of(row);
    for (const {fault, strip} of row.strips) {
      const a = Math.max(x(fault.from), gutter - 4), b = Math.min(x(fault.to), width + 4);
      if (b < gutter || a > width) continue;
      put(layer, "rect", {class: "fault", x: a, y: y + 2, width: Math.max(b - a, 2),
        height: row.height - 4});
      put(layer, "path", {class: "fault-edge", d: `M${a} ${y + 2}v${row.height - 4}` +
        (b - a > 3 ? `M${b} ${y + 2}v${row.height - 4}` : "")});
      put(layer, "text", {class: "label on-card", x: Math.max(a, gutter) + 5,
        y: y + row.pad + strip * STRIP + STRIP / 2}, fault.text);
    }
    put(layer, "path", {class: "served", d: served(row)});
  }
}
// When the node had something to answer.
function served(row) {
  let d = "", painted = -Infinity;
  const y = y_of(row) + row.height - 9;
  for (const o of row.asked) {
    if (o.start > to || o.stop < from || x(o.stop) <= painted) continue;
    const a = Math.max(x(o.start), painted, gutter - 4), b = Math.min(x(o.stop), width + 4);
    d += box(a, y, Math.max(b - a, 1), 4);
    painted = Math.max(b, a + 1.5);
  }
  return d;
}

// Narrow bars become one path of each dress, wide ones an element with a label. Returns those seen.
function draw_bars() {
  const thin = {}, notches = {}, seen = [];
  for (const row of rows) {
    if (!in_sight(row)) continue;
    for (const lane of row.lanes) {
      let painted = -Infinity, noted = -Infinity;  // what is within a pixel would hide each other
      for (let n = first_after(lane, from); n < lane.length && lane[n].start <= to; ++n) {
        const o = lane[n], a = x(o.start), b = Math.max(x(o.stop), a + 1);
        seen.push(o);
        if (is_old(o) || o.dress === "nobody") {
          if (a > noted + 4) {
            notches[o.dress] = (notches[o.dress] || "") + notch(o, Math.max(a, gutter));
            noted = a + (o.dress === "older" ? 8 : 0);
          }
        } else if (b <= painted + 0.7) {
          continue;
        }
        if (b - a >= 4) draw_wide(o, a, b);
        else thin[o.dress] = (thin[o.dress] || "") + box(a, top_of(o), b - a, BAR);
        painted = Math.max(painted, b);
      }
    }
  }
  for (const name in thin) put($("bars"), "path", {class: name, d: thin[name]});
  for (const name in notches) put($("bars"), "path", {class: name, d: notches[name]});
  return seen;
}
// Above a bar: one tooth for the second newest, two for what is older, a lozenge for nobody's.
function notch(o, a) {
  const y = top_of(o) - 7, tooth = (left) => `M${left} ${y}h7l-3.5 6z`;
  if (o.dress === "nobody") return `M${a + 4} ${y}l3.5 3.5-3.5 3.5-3.5-3.5z`;
  return tooth(a) + (o.dress === "older" ? tooth(a + 8) : "");
}

function draw_wide(o, start, stop) {
  const a = Math.max(start, gutter - 8), b = Math.min(stop, width + 8), y = top_of(o), w = b - a;
  const open = o.ended === UNKNOWN;
  put($("bars"), "rect", {class: `bar ${open ? "open" : o.ended === FAILED ? "failed" : o.dress}`,
    x: a, y, width: w, height: BAR, rx: open ? 0 : Math.min(4, w / 6)});
  if (open) {  // no right edge, but an arrow to where it may go on
    put($("bars"), "path", {class: "end", d: `M${b} ${y}H${a}V${y + BAR}H${b}` +
      (stop <= width ? `M${b} ${y}l6 ${BAR / 2}-6 ${BAR / 2}` : "")});
  }
  const mark = open ? "? " : o.ended === FAILED ? "× " : "", badge = o.no ? 20 : 0;
  const left = Math.max(a, gutter) + badge + 5, room = b - left + 3;
  if (room < 14) return;
  const text = mark + label(o, room - mark.length * CHAR);
  const on = mark ? "on-card" : o.dress === "second" ? "on-second" : "";
  put($("bars"), "text", {class: `label ${on}`, x: left, y: y + BAR / 2 + 0.5}, text);
}

function draw_lines(seen) {
  const old = seen.filter((o) => is_old(o) && origin(o));
  if (old.length <= MOST_LINES) old.forEach((o) => draw_origin(o, $("lines")));
  const asked = $("asked").checked ? seen.filter((o) => node_rows.has(o.node)) : [];
  if (asked.length <= MOST_LINES) asked.forEach((o) => draw_request(o, $("lines")));
}
// From where the write ended (if it did not: began) to where the read began.
function draw_origin(o, layer) {
  const write = origin(o);
  const x1 = x(write.end === null ? write.start : write.end), x2 = x(o.start);
  const same = write.row === o.row, y1 = middle(write), y2 = middle(o);
  const lift = same ? BAR + 2 : 0, bend = Math.max(12, Math.abs(x2 - x1) * 0.3);
  put(layer, "path", {class: `origin ${o.dress}`, d: same
    ? `M${x1} ${y1 + BAR / 2}C${x1 + 4} ${y1 + lift} ${x2 - 4} ${y2 + lift} ${x2} ${y2 + BAR / 2}`
    : `M${x1} ${y1}C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2} ${y2}`});
}
function draw_request(o, layer) {
  const row = node_rows.get(o.node);
  if (!row) return;
  const down = y_of(row) > top_of(o), y = down ? top_of(o) + BAR : top_of(o);
  const node_y = y_of(row) + row.height - 9, half = (x(o.start) + x(o.stop)) / 2;
  put(layer, "path", {class: "request", d: `M${x(o.start)} ${y}L${half} ${node_y}`});
  if (o.end !== null) {
    put(layer, "path", {class: "request", d: `M${half} ${node_y}L${x(o.stop)} ${y}`});
  }
}

function outline(o, style) {
  const a = x(o.start), w = Math.max(x(o.stop) - a, 3);
  put($("chosen"), "rect", {class: style, x: a - 2, y: top_of(o) - 2, width: w + 4, height: BAR + 4,
    rx: 5});
  return [a, w];
}
function draw_core(o) {
  const [a, w] = outline(o, "core");
  const cx = Math.max(a, gutter) + (w > 22 ? 10 : w / 2);
  const cy = w > 22 ? middle(o) : top_of(o) - 8;
  put($("chosen"), "circle", {class: "core-dot", cx, cy, r: 8});
  put($("chosen"), "text", {class: "core-no", x: cx, y: cy + 0.5}, o.no);
}
function draw_chosen(o) {
  outline(o, "pick-box");
  draw_request(o, $("chosen"));
  if (origin(o)) {
    draw_origin(o, $("chosen"));
    outline(origin(o), "pick-box");
  }
}

// --- hand and eye --------------------------------------------------------------------------------

function pick(o) {
  if (!o) return;
  picked = o;
  if (o.start < from || o.start > to) move((o.start - (from + to) / 2) / (to - from));
  const y = y_of(o.row);
  if (y < AXIS || y + o.row.height > tall) scroll_to(o.row.top - (tall - AXIS - o.row.height) / 2);
  $("now").textContent = spoken(o);
  redraw();
}
const walk = ops.slice().sort((a, b) => a.start - b.start || a.i - b.i);
function beside(by) {
  if (!picked) return pick(walk[0]);
  const mine = picked.row.lanes.flat().sort((a, b) => a.start - b.start || a.i - b.i);
  pick(mine[mine.indexOf(picked) + by]);
}
// In the next row with operations, the one that began at the closest time.
function across(by) {
  if (!picked) return pick(walk[0]);
  const row = rows[rows.indexOf(picked.row) + by], far = (o) => Math.abs(o.start - picked.start);
  if (row && row.lanes.length) {
    pick(row.lanes.flat().reduce((best, o) => far(o) < far(best) ? o : best));
  }
}
function next_old() {
  const at = picked ? walk.indexOf(picked) : -1;
  pick([...walk.slice(at + 1), ...walk.slice(0, at + 1)].find(is_old));
}
function show_core() {
  if (core.length) show_around(core);
  else show_all();
}
const toggle = () => { $("asked").checked = !$("asked").checked; redraw(); };
const to_origin = () => { if (picked) pick(origin(picked)); };
const or_move = (share, otherwise) => (event) => event.shiftKey ? move(share) : otherwise();
on_keys({
  ArrowLeft: or_move(-0.15, () => beside(-1)), ArrowRight: or_move(0.15, () => beside(1)),
  ArrowUp: () => across(-1), ArrowDown: () => across(1),
  PageUp: () => scroll_to(scroll - tall / 2), PageDown: () => scroll_to(scroll + tall / 2),
  Home: () => pick(walk[0]), End: () => pick(walk[walk.length - 1]),
  n: next_old, N: next_old, o: to_origin, O: to_origin, r: toggle, R: toggle,
  "+": () => zoom(0.7), "=": () => zoom(0.7), "-": () => zoom(1 / 0.7), "0": show_core,
  a: show_all, A: show_all,
});
view.addEventListener("click", (event) => pick(hit(...place(event))));

// --- the page around it --------------------------------------------------------------------------

function fill() {
  document.title = `${data.name}: ${data.answer}`;
  $("name").textContent = data.name;
  $("about").textContent = `${data.about} · ${count_of_operations()}`;
  $("teaches").textContent = data.teaches;
  fill_verdict((o) => { show_near(o); pick(o); });
  const states = data.expected.map(([, state]) => state);
  const [word, style] = !states.length ? ["nothing expected", "unknown"]
    : states.includes(1) ? ["not as expected", "violation"]
    : states.includes(2) ? ["undecided", "unknown"] : ["as expected", "ok"];
  $("outcome").textContent = word;
  $("outcome").classList.add(style);
  for (const [text, state, why] of data.expected) {
    const item = add($("expected"), "li", undefined, ["met", "not", "undecided"][state]);
    add(item, "b", ["✓", "✗", "?"][state]);
    add(item, "span", `${text}: ${["met", "not met", "undecided"][state]}`);
    if (why) add(item, "div", why, "dim");
  }
  if (data.latency.length) {
    bar_table($("latency"), ["level", "", "median", "mean", "p99", "count"],
      data.latency.map(([level, op, count, mean, p50, p99]) => ({
        names: [level, op], bar: p50,
        numbers: [...[p50, mean, p99].map((ms) => count ? in_ms(ms) : "–"), count],
      })));
  }
  $("to-core").hidden = !core.length;
  $("to-old").hidden = !ops.some(is_old);
  $("empty").style.display = ops.length ? "none" : "flex";
}

function fill_legend() {
  const entry = (text, draw_it) => {
    const item = add($("legend"), "span");
    draw_it(put(item, "svg", {viewBox: "0 0 20 14", "aria-hidden": "true"}));
    item.append(text);
  };
  const bar = (style, teeth) => (svg) => {
    put(svg, "path", {class: style, d: `M1 6h18v8H1z${teeth}`});
  };
  const has = (test) => ops.some(test);
  if (has((o) => KINDS[o.kind] !== "get")) entry("write", bar("write", ""));
  if (has((o) => o.dress === "newest")) entry("read: newest", bar("newest", ""));
  if (has((o) => o.dress === "second")) entry("second newest", bar("second", "M1 0h6l-3 5z"));
  if (has((o) => o.dress === "older")) {
    entry("older", bar("older", "M1 0h6l-3 5zM8 0h6l-3 5z"));
  }
  if (has((o) => o.dress === "nobody")) {
    entry("from nobody", bar("nobody", "M4 0l3 2.5-3 2.5-3-2.5z"));
  }
  if (has((o) => o.ended === UNKNOWN)) {
    entry("outcome unknown", (svg) => {
      put(svg, "path", {class: "bar open", d: "M1 4h13v10H1z"});
      put(svg, "path", {class: "end", d: "M14 4H1v10H14M14 4l4 5-4 5"});
    });
  }
  if (has((o) => o.ended === FAILED)) {
    entry("failed", (svg) => put(svg, "path", {class: "bar failed", d: "M1 4h18v9H1z"}));
  }
  if (data.faults.length) {
    entry("fault", (svg) => put(svg, "path", {class: "fault", d: "M1 2h18v12H1z"}));
  }
  if (core.length) entry("contradiction", (svg) => {
    put(svg, "rect", {class: "core", x: 2, y: 3, width: 16, height: 10, rx: 3});
  });
}

function fit() {
  width = $("stage").clientWidth;
  tall = $("stage").clientHeight;
  space();
  scroll_to(scroll);
}

choose_theme();
fill();
fill_legend();
lay();
gutter = Math.min(170, Math.max(78, ...rows.map((row) => row_name(row).length * 6.2 + 26)));
$("to-core").addEventListener("click", show_core);
$("to-old").addEventListener("click", next_old);
$("to-all").addEventListener("click", show_all);
$("asked").addEventListener("change", redraw);
$("in").addEventListener("click", () => zoom(0.6));
$("out").addEventListener("click", () => zoom(1 / 0.6));
new ResizeObserver(fit).observe($("stage"));
fit();
show_all();
