// What canvases share: their size, the theme, markers and dashes.

const heightOf = (surface, x, y, scale) => Math.asinh((surface.value(x, y) - surface.base) / scale);

const variable = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const isDark = () => getComputedStyle(document.documentElement).colorScheme === "dark";

// a canvas in device pixels, drawn on in those of the page
function sized(canvas, ratio) {
  const width = canvas.clientWidth, height = Math.round(width * ratio), dense = devicePixelRatio || 1;
  if (canvas.width !== Math.round(width * dense) || canvas.height !== Math.round(height * dense)) {
    canvas.width = Math.round(width * dense);
    canvas.height = Math.round(height * dense);
    canvas.style.height = `${height}px`;
  }
  const pen = canvas.getContext("2d");
  pen.setTransform(dense, 0, 0, dense, 0, 0);
  pen.clearRect(0, 0, width, height);
  return [pen, width, height];
}

const SHAPES = {
  "s": [[-1, -1], [1, -1], [1, 1], [-1, 1]],
  "D": [[0, -1.3], [1.3, 0], [0, 1.3], [-1.3, 0]],
  "^": [[0, -1.2], [1.2, 1], [-1.2, 1]], "v": [[0, 1.2], [1.2, -1], [-1.2, -1]],
  "<": [[-1.2, 0], [1, -1.2], [1, 1.2]], ">": [[1.2, 0], [-1, -1.2], [-1, 1.2]],
  "P": [[-0.4, -1.2], [0.4, -1.2], [0.4, -0.4], [1.2, -0.4], [1.2, 0.4], [0.4, 0.4], [0.4, 1.2],
        [-0.4, 1.2], [-0.4, 0.4], [-1.2, 0.4], [-1.2, -0.4], [-0.4, -0.4]],
};
SHAPES["X"] = SHAPES["P"].map(([x, y]) => [0.8 * (x - y), 0.8 * (x + y)]);
SHAPES["*"] = Array.from({length: 10}, (_, i) => {
  const radius = i % 2 ? 0.55 : 1.4, turn = Math.PI * i / 5;
  return [radius * Math.sin(turn), -radius * Math.cos(turn)];
});
SHAPES["h"] = Array.from({length: 6}, (_, i) =>
  [1.2 * Math.sin(Math.PI * i / 3), 1.2 * Math.cos(Math.PI * i / 3)]);

function outline(shape, x, y, size) {
  return (SHAPES[shape] ?? []).map(([a, b]) => [x + a * size, y + b * size]);
}

function mark(pen, look, x, y, size) {
  pen.beginPath();
  if (look.marker in SHAPES) {
    for (const [a, b] of outline(look.marker, x, y, size)) pen.lineTo(a, b);
    pen.closePath();
  } else pen.arc(x, y, 1.1 * size, 0, 7);
  pen.setLineDash([]);
  pen.fillStyle = look.colour;
  pen.strokeStyle = variable("--ground");
  pen.lineWidth = 1;
  pen.fill();
  pen.stroke();
}

// the same line and marker as a sample for the legend
function sample(look) {
  const points = outline(look.marker, 20, 8, 4.5).map((one) => one.join(",")).join(" ");
  const head = points ? `<polygon points="${points}" fill="${look.colour}"/>`
                      : `<circle cx="20" cy="8" r="5" fill="${look.colour}"/>`;
  return `<svg width="40" height="16" aria-hidden="true"><line x1="1" y1="8" x2="39" y2="8"
    stroke="${look.colour}" stroke-width="2.5" stroke-dasharray="${look.dash.join(" ")}"/>${head}</svg>`;
}
