// Draws the charts of a page, and asks for fresh parts of it while somebody looks. Pages work without it.
"use strict";
(() => {
  const LIVE_EVERY_MS = 15000;
  const locale = "en";

  /** The colours as they are now: custom properties say light and dark in one, a canvas needs one of them. */
  const colour = (host, name) => {
    const probe = document.createElement("span");
    probe.className = "colours";
    probe.style.color = `var(${name})`;
    host.append(probe);
    const value = getComputedStyle(probe).color;
    probe.remove();
    return value;
  };

  const written = {
    count: (value) => value.toLocaleString(locale, { maximumFractionDigits: 1 }),
    percent: (value) => value.toLocaleString(locale, { style: "percent", maximumFractionDigits: 1 }),
    money: (value) => value.toLocaleString(locale, { maximumFractionDigits: 2 }),
  };

  const drawn = new Map();

  const draw = (plot) => {
    drawn.get(plot)?.destroy();
    const chart = JSON.parse(plot.dataset.chart);
    const write = written[chart.unit];
    const ink = colour(plot, "--soft");
    const line = colour(plot, "--line");
    const step = chart.times.length > 1 ? chart.times[1] - chart.times[0] : 86400;
    const day = new Intl.DateTimeFormat(locale, { timeZone: chart.zone, day: "numeric", month: "short" });
    const hour = new Intl.DateTimeFormat(locale, { timeZone: chart.zone, hour: "2-digit", minute: "2-digit", hour12: false });
    const when = (seconds) => (step < 80000 ? hour : day).format(seconds * 1000);
    const ticks = (width) => {
      const every = Math.max(1, Math.ceil(chart.times.length / Math.max(2, Math.floor((width - 56) / 70))));
      return chart.times.filter((_, place) => place % every === 0);
    };
    const tip = document.createElement("div");
    tip.className = "chart-tip";
    tip.hidden = true;
    const axis = { stroke: ink, grid: { stroke: line, width: 1 }, ticks: { show: false }, font: "12px system-ui, sans-serif" };
    const options = {
      width: plot.clientWidth,
      height: 220,
      legend: { show: false },
      cursor: { y: false, points: { size: 7 } },
      scales: {
        x: { time: true },
        y: { range: (_, low, high) => [Math.min(0, low), high > 0 ? high * 1.08 : 1] },
      },
      axes: [
        // At the beginnings of the shop's own days and hours, not of the browser's.
        { ...axis, grid: { show: false }, size: 30, splits: (self) => ticks(self.width), values: (_, splits) => splits.map(when) },
        { ...axis, size: 56, values: (_, splits) => splits.map(write) },
      ],
      series: [
        {},
        ...chart.series.map((series, place) => {
          const stroke = colour(plot, `--s${place % 6}`);
          const fill = place === 0 ? stroke.replace("rgb(", "rgba(").replace(")", ", .10)") : undefined;
          return { label: series.label, stroke, fill, width: 2, points: { show: chart.times.length < 3, size: 6, fill: stroke } };
        }),
      ],
      hooks: {
        setCursor: [
          (self) => {
            const at = self.cursor.idx;
            tip.hidden = at == null || self.cursor.left < 0;
            if (tip.hidden) return;
            const rows = chart.series.map((series) => {
              const row = document.createElement("div");
              const value = series.values[at];
              row.textContent = `${series.label}: ${value == null ? "–" : write(value)}`;
              return row;
            });
            const head = document.createElement("strong");
            head.textContent = when(chart.times[at]);
            tip.replaceChildren(head, ...rows);
            const room = self.over.clientWidth - tip.offsetWidth;
            tip.style.left = `${Math.max(0, Math.min(self.cursor.left + 12, room))}px`;
            tip.style.top = "4px";
          },
        ],
      },
    };
    plot.replaceChildren();
    const made = new uPlot(options, [chart.times, ...chart.series.map((series) => series.values)], plot);
    made.over.append(tip);
    drawn.set(plot, made);
  };

  const drawAll = () => {
    for (const [plot, made] of drawn) {
      if (!plot.isConnected) {
        made.destroy();
        drawn.delete(plot);
      }
    }
    document.querySelectorAll(".plot[data-chart]").forEach(draw);
  };

  addEventListener("DOMContentLoaded", drawAll);
  document.addEventListener("htmx:afterSettle", drawAll);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
  let width = innerWidth;
  addEventListener("resize", () => {
    if (innerWidth !== width) {
      width = innerWidth;
      drawAll();
    }
  });

  // A form of filters is sent when something in it is chosen; without scripts its button does that.
  document.addEventListener("change", (event) => {
    const form = event.target.closest("form[data-send-on-change]");
    if (form && event.target.type !== "date") form.requestSubmit();
  });

  // The menu closes when somebody goes elsewhere.
  document.addEventListener("click", (event) => {
    for (const menu of document.querySelectorAll("details.menu[open]")) {
      if (!menu.contains(event.target)) menu.open = false;
    }
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    const menu = document.querySelector("details.menu[open]");
    if (menu) {
      menu.open = false;
      menu.querySelector("summary").focus();
    }
  });

  // Fresh figures only while the page is looked at.
  setInterval(() => {
    if (document.visibilityState === "visible") document.body.dispatchEvent(new CustomEvent("kairos:live"));
  }, LIVE_EVERY_MS);
})();
