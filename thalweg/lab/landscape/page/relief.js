// The surface in three dimensions, from the back to the front, paths among its squares.

const SQUARES = 46, LIFT = 0.012;
let knownRelief = {key: "", heights: null, low: 0, high: 1};

function reliefOf(surface) {
  if (knownRelief.key !== surface.key) {
    const known = heights(surface, SQUARES + 1, surface.relief), [low, high] = range(known);
    knownRelief = {key: surface.key, heights: known, low, high};
  }
  return knownRelief;
}

function drawRelief(canvas, page) {
  const [pen, width, height] = sized(canvas, 0.82), surface = page.surface, dark = isDark();
  const {heights: known, low, high} = reliefOf(surface);
  const [xLow, xHigh, yLow, yHigh] = surface.window, {turn, tilt} = page.view;
  const [ct, st, ce, se] = [Math.cos(turn), Math.sin(turn), Math.cos(tilt), Math.sin(tilt)];
  const size = Math.min(width / 2.4, height / 2.3);
  // x, y from -1 to 1, z from 0 to 1: on the canvas, and how near it is
  const seen = (x, y, z) => {
    const a = x * ct - y * st, b = x * st + y * ct, c = 0.9 * (z - 0.5);
    return [width / 2 + size * a * 0.82, height / 2 - size * (c * ce + b * se * 0.82), -b * ce + c * se];
  };
  const at = (i, j) => {
    const one = known[i * (SQUARES + 1) + j];
    return seen(2 * j / SQUARES - 1, 2 * i / SQUARES - 1, Number.isFinite(one) ? (one - low) / (high - low) : 1);
  };
  const items = [];
  for (let i = 0; i < SQUARES; i++)
    for (let j = 0; j < SQUARES; j++) {
      const corners = [at(i, j), at(i, j + 1), at(i + 1, j + 1), at(i + 1, j)];
      const share = (known[i * (SQUARES + 1) + j] - low) / (high - low);
      items.push({near: (corners[0][2] + corners[2][2]) / 2, corners, share});
    }
  for (const one of page.shown()) addPath(items, one, page, surface, seen, low, high);
  items.sort((a, b) => a.near - b.near);
  for (const one of items) drawItem(pen, one, dark);
}

function addPath(items, one, page, surface, seen, low, high) {
  const [xLow, xHigh, yLow, yHigh] = surface.window;
  let before = null, last = null;
  for (const [x, y] of page.until(one.places)) {
    if (!(x >= xLow && x <= xHigh && y >= yLow && y <= yHigh)) break;
    const z = (heightOf(surface, x, y, surface.relief) - low) / (high - low) + LIFT;
    const now = seen(2 * (x - xLow) / (xHigh - xLow) - 1, 2 * (y - yLow) / (yHigh - yLow) - 1, z);
    if (before) items.push({near: Math.max(before[2], now[2]) + 0.06, line: [before, now], look: one.look});
    before = last = now;
  }
  if (last) items.push({near: last[2] + 0.08, head: last, look: one.look});
}

function drawItem(pen, one, dark) {
  if (one.corners) {
    pen.beginPath();
    for (const [x, y] of one.corners) pen.lineTo(x, y);
    pen.closePath();
    const share = Math.max(0, Math.min(1, one.share || 0)) ** 0.8;
    const [a, b] = dark ? [[22, 30, 37], [104, 120, 134]] : [[244, 247, 249], [138, 150, 161]];
    pen.fillStyle = `rgb(${a.map((from, i) => Math.round(from + share * (b[i] - from)))})`;
    pen.strokeStyle = dark ? "rgba(150,165,178,0.35)" : "rgba(90,102,114,0.3)";
    pen.lineWidth = 0.6;
    pen.setLineDash([]);
    pen.fill();
    pen.stroke();
  } else if (one.line) {
    pen.beginPath();
    pen.moveTo(one.line[0][0], one.line[0][1]);
    pen.lineTo(one.line[1][0], one.line[1][1]);
    pen.setLineDash([]);
    pen.strokeStyle = one.look.colour;
    pen.lineWidth = 2.4;
    pen.stroke();
  } else mark(pen, one.look, one.head[0], one.head[1], 5);
}
