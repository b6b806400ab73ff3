// The second panel: what a rule keeps along its path, and what its steps are like.

// charts of one path: a title, rows of values (x and y, or one), and whether they are logarithmic
function chartsOf(rule, path) {
  const {places, gradients, states} = path, steps = gradients.length / 2, found = [];
  const coordinate = (values, i) => Float64Array.from({length: steps}, (_, k) => values[2 * k + i]);
  for (const {key, letter, root} of rule.states) {
    if (!(key in states)) continue;
    const shown = root ? states[key].map((one) => Math.sqrt(one)) : states[key];
    const rows = states[key].length === 2 * steps ? [coordinate(shown, 0), coordinate(shown, 1)] : [shown];
    found.push({title: `${root ? "√" : ""}${letter}${letter === key ? "" : ` (${key})`}`, rows});
  }
  const moved = (k, i) => places[2 * k + 2 + i] - places[2 * k + i];
  const each = (f) => Float64Array.from({length: steps}, (_, k) => f(k));
  found.push({title: "step, each coordinate", rows: [0, 1].map((i) => each((k) => moved(k, i)))});
  found.push({title: "effective step: |step| / |gradient|, each coordinate", log: true,
    rows: [0, 1].map((i) => each((k) => Math.abs(moved(k, i) / gradients[2 * k + i])))});
  found.push({title: "angle of the step to the downhill gradient, degrees", low: 0, high: 180,
    rows: [each((k) => {
      const dot = -moved(k, 0) * gradients[2 * k] - moved(k, 1) * gradients[2 * k + 1];
      const long = Math.hypot(moved(k, 0), moved(k, 1)) * Math.hypot(gradients[2 * k], gradients[2 * k + 1]);
      return Math.acos(Math.max(-1, Math.min(1, dot / long))) * 180 / Math.PI;
    })]});
  return found;
}

const short = (one) => Number.isFinite(one) ? String(+one.toPrecision(3)) : "–";

function drawChart(canvas, heading, chart, now, look) {
  const [pen, width, height] = sized(canvas, 0.38), left = 52, bottom = 18;
  const scaled = chart.log ? (one) => Math.log10(one) : (one) => one;
  const rows = chart.rows.map((row) => row.map(scaled)), steps = rows[0].length;
  let [low, high] = chart.high === undefined ? range(rows.flatMap((row) => [...row])) : [chart.low, chart.high];
  const room = 0.06 * (high - low);
  [low, high] = [low - room, high + room];
  const x = (k) => left + (width - left - 6) * k / Math.max(steps - 1, 1);
  const y = (one) => 6 + (height - bottom - 12) * (high - one) / (high - low);
  pen.fillStyle = variable("--quiet");
  pen.font = "11px system-ui, sans-serif";
  pen.textAlign = "right";
  for (const share of [0, 0.5, 1]) {
    const one = low + room + share * (high - low - 2 * room);
    pen.textBaseline = "middle";
    pen.fillText(chart.log ? (10 ** one).toExponential(0) : short(one), left - 4, y(one));
    pen.strokeStyle = variable("--line");
    pen.lineWidth = 1;
    pen.setLineDash([]);
    pen.beginPath();
    pen.moveTo(left, y(one));
    pen.lineTo(width - 6, y(one));
    pen.stroke();
  }
  pen.textBaseline = "bottom";
  pen.fillText(String(steps), width - 6, height - 1);
  pen.textAlign = "left";
  pen.fillText("step 1", left, height - 1);
  rows.forEach((row, i) => {
    pen.beginPath();
    pen.strokeStyle = look.colour;
    pen.lineWidth = 1.8;
    pen.setLineDash(i ? [5, 3] : []);
    let drawing = false;
    row.forEach((one, k) => {
      if (!Number.isFinite(one)) { drawing = false; return; }
      if (drawing) pen.lineTo(x(k), y(one)); else pen.moveTo(x(k), y(one));
      drawing = true;
    });
    pen.stroke();
  });
  const k = Math.max(0, Math.min(steps - 1, Math.round(now) - 1));
  pen.beginPath();
  pen.setLineDash([]);
  pen.strokeStyle = variable("--text");
  pen.lineWidth = 1;
  pen.moveTo(x(k), 4);
  pen.lineTo(x(k), height - bottom);
  pen.stroke();
  heading.textContent = chart.rows.map((row) => short(row[k])).join(", ");
}
