// A table in which one number of each row is drawn as a bar, too: as a share of the largest, or, if
// they are more than twentyfold apart, on a logarithmic scale, which the head then says.
function bar_table(table, head, rows) {
  const values = rows.map((row) => row.bar).filter((v) => v > 0);
  const most = Math.max(...values), least = Math.min(...values), log = most > 20 * least;
  const share = (v) => !(v > 0) ? 0
    : log ? 0.06 + 0.94 * Math.log(v / least) / Math.log(most / least) : v / most;
  const top = add(add(table, "thead"), "tr"), body = add(table, "tbody");
  head.forEach((text, i) => {
    add(top, "th", text, i < head.length - rows[0].numbers.length ? "" : "number");
    if (i === rows[0].names.length - 1) add(top, "th", log ? "(log scale)" : "");
  });
  for (const row of rows) {
    const line = add(body, "tr");
    for (const name of row.names) add(line, "td", name, "name");
    add(add(line, "td", undefined, "bar"), "i").style.width = `${share(row.bar) * 100}%`;
    for (const number of row.numbers) add(line, "td", number, "number");
  }
}
const in_ms = (ms) => ms >= 100 ? ms.toFixed(0) : ms >= 1 ? ms.toFixed(2) : ms.toFixed(3);
