// The list's columns and saved views, which this browser remembers.

const KEY = "evoarch-views";
const list = document.getElementById("list");
const place = document.querySelector("[data-views]");
const saved = () => JSON.parse(localStorage.getItem(KEY) || '{"hidden": [], "views": {}}');
const keep = (state) => localStorage.setItem(KEY, JSON.stringify(state));
const heads = () => [...list.querySelectorAll("thead th")];
const nameOf = (head) => head.textContent.replace(/[▾▴]/, "").trim();

function apply() {
  const hidden = new Set(saved().hidden);
  heads().forEach((head, column) => {
    const away = hidden.has(nameOf(head));
    head.hidden = away;
    for (const row of list.querySelectorAll("tbody tr")) if (row.cells[column] && row.cells.length > 1) row.cells[column].hidden = away;
  });
}

function tick(name) {
  const label = document.createElement("label");
  const box = document.createElement("input");
  box.type = "checkbox";
  box.checked = !saved().hidden.includes(name);
  box.addEventListener("change", () => {
    const state = saved();
    state.hidden = box.checked ? state.hidden.filter((each) => each !== name) : [...state.hidden, name];
    keep(state);
    apply();
  });
  label.className = "tick";
  label.append(box, ` ${name}`);
  return label;
}

function show() {
  const views = Object.entries(saved().views);
  place.querySelector("ul").replaceChildren(
    ...views.map(([name, view]) => {
      const item = document.createElement("li");
      const link = document.createElement("a");
      link.href = `${location.pathname}${view.query}`;
      link.textContent = name;
      link.addEventListener("click", () => keep({ ...saved(), hidden: view.hidden }));
      const away = document.createElement("button");
      away.type = "button";
      away.textContent = `Forget ${name}`;
      away.addEventListener("click", () => {
        const state = saved();
        delete state.views[name];
        keep(state);
        show();
      });
      item.append(link, " ", away);
      return item;
    }),
  );
}

place.hidden = false;
place.querySelector(".ticks").append(...heads().map(nameOf).filter((name) => name !== "compare" && name !== "id").map(tick));
place.querySelector("form").addEventListener("submit", (event) => {
  event.preventDefault();
  const name = event.target.elements.view.value.trim();
  if (!name) return;
  const state = saved();
  state.views[name] = { query: location.search, hidden: state.hidden };
  keep(state);
  event.target.reset();
  show();
});
new MutationObserver(apply).observe(list, { childList: true });
apply();
show();
