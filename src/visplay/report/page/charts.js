"use strict";
// Curves by uPlot (many points, on a canvas); intervals and histograms as SVG (few points, with texts of their own).

const LINES = { questioner: { name: "Questioner", color: "--one", dash: [6, 4] }, reasoner: { name: "Reasoner", color: "--two", dash: [] } };
const lineOf = (phase) => LINES[phase] || { name: phase, color: "--quiet", dash: [2, 3] };
const styled = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

// Where a step stands in the run: iterations are one wide, each phase spread over its iteration.
function places(curve) {
  const steps = new Map();
  curve.iteration.forEach((t, i) => steps.set(t, Math.max(steps.get(t) || 0, curve.step[i] + 1)));
  const most = Math.max(...steps.values());
  return curve.iteration.map((t, i) => t - 1 + (curve.step[i] + 0.5) / Math.max(most, 1));
}

function joined(curves) {
  return uPlot.join(curves.map((curve) => [places(curve), curve.y]));
}

// The smallest range of shares that shows the curve: never beyond 0 and 1, never a hair's breadth.
function shares(_, low, high) {
  const room = Math.max(0.05, (high - low) / 10);
  return [Math.max(0, low - room), Math.min(1, high + room)];
}

// One figure over the run, a line a phase. `curves` are those of one name; `share`: it is one of 1, written in percent.
function Curve({ title, curves, theme, share = false }) {
  const unit = share ? (value) => percent(value) : figure;
  const box = useRef(null);
  const plot = useRef(null);
  const [at, setAt] = useState(null);
  const data = useMemo(() => joined(curves), [curves]);
  const phases = curves.map((curve) => curve.phase).join();

  useEffect(() => {
    const axis = { stroke: styled("--quiet"), grid: { stroke: styled("--line"), width: 1 }, ticks: { show: false }, font: "12px system-ui" };
    const options = {
      width: box.current.clientWidth,
      height: 150,
      legend: { show: false },
      cursor: { y: false, points: { size: 7 } },
      padding: [8, 8, 0, 0],
      scales: { x: { time: false }, y: share ? { range: shares } : {} },
      axes: [
        { ...axis, size: 24, gap: 4, space: 40, incrs: [1, 2, 5, 10, 20, 50, 100], values: (_, ticks) => ticks.map(String) },
        { ...axis, size: 46, gap: 4, values: (_, ticks) => ticks.map((tick) => (share ? `${Number((100 * tick).toPrecision(6))} %` : String(Number(tick.toPrecision(6))))) },
      ],
      series: [
        {},
        ...curves.map(({ phase }) => ({
          stroke: styled(lineOf(phase).color),
          width: 2,
          dash: lineOf(phase).dash,
          points: { show: curves.every((one) => one.y.length < 3) },
        })),
      ],
      hooks: { setCursor: [(u) => setAt(u.cursor.idx ?? null)] },
    };
    plot.current = new uPlot(options, data, box.current);
    const watcher = new ResizeObserver(() => {
      const width = box.current ? box.current.clientWidth : 0;
      if (width) plot.current.setSize({ width, height: 150 });
    });
    watcher.observe(box.current);
    return () => {
      watcher.disconnect();
      plot.current.destroy();
    };
  }, [theme, phases]);
  useEffect(() => plot.current && plot.current.setData(data), [data]);

  const latest = (y) => y.filter((value) => value !== null).at(-1);
  const shown = curves.map((curve, i) => {
    const here = at === null ? undefined : data[i + 1][at];
    return { phase: curve.phase, value: here ?? latest(curve.y) };
  });
  const says = shown.map(({ phase, value }) => `${lineOf(phase).name} ${unit(value)}`).join(", ");
  return html`<figure class="chart curve">
    <figcaption><b>${title}</b>
      ${shown.map(({ phase, value }) => html`<span class=${`key ${phase}`}><i aria-hidden="true"></i>${lineOf(phase).name} <output>${unit(value)}</output></span>`)}
    </figcaption>
    <div ref=${box} role="img" aria-label=${`${title} by iteration; last: ${says}`}></div>
  </figure>`;
}

const WIDE = 320;
const HIGH = 150;
const LEFT = 34;
const BOTTOM = 20;

// Ticks at round shares of 1 that keep all of [low, high] within.
function span(low, high) {
  const wide = Math.max(high - low, 0.02);
  const step = [0.01, 0.02, 0.05, 0.1, 0.2, 0.25].find((one) => wide / one <= 4) || 0.25;
  const first = Math.max(0, Math.floor(low / step));
  const last = Math.min(Math.round(1 / step), Math.ceil(high / step - 1e-9));
  return Array.from({ length: Math.max(last, first + 1) - first + 1 }, (_, i) => (first + i) * step);
}

