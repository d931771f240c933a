// Sections of a long page as tabs (WAI-ARIA's pattern): arrows move, the address remembers. Without a script
// they stand one under another.

const ORDER = ["Changes", "Conversation", "Architecture", "Training", "Examples", "Code"];
const sections = [...document.querySelectorAll("[data-tab]")];
const names = ORDER.filter((name) => sections.some((section) => section.dataset.tab === name));
const list = document.createElement("div");
list.setAttribute("role", "tablist");
list.setAttribute("aria-label", "About this candidate");

const tabs = names.map((name) => {
  const tab = document.createElement("button");
  tab.type = "button";
  tab.id = `tab-${name.toLowerCase()}`;
  tab.setAttribute("role", "tab");
  tab.setAttribute("aria-controls", `panel-${name.toLowerCase()}`);
  tab.textContent = name;
  list.append(tab);
  return tab;
});
const panels = names.map((name, place) => {
  const panel = document.createElement("div");
  panel.id = `panel-${name.toLowerCase()}`;
  panel.setAttribute("role", "tabpanel");
  panel.setAttribute("aria-labelledby", tabs[place].id);
  panel.tabIndex = 0;
  panel.append(...sections.filter((section) => section.dataset.tab === name));
  return panel;
});

function choose(chosen) {
  tabs.forEach((tab, place) => {
    tab.setAttribute("aria-selected", String(place === chosen));
    tab.tabIndex = place === chosen ? 0 : -1;
    panels[place].hidden = place !== chosen;
  });
}

list.addEventListener("click", (event) => {
  const chosen = tabs.indexOf(event.target);
  if (chosen < 0) return;
  choose(chosen);
  history.replaceState(null, "", `#${tabs[chosen].id}`);
});
list.addEventListener("keydown", (event) => {
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  const now = tabs.indexOf(document.activeElement);
  if (!step || now < 0) return;
  event.preventDefault();
  const next = tabs[(now + step + tabs.length) % tabs.length];
  next.focus();
  next.click();
});
document.getElementById("main").append(list, ...panels);
choose(Math.max(0, tabs.findIndex((tab) => `#${tab.id}` === location.hash)));
