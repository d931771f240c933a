// Curves on canvas (uPlot) in the place of a figure's SVG, which stays for keyboard and screen reader.
import { library } from "./library.js";

const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
const COLOURS = {
  curve: "front", history: "front", faint: "other", parent: "seed",
  c0: "front", c1: "seed", c2: "good", c3: "k", c4: "bad", c5: "soft",
};

function serie(uPlot, line) {
  return {
    label: line.label,
    stroke: () => css(COLOURS[line.kind] || "front"),
    width: line.kind === "faint" ? 1 : 1.6,
    dash: line.kind === "parent" ? [4, 3] : undefined,
    spanGaps: true,
    points: { show: false },
    paths: line.steps ? uPlot.paths.stepped({ align: 1 }) : undefined,
    value: (_, value) => (value === null || value === undefined ? "-" : String(Number(value.toPrecision(4)))),
  };
}

function picture(uPlot, chart, width) {
  const axis = (label) => ({ label, stroke: () => css("soft"), grid: { stroke: () => css("line"), width: 1 } });
  return {
    width,
    height: 300,
    scales: { x: { time: false } },
    axes: [axis(chart.x), axis(chart.y)],
    series: [{ label: chart.x }, ...chart.lines.map((line) => serie(uPlot, line))],
    cursor: { focus: { prox: 24 } },
    focus: { alpha: 0.3 },
  };
}

async function mount(figure) {
  const response = await fetch(figure.dataset.curves);
  if (!response.ok) return;
  const chart = await response.json();
  const place = document.createElement("div");
  place.className = "curves";
  place.setAttribute("role", "img");
  place.setAttribute("aria-label", `${chart.title}; the plain picture below has the same`);
  figure.prepend(place);
  const uPlot = await library("uPlot");
  const tables = chart.lines.map((line) => [line.points.map(([x]) => x), line.points.map(([, y]) => y)]);
  const plot = new uPlot(picture(uPlot, chart, place.clientWidth || 600), uPlot.join(tables), place);
  new ResizeObserver(() => place.clientWidth && plot.setSize({ width: place.clientWidth, height: 300 })).observe(place);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => plot.redraw());
  figure.querySelector("details.plain")?.removeAttribute("open");
}

const style = document.createElement("link");
style.rel = "stylesheet";
style.href = new URL("vendor/uPlot.min.css", import.meta.url).href;
document.head.append(style);
await Promise.all([...document.querySelectorAll("figure[data-curves]")].map(mount));
