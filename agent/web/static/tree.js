// The whole population as a tree on canvas: who came from whom, lit under the pointer.
import { inWords } from "./explore/data.js";
import { axisStyle, colour } from "./explore/theme.js";
import { family, relatives } from "./family.js";
import { library } from "./library.js";

const NEAR = 12; // pixels from a point at which it is meant
const root = document.querySelector("[data-tree]");
const form = root.querySelector("form");
const place = root.querySelector(".canvas");
const readout = root.querySelector(".readout");
const base = root.dataset.tree.replace(/\/api\/.*/, "");

const [echarts, data] = await Promise.all([library("echarts"), fetch(root.dataset.tree).then((r) => r.json())]);
const kin = family(data);
const chart = echarts.init(place, null, { renderer: "canvas" });
const overlay = document.createElement("canvas");
overlay.className = "overlay";
place.append(overlay);
let spots = []; // pixels of each row, null where it has no place

const fields = form.elements;
const metrics = Object.keys(data.metrics);
fields.y.replaceChildren(...metrics.map((name) => new Option(name, name, false, name === data.plotted[0])));
root.hidden = false;

function values(row) {
  const y = data.metrics[fields.y.value][row];
  if (y === null || (fields.ylog.checked && y <= 0)) return null;
  return [fields.x.value === "depth" ? data.depth[row] : data.at[row], y];
}

function option() {
  const points = data.id.map((_, row) => values(row));
  const lines = [];
  for (let at = 0; at < data.edges.length; at += 2) {
    const [from, to] = [points[data.edges[at + 1]], points[data.edges[at]]];
    if (from && to) lines.push(2, ...from, ...to);
  }
  const front = new Set(data.front);
  const rows = data.id.map((_, row) => row).filter((row) => points[row]);
  const axis = (name, log) => ({ name, type: log ? "log" : "value", scale: true, nameLocation: "middle", nameGap: 32, ...axisStyle() });
  return {
    animation: false,
    grid: { left: 60, right: 20, top: 20, bottom: 50 },
    xAxis: axis(fields.x.value, false),
    yAxis: { ...axis(fields.y.value, fields.ylog.checked), nameGap: 44 },
    series: [
      // Large lines without any data keep ECharts from drawing the rest.
      ...(lines.length ? [{ type: "lines", coordinateSystem: "cartesian2d", polyline: false, large: true, largeThreshold: 0, silent: true, z: 1, data: new Float64Array(lines), lineStyle: { color: colour("other"), opacity: 0.25, width: 1 } }] : []),
      { type: "scatter", large: true, progressive: 0, silent: true, symbolSize: rows.length > 2000 ? 3 : 4, z: 2, itemStyle: { color: colour("soft"), opacity: 0.6 }, data: rows.map((row) => points[row]) },
      { type: "scatter", silent: true, symbolSize: 9, z: 3, itemStyle: { color: colour("front") }, data: rows.filter((row) => front.has(data.id[row])).map((row) => points[row]) },
    ],
  };
}

function draw() {
  chart.setOption(option(), { notMerge: true });
  spots = data.id.map((_, row) => {
    const at = values(row);
    return at && chart.convertToPixel({ gridIndex: 0 }, at);
  });
  light(null);
}

function nearest(x, y) {
  let [best, least] = [null, NEAR * NEAR];
  spots.forEach((spot, row) => {
    if (!spot) return;
    const away = (spot[0] - x) ** 2 + (spot[1] - y) ** 2;
    if (away < least) [best, least] = [row, away];
  });
  return best;
}

function strokes(pen, pairs, name) {
  pen.strokeStyle = colour(name);
  pen.beginPath();
  for (const [child, parent] of pairs) {
    if (!spots[child] || !spots[parent]) continue;
    pen.moveTo(...spots[parent]);
    pen.lineTo(...spots[child]);
  }
  pen.stroke();
}

function light(row) {
  const scale = devicePixelRatio || 1;
  overlay.width = place.clientWidth * scale;
  overlay.height = place.clientHeight * scale;
  const pen = overlay.getContext("2d");
  pen.scale(scale, scale);
  root.dataset.lit = row === null ? "" : String(data.id[row]);
  if (row === null) return;
  const up = relatives(kin.parents, row);
  const down = relatives(kin.children, row);
  pen.lineWidth = 2;
  strokes(pen, down.map(([parent, child]) => [child, parent]), "good");
  strokes(pen, up, "seed");
  pen.fillStyle = colour("text");
  pen.beginPath();
  pen.arc(...spots[row], 6, 0, 7);
  pen.fill();
  const counted = (pairs) => new Set(pairs.map(([, other]) => other)).size;
  readout.textContent = `${inWords(data, row)}; from ${counted(up)}, of it came ${counted(down)}`;
}

const at = (event) => {
  const box = place.getBoundingClientRect();
  return nearest(event.clientX - box.left, event.clientY - box.top);
};
let lit = null;
place.addEventListener("mousemove", (event) => {
  const row = at(event);
  if (row !== lit) light((lit = row));
});
place.addEventListener("click", (event) => {
  const row = at(event);
  if (row !== null) location.assign(`${base}/candidates/${data.id[row]}`);
});
form.addEventListener("input", draw);
form.addEventListener("submit", (event) => event.preventDefault());
new ResizeObserver(() => {
  chart.resize();
  draw();
}).observe(place);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
