// The front chart's picture, as an option of ECharts: groups by colour, the front, seeds, interval bars.
import { frontAsOf, groupOf, inWords } from "./data.js";
import { axisStyle, colour, palette, plain, tooltipStyle } from "./theme.js";

function groups(data, rows, by) {
  const found = new Map();
  for (const row of rows) {
    const name = groupOf(data, row, by);
    if (!found.has(name)) found.set(name, []);
    found.get(name).push(row);
  }
  return [...found].sort((a, b) => b[1].length - a[1].length);
}

// What can stand at a place: both values, and above zero on a logarithmic axis.
export function placed(data, rows, view) {
  const x = data.metrics[view.x];
  const y = data.metrics[view.y];
  const fits = (value, log) => value !== null && (!log || value > 0);
  return rows.filter((row) => fits(x[row], view.xlog) && fits(y[row], view.ylog));
}

function bars(data, rows, view) {
  const known = view.y === "error" ? rows.filter((row) => data.spans[data.id[row]]) : [];
  return {
    name: "95%",
    type: "custom",
    silent: true,
    data: known.map((row) => [data.metrics[view.x][row], ...data.spans[data.id[row]]]),
    encode: { x: 0, y: [1, 2] },
    itemStyle: { color: colour("soft") },
    renderItem(_, api) {
      const [x, high] = api.coord([api.value(0), api.value(2)]);
      const [, low] = api.coord([api.value(0), api.value(1)]);
      return { type: "line", shape: { x1: x, y1: low, x2: x, y2: high }, style: { stroke: colour("soft"), lineWidth: 1.2 } };
    },
  };
}

export function frontOption(data, shown, view) {
  const at = (row) => [data.metrics[view.x][row], data.metrics[view.y][row], row];
  const found = groups(data, shown, view.by);
  const colours = palette(found.length);
  const front = frontAsOf(data, shown, view.latest);
  const seeds = shown.filter((row) => data.name[row] && data.depth[row] === 0);
  const series = found.map(([name, rows], place) => ({
    name: plain(name),
    type: "scatter",
    large: true,
    symbolSize: 5,
    itemStyle: { color: colours[place], opacity: 0.55 },
    data: rows.map(at),
  }));
  const line = [...front].sort((a, b) => data.metrics[view.x][a] - data.metrics[view.x][b]);
  const staircase = data.objectives.length === 2 && data.objectives.includes(view.x) && data.objectives.includes(view.y);
  series.push({ name: "front", type: "scatter", symbolSize: 11, z: 4, itemStyle: { color: colour("front"), borderColor: colour("text"), borderWidth: 1 }, data: line.map(at) });
  if (staircase) series.push({ name: "front", type: "line", step: "end", symbol: "none", silent: true, z: 3, lineStyle: { color: colour("front"), width: 1.6 }, data: line.map(at) });
  series.push({ name: "seeds", type: "scatter", symbol: "diamond", symbolSize: 13, z: 4, itemStyle: { color: "transparent", borderColor: colour("seed"), borderWidth: 2 }, data: seeds.map(at) });
  series.push(bars(data, [...new Set([...front, ...seeds])], view));
  const axis = (name, log) => ({ name, type: log ? "log" : "value", scale: true, nameLocation: "middle", nameGap: 32, ...axisStyle() });
  return {
    animation: false,
    aria: { enabled: false },
    grid: { left: 60, right: 20, top: 40, bottom: 50 },
    legend: { top: 0, type: "scroll", textStyle: { color: colour("text") }, pageTextStyle: { color: colour("text") } },
    tooltip: { ...tooltipStyle(), trigger: "item", formatter: (hit) => plain(inWords(data, hit.data[2])) },
    xAxis: axis(view.x, view.xlog),
    yAxis: { ...axis(view.y, view.ylog), nameGap: 44 },
    series,
  };
}

export function rowsInFrame(data, rows, view, frame) {
  if (!frame) return rows;
  const [[left, right], [low, high]] = frame;
  const x = data.metrics[view.x];
  const y = data.metrics[view.y];
  return rows.filter((row) => x[row] >= left && x[row] <= right && y[row] >= low && y[row] <= high);
}
