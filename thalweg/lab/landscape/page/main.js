// The page itself: what is chosen, and what happens when something is touched.

const byId = (name) => document.getElementById(name);
const page = {
  surface: SURFACES[PLAN.surface], start: [...PLAN.start], steps: PLAN.steps,
  noise: PLAN.noise, seed: PLAN.seed, time: PLAN.steps, playing: false,
  view: {turn: 2.6, tilt: 0.75},
  taking: [],  // in the order of the legend
  focus: PLAN.entrants.at(-1).label,
  shown() { return this.taking.filter((one) => one.visible); },
  // a path up to now, which may lie between two steps
  until(places) {
    const found = [], whole = Math.floor(this.time), last = places.length / 2 - 1;
    for (let k = 0; k <= Math.min(whole, last); k++) {
      if (!Number.isFinite(places[2 * k] + places[2 * k + 1])) break;
      found.push([places[2 * k], places[2 * k + 1]]);
    }
    const part = this.time - whole, next = 2 * whole + 2;
    if (part > 0 && found.length === whole + 1 && next + 1 < places.length
        && Number.isFinite(places[next] + places[next + 1])) {
      const [x, y] = found.at(-1);
      found.push([x + part * (places[next] - x), y + part * (places[next + 1] - y)]);
    }
    return found;
  },
};

const noiseNow = () => noiseOf(page.surface, page.noise, page.seed, page.steps);
const place = ([x, y]) => `(${+x.toPrecision(3)}, ${+y.toPrecision(3)})`;

function walkAll() {
  const noise = noiseNow();
  for (const one of page.taking) walkOne(one, noise);
  byId("budget").textContent = `${page.surface.tuned.replace("STEPS", page.steps)
    .replace("WHEN", Math.round(TUNING.when * page.steps))}.`;
  fill();
  draw();
}

function walkOne(one, noise) {
  const settings = {...one.rule.settings, lr: one.lr};
  Object.assign(one, walk(one.rule, settings, page.surface, page.start, page.steps, noise, true));
}

function tuneOne(one) {
  one.lr = tune(one.rule, one.rule.settings, page.surface, page.start, page.steps, noiseNow());
  one.tuned = one.lr;
  one.said = `tuned: ${short(one.lr)}, the best of ${TUNING.rates.length} rates, `
    + `${page.steps} steps from ${place(page.start)}`;
}

function add(label, given = null) {
  if (page.taking.some((one) => one.rule === RULES[label])) return;
  const one = {label, rule: RULES[label], look: RULES[label].look, visible: true};
  if (given && given.given) {
    Object.assign(one, {lr: given.lr, tuned: given.lr, said: `given: ${short(given.lr)}`});
  } else tuneOne(one);
  if (given && !given.given) one.lr = one.tuned = given.lr;  // digit for digit as in the pictures
  page.taking.push(one);
}

function remove(label) {
  page.taking = page.taking.filter((one) => one.label !== label);
  if (page.focus === label && page.taking.length) page.focus = page.taking[0].label;
  build();
  draw();
}

// ---- what stands on the page ----

function options(select, values, chosen) {
  select.replaceChildren(...values.map(([value, text]) => new Option(text, value, false, value === chosen)));
}

function build() {
  options(byId("surface"), Object.entries(SURFACES).map(([key, one]) => [key, one.title]), page.surface.key);
  const absent = Object.keys(RULES).filter((label) => !page.taking.some((one) => one.label === label));
  options(byId("add"), [["", "an optimizer…"], ...absent.map((label) => [label, label])], "");
  options(byId("focus"), page.taking.map((one) => [one.label, one.label]), page.focus);
  byId("legend").replaceChildren(...page.taking.map(entry));
  fill();
}

function entry(one) {
  const item = document.createElement("li");
  item.dataset.label = one.label;
  item.innerHTML = `<input type="checkbox" class="visible">${sample(one.look)}<span class="name"></span>
    <span class="value"></span><button type="button" class="remove">×</button>
    <span class="rate"><span>lr</span><input type="range" class="lr" min="-5" max="1.5" step="0.01">
    <output></output><button type="button" class="tune">Tune</button></span><span class="tuned"></span>`;
  const part = (name) => item.querySelector(name);
  part(".name").textContent = one.label;
  part(".visible").setAttribute("aria-label", `Show ${one.label}`);
  part(".remove").setAttribute("aria-label", `Remove ${one.label}`);
  part(".lr").setAttribute("aria-label", `Learning rate of ${one.label}`);
  part(".visible").onchange = (event) => { one.visible = event.target.checked; fill(); draw(); };
  part(".remove").onclick = () => remove(one.label);
  part(".lr").oninput = (event) => {
    one.lr = 10 ** Number(event.target.value);
    walkOne(one, noiseNow());
    fill();
    draw();
  };
  part(".tune").onclick = () => { tuneOne(one); walkOne(one, noiseNow()); fill(); draw(); };
  one.item = item;
  return item;
}

// numbers that change, in their places
function fill() {
  byId("formula").textContent = `${page.surface.title}: ${page.surface.formula}`;
  byId("time").max = byId("steps").value = page.steps;
  byId("noise").value = page.noise;
  byId("noise-now").textContent = short(page.noise);
  byId("seed").value = page.seed;
  byId("start-x").value = +page.start[0].toPrecision(6);
  byId("start-y").value = +page.start[1].toPrecision(6);
  for (const one of page.taking) {
    const part = (name) => one.item.querySelector(name);
    one.item.classList.toggle("hidden", !one.visible);
    part(".visible").checked = one.visible;
    part(".lr").value = Math.log10(one.lr);
    part("output").textContent = short(one.lr);
    part(".tuned").textContent = one.said;
  }
}

