(function () {
  "use strict";
  const told = JSON.parse(document.getElementById("told").textContent);
  const root = document.documentElement;
  const wantsDark = matchMedia("(prefers-color-scheme: dark)");
  const paper = matchMedia("print");
  const PREFIX = "theme:";
  const PAPER_PX = 690; // between the margins of an A4 page, and of a Letter page
  let printing = false;

  function onPaper() {
    return printing || paper.matches;
  }

  function theme() {
    if (onPaper()) return "light";
    return root.dataset.theme || (wantsDark.matches ? "dark" : "light");
  }

  // Colours are named by their role, and only where a colour can stand: a text of a run is never taken for one.
  function coloured(value, palette, key) {
    if (typeof value === "string") {
      const named = /color$/.test(key || "") && value.startsWith(PREFIX);
      return named ? palette[value.slice(PREFIX.length)] || value : value;
    }
    if (Array.isArray(value)) return value.map((one) => coloured(one, palette, key));
    if (value === null || typeof value !== "object") return value;
    const copy = {};
    for (const name of Object.keys(value)) copy[name] = coloured(value[name], palette, name);
    return copy;
  }

  function merged(base, over) {
    const copy = Object.assign({}, base);
    for (const name of Object.keys(over || {})) {
      const both = [copy[name], over[name]];
      const plain = both.every((one) => one !== null && typeof one === "object" && !Array.isArray(one));
      copy[name] = plain ? merged(both[0], both[1]) : both[1];
    }
    return copy;
  }

  const config = {
    displaylogo: false,
    responsive: true,
    modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d", "toggleSpikelines"],
    locale: told.locale.name,
    locales: { [told.locale.name]: { dictionary: told.locale.dictionary, format: {} } },
  };

  function layoutFor(figure, element) {
    const narrow = !onPaper() && element.clientWidth < 620;
    const layout = merged(figure.layout, narrow ? figure.narrow : {});
    return onPaper() ? merged(layout, { width: PAPER_PX, autosize: false }) : layout;
  }

  function draw() {
    const palette = told.palettes[theme()];
    for (const [id, figure] of Object.entries(told.figures)) {
      const element = document.getElementById(id);
      if (!element) continue;
      const layout = coloured(layoutFor(figure, element), palette);
      Plotly.react(element, coloured(figure.data, palette), layout, config).catch((why) => console.error(why));
    }
  }

  const toggle = document.getElementById("theme");
  function tell() {
    if (toggle) toggle.setAttribute("aria-pressed", String(theme() === "dark"));
  }
  if (toggle) {
    toggle.hidden = false;
    toggle.addEventListener("click", function () {
      root.dataset.theme = theme() === "dark" ? "light" : "dark";
      tell();
      draw();
    });
  }

  // Buttons that show one part of a figure: data-figure, and from data-from to data-until (absent: all of it).
  for (const button of document.querySelectorAll("button[data-figure]")) {
    button.hidden = false;
    button.addEventListener("click", function () {
      const { figure, from, until } = button.dataset;
      const range = from ? { "xaxis.range": [Number(from), Number(until)] } : { "xaxis.autorange": true };
      Plotly.relayout(document.getElementById(figure), range);
    });
  }

  // On paper everything that is folded away is open.
  const opened = [];
  function beforePrint() {
    printing = true;
    for (const one of document.querySelectorAll("details:not([open])")) {
      one.open = true;
      opened.push(one);
    }
    draw();
  }
  function afterPrint() {
    printing = false;
    for (const one of opened.splice(0)) one.open = false;
    draw();
  }
  addEventListener("beforeprint", beforePrint);
  addEventListener("afterprint", afterPrint);
  paper.addEventListener("change", draw);
  wantsDark.addEventListener("change", function () {
    tell();
    draw();
  });

  tell();
  draw();
})();
