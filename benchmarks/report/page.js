"use strict";

const narrow = matchMedia("(max-width: 600px)");
const coarse = matchMedia("(pointer: coarse)");
const dark = matchMedia("(prefers-color-scheme: dark)");
const root = document.documentElement;

const fail = (reason) => {
  const box = document.getElementById("failure");
  box.hidden = false;
  box.textContent = `This page has met an error, please report it: ${reason}`;
};
addEventListener("error", (event) => fail(event.message));
addEventListener("unhandledrejection", (event) => fail(event.reason));

/* Plots take their colours from the style sheet, so that they follow its theme. */
const legendOf = (plot) => plot.closest("section").querySelector(".legend");
const buttonOf = (plot, row) => legendOf(plot).querySelector(`button[data-row="${row}"]`);
const isShown = (button) => button.getAttribute("aria-pressed") === "true";

function coloured(plot) {
  const figure = JSON.parse(plot.nextElementSibling.textContent);
  const card = getComputedStyle(plot.closest("figure"));
  const axis = {
    gridcolor: card.borderTopColor,
    zerolinecolor: card.borderTopColor,
    linecolor: card.borderTopColor,
    tickfont: { size: narrow.matches ? 10 : 12 },
  };
  for (const trace of figure.data) {
    const button = buttonOf(plot, trace.meta);
    const color = getComputedStyle(button.querySelector(".swatch")).color;
    trace.visible = isShown(button);
    trace.line = { ...trace.line, color };
    trace.marker = { ...trace.marker, color };
    trace.textfont = { size: 11, color: card.color };
    if (trace.fill) trace.fillcolor = color.replace("rgb(", "rgba(").replace(")", ", 0.16)");
    for (const name of ["error_x", "error_y"]) if (trace[name]) Object.assign(trace[name], { color, thickness: 2 });
    if (narrow.matches && trace.mode === "markers+text") trace.mode = "markers";
  }
  for (const shape of figure.layout.shapes || []) shape.line.color = card.color;
  Object.assign(figure.layout, {
    autosize: true,
    paper_bgcolor: card.backgroundColor,
    plot_bgcolor: card.backgroundColor,
    font: { family: "system-ui, sans-serif", size: 12, color: card.color },
    hoverlabel: { align: "left", namelength: -1, bgcolor: card.backgroundColor, font: { color: card.color } },
    dragmode: coarse.matches ? false : "zoom",
  });
  Object.assign(figure.layout.xaxis, { ...axis, ...figure.layout.xaxis });
  Object.assign(figure.layout.yaxis, { ...axis, ...figure.layout.yaxis });
  return figure;
}

/* Names that would lie on others or on markers are left out until there is room: zoom in, or hide other rows. */
function declutter(plot) {
  const kept = [...plot.querySelectorAll(".points .point")].map((point) => point.getBoundingClientRect());
  for (const text of plot.querySelectorAll(".textpoint text")) {
    const box = text.getBoundingClientRect();
    const free = kept.every(
      (other) =>
        box.right < other.left || other.right < box.left || box.bottom < other.top || other.bottom < box.top,
    );
    text.style.visibility = free ? "visible" : "hidden";
    if (free) kept.push(box);
  }
}

async function draw() {
  let count = 0;
  for (const plot of document.querySelectorAll(".plot")) {
    const { data, layout } = coloured(plot);
    const isNew = !plot.data;
    await Plotly.react(plot, data, layout, {
      responsive: true,
      displaylogo: false,
      displayModeBar: coarse.matches ? false : "hover",
      modeBarButtons: [["toImage", "zoom2d", "pan2d", "resetScale2d"]],
      toImageButtonOptions: { format: "svg", filename: plot.id },
    });
    if (isNew) plot.on("plotly_afterplot", () => declutter(plot));
    declutter(plot);
    root.dataset.drawn = ++count;
  }
}

/* Rows are shown and hidden in all plots of a section together. */
function show(section, wanted) {
  for (const button of section.querySelectorAll(".legend > button")) {
    const row = button.dataset.row;
    button.setAttribute("aria-pressed", wanted(button));
    section.querySelector(`tr[data-row="${row}"]`).classList.toggle("off", !isShown(button));
  }
  for (const plot of section.querySelectorAll(".plot")) {
    if (plot.data) Plotly.restyle(plot, { visible: plot.data.map((trace) => isShown(buttonOf(plot, trace.meta))) });
  }
}

for (const section of document.querySelectorAll("section")) {
  for (const button of section.querySelectorAll(".legend > button")) {
    button.onclick = () => show(section, (other) => isShown(other) !== (other === button));
  }
  for (const choice of section.querySelectorAll(".choices button")) {
    const kind = choice.dataset.kind;
    choice.onclick = () => show(section, (button) => kind === "" || button.classList.contains(kind));
  }
}

/* Tables: what has no number comes last in either direction; numbers begin with the best, the largest. */
function sort(head) {
  const table = head.closest("table");
  const column = [...head.parentNode.children].indexOf(head);
  const words = head.classList.contains("text");
  const first = words || head.textContent === "#" ? "ascending" : "descending";
  const other = first === "ascending" ? "descending" : "ascending";
  const order = head.getAttribute("aria-sort") === first ? other : first;
  const sign = order === "ascending" ? 1 : -1;
  const key = (row) => (words ? row.cells[column].textContent.trim() : parseFloat(row.cells[column].textContent));
  const empty = (value) => value === "" || Number.isNaN(value);
  const compare = (a, b) => {
    if (empty(a) || empty(b)) return empty(a) - empty(b);
    return sign * (words ? a.localeCompare(b, "en") : a - b);
  };
  for (const any of head.parentNode.children) any.setAttribute("aria-sort", any === head ? order : "none");
  table.tBodies[0].append(...[...table.tBodies[0].rows].sort((a, b) => compare(key(a), key(b))));
}
for (const head of document.querySelectorAll("thead th")) head.firstElementChild.onclick = () => sort(head);

document.getElementById("theme").onclick = () => {
  const now = root.dataset.theme || (dark.matches ? "dark" : "light");
  root.dataset.theme = now === "dark" ? "light" : "dark";
  draw();
};
/* Paper is light and as wide as a page; what is folded up is printed too. */
addEventListener("beforeprint", () => {
  for (const folded of document.querySelectorAll("details")) folded.open = true;
});
const paper = matchMedia("print");
paper.onchange = draw;
dark.onchange = draw;
narrow.onchange = draw;
draw();
