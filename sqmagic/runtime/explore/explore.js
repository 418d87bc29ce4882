// The page of the explorer. All that is computed is computed by the kernel; here it is drawn, and a step is chosen.

const PAGE = `
  <div class="sq-x-both">
    <div class="sq-x-picture" role="region" aria-label="picture" tabindex="0"></div>
    <div class="sq-x-sheet" role="region" aria-label="equations" tabindex="0"></div>
  </div>
  <div class="sq-x-controls">
    <label>state <select class="sq-x-state"></select></label>
    <label>step <input class="sq-x-step" type="range" min="1" step="1"><output></output></label>
    <label>example <input class="sq-x-example" type="number" min="0" step="1"></label>
    <label>horizon <input class="sq-x-horizon" type="number" min="1" step="1"></label>
  </div>
  <p class="sq-x-said" role="status"></p>
  <div class="sq-x-values">
    <div><h4 class="sq-x-name"></h4><canvas class="sq-x-map" role="img"></canvas>
      <div class="sq-x-axis"><span></span><span></span></div>
      <div class="sq-x-scale"><span></span><i></i><span></span></div></div>
    <div><h4>at this step</h4><canvas class="sq-x-bars" role="img"></canvas></div>
  </div>
  <p class="sq-x-told"></p>`;

const GROUPS = [["gate", "gates"], ["state", "states"], ["input", "inputs"]];
// Light to dark where no number is negative (a gate); blue over white to red where some are. Both can be told in grey.
const GROWING = [[255, 255, 255], [116, 173, 209], [8, 48, 107]];
const SIGNED = [[33, 82, 156], [247, 247, 247], [165, 30, 35]];

function render({ model, el }) {
  el.classList.add("sq-x");
  el.innerHTML = PAGE;
  const at = (name) => el.querySelector(`.sq-x-${name}`);
  const send = (name, value) => { model.set(name, value); model.save_changes(); };

  at("picture").innerHTML = model.get("picture");
  at("sheet").append(sheet(model.get("sheet")));
  options(at("state"), model.get("choices"));

  at("state").addEventListener("change", (e) => send("state", e.target.value));
  at("step").addEventListener("input", (e) => send("step", +e.target.value));
  for (const name of ["example", "horizon"]) {
    at(name).addEventListener("change", (e) => {
      const wanted = Math.round(+e.target.value);
      const value = Math.min(Math.max(wanted || 0, +e.target.min), +e.target.max);
      e.target.value = value;
      send(name, value);
    });
  }
  // Keys are for these, and not for the notebook around them, which would go to another cell.
  el.querySelector(".sq-x-controls").addEventListener("keydown", (e) => e.stopPropagation());
  for (const name of ["state", "step", "example", "horizon", "picture", "sheet"]) {
    at(name).dataset.lmSuppressShortcuts = "true";
  }
  const names = new Set(model.get("choices").map((c) => c.name));
  at("picture").addEventListener("click", (e) => {
    const name = e.target.closest("[data-value]")?.dataset.value;
    if (names.has(name)) send("state", name);
  });
  at("map").addEventListener("click", (e) => {
    const steps = columns(model);
    const box = at("map").getBoundingClientRect();
    send("step", Math.min(steps, 1 + Math.floor(((e.clientX - box.left) / box.width) * steps)));
  });

  const draw = () => {
    const seen = model.get("seen");
    const steps = columns(model);
    const step = Math.min(model.get("step"), steps);
    at("state").value = model.get("state");
    Object.assign(at("step"), { max: steps, value: step, disabled: steps < 2 });
    el.querySelector("output").textContent = seen.timed ? `t = ${step}` : "–";
    Object.assign(at("example"), { max: model.get("examples") - 1, value: model.get("example") });
    Object.assign(at("horizon"), { max: model.get("longest"), value: model.get("horizon") });
    at("said").textContent = model.get("said");
    const more = seen.left_out ? `, ${seen.left_out} more left out` : "";
    at("name").textContent = `${seen.text || seen.name}: ${seen.rows.length} x ${steps}${more}`;
    const scale = scaled(seen.rows);
    if (at("map").clientWidth) { // none while the page is hidden, or made anew for another theme
      map(at("map"), seen, scale, step);
      bars(at("bars"), seen, scale, step);
    }
    legend(el.querySelector(".sq-x-scale"), scale);
    axis(el.querySelector(".sq-x-axis"), seen, steps);
    at("told").textContent = seen.told[step - 1] ?? "";
    light(el, model.get("state"));
  };
  const changes = ["seen", "step", "said", "state", "horizon", "example"].map((name) => `change:${name}`);
  changes.forEach((change) => model.on(change, draw));
  const resized = new ResizeObserver(draw);
  resized.observe(at("map"));
  const colours = () => { dress(el, model.get("palettes"), model.get("colours")); draw(); };
  const themed = new MutationObserver(() => requestAnimationFrame(colours));
  for (const page of [document.documentElement, document.body]) {
    themed.observe(page, { attributeFilter: ["data-jp-theme-light", "data-vscode-theme-kind", "theme"] });
  }
  colours();
  return () => {
    resized.disconnect();
    themed.disconnect();
    changes.forEach((change) => model.off(change, draw));
  };
}

// Whether the page around is dark: JupyterLab, VS Code and Colab each say so in their own way.
function isDark() {
  const { jpThemeLight, vscodeThemeKind } = document.body.dataset;
  if (jpThemeLight) return jpThemeLight === "false";
  if (vscodeThemeKind) return !vscodeThemeKind.endsWith("light");
  const colab = document.documentElement.getAttribute("theme");
  return colab ? colab === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
}