let waiting = false;
function draw() {
  if (waiting) return;
  waiting = true;
  requestAnimationFrame(() => {
    waiting = false;
    paint();
  });
}

function paint() {
  if (!byId("contours").clientWidth) return;  // not laid out yet, or hidden
  byId("time").value = page.time;
  byId("now").textContent = Math.round(page.time);
  byId("play").textContent = page.playing ? "Pause" : "Play";
  drawContours(byId("contours"), page);
  drawRelief(byId("relief"), page);
  for (const one of page.taking) {
    const known = page.until(one.places), isOver = known.length < Math.floor(page.time) + 1;
    const value = isOver ? "diverged" : `f = ${short(page.surface.value(...known.at(-1)))}`;
    one.item.querySelector(".value").textContent = value;
  }
  paintCharts();
}

function paintCharts() {
  const one = page.taking.find((each) => each.label === page.focus) ?? page.taking[0];
  const charts = one ? chartsOf(one.rule, one) : [], place = byId("charts");
  while (place.children.length > charts.length) place.lastChild.remove();
  while (place.children.length < charts.length) {
    const box = document.createElement("div");
    box.innerHTML = "<h3><b></b> <span></span></h3><canvas></canvas>";
    place.append(box);
  }
  charts.forEach((chart, i) => {
    const box = place.children[i];
    box.querySelector("b").textContent = chart.title;
    drawChart(box.querySelector("canvas"), box.querySelector("span"), chart, page.time, one.look);
  });
}

// ---- what is touched ----

function play(wanted) {
  if (page.playing === wanted) return;
  page.playing = wanted;
  if (!wanted) return draw();
  if (page.time >= page.steps) page.time = 0;
  let before = performance.now();
  const frame = (now) => {
    if (!page.playing) return;
    page.time = Math.min(page.steps, page.time + (now - before) / 1000 * Number(byId("speed").value));
    before = now;
    if (page.time >= page.steps) page.playing = false;
    paint();
    if (page.playing) requestAnimationFrame(frame);
  };
  requestAnimationFrame(frame);
}

function begin(start) {
  page.start = start;
  walkAll();
  page.playing = false;
  const isStill = matchMedia("(prefers-reduced-motion: reduce)").matches;
  page.time = isStill ? page.steps : 0;
  if (!isStill) play(true);
  draw();
}

function choose(name) {
  page.surface = SURFACES[name];
  page.start = [...page.surface.start];
  page.steps = page.surface.steps;
  page.taking.forEach(tuneOne);
  page.playing = false;
  page.time = page.steps;
  walkAll();
}

const number = (event, low, high, otherwise) => {
  const found = event.target.value === "" ? NaN : Number(event.target.value);
  return Number.isFinite(found) ? Math.max(low, Math.min(high, found)) : otherwise;
};

function listen() {
  byId("surface").onchange = (event) => choose(event.target.value);
  byId("play").onclick = () => play(!page.playing);
  byId("time").oninput = (event) => { page.playing = false; page.time = Number(event.target.value); draw(); };
  byId("steps").onchange = (event) => {
    page.steps = Math.round(number(event, 10, 2000, page.steps));
    page.time = page.steps;
    walkAll();
  };
  byId("noise").oninput = (event) => { page.noise = Number(event.target.value); walkAll(); };
  byId("seed").onchange = (event) => { page.seed = Math.round(number(event, 0, 2 ** 32 - 1, page.seed)); walkAll(); };
  byId("start-x").onchange = (event) => begin([number(event, -1e6, 1e6, page.start[0]), page.start[1]]);
  byId("start-y").onchange = (event) => begin([page.start[0], number(event, -1e6, 1e6, page.start[1])]);
  byId("add").onchange = (event) => {
    if (!event.target.value) return;
    add(event.target.value);
    page.focus = event.target.value;
    build();
    walkAll();
  };
  byId("tune-all").onclick = () => { page.taking.forEach(tuneOne); walkAll(); };
  byId("focus").onchange = (event) => { page.focus = event.target.value; draw(); };
  byId("theme").onclick = () => {
    document.documentElement.dataset.theme = isDark() ? "light" : "dark";
    draw();
  };
  byId("contours").onclick = (event) => {
    const box = event.target.getBoundingClientRect(), [xLow, xHigh, yLow, yHigh] = page.surface.window;
    begin([xLow + (xHigh - xLow) * (event.clientX - box.left) / box.width,
           yHigh - (yHigh - yLow) * (event.clientY - box.top) / box.height]);
  };
  const relief = byId("relief");
  relief.onpointerdown = (event) => relief.setPointerCapture(event.pointerId);
  relief.onpointermove = (event) => {
    if (!relief.hasPointerCapture(event.pointerId)) return;
    page.view.turn += event.movementX / 120;
    page.view.tilt = Math.max(0.1, Math.min(1.5, page.view.tilt + event.movementY / 160));
    draw();
  };
  addEventListener("resize", draw);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
}

for (const [key, one] of Object.entries(SURFACES)) one.key = key;
for (const one of PLAN.entrants) add(one.label, one);
build();
listen();
walkAll();
