// The population as columns (agent/analysis/population.py), and what is computed from it in the browser.

// What was computed from a population once: 50,000 rows are walked at each move of a hand, not sorted.
const kept = new WeakMap();
function once(data, key, make) {
  if (!kept.has(data)) kept.set(data, new Map());
  const known = kept.get(data);
  if (!known.has(key)) known.set(key, make());
  return known.get(key);
}

// A metric as numbers, NaN where a candidate has it not.
export function numbersOf(data, name) {
  return once(data, `numbers ${name}`, () => Float64Array.from(data.metrics[name], (value) => value ?? NaN));
}

// Rows whose values dominate no other's: of those that `fits` lets through, all metrics minimised.
export function frontOf(data, fits) {
  const columns = data.objectives.map((name) => numbersOf(data, name));
  const ranked = once(data, "ranked", () => {
    const whole = data.id.map((_, row) => row).filter((row) => columns.every((column) => !Number.isNaN(column[row])));
    return whole.sort((a, b) => {
      for (const column of columns) if (column[a] !== column[b]) return column[a] - column[b];
      return a - b;
    });
  });
  const front = [];
  for (const row of ranked) {
    if (fits(row) && !front.some((other) => columns.every((column) => column[other] <= column[row]))) front.push(row);
  }
  return front;
}

// The elites as the archive has them or, as of evaluation k, who was not dominated then.
export function frontAsOf(data, k, latest) {
  if (!latest) return frontOf(data, (row) => data.at[row] <= k);
  const front = new Set(data.front);
  return once(data, "front", () => data.id.map((_, row) => row).filter((row) => front.has(data.id[row])));
}

// The `most` rows of the lowest value, of equals the earlier ones, without sorting the others.
export function lowest(values, rows, most) {
  const before = (a, b) => (values[a] === values[b] ? a < b : values[a] < values[b]);
  const found = [];
  for (const row of rows) {
    if (found.length === most && !before(row, found[most - 1])) continue;
    let place = Math.min(found.length, most - 1);
    while (place > 0 && before(row, found[place - 1])) place -= 1;
    found.splice(place, 0, row);
    if (found.length > most) found.pop();
  }
  return found;
}

const DEPTHS = [[0, "depth 0"], [2, "depth 1 to 2"], [5, "depth 3 to 5"], [10, "depth 6 to 10"], [Infinity, "deeper"]];

// What a row's colour stands for.
function groupOf(data, row, by) {
  if (by === "depth") return DEPTHS.find(([most]) => data.depth[row] <= most)[1];
  if (by === "model") return data.lm[row] || "no language model";
  return data.operator[row];
}

// The colours' names, those of many rows first, and the place of each row's among them.
export function groupsOf(data, by) {
  return once(data, `groups ${by}`, () => {
    const counts = new Map();
    const named = data.id.map((_, row) => groupOf(data, row, by));
    for (const name of named) counts.set(name, (counts.get(name) || 0) + 1);
    const names = [...counts].sort((a, b) => b[1] - a[1]).map(([name]) => name);
    const places = new Map(names.map((name, place) => [name, place]));
    return { names, of: Uint16Array.from(named, (name) => places.get(name)) };
  });
}

export function makerOf(data, row) {
  return data.name[row] || data.operator[row];
}

export function shortNumber(value) {
  if (value === null || value === undefined) return "-";
  if (Number.isInteger(value)) return value.toLocaleString("en");
  return Number(value.toPrecision(4)).toString();
}

export function inWords(data, row) {
  const metrics = Object.keys(data.metrics).filter((name) => data.metrics[name][row] !== null);
  const span = data.spans[data.id[row]];
  const said = metrics.map((name) => {
    const range = name === "error" && span ? ` (95% ${span[0].toFixed(3)} to ${span[1].toFixed(3)})` : "";
    return `${name} ${shortNumber(data.metrics[name][row])}${range}`;
  });
  return `#${data.id[row]} ${makerOf(data, row)}: ${said.join(", ")}`;
}
