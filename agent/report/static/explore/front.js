// The front chart's picture, as an option of ECharts: groups by colour, the front, seeds, interval bars.
import { frontAsOf, groupsOf, inWords, numbersOf } from "./data.js";
import { axisStyle, colour, palette, plain, tooltipStyle } from "./theme.js";

const MANY = 2000; // of more points each is a small square: below 4 pixels ECharts fills them without paths

// What can stand at a place: scored by then, with both values, and above zero on a logarithmic axis.
export function placed(data, view) {
  const [x, y] = [numbersOf(data, view.x), numbersOf(data, view.y)];
  const fits = (value, log) => (log ? value > 0 : !Number.isNaN(value));
  const found = [];
  for (let row = 0; row < x.length; row += 1) {
    if ((view.latest || data.at[row] <= view.k) && fits(x[row], view.xlog) && fits(y[row], view.ylog)) found.push(row);
  }
  return found;
}

// Of each colour the rows, and their places as flat numbers, which ECharts takes as they are.
function clouds(data, shown, view) {
  const { names, of } = groupsOf(data, view.by);
  const [x, y] = [numbersOf(data, view.x), numbersOf(data, view.y)];
  const rows = names.map(() => []);
  for (const row of shown) rows[of[row]].push(row);
  return names.map((name, place) => {
    const spots = new Float64Array(2 * rows[place].length);
    rows[place].forEach((row, at) => {
      spots[2 * at] = x[row];
      spots[2 * at + 1] = y[row];
    });
    return { name, rows: rows[place], spots };
  });
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

// The option of ECharts, and of each of its series the rows.
export function frontOption(data, shown, view) {
  const at = (row) => [data.metrics[view.x][row], data.metrics[view.y][row]];
  const found = clouds(data, shown, view);
  const colours = palette(found.length);
  const seen = new Set(shown);
  const front = frontAsOf(data, view.k, view.latest).filter((row) => seen.has(row));
  const seeds = shown.filter((row) => data.depth[row] === 0 && data.name[row]);
  const rowsOf = found.map(({ rows }) => rows);
  const series = found.map(({ name, spots }, place) => ({
    name: plain(name),
    type: "scatter",
    large: true,
    progressive: 0,
    symbolSize: shown.length > MANY ? 3 : 5,
    dimensions: ["x", "y"],
    itemStyle: { color: colours[place], opacity: 0.55 },
    data: spots,
  }));
  const line = [...front].sort((a, b) => data.metrics[view.x][a] - data.metrics[view.x][b]);
  const staircase = data.objectives.length === 2 && data.objectives.includes(view.x) && data.objectives.includes(view.y);
  series.push({ name: "front", type: "scatter", symbolSize: 11, z: 4, itemStyle: { color: colour("front"), borderColor: colour("text"), borderWidth: 1 }, data: line.map(at) });
  rowsOf.push(line);
  if (staircase) rowsOf.push([]);
  if (staircase) series.push({ name: "front", type: "line", step: "end", symbol: "none", silent: true, z: 3, lineStyle: { color: colour("front"), width: 1.6 }, data: line.map(at) });
  series.push({ name: "seeds", type: "scatter", symbol: "diamond", symbolSize: 13, z: 4, itemStyle: { color: "transparent", borderColor: colour("seed"), borderWidth: 2 }, data: seeds.map(at) });
  rowsOf.push(seeds);
  series.push(bars(data, [...new Set([...front, ...seeds])], view));
  const axis = (name, log) => ({ name, type: log ? "log" : "value", scale: true, nameLocation: "middle", nameGap: 32, ...axisStyle() });
  const option = {
    animation: false,
    aria: { enabled: false },
    grid: { left: 60, right: 20, top: 40, bottom: 50 },
    legend: { top: 0, type: "scroll", textStyle: { color: colour("text") }, pageTextStyle: { color: colour("text") } },
    tooltip: { ...tooltipStyle(), trigger: "item", formatter: (hit) => plain(inWords(data, rowsOf[hit.seriesIndex][hit.dataIndex])) },
    xAxis: axis(view.x, view.xlog),
    yAxis: { ...axis(view.y, view.ylog), nameGap: 44 },
    series,
  };
  return { option, rowsOf };
}

export function rowsInFrame(data, rows, view, frame) {
  if (!frame) return rows;
  const [[left, right], [low, high]] = frame;
  const [x, y] = [numbersOf(data, view.x), numbersOf(data, view.y)];
  return rows.filter((row) => x[row] >= left && x[row] <= right && y[row] >= low && y[row] <= high);
}
