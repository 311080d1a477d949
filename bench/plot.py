"""The plot of docs/levels.svg: what throughput costs in latency, a line for each level."""

import math

# Each is told from the others by its shade, too, and stands out on white and on black.
COLOURS = {"linearizable": "#3d8fd1", "sequential": "#2fa36b", "quorum": "#d9822b",
           "eventual": "#b565c4"}
TITLES = {"get": "GET", "set": "SET"}
WIDTH, HEIGHT = 920, 430
PANEL_WIDTH, LEFT, GAP, TOP, BOTTOM = 375, 62, 80, 62, 60

STYLE = """<style>
text { font: 13px system-ui, sans-serif; fill: #333 }
.title { font-weight: 600; font-size: 15px }
.small { font-size: 11px; fill: #666 }
.grid { stroke: #8884; stroke-width: 1 }
.line { fill: none; stroke-width: 2.2; stroke-linejoin: round }
@media (prefers-color-scheme: dark) { text { fill: #ddd } .small { fill: #aaa } }
</style>"""


def nice_step(most):
    """1, 2 or 5 times a power of ten, at most six of which are in `most`."""
    step = 10 ** math.floor(math.log10(most / 6))
    return next(step * factor for factor in (1, 2, 5, 10) if step * factor * 6 >= most)


def text(x, y, words, kind="", anchor="middle", more=""):
    return (f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" class="{kind}"{more}>{words}'
            "</text>")


class Panel:
    """One diagram: operations a second to the right, p99 upwards, each doubling alike."""

    def __init__(self, left, lines, least, most):
        self.left = left
        self.lines = lines
        self.step = nice_step(max(one.rate for points in lines.values() for _, one in points))
        self.right = self.step * math.ceil(
            max(one.rate for points in lines.values() for _, one in points) / self.step)
        self.low = math.floor(math.log10(least))
        self.high = math.ceil(math.log10(most))

    def x(self, rate):
        return self.left + PANEL_WIDTH * rate / self.right

    def y(self, ms):
        share = (math.log10(ms) - self.low) / (self.high - self.low)
        return HEIGHT - BOTTOM - (HEIGHT - BOTTOM - TOP) * share

    def axes(self, title):
        bottom = HEIGHT - BOTTOM
        yield text(self.left + PANEL_WIDTH / 2, TOP - 14, title, "title")
        for power in range(self.low, self.high + 1):
            y = self.y(10**power)
            yield (f'<line class="grid" x1="{self.left}" y1="{y:.1f}" '
                   f'x2="{self.left + PANEL_WIDTH}" y2="{y:.1f}"/>')
            yield text(self.left - 8, y + 4, f"{10.0**power:g}", anchor="end")
        for number in range(round(self.right / self.step) + 1):
            x = self.x(number * self.step)
            yield f'<line class="grid" x1="{x:.1f}" y1="{TOP}" x2="{x:.1f}" y2="{bottom}"/>'
            yield text(x, bottom + 18, f"{number * self.step / 1000:g}")
        yield text(self.left + PANEL_WIDTH / 2, bottom + 38, "thousand operations a second")
        middle = (TOP + bottom) / 2
        yield text(self.left - 44, middle, "p99, ms",
                   more=f' transform="rotate(-90 {self.left - 44} {middle})"')

    def curves(self):
        for level, points in self.lines.items():
            colour = COLOURS[level]
            at = [(clients, self.x(one.rate), self.y(one.p99)) for clients, one in points]
            path = " ".join(f"{x:.1f},{y:.1f}" for _, x, y in at)
            yield f'<polyline class="line" stroke="{colour}" points="{path}"/>'
            for clients, x, y in at:
                yield (f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.6" fill="{colour}">'
                       f"<title>{level}, {clients} connections</title></circle>")
            clients, x, y = at[-1]
            yield text(x, y - 8, clients, "small")


def svg(points):
    """Points: (get or set, level) -> [(connections, what was found)], in the order of a line."""
    found = [one.p99 for line in points.values() for _, one in line]
    clients = ", ".join(str(number) for number, _ in next(iter(points.values())))
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
           f'width="{WIDTH}" height="{HEIGHT}">', STYLE]
    x = LEFT
    for level, colour in COLOURS.items():
        out.append(f'<rect x="{x}" y="10" width="18" height="4" rx="2" fill="{colour}"/>')
        out.append(text(x + 24, 16, level, anchor="start"))
        x += 120
    out.append(text(WIDTH - 20, 16, f"points of a line: {clients} connections over 3 nodes",
                    "small", "end"))
    for number, (panel, title) in enumerate(TITLES.items()):
        lines = {level: line for (op, level), line in points.items() if op == panel}
        drawn = Panel(LEFT + number * (PANEL_WIDTH + GAP), lines, min(found), max(found))
        out += [*drawn.axes(title), *drawn.curves()]
    return "\n".join([*out, "</svg>"]) + "\n"
