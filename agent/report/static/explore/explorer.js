// The front chart with its controls: axes, colour, "as of evaluation k", and a frame that filters the table.
import { inWords, lowest, makerOf, numbersOf, shortNumber } from "./data.js";
import { frames } from "./frame.js";
import { frontOption, placed, rowsInFrame } from "./front.js";

const MOST_ROWS = 50;

function choose(select, names, value) {
  select.replaceChildren(...names.map((name) => new Option(name, name, false, name === value)));
}

function cellOf(text, number = true) {
  const cell = document.createElement("td");
  if (number) cell.className = "n";
  cell.textContent = text;
  return cell;
}

export class Explorer {
  // `open(id)` leads to a candidate's page; `href(id)` is its address or "".
  constructor(root, data, echarts, href) {
    this.root = root;
    this.data = data;
    this.href = href;
    this.frame = null;
    this.form = root.querySelector("form");
    root.hidden = false;
    const metrics = Object.keys(data.metrics);
    const fields = this.form.elements;
    choose(fields.x, metrics, data.plotted[1]);
    choose(fields.y, metrics, data.plotted[0]);
    fields.xlog.checked = data.plotted[1] !== "error";
    this.chart = echarts.init(root.querySelector(".canvas"), null, { renderer: "canvas" });
    this.chart.on("click", (hit) => this.follow(hit));
    this.chart.on("mouseover", (hit) => this.tell(hit));
    this.unframe = frames(root.querySelector(".canvas"), this.chart, (frame) => this.framed(frame));
    this.form.addEventListener("input", () => this.changed());
    this.form.addEventListener("submit", (event) => event.preventDefault());
    root.querySelector("[data-clear]").addEventListener("click", () => this.clear());
    new ResizeObserver(() => this.chart.resize()).observe(root.querySelector(".canvas"));
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw());
    this.take(data);
  }

  // New columns; the slider stays at the end if it stood there.
  take(data) {
    this.data = data;
    const slider = this.form.elements.k;
    const atEnd = slider.value === slider.max;
    slider.max = String(data.at.reduce((most, at) => Math.max(most, at), 0));
    if (atEnd) slider.value = slider.max;
    this.draw();
  }

  view() {
    const fields = this.form.elements;
    return {
      x: fields.x.value, y: fields.y.value, xlog: fields.xlog.checked, ylog: fields.ylog.checked,
      by: fields.by.value, k: Number(fields.k.value), latest: fields.k.value === fields.k.max,
    };
  }

  changed() {
    const view = this.view();
    const same = this.drawn && ["x", "y", "xlog", "ylog"].every((key) => this.drawn[key] === view[key]);
    if (!same) {
      this.frame = null;
      this.unframe();
    }
    this.draw();
  }

  draw() {
    const view = (this.drawn = this.view());
    this.rows = placed(this.data, view);
    const { option, rowsOf } = frontOption(this.data, this.rows, view);
    this.rowsOf = rowsOf;
    this.chart.setOption(option, { notMerge: true });
    this.form.querySelector("[data-k]").textContent = view.k.toLocaleString("en");
    this.list();
  }

  framed(frame) {
    this.frame = frame;
    this.list();
  }

  clear() {
    this.frame = null;
    this.unframe();
    this.list();
  }

  // The row of a point, undefined of anything else.
  rowOf(hit) {
    return hit.seriesType === "scatter" ? this.rowsOf[hit.seriesIndex][hit.dataIndex] : undefined;
  }

  follow(hit) {
    const row = this.rowOf(hit);
    const place = row === undefined ? "" : this.href(this.data.id[row]);
    if (place) location.assign(place);
  }

  tell(hit) {
    const row = this.rowOf(hit);
    if (row !== undefined) this.root.querySelector(".readout").textContent = inWords(this.data, row);
  }

  list() {
    const view = this.drawn;
    const inside = rowsInFrame(this.data, this.rows, view, this.frame);
    const shown = lowest(numbersOf(this.data, view.y), inside, MOST_ROWS);
    const said = [`${inside.length.toLocaleString("en")} of ${this.data.total.toLocaleString("en")} scored`];
    said.push(this.frame ? "in the frame" : "drawn");
    if (!view.latest) said.push(`as of evaluation ${view.k.toLocaleString("en")} (by the means as known now)`);
    if (shown.length < inside.length) said.push(`the ${shown.length} of lowest ${view.y} follow`);
    this.root.querySelector(".shown").textContent = `${said.join(", ")}.`;
    const names = Object.keys(this.data.metrics);
    this.root.querySelector("thead tr").replaceChildren(
      ...["id", ...names, "operator", "depth", "evaluation"].map((name, place) => {
        const head = document.createElement("th");
        head.textContent = name;
        if (place !== names.length + 1) head.className = "n";
        return head;
      }),
    );
    this.root.querySelector("tbody").replaceChildren(...shown.map((row) => this.line(row, names)));
  }

  line(row, names) {
    const line = document.createElement("tr");
    const first = cellOf("");
    const identity = this.data.id[row];
    const place = this.href(identity);
    const link = document.createElement(place ? "a" : "span");
    if (place) link.href = place;
    link.textContent = `#${identity}`;
    first.append(link);
    const numbers = names.map((name) => cellOf(shortNumber(this.data.metrics[name][row])));
    line.append(first, ...numbers, cellOf(makerOf(this.data, row), false), cellOf(this.data.depth[row]), cellOf(this.data.at[row]));
    return line;
  }
}
