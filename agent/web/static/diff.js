// Long stretches that are the same on both sides of a diff are folded; a button unfolds one.

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

for (const body of document.querySelectorAll("table.diff tbody")) {
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
