/* Draw the charts of a page from the specification that stands beside each.
   The expression interpreter runs them, so the page needs no eval; the picture or the words
   that the server sent stay where a chart cannot be drawn. */
"use strict";

(() => {
  const token = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  /* Resolve light-dark() the way the page does: ask an element that uses the colour. */
  const probe = document.createElement("span");
  document.body.append(probe);
  const colour = (name) => {
    probe.style.color = `var(${name})`;
    return getComputedStyle(probe).color;
  };

  const skin = () => ({
    background: "transparent",
    font: token("--sans"),
    title: { color: colour("--text") },
    text: { color: colour("--text") },
    rule: { color: colour("--muted") },
    style: { interval: { color: colour("--text") }, evaluation: { color: colour("--chart-evaluation") }, deployment: { color: colour("--chart-deployment") } },
    axis: { labelColor: colour("--text"), titleColor: colour("--muted"), gridColor: colour("--line"), domainColor: colour("--line-strong"), tickColor: colour("--line-strong") },
    header: { labelColor: colour("--text"), titleColor: colour("--muted") },
    legend: { labelColor: colour("--text"), titleColor: colour("--muted") },
  });

  const merged = (base, over) => {
    const result = { ...base };
    for (const [key, value] of Object.entries(over)) {
      const isGroup = value && typeof value === "object" && !Array.isArray(value);
      result[key] = isGroup ? merged(result[key] ?? {}, value) : value;
    }
    return result;
  };

  const draw = async (frame) => {
    const spec = JSON.parse(document.getElementById(frame.dataset.chart).textContent);
    spec.config = merged(spec.config ?? {}, skin());
    const room = getComputedStyle(frame);
    spec.width = Math.min(frame.clientWidth - parseFloat(room.paddingLeft) - parseFloat(room.paddingRight), 760);
    const options = {
      ast: true,
      expr: window.vegaInterpreter,
      renderer: "svg",
      actions: false,
      defaultStyle: false,
      tooltip: { disableDefaultStyle: true },
      mode: "vega-lite",
      logLevel: window.vega.Error,
    };
    const before = [...frame.childNodes];
    try {
      await window.vegaEmbed(frame, spec, options);
      /* The frame says what the chart shows, and a table follows; its marks are not read out. */
      frame.querySelector("svg").setAttribute("aria-hidden", "true");
    } catch (error) {
      frame.replaceChildren(...before);
      throw error;
    }
  };

  const drawAll = () => document.querySelectorAll("[data-chart]").forEach(draw);
  drawAll();
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
})();
