(function () {
  "use strict";
  const told = JSON.parse(document.getElementById("told").textContent);
  const root = document.documentElement;
  const wantsDark = matchMedia("(prefers-color-scheme: dark)");
  const paper = matchMedia("print");
  const PREFIX = "theme:";
  // what is between the margins of a page of A4, less heading, colours and caption; of Letter nearly as much
  const PAPER = { width: 690, height: 780 };
  const DENSER = 0.92; // as much of its height does a figure need on paper
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
    // only these: Plotly also has a button that hands the figure to its makers
    modeBarButtons: [["toImage"], ["zoom2d", "pan2d"], ["zoomIn2d", "zoomOut2d", "resetScale2d"]],
    locale: told.locale.name,
    locales: { [told.locale.name]: { dictionary: told.locale.dictionary, format: {} } },
  };

  // On paper a figure is drawn as large as its texts need, and made smaller so that it fits one page.
  function layoutFor(figure, element) {
    element.style.zoom = "";
    if (!onPaper()) return merged(figure.layout, element.clientWidth < 620 ? figure.narrow : {});
    const height = figure.layout.height * DENSER;
    const scale = Math.min(1, PAPER.height / height);
    element.style.zoom = String(scale);
    return merged(figure.layout, { width: PAPER.width / scale, height: height, autosize: false });
  }

  // What is shown of the axis of time, when that is not all of it.
  function zoomed(element, whole) {
    const range = element.layout && element.layout.xaxis && element.layout.xaxis.range;
    const same = (one, other) => Math.abs(moment(one) - moment(other)) < 0.001;
    return range && !(same(range[0], whole[0]) && same(range[1], whole[1])) ? range.slice() : null;
  }

  function moment(value) {
    return typeof value === "number" ? value : Date.parse(String(value).replace(" ", "T") + "Z");
  }

  // The drawing is one image with a text for who cannot see it; the buttons of the tool bar stand beside it.
  function describe(element) {
    element.querySelectorAll("svg.main-svg").forEach(function (drawing, number) {
      drawing.setAttribute(...(number ? ["aria-hidden", "true"] : ["role", "img"]));
      if (!number) drawing.setAttribute("aria-label", element.dataset.alternative);
    });
  }

  function drawOne(element, figure, palette) {
    const range = figure.layout.xaxis && figure.layout.xaxis.range;
    const kept = range && zoomed(element, range); // drawn whole first, so that one can go back to the whole
    const layout = coloured(layoutFor(figure, element), palette);
    return Plotly.react(element, coloured(figure.data, palette), layout, config).then(function () {
      describe(element);
      return kept ? Plotly.relayout(element, { "xaxis.range": kept }) : undefined;
    });
  }

  function draw() {
    const palette = told.palettes[theme()];
    for (const [id, figure] of Object.entries(told.figures)) {
      const element = document.getElementById(id);
      if (element) drawOne(element, figure, palette).catch((why) => console.error(why));
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

  // Buttons that show one part of a figure: data-figure, and from data-from to data-until.
  for (const button of document.querySelectorAll("button[data-figure]")) {
    button.hidden = false;
    button.addEventListener("click", function () {
      const { figure, from, until } = button.dataset;
      Plotly.relayout(document.getElementById(figure), { "xaxis.range": [Number(from), Number(until)] });
    });
  }

  // On paper everything that is folded away is open.
  const opened = [];
  function beforePrint() {
    printing = true;
    for (const one of document.querySelectorAll("details:not([open]):not(.screen)")) {
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

  let waiting = 0;
  addEventListener("resize", function () {
    cancelAnimationFrame(waiting);
    waiting = requestAnimationFrame(draw);
  });

  tell();
  draw();
})();
