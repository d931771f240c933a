// Puts the explorer on the page, over the population that the server tells.
import { Explorer } from "./explore/explorer.js";
import { library } from "./library.js";

const root = document.querySelector("[data-explorer]");

async function population() {
  const response = await fetch(root.dataset.explorer);
  if (!response.ok) throw new Error(`${root.dataset.explorer}: ${response.status}`);
  return response.json();
}

const [echarts, data] = await Promise.all([library("echarts"), population()]);
const base = root.dataset.explorer.replace(/\/api\/.*/, "");
const explorer = new Explorer(root, data, echarts, (identity) => `${base}/candidates/${identity}`);
// The same as a plain picture is for those who want it.
document.querySelector("details.plain")?.removeAttribute("open");
let busy = false;
document.addEventListener("evoarch:news", async () => {
  if (busy) return;
  busy = true;
  try {
    explorer.take(await population());
  } finally {
    busy = false;
  }
});
