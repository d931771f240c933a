// The population as columns (agent/analysis/population.py), and what is computed from it in the browser.

// Rows whose values dominate no other's: `rows` are places in the columns, all metrics are minimised.
export function frontOf(data, rows) {
  const columns = data.objectives.map((name) => data.metrics[name]);
  const whole = rows.filter((row) => columns.every((column) => column[row] !== null));
  whole.sort((a, b) => {
    for (const column of columns) if (column[a] !== column[b]) return column[a] - column[b];
    return a - b;
  });
  const kept = [];
  for (const row of whole) {
    const beaten = kept.some((other) => columns.every((column) => column[other] <= column[row]));
    if (!beaten) kept.push(row);
  }
  return kept;
}

// The elites as the archive has them or, as of an earlier evaluation, who was not dominated then.
export function frontAsOf(data, rows, latest) {
  if (!latest) return frontOf(data, rows);
  const front = new Set(data.front);
  return rows.filter((row) => front.has(data.id[row]));
}

const DEPTHS = [[0, "depth 0"], [2, "depth 1 to 2"], [5, "depth 3 to 5"], [10, "depth 6 to 10"], [Infinity, "deeper"]];

// What a row's colour stands for.
export function groupOf(data, row, by) {
  if (by === "depth") return DEPTHS.find(([most]) => data.depth[row] <= most)[1];
  if (by === "model") return data.lm[row] || "no language model";
  return data.operator[row];
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