// A suite by iteration with its intervals; the base is a line with its interval as a band.
function Intervals({ series }) {
  const all = [...(series.base ? [series.base] : []), ...series.iterations];
  const ticks = span(Math.min(...all.map((one) => one.ci95[0])), Math.max(...all.map((one) => one.ci95[1])));
  const [low, high] = [ticks[0], ticks.at(-1)];
  const last = Math.max(1, ...all.map((one) => one.iteration));
  const x = (t) => LEFT + 14 + ((WIDE - LEFT - 28) * t) / last;
  const y = (share) => 8 + (HIGH - BOTTOM - 8) * (1 - (share - low) / (high - low));
  const final = series.iterations.at(-1);
  const change = final && final.difference;
  const moved = change ? `${points(change.mean)} points [${change.ci95.map(points).join(", ")}]` : "";
  const says = `${series.suite}, ${series.decoding}: ${all.map((one) => `${one.iteration ? `iteration ${one.iteration}` : "base"} ${percent(one.accuracy)}`).join(", ")}`;
  return html`<figure class="chart">
    <figcaption><b>${series.suite}</b> <span>${percent((final || series.base).accuracy)}</span> <small>${moved}</small></figcaption>
    <svg viewBox=${`0 0 ${WIDE} ${HIGH}`} role="img" aria-label=${says}>
      ${ticks.map((tick) => html`<line class="grid" x1=${LEFT} x2=${WIDE} y1=${y(tick)} y2=${y(tick)} />
        <text class="tick" x=${LEFT - 5} y=${y(tick) + 4} text-anchor="end">${Math.round(100 * tick)}</text>`)}
      ${series.base && html`<rect class="band" x=${LEFT} width=${WIDE - LEFT} y=${y(series.base.ci95[1])} height=${y(series.base.ci95[0]) - y(series.base.ci95[1])} />
        <line class="base" x1=${LEFT} x2=${WIDE} y1=${y(series.base.accuracy)} y2=${y(series.base.accuracy)} />`}
      <polyline class="two" points=${all.map((one) => `${x(one.iteration)},${y(one.accuracy)}`).join(" ")} />
      ${all.map((one) => html`<g class=${one.iteration ? "two" : "base"}>
        <title>${`${one.iteration ? `iteration ${one.iteration}` : "base"}: ${percent(one.accuracy)} [${percent(one.ci95[0])}, ${percent(one.ci95[1])}], n = ${one.n}`}</title>
        <line class="whisker" x1=${x(one.iteration)} x2=${x(one.iteration)} y1=${y(one.ci95[0])} y2=${y(one.ci95[1])} />
        <circle cx=${x(one.iteration)} cy=${y(one.accuracy)} r="4" />
        <text class="tick" x=${x(one.iteration)} y=${HIGH - 4} text-anchor="middle">${one.iteration || "base"}</text>
      </g>`)}
    </svg>
  </figure>`;
}

// Candidates by confidence; the band is shaded, true label accuracy stands above the bars where it is known.
function Histogram({ panel }) {
  const histogram = panel.confidence_histogram;
  const most = Math.max(1, ...histogram);
  const wide = WIDE - LEFT;
  const top = 22;
  const x = (share) => LEFT + wide * share;
  const y = (value) => top + (HIGH - BOTTOM - top) * (1 - value / most);
  const bins = histogram.length;
  const truth = panel.label_accuracy_by_confidence || [];
  const says = histogram.map((value, i) => `${percent(i / bins, 0)} to ${percent((i + 1) / bins, 0)}: ${value}`).join(", ");
  return html`<svg class="histogram" viewBox=${`0 0 ${WIDE} ${HIGH}`} role="img" aria-label=${`candidates by confidence: ${says}`}>
    ${panel.band && html`<rect class="band kept" x=${x(panel.band[0])} width=${wide * (panel.band[1] - panel.band[0])} y="0" height=${HIGH - BOTTOM} />`}
    <text class="tick" x=${LEFT - 5} y=${y(most) + 4} text-anchor="end">${most}</text>
    <text class="tick" x=${LEFT - 5} y=${HIGH - BOTTOM} text-anchor="end">0</text>
    ${histogram.map((value, i) => html`<g>
      <title>${`${percent(i / bins, 0)} to ${percent((i + 1) / bins, 0)}: ${several(value, "candidate")}${truth.length && truth[i] !== null ? `, ${percent(truth[i], 0)} of them true` : ""}`}</title>
      <rect class="bar" x=${x(i / bins) + 1.5} width=${wide / bins - 3} y=${y(value)} height=${HIGH - BOTTOM - y(value)} />
      ${truth.length > 0 && truth[i] !== null && html`<text class="tick" x=${x((i + 0.5) / bins)} y=${y(value) - 4} text-anchor="middle">${Math.round(100 * truth[i])}</text>`}
    </g>`)}
    <line class="axis" x1=${LEFT} x2=${WIDE} y1=${HIGH - BOTTOM} y2=${HIGH - BOTTOM} />
    ${[0, 0.5, 1].map((share) => html`<text class="tick" x=${x(share)} y=${HIGH - 5} text-anchor=${share === 1 ? "end" : share ? "middle" : "start"}>${percent(share, 0)}</text>`)}
  </svg>`;
}