// A picture that follows its reader follows the page, and a state has one colour in the picture and in the sheet.
function dress(el, palettes, colours) {
  const svg = el.querySelector(".sq-x-picture svg");
  const palette = palettes[isDark() ? "dark" : "light"];
  if (!svg || !palette) return;
  svg.style.cssText = palette;
  for (const marked of el.querySelectorAll(".sq-x-sheet [data-value]")) {
    const own = colours[marked.dataset.value];
    marked.style.color = own ? svg.style.getPropertyValue(`--${own}`) : "";
  }
}

const columns = (model) => Math.max(1, model.get("seen").rows[0]?.length ?? 1);

function sheet(rows) {
  const table = document.createElement("table");
  for (const row of rows) {
    const tr = table.insertRow();
    tr.insertCell().textContent = row.line || "";
    tr.insertCell().innerHTML = row.equations.join("<br>");
  }
  return table;
}

function options(select, choices) {
  for (const [kind, title] of GROUPS) {
    const own = choices.filter((c) => c.kind === kind);
    if (!own.length) continue;
    const group = document.createElement("optgroup");
    group.label = title;
    group.append(...own.map((c) => new Option(c.name, c.name)));
    select.append(group);
  }
}

function scaled(rows) {
  const there = rows.flat().filter((v) => v !== null);
  const low = Math.min(0, ...there);
  const high = Math.max(...there, low < 0 ? 0 : 1e-9);
  if (low < 0) {
    const most = Math.max(-low, high);
    return { low: -most, high: most, colours: SIGNED };
  }
  return { low: 0, high: high <= 1 && high > 0.5 ? 1 : high, colours: GROWING };
}

function colour(value, { low, high, colours }) {
  if (value === null) return "#9a9a9a";
  const share = (2 * (value - low)) / (high - low || 1);
  const i = share < 1 ? 0 : 1;
  const mixed = colours[i].map((c, k) => Math.round(c + (colours[i + 1][k] - c) * Math.min(1, share - i)));
  return `rgb(${mixed.join(",")})`;
}

// A canvas as large as it is shown, in pixels of the screen.
function fresh(canvas) {
  const ratio = window.devicePixelRatio || 1;
  canvas.width = Math.max(1, canvas.clientWidth * ratio);
  canvas.height = Math.max(1, canvas.clientHeight * ratio);
  const page = canvas.getContext("2d");
  page.scale(ratio, ratio);
  return [page, canvas.clientWidth, canvas.clientHeight];
}

function map(canvas, seen, scale, step) {
  const [page, width, height] = fresh(canvas);
  const steps = Math.max(1, seen.rows[0]?.length ?? 1);
  const [w, h] = [width / steps, height / Math.max(1, seen.rows.length)];
  seen.rows.forEach((row, r) => row.forEach((value, s) => {
    page.fillStyle = colour(value, scale);
    page.fillRect(s * w, r * h, w + 0.5, h + 0.5);
  }));
  if (seen.timed) {
    for (const [ink, line] of [["#ffffff", 4], ["#111111", 2]]) {
      page.strokeStyle = ink;
      page.lineWidth = line;
      page.strokeRect((step - 1) * w + 1, 1, Math.max(w - 2, 1), height - 2);
    }
  }
  canvas.setAttribute("aria-label",
    `${seen.name}: ${seen.rows.length} components at ${steps} steps, from ${short(scale.low)} to ${short(scale.high)}`);
}

function bars(canvas, seen, scale, step) {
  const [page, width, height] = fresh(canvas);
  const values = seen.rows.map((row) => row[step - 1]);
  const h = height / Math.max(1, values.length);
  const place = (v) => ((v - scale.low) / (scale.high - scale.low || 1)) * width;
  const ink = getComputedStyle(canvas).color;
  values.forEach((value, r) => {
    if (value === null || value === undefined) return;
    const [from, to] = [place(0), place(value)].sort((a, b) => a - b);
    page.fillStyle = colour(value, scale);
    page.strokeStyle = "#777777";
    const box = [from, r * h + 0.5, Math.max(to - from, 1), Math.max(h - 1, 1)];
    page.fillRect(...box);
    if (h > 4) page.strokeRect(...box);
    if (h >= 13) {
      page.fillStyle = ink;
      page.font = "11px sans-serif";
      const text = short(value);
      page.fillText(text, to + 4 + 40 > width ? Math.max(from - 40, 2) : to + 4, r * h + h / 2 + 4);
    }
  });
  page.fillStyle = ink;
  page.fillRect(place(0) - 0.5, 0, 1, height);
  const said = values.slice(0, 8).map((v) => (v === null ? "none" : short(v))).join(", ");
  canvas.setAttribute("aria-label", `${seen.name} at step ${step}: ${said}${values.length > 8 ? ", …" : ""}`);
}

function legend(box, scale) {
  const [low, strip, high] = box.children;
  low.textContent = short(scale.low);
  high.textContent = short(scale.high);
  strip.style.background = `linear-gradient(to right, ${scale.colours.map((c) => `rgb(${c.join(",")})`).join(",")})`;
}

function axis(box, seen, steps) {
  const [first, last] = box.children;
  first.textContent = seen.timed ? "t = 1" : "";
  last.textContent = seen.timed && steps > 1 ? `t = ${steps}` : "";
}

function light(el, name) {
  for (const part of el.querySelectorAll("[data-value]")) part.classList.toggle("sq-x-lit", part.dataset.value === name);
}

const short = (value) => String(+value.toPrecision(3));

export default { render };
