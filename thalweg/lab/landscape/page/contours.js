// The surface from above: shades and lines of equal height, drawn once, and the paths over them.

const ACROSS = 140, LEVELS = 24;
let drawnGround = {key: "", canvas: null};

function heights(surface, across, scale) {
  const [xLow, xHigh, yLow, yHigh] = surface.window, found = new Float64Array(across * across);
  for (let i = 0; i < across; i++)
    for (let j = 0; j < across; j++)
      found[i * across + j] = heightOf(surface, xLow + (xHigh - xLow) * j / (across - 1),
                                       yLow + (yHigh - yLow) * i / (across - 1), scale);
  return found;
}

const range = (values) => {
  let low = Infinity, high = -Infinity;
  for (const one of values) if (Number.isFinite(one)) { low = Math.min(low, one); high = Math.max(high, one); }
  return low < high ? [low, high] : [low === Infinity ? 0 : low, low === Infinity ? 1 : low + 1];
};

const shade = (share, dark) => {
  const [a, b] = dark ? [[17, 22, 27], [66, 77, 87]] : [[255, 255, 255], [184, 193, 201]];
  return a.map((one, i) => Math.round(one + share * (b[i] - one)));
};

function groundOf(surface, width, height) {
  const dark = isDark(), dense = devicePixelRatio || 1;
  const key = [surface.key, width, height, dark, dense].join();
  if (drawnGround.key === key) return drawnGround.canvas;
  const known = heights(surface, ACROSS, surface.scale), [low, high] = range(known);
  const small = document.createElement("canvas"), canvas = document.createElement("canvas");
  small.width = small.height = ACROSS;
  const image = small.getContext("2d").createImageData(ACROSS, ACROSS);
  known.forEach((one, k) => {
    const row = ACROSS - 1 - Math.floor(k / ACROSS), place = 4 * (row * ACROSS + k % ACROSS);
    image.data.set([...shade(Number.isFinite(one) ? (one - low) / (high - low) : 1, dark), 255], place);
  });
  small.getContext("2d").putImageData(image, 0, 0);
  canvas.width = width * dense;
  canvas.height = height * dense;
  const pen = canvas.getContext("2d");
  pen.scale(dense, dense);
  pen.drawImage(small, 0, 0, width, height);
  pen.strokeStyle = dark ? "rgba(170,185,198,0.42)" : "rgba(70,82,94,0.42)";
  pen.lineWidth = 0.8;
  for (let level = 1; level < LEVELS; level++)
    drawLevel(pen, known, low + (high - low) * level / LEVELS, width, height);
  drawnGround = {key, canvas};
  return canvas;
}

// the line of one height: in each square of the grid, between the sides that it crosses
function drawLevel(pen, known, level, width, height) {
  const x = (j) => j / (ACROSS - 1) * width, y = (i) => height - i / (ACROSS - 1) * height;
  pen.beginPath();
  for (let i = 0; i + 1 < ACROSS; i++) {
    for (let j = 0; j + 1 < ACROSS; j++) {
      const a = known[i * ACROSS + j] - level, b = known[i * ACROSS + j + 1] - level;
      const c = known[(i + 1) * ACROSS + j + 1] - level, d = known[(i + 1) * ACROSS + j] - level;
      const ends = [];
      if (a * b < 0) ends.push([x(j + a / (a - b)), y(i)]);
      if (b * c < 0) ends.push([x(j + 1), y(i + b / (b - c))]);
      if (c * d < 0) ends.push([x(j + d / (d - c)), y(i + 1)]);
      if (d * a < 0) ends.push([x(j), y(i + a / (a - d))]);
      for (let k = 0; k + 1 < ends.length; k += 2) {
        pen.moveTo(...ends[k]);
        pen.lineTo(...ends[k + 1]);
      }
    }
  }
  pen.stroke();
}

function drawContours(canvas, page) {
  const [pen, width, height] = sized(canvas, 0.82), surface = page.surface;
  const [xLow, xHigh, yLow, yHigh] = surface.window;
  const x = (one) => (one - xLow) / (xHigh - xLow) * width;
  const y = (one) => height - (one - yLow) / (yHigh - yLow) * height;
  pen.drawImage(groundOf(surface, width, height), 0, 0, width, height);
  for (const one of page.shown()) {
    pen.beginPath();
    pen.setLineDash(one.look.dash);
    pen.strokeStyle = one.look.colour;
    pen.lineWidth = 2;
    pen.lineJoin = "round";
    const seen = page.until(one.places);
    for (const [a, b] of seen) pen.lineTo(clamp(x(a)), clamp(y(b)));
    pen.stroke();
  }
  for (const one of page.shown()) {
    const [a, b] = page.until(one.places).at(-1);
    mark(pen, one.look, x(a), y(b), 5);
  }
  pen.setLineDash([]);
  for (const [a, b] of surface.minima) cross(pen, x(a), y(b));
  axisLabels(pen, surface.window, width, height);
}

// far outside a canvas nothing is seen, and browsers give up on such numbers
const clamp = (one) => Math.max(-1e5, Math.min(1e5, one));

function cross(pen, x, y) {
  for (const [colour, wide] of [[variable("--ground"), 4.5], [variable("--text"), 2]]) {
    pen.beginPath();
    pen.strokeStyle = colour;
    pen.lineWidth = wide;
    pen.moveTo(x - 5, y - 5); pen.lineTo(x + 5, y + 5);
    pen.moveTo(x + 5, y - 5); pen.lineTo(x - 5, y + 5);
    pen.stroke();
  }
}

function axisLabels(pen, [xLow, xHigh, yLow, yHigh], width, height) {
  pen.fillStyle = variable("--text");
  pen.font = "12px system-ui, sans-serif";
  pen.textBaseline = "bottom";
  const text = (one) => String(+one.toPrecision(4));
  pen.textAlign = "left";
  pen.fillText(`x ${text(xLow)}`, 26, height - 4);
  pen.textAlign = "right";
  pen.fillText(text(xHigh), width - 6, height - 4);
  pen.textAlign = "left";
  pen.fillText(text(yLow), 4, height - 20);
  pen.textBaseline = "top";
  pen.fillText(`y ${text(yHigh)}`, 4, 4);
}
