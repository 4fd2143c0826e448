// The charts of the last five minutes, drawn by uPlot.

import { el, fill, say } from "./dom.js";
import { clockLabels } from "./format.js";

/** How many samples are kept: five minutes of one per second. */
const KEPT = 300;

/** The shortest time that is shown, in seconds. */
const SHORTEST = 60;

const HEIGHT = 130;

/** Steps of the axis of bytes: a power of two each. */
const POWERS_OF_TWO = Array.from({ length: 50 }, (_, power) => 2 ** power);

/** Each chart: its title, how its values are written, and its lines: their names and where their values come from. */
export class Charts {
  #times = [];
  #charts;

  constructor(place, descriptions) {
    this.#charts = descriptions.map(({ title, write, binary, lines }) => {
      const keys = lines.map(({ label }, index) => {
        const value = el("b", {}, "–");
        return { value, key: el("span", { className: `key ${index === 0 ? "one" : "two"}` }, label && `${label} `, value) };
      });
      const plot = el("div", { className: "plot", role: "img" });
      const card = el("div", { className: "card chart" }, el("div", { className: "legend" }, el("h3", {}, title), ...keys.map(({ key }) => key)), plot);
      place.append(card);
      return { title, write, binary, lines, keys, plot, values: lines.map(() => []), drawn: undefined };
    });
    new ResizeObserver(() => this.draw()).observe(place);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
      for (const chart of this.#charts) [chart.drawn] = [undefined, chart.drawn?.destroy()];
      this.draw();
    });
  }

  /** Adds a sample; `overview` is undefined for a second without an answer, which leaves a gap. */
  add(seconds, overview) {
    this.#times.push(seconds);
    for (const { lines, values } of this.#charts) lines.forEach(({ from }, index) => values[index].push((overview && from(overview)) ?? null));
    if (this.#times.length > KEPT) for (const list of [this.#times, ...this.#charts.flatMap(({ values }) => values)]) list.shift();
    this.draw();
  }

  /** Draws what there is, if the charts can be seen. */
  draw() {
    for (const chart of this.#charts) {
      const width = chart.plot.clientWidth;
      if (width === 0) continue;
      chart.drawn ??= this.#create(chart, width);
      if (chart.drawn.width !== width) chart.drawn.setSize({ width, height: HEIGHT });
      chart.drawn.setData([this.#times, ...chart.values]);
      this.#show(chart, this.#times.length - 1);
      chart.plot.setAttribute("aria-label", this.#inWords(chart));
    }
  }

  #show({ keys, values, write }, index) {
    keys.forEach(({ value }, line) => say(value, write(values[line][index] ?? undefined)));
  }

  #inWords({ title, lines, values, write }) {
    const parts = lines.map(({ label }, line) => {
      const known = values[line].filter((value) => value !== null);
      const what = label && `${label}: `;
      return known.length === 0 ? `${what}no data yet` : `${what}now ${write(known.at(-1))}, highest ${write(Math.max(...known))}`;
    });
    return `${title}, the last five minutes. ${parts.join("; ")}.`;
  }

  /** From when to when: the samples, but a minute at least. */
  #range() {
    const end = this.#times.at(-1) ?? Date.now() / 1000;
    return [Math.min(this.#times[0] ?? end, end - SHORTEST), end];
  }

  #create(chart, width) {
    const style = getComputedStyle(document.documentElement);
    const colour = (variable) => style.getPropertyValue(variable).trim();
    const axis = { stroke: colour("--faint"), font: "11px system-ui, sans-serif", ticks: { show: false } };
    const grid = { stroke: colour("--grid"), width: 1 };
    const series = chart.lines.map((_, index) => {
      const stroke = colour(`--chart-${index + 1}`);
      return { stroke, width: 1.75, fill: index === 0 ? `${stroke}1a` : undefined, points: { show: false } };
    });
    fill(chart.plot);
    return new uPlot(
      {
        width, height: HEIGHT, legend: { show: false }, padding: [8, 4, 0, 0], series: [{}, ...series],
        cursor: { y: false, drag: { x: false, y: false }, points: { size: 6 } },
        scales: {
          x: { time: true, range: () => this.#range() },
          y: { range: (_, low, high) => [0, high > 0 ? high * 1.15 : 1] },
        },
        axes: [
          { ...axis, size: 24, grid: { show: false }, space: 70, values: (_, times) => clockLabels(times), incrs: [30, 60, 120] },
          { ...axis, size: 60, gap: 6, grid, space: 32, values: (_, values) => values.map((value) => (value === 0 ? "0" : chart.write(value))), ...(chart.binary && { incrs: POWERS_OF_TWO }) },
        ],
        hooks: { setCursor: [({ cursor }) => this.#show(chart, cursor.idx ?? this.#times.length - 1)] },
      },
      [this.#times, ...chart.values],
      chart.plot,
    );
  }
}
