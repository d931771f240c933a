// Parallel coordinates on canvas: a line for each candidate over metrics and traits.
import { makerOf, shortNumber } from "./explore/data.js";
import { axisStyle, colour } from "./explore/theme.js";
import { library } from "./library.js";

const root = document.querySelector("[data-parallel]");
const base = root.dataset.parallel.replace(/\/api\/.*/, "");
const [echarts, data] = await Promise.all([library("echarts"), fetch(root.dataset.parallel).then((r) => r.json())]);
root.hidden = false;
const columns = { ...data.metrics, depth: data.depth, "training seeds": data.seeds, ...data.traits };
const names = Object.keys(columns).filter((name) => new Set(columns[name]).size > 1);
const chart = echarts.init(root.querySelector(".canvas"), null, { renderer: "canvas" });
const front = new Set(data.front);

// A size that spans decades is drawn by its logarithm, and labelled by itself.
function spread(values) {
  const known = values.filter((value) => value !== null);
  const least = Math.min(...known);
  return least > 0 && Math.max(...known) > 30 * least;
}

const wide = names.map((name) => spread(columns[name]));
const scaled = (value, place) => (value === null ? NaN : wide[place] ? Math.log10(value) : value);

function draw() {
  const rows = data.id.map((_, row) => row).filter((row) => names.every((name) => columns[name][row] !== null));
  const line = (row) => names.map((name, place) => scaled(columns[name][row], place));
  const style = { opacity: Math.max(0.08, Math.min(0.6, 60 / rows.length)), width: 1 };
  const serie = (name, chosen, lineStyle) => ({ name, type: "parallel", smooth: false, silent: true, progressive: 0, lineStyle, data: chosen.map(line) });
  chart.setOption({
    animation: false,
    parallel: { left: 60, right: 60, top: 40, bottom: 20, parallelAxisDefault: { ...axisStyle(), nameTextStyle: { color: colour("text") }, realtime: false } },
    parallelAxis: names.map((name, dim) => ({
      dim, name, scale: true,
      axisLabel: { color: colour("soft"), formatter: (value) => shortNumber(wide[dim] ? 10 ** value : value) },
    })),
    series: [
      serie("others", rows.filter((row) => !front.has(data.id[row])), { ...style, color: colour("other") }),
      serie("front", rows.filter((row) => front.has(data.id[row])), { color: colour("front"), width: 2, opacity: 0.9 }),
    ],
  }, { notMerge: true });
  tell(rows);
}

// The ranges that are marked on the axes, as `{place: [[low, high], ...]}`.
function ranges() {
  const found = {};
  chart.getOption().parallelAxis.forEach((axis) => {
    const spans = chart.getModel().getComponent("parallelAxis", axis.dim)?.activeIntervals ?? [];
    if (spans.length) found[axis.dim] = spans;
  });
  return found;
}

function tell(rows) {
  const marked = Object.entries(ranges());
  const inside = rows.filter((row) =>
    marked.every(([dim, spans]) => {
      const value = scaled(columns[names[dim]][row], Number(dim));
      return spans.some(([low, high]) => value >= low && value <= high);
    }),
  );
  const said = `${inside.length.toLocaleString("en")} of ${data.total.toLocaleString("en")} scored`;
  root.querySelector(".shown").textContent = `${said}${marked.length ? " in the marked ranges" : " drawn"}. `;
  const list = inside.slice(0, 20).map((row) => {
    const link = document.createElement("a");
    link.href = `${base}/candidates/${data.id[row]}`;
    link.textContent = `#${data.id[row]} ${makerOf(data, row)}`;
    const item = document.createElement("li");
    item.append(link);
    return item;
  });
  root.querySelector("ul").replaceChildren(...(marked.length ? list : []));
}

chart.on("axisareaselected", () => tell(data.id.map((_, row) => row).filter((row) => names.every((name) => columns[name][row] !== null))));
new ResizeObserver(() => chart.resize()).observe(root.querySelector(".canvas"));
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
draw();
