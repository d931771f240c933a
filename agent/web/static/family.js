// Who comes from whom, by places in the columns of the population.

export function family(data) {
  const parents = data.id.map(() => []);
  const children = data.id.map(() => []);
  for (let at = 0; at < data.edges.length; at += 2) {
    const [child, parent] = [data.edges[at], data.edges[at + 1]];
    parents[child].push(parent);
    children[parent].push(child);
  }
  return { parents, children };
}

// Every step that leads on from `row`: pairs of a row and the next one.
export function relatives(next, row) {
  const seen = new Set([row]);
  const open = [row];
  const pairs = [];
  while (open.length) {
    const from = open.pop();
    for (const to of next[from]) {
      pairs.push([from, to]);
      if (!seen.has(to)) {
        seen.add(to);
        open.push(to);
      }
    }
  }
  return pairs;
}
