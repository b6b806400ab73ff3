// Paths, scores and rates: what thalweg/lab/landscape does in Python, for a page. `step` of a rule
// is its own text, emitted by thalweg; value and gradient of a surface are its own, too.

// noise.py: mulberry32, then pairs of Box and Muller
function normal(seed, steps) {
  let state = seed >>> 0;
  const uniform = () => {
    state = (state + 0x6D2B79F5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1) >>> 0;
    mixed = (mixed ^ (mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61))) >>> 0;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
  const found = new Float64Array(2 * steps);
  for (let i = 0; i < found.length; i += 2) {
    const a = uniform(), b = uniform(), length = Math.sqrt(-2 * Math.log(1 - a));
    found[i] = length * Math.cos(2 * Math.PI * b);
    found[i + 1] = length * Math.sin(2 * Math.PI * b);
  }
  return found;
}

// walking.py: where a rule is before its first step and after each, two numbers for each; with
// `keep`, its gradients and states too
function walk(rule, settings, surface, start, steps, noise = null, keep = false) {
  const S = {}, p = Float64Array.from(start), g = new Float64Array(2);
  const places = new Float64Array(2 * steps + 2), gradients = keep ? new Float64Array(2 * steps) : null;
  const states = {};
  places.set(p);
  for (let k = 0; k < steps; k++) {
    g.set(surface.gradient(p[0], p[1]));
    if (noise) { g[0] += noise[2 * k]; g[1] += noise[2 * k + 1]; }
    if (keep) gradients.set(g, 2 * k);
    rule.step(S, settings, p, g, [2]);
    places.set(p, 2 * k + 2);
    if (!keep) continue;
    for (const key in S) {
      const wide = typeof S[key] === "object" && S[key] !== null ? 2 : 1;
      states[key] ??= new Float64Array(wide * steps).fill(NaN);
      if (wide === 2) states[key].set(S[key], 2 * k); else states[key][k] = S[key];
    }
  }
  return {places, gradients, states};
}

// tuning.py: lower is better
function score(surface, places) {
  const steps = places.length / 2 - 1, [xLow, xHigh, yLow, yHigh] = surface.window;
  let found, stays = true;
  if (surface.saddle) {
    const length = places[0] - surface.saddle[0];
    let first = Infinity;
    for (let k = 0; k <= steps; k++) {
      const x = places[2 * k], y = places[2 * k + 1];
      const gone = Math.max(Math.abs(x - places[0]), Math.abs(y - places[1]));
      if (first === Infinity && gone >= TUNING.away * Math.abs(length)) first = k;
      if (!((x - surface.saddle[0]) / length >= -TUNING.away)) stays = false;
    }
    found = Math.abs(first - Math.round(TUNING.when * steps));
  } else {
    const last = Math.max(Math.floor(steps / 10), 1);
    found = 0;
    for (let k = steps + 1 - last; k <= steps; k++)
      found += surface.value(places[2 * k], places[2 * k + 1]) / last;
    const x = TUNING.room * (xHigh - xLow), y = TUNING.room * (yHigh - yLow);
    for (let k = 0; k <= steps; k++)
      if (!(places[2 * k] >= xLow - x && places[2 * k] <= xHigh + x
            && places[2 * k + 1] >= yLow - y && places[2 * k + 1] <= yHigh + y)) stays = false;
  }
  return [Number.isFinite(found) ? found : Infinity, stays];
}

function tune(rule, settings, surface, start, steps, noise = null) {
  const scored = TUNING.rates.map((lr) =>
    [lr, ...score(surface, walk(rule, {...settings, lr}, surface, start, steps, noise).places)]);
  const staying = scored.filter(([, found, stays]) => stays && found < Infinity);
  const among = staying.length ? staying : scored;
  return among.reduce((best, one) => (one[1] < best[1] ? one : best))[0];
}

function noiseOf(surface, share, seed, steps) {
  return share > 0 ? normal(seed, steps).map((one) => share * surface.steepness * one) : null;
}
