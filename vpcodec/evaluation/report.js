"use strict";

// The before/after slider: its range input moves the edge of the original.
for (const compare of document.querySelectorAll(".compare")) {
  const slider = compare.querySelector("input");
  const move = () => compare.style.setProperty("--at", `${slider.value}%`);
  slider.addEventListener("input", move);
  move();
}

// Which codec a slider shows.
for (const choices of document.querySelectorAll(".choices")) {
  const card = choices.closest("article");
  choices.addEventListener("change", (event) => {
    const chosen = event.target;
    const shown = card.querySelector(".decoded");
    shown.src = chosen.dataset.media;
    shown.alt = `decoded by ${chosen.value}`;
    card.querySelector(".corner.right").textContent = chosen.value;
    card.querySelector(".figures").textContent = chosen.dataset.figures;
  });
  // The first picture is in the page once only, as the source of the image that is shown.
  const first = choices.querySelector("input");
  first.dataset.media = card.querySelector(".decoded").src;
}

// One player at a time.
document.addEventListener("play", (event) => {
  for (const player of document.querySelectorAll("audio")) if (player !== event.target) player.pause();
}, true);

// The table of items: one candidate's rows, filtered, sorted, a page at a time.
const table = document.querySelector(".items");
if (table) {
  const data = JSON.parse(document.querySelector("#rows").textContent);
  const candidate = document.querySelector("#candidate");
  const filter = document.querySelector("#filter");
  const [back, on] = document.querySelectorAll(".pager button");
  const state = { column: data.start, descending: data.columns[data.start].better > 0 ? false : true, page: 0 };
  const size = 50;

  const value = (row) => row[state.column];
  const compare = (one, other) => {
    const a = value(one), b = value(other);
    if (a === null || b === null) return (a === null) - (b === null); // what has no value comes last
    const order = typeof a === "string" ? a.localeCompare(b, undefined, { numeric: true }) : a - b;
    return (state.descending ? -order : order) || one[0].localeCompare(other[0], undefined, { numeric: true });
  };
  const shown = (cell, column) => {
    if (cell === null) return "–";
    return typeof cell === "number" ? cell.toFixed(data.columns[column].digits) : cell;
  };
  const draw = () => {
    const words = filter.value.toLowerCase();
    const rows = data.rows[candidate.value].filter((row) => row[0].toLowerCase().includes(words)).sort(compare);
    const pages = Math.max(1, Math.ceil(rows.length / size));
    state.page = Math.min(state.page, pages - 1);
    const body = document.createElement("tbody");
    for (const row of rows.slice(state.page * size, (state.page + 1) * size)) {
      const line = body.insertRow();
      row.forEach((cell, column) => {
        const place = line.insertCell();
        place.textContent = column === row.length - 1 ? (cell ?? "") : shown(cell, column);
        if (column === row.length - 1) place.className = "why";
      });
    }
    table.tBodies[0].replaceWith(body);
    table.querySelectorAll("th").forEach((head, column) => {
      head.setAttribute("aria-sort", column !== state.column ? "none" : state.descending ? "descending" : "ascending");
    });
    document.querySelector("#count").textContent = `${rows.length} items, page ${state.page + 1} of ${pages}`;
    back.disabled = state.page === 0;
    on.disabled = state.page >= pages - 1;
  };
  table.querySelectorAll("th button").forEach((button, column) => {
    button.addEventListener("click", () => {
      state.descending = column === state.column ? !state.descending : false;
      state.column = column;
      state.page = 0;
      draw();
    });
  });
  candidate.addEventListener("change", draw);
  filter.addEventListener("input", () => { state.page = 0; draw(); });
  back.addEventListener("click", () => { state.page -= 1; draw(); });
  on.addEventListener("click", () => { state.page += 1; draw(); });
  draw();
}
