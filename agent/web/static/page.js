// Live regions: a page that is out of date fetches itself and takes over what changed. Verdicts: a post
// with this process's token, which no other site knows.

const PERIOD = 1000; // milliseconds between two looks while the page is seen
const meta = (name) => document.querySelector(`meta[name="${name}"]`).content;
const live = document.getElementById("live");
let last = Number(meta("evoarch-last"));

function key(element) {
  if (!element || element === document.body) return null;
  if (element.id) return `#${CSS.escape(element.id)}`;
  const href = element.getAttribute("href");
  return href ? `a[href="${CSS.escape(href)}"]` : null;
}

function takeOver(section, fresh) {
  if (section.innerHTML === fresh.innerHTML) return;
  const focused = section.contains(document.activeElement) ? document.activeElement : null;
  // A note that is being written is not taken away.
  if (focused && focused.matches("textarea, input, select")) return;
  if ([...section.querySelectorAll("textarea")].some((area) => area.value)) return;
  // Nor are ticks that choose what to compare.
  if (section.querySelector("input:checked")) return;
  const again = key(focused);
  section.replaceChildren(...document.importNode(fresh, true).childNodes);
  if (again) section.querySelector(again)?.focus();
}

async function refresh() {
  const response = await fetch(location.href, { headers: { accept: "text/html" } });
  if (!response.ok) return;
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  for (const section of document.querySelectorAll("[data-live]")) {
    const fresh = page.getElementById(section.id);
    if (fresh) takeOver(section, fresh);
  }
  last = Number(page.querySelector('meta[name="evoarch-last"]').content);
  document.dispatchEvent(new Event("evoarch:news"));
}

async function look() {
  if (!document.hidden) {
    try {
      const response = await fetch(`${meta("evoarch-root")}/events`);
      const state = await response.json();
      if (state.last !== last) await refresh();
      live.textContent = "";
    } catch {
      live.textContent = "The review server does not answer.";
    }
  }
  setTimeout(look, PERIOD);
}

function readout(event) {
  const link = event.target.closest?.("svg a[aria-label]");
  const figure = link?.closest("figure");
  const line = figure?.querySelector(".readout");
  if (line) line.textContent = link.getAttribute("aria-label");
}

async function judge(event) {
  const form = event.target.closest("form[data-verdict]");
  if (!form) return;
  event.preventDefault();
  const said = form.querySelector(".said");
  const text = form.elements.text;
  const words = { kind: event.submitter.value, text: text ? text.value : "" };
  if (form.elements.line) words.line = Number(form.elements.line.value);
  // Of many at once: which filter, and how many the page showed, so that no other is judged unseen.
  if (form.dataset.count) Object.assign(words, { where: form.dataset.where, count: Number(form.dataset.count) });
  const body = JSON.stringify(words);
  const headers = { "content-type": "application/json", "x-evoarch-token": meta("evoarch-token") };
  try {
    const response = await fetch(form.dataset.verdict, { method: "POST", headers, body });
    const answer = await response.json();
    if (response.ok && text) text.value = "";
    if (response.ok && form.dataset.then && event.submitter.value !== "note") {
      location.assign(form.dataset.then);
      return;
    }
    if (response.ok) await refresh();
    const place = said.isConnected ? said : document.querySelector(`form[data-verdict="${form.dataset.verdict}"] .said`) || said;
    place.textContent = response.ok ? `Stored: ${answer.stored ?? "undone"}.` : answer.error;
  } catch {
    said.textContent = "The review server does not answer; nothing is stored.";
  }
}

// One key each; what is written into a field is text. A key presses what is on the page, so that it does
// what the button beside it does.
const PRESSES = {
  a: "form.verdict:not(.row) button[value=approve]",
  v: "form.verdict:not(.row) button[value=veto]",
  u: "form.verdict button[value=undo]",
  p: "form.verdict button[value=pin]",
  j: "a[rel=next]",
  k: "a[rel=prev]",
};

function pressed(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const writing = event.target.matches?.("textarea, select, input:not([type=checkbox])");
  if (writing) {
    if (event.key === "Escape") event.target.blur();
    return;
  }
  const keys = document.getElementById("keys");
  if (event.key in PRESSES) document.querySelector(PRESSES[event.key])?.click();
  else if (event.key === "n") document.querySelector("form.verdict textarea")?.focus();
  else if (event.key === "/") document.querySelector("form.filter input[type=search]")?.focus();
  else if (event.key === "?") keys.open = !keys.open;
  else return;
  event.preventDefault();
}

// What scrolls sideways and holds no link has to be reached by the keyboard to be scrolled.
const scrolling = new ResizeObserver((entries) => {
  for (const { target } of entries) {
    const beyond = target.scrollWidth > target.clientWidth && !target.querySelector("a, button, input");
    if (beyond) target.tabIndex = 0;
    else target.removeAttribute("tabindex");
  }
});
const watch = () => document.querySelectorAll(".wide:not(.scroll), .code pre, pre").forEach((each) => scrolling.observe(each));
watch();
document.addEventListener("evoarch:news", watch);

document.addEventListener("keydown", pressed);
document.addEventListener("focusin", readout);
document.addEventListener("mouseover", readout);
document.addEventListener("submit", judge);
setTimeout(look, PERIOD);
// Pictures are loaded where a page has one.
if (document.querySelector("[data-explorer]")) import("./overview.js");
if (document.querySelector("figure[data-curves]")) import("./curves.js");
if (document.querySelector("[data-tree]")) import("./tree.js");
if (document.querySelector("[data-parallel]")) import("./parallel.js");
if (document.querySelector("[data-tab]")) import("./tabs.js");
if (document.querySelector("table.diff")) import("./diff.js");
if (document.querySelector("[data-views]")) import("./views.js");

// A click on a line of the source, where nothing is being selected, is what a note is about.
document.querySelector(".code")?.addEventListener("click", (event) => {
  const line = event.target.closest('span[id^="L-"]');
  const field = document.querySelector("#on-line [name=line]");
  if (line && field && getSelection().isCollapsed) field.value = line.id.slice(2);
});

// What stands in a block of code, onto the clipboard.
document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  await navigator.clipboard.writeText(document.querySelector(button.dataset.copy).textContent);
  button.textContent = "Copied";
});
