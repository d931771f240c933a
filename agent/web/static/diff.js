// Diffs, split or unified as this browser was told; long stretches that are the same on both sides are folded,
// and a button unfolds one.

const KEY = "evoarch-diff";

const AROUND = 3; // statements that stay on either side of a change
const LEAST = 4; // shorter stretches are not worth a fold

function fold(rows) {
  const row = document.createElement("tr");
  const cell = document.createElement("td");
  const button = document.createElement("button");
  cell.colSpan = 2;
  button.type = "button";
  button.textContent = `${rows.length} unchanged statements`;
  button.addEventListener("click", () => {
    rows.forEach((each) => (each.hidden = false));
    row.remove();
  });
  cell.append(button);
  row.append(cell);
  rows.forEach((each) => (each.hidden = true));
  rows[0].before(row);
}

function foldAll(body) {
  const rows = [...body.rows];
  const same = rows.map((row) => [...row.cells].every((cell) => cell.classList.contains("same")));
  const near = rows.map((_, at) => !same.slice(Math.max(0, at - AROUND), at + AROUND + 1).every(Boolean));
  let run = [];
  rows.forEach((row, at) => {
    if (!near[at]) run.push(row);
    if (near[at] || at === rows.length - 1) {
      if (run.length >= LEAST) fold(run);
      run = [];
    }
  });
}

// One column: of each stretch that changed first what went, then what came.
function unified(table) {
  const made = document.createElement("table");
  made.className = "diff unified";
  const body = made.createTBody();
  const line = (cell, sign, kind) => {
    const row = body.insertRow();
    const mark = row.insertCell();
    mark.textContent = sign;
    mark.className = kind;
    const code = cell.cloneNode(true);
    code.className = kind;
    row.append(code);
  };
  let came = [];
  const flush = () => {
    came.forEach((cell) => line(cell, "+", "added"));
    came = [];
  };
  for (const { cells: [left, right] } of table.tBodies[0].rows) {
    if (left.classList.contains("same") && right.classList.contains("same") && !left.classList.contains("gone") && !right.classList.contains("gone")) {
      flush();
      line(left, "", "same");
    } else {
      if (!left.classList.contains("gone")) line(left, "-", "removed");
      if (!right.classList.contains("gone")) came.push(right);
    }
  }
  flush();
  return made;
}

const pairs = [...document.querySelectorAll("table.diff")].map((split) => {
  const one = unified(split);
  split.after(one);
  foldAll(split.tBodies[0]);
  foldAll(one.tBodies[0]);
  const button = document.createElement("button");
  button.type = "button";
  split.closest(".wide").before(button);
  return { split, one, button };
});

function show(way) {
  for (const { split, one, button } of pairs) {
    split.hidden = way === "unified";
    one.hidden = way !== "unified";
    button.textContent = way === "unified" ? "Side by side" : "Unified";
    button.onclick = () => {
      localStorage.setItem(KEY, way === "unified" ? "split" : "unified");
      show(localStorage.getItem(KEY));
      button.focus();
    };
  }
}
// Two columns need room.
show(localStorage.getItem(KEY) || (matchMedia("(max-width: 46rem)").matches ? "unified" : "split"));
