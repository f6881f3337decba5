"use strict";
// The first view: where the run is, its health, curves, suites, silver sets, verdicts.

const CURVES = [
  { name: "reward", title: "Reward" },
  { name: "confidence", title: "Confidence", share: true },
  { name: "valid", title: "Valid share", share: true },
  { name: "kl", title: "KL to the base, nats a token" },
  { name: "entropy", title: "Entropy, nats a token" },
];
const STATES = { running: "running", finished: "finished", stopped: "stopped; --resume goes on", failed: "failed; --resume goes on" };

// Why phases did not run, a sentence each, or else what is said of a part that has nothing yet.
function Absent({ absent, names, empty = "" }) {
  const told = names.map((name) => absent[name]).filter(Boolean);
  const words = told.length ? told : empty ? [empty] : [];
  return words.map((text) => html`<p class="quiet" key=${text}><${Words} text=${text} /></p>`);
}

function Where({ status }) {
  const over = status.state === "finished";
  const here = over ? phases.length : phases.findIndex((phase) => phase.name === status.phase);
  return html`<section class="where" aria-label="where the run is">
    <p class="facts">
      <span class=${`state ${status.state}`}>${STATES[status.state]}</span>
      <span><b>iteration ${status.iteration}</b> of ${status.iterations}</span>
      ${!over && html`<span>${doing(status.phase)}, step ${status.step} of ${status.steps}</span>`}
      <span>${duration(status.seconds)} so far</span>
      ${status.state === "running" && html`<span><b>${status.seconds_left === null ? "time left not known yet" : `${duration(status.seconds_left)} left`}</b></span>`}
    </p>
    <progress max="1" value=${status.done} aria-label="share of the steps that are finished">${percent(status.done)}</progress>
    <ol class="phases" aria-hidden="true">
      ${phases.map((phase, i) => html`<li class=${i === here ? "now" : i < here ? "past" : ""}>${phase.doing}</li>`)}
    </ol>
    <p class=${status.state === "failed" ? "failure" : "unseen"} role="status"><${Words} text=${status.words} /></p>
    <p class="quiet">model ${status.model}, images ${status.images}, seed ${status.seed}</p>
  </section>`;
}

function Headline({ headline }) {
  if (!headline) return null;
  return html`<section aria-label="result">
    <h2>Result: ${headline.verdict}</h2>
    ${headline.sentences.map((sentence) => html`<p>${sentence}</p>`)}
  </section>`;
}

function Health({ signs, level }) {
  return html`<section>
    <h2>Health <${Mark} level=${level}>${LEVELS[level]}<//></h2>
    ${signs.length === 0 && html`<p class="quiet">Nothing to judge by yet.</p>`}
    <ul class="signs">
      ${signs.map((sign) => html`<li key=${sign.name} class=${sign.level}><${Mark} level=${sign.level}><b>${sign.name}</b><//> ${sign.words}</li>`)}
    </ul>
  </section>`;
}

function Curves({ curves, absent, theme }) {
  const shown = CURVES.map((one) => ({ ...one, of: curves.filter((curve) => curve.name === one.name && curve.y.length) })).filter((one) => one.of.length);
  return html`<section>
    <h2>Curves</h2>
    <${Absent} absent=${absent} names=${["questioner", "reasoner"]} empty=${shown.length === 0 ? "No step is finished yet." : ""} />
    <div class="charts">
      ${shown.map(({ name, title, share, of }) => html`<${Curve} key=${name} title=${title} curves=${of} share=${share} theme=${theme} />`)}
    </div>
    ${shown.length > 0 && html`<details><summary>As a table: means of each iteration</summary><${CurveTable} shown=${shown} /></details>`}
  </section>`;
}

function CurveTable({ shown }) {
  const lines = shown.flatMap(({ title, share, of }) =>
    of.map((curve) => ({ title: `${title}, ${lineOf(curve.phase).name}`, unit: share ? (value) => percent(value) : figure, curve })),
  );
  const iterations = [...new Set(lines.flatMap(({ curve }) => curve.iteration))].sort((a, b) => a - b);
  const mean = (curve, t) => {
    const values = curve.y.filter((value, i) => curve.iteration[i] === t && value !== null);
    return values.length ? values.reduce((a, b) => a + b) / values.length : null;
  };
  return html`<${Table} caption="means of each iteration" head=${["", ...iterations.map((t) => `iteration ${t}`)]}
    rows=${lines.map(({ title, unit, curve }) => [title, ...iterations.map((t) => unit(mean(curve, t)))])} />`;
}

function Suites({ suites, absent }) {
  const decodings = [...new Set(suites.map((one) => one.decoding))];
  const [chosen, choose] = useState("");
  const decoding = decodings.includes(chosen) ? chosen : decodings[0];
  const shown = suites.filter((one) => one.decoding === decoding && (one.base || one.iterations.length));
  const first = shown.filter((one) => one.task === null);
  return html`<section>
    <h2>Suites</h2>
    <${Absent} absent=${absent} names=${["measure"]} empty=${shown.length === 0 ? "Nothing is measured yet." : ""} />
    ${decodings.length > 1 && html`<p class="choice" role="group" aria-label="decoding">
      ${decodings.map((one) => html`<button type="button" aria-pressed=${one === decoding} onClick=${() => choose(one)}>${one}</button>`)}
    </p>`}
    ${shown.length > 0 && html`<p class="quiet">Accuracy in %, with 95 % intervals; the dashed line is the base, the change is paired item by item.</p>`}
    <div class="charts">${first.map((series) => html`<${Intervals} key=${series.suite} series=${series} />`)}</div>
    ${shown.length > 0 && html`<details><summary>As a table${shown.length > first.length ? ", every look of each lab task" : ""}</summary><${SuiteTable} shown=${shown} /></details>`}
    <${MadeOf} suites=${suites} />
  </section>`;
}

function SuiteTable({ shown }) {
  const last = Math.max(0, ...shown.flatMap((one) => one.iterations.map((each) => each.iteration)));
  const numbers = Array.from({ length: last }, (_, i) => i + 1);
  const cell = (one) => (one ? html`${percent(one.accuracy)} <small>[${one.ci95.map((end) => percent(end)).join(", ")}]</small>` : "–");
  const moved = (change) => (change ? html`${points(change.mean)} <small>[${change.ci95.map(points).join(", ")}]</small>` : "–");
  const voted = shown.some((one) => one.baseline);
  const best = (one) => (one ? html`${cell(one)} <small>${one.name.replaceAll("_", " ")}, ${count(one.n)} items</small>` : "–");
  return html`<${Table} caption="suites by iteration" head=${["suite", "items", "base", ...numbers.map((t) => `iteration ${t}`), "change, points", ...(voted ? ["best baseline without training", "lead, points"] : [])]}
    rows=${shown.map((one) => [
      html`<span class=${one.task === null ? "" : "look"}>${one.suite}</span>`,
      count((one.base || one.iterations[0]).n),
      cell(one.base),
      ...numbers.map((t) => cell(one.iterations.find((each) => each.iteration === t))),
      moved(one.iterations.at(-1)?.difference),
      ...(voted ? [best(one.baseline), moved(one.iterations.at(-1)?.lead_over_baseline)] : []),
    ])} />`;
}

function MadeOf({ suites }) {
  const shown = suites.map((one) => ({ ...one, last: one.iterations.at(-1) })).filter((one) => one.decoding === "greedy" && one.last && one.last.transitions);
  if (!shown.length) return null;
  const moves = ["declined_to_right", "wrong_to_right", "right_to_declined", "right_to_wrong"];
  const answered = (one) => (one ? html`${points(one.mean)} <small>[${one.ci95.map(points).join(", ")}]</small>` : "–");
  return html`<details><summary>What the change is made of</summary>
    <${Table} caption="what the change of the last iteration is made of" head=${["suite", "declined", ...moves.map((name) => name.replace("_to_", " → ")), "change where the base answered, points"]}
      rows=${shown.map((one) => [
        one.suite,
        `${percent(one.base.declined.share)} → ${percent(one.last.declined.share)}`,
        ...moves.map((name) => count(one.last.transitions[name])),
        answered(one.last.answered_difference),
      ])} /></details>`;
}

function Silver({ panels, absent, show }) {
  const [chosen, choose] = useState(null);
  if (!panels.length) return html`<section><h2>Silver sets</h2><${Absent} absent=${absent} names=${["silver"]} empty="None is made yet." /></section>`;
  const panel = panels.find((one) => one.iteration === chosen) || panels.at(-1);
  const lost = panel.asked - panel.valid;
  const again = panel.valid - panel.candidates;
  const tasks = Object.entries(panel.tasks || {});
  const flow = [
    { name: "asked", value: panel.asked },
    ...(lost ? [{ name: "not in the agreed form", value: lost, class: "lost" }] : []),
    ...(again ? [{ name: "the same again", value: again, class: "lost" }] : []),
    ...(panel.unlabelled ? [{ name: "no silver answer", value: panel.unlabelled, class: "lost" }] : []),
    ...Object.entries(panel.dropped).map(([gate, value]) => ({ name: `gate ${gate}`, value, class: "lost" })),
    ...tasks.map(([name, task]) => ({ name: `kept from ${name}`, value: task.kept, class: "kept" })),
    { name: tasks.length ? "kept of those asked" : "kept", value: panel.kept - tasks.reduce((sum, [, task]) => sum + task.kept, 0), class: "kept" },
  ];
  const types = Object.entries(panel.types).map(([name, value]) => ({ name, value }));
  return html`<section>
    <h2>Silver sets</h2>
    <p class="choice" role="group" aria-label="iteration">
      ${panels.map((one) => html`<button type="button" aria-pressed=${one === panel} onClick=${() => choose(one.iteration)}>iteration ${one.iteration}</button>`)}
    </p>
    <div class="charts wide">
      ${panel.candidates === 0 && html`<p class="quiet">No question has the agreed form, so none has a confidence or a type.</p>`}
      ${panel.candidates > 0 && html`<figure class="chart"><figcaption><b>Candidates by confidence</b></figcaption>
        <${Histogram} panel=${panel} />
        <p class="quiet">${panel.band ? html`Shaded: the band ${percent(panel.band[0], 0)} to ${percent(panel.band[1], 0)}${panel.band_above_chance ? ", counted above chance, so fewer are kept than the shade shows" : ""}.` : "This run has no band."}
          ${panel.label_accuracy_by_confidence && " Above a bar: % of its answers that are true."}</p>
      </figure>`}
      <figure class="chart"><figcaption><b>From asked to kept</b></figcaption><${Bars} rows=${flow} total=${panel.asked} />
        <button type="button" class="link" onClick=${() => show({ iteration: panel.iteration, phase: "silver", kept: "false" })}>see what was dropped</button></figure>
      ${panel.candidates > 0 && html`<figure class="chart"><figcaption><b>Types</b></figcaption><${Bars} rows=${types} total=${panel.candidates} />
        <p class="quiet">${several(panel.distinct_texts, "different text")} among ${several(panel.candidates, "candidate")}.</p></figure>`}
    </div>
    <${Table} caption="silver sets by iteration" head=${["iteration", "asked", "valid", "kept", "confidence", "true labels", "answerable", "paper's recipe, same questions"]}
      rows=${panels.map((one) => [
        one.iteration,
        count(one.asked),
        percent(one.asked ? one.valid / one.asked : null),
        count(one.kept),
        percent(one.mean_confidence),
        percent(one.label_accuracy),
        percent(one.answerable),
        one.paper_kept === undefined ? "–" : html`${percent(one.paper_label_accuracy)} <small>of ${one.paper_kept} kept</small>`,
      ])} />
  </section>`;
}

function Verdicts({ verdicts, absent }) {
  if (!verdicts.length) return absent.accept ? html`<section><h2>Verdicts</h2><${Absent} absent=${absent} names=${["accept"]} /></section>` : null;
  const change = (one, name) => {
    const ci95 = one[`${name}_ci95`] || [null];
    return one[`${name}_change`] === undefined ? "–" : html`${points(one[`${name}_change`])} ${ci95.includes(null) ? "" : html`<small>[${ci95.map(points).join(", ")}]</small>`}`;
  };
  const columns = [
    ["iteration", (one) => one.iteration],
    ["verdict", (one) => html`<${Mark} level=${one.accepted ? "good" : "bad"}>${one.accepted ? "accepted" : "rolled back"}<//>`],
    ["against", (one) => one.against || "base"],
    ["trusted answers kept", (one) => change(one, "kept")],
    ["agreement", (one) => change(one, "agreement")],
    ["questions with an answer", (one) => change(one, "asking")],
  ];
  const labelled = verdicts.some((one) => one.validation_change !== undefined);
  if (labelled) columns.push(["validation set", (one) => html`${change(one, "validation")} <small>${percent(one.validation_accuracy)} of ${one.validation_items} right</small>`]);
  columns.push(["truth (lab)", (one) => change(one, "true")]);
  return html`<section>
    <h2>Verdicts</h2>
    <p class="quiet">Each iteration is judged on held-out images without labels${labelled ? ", and on your labelled items" : ""}; nothing trains on them. Changes in points against the last accepted iteration.</p>
    <${Table} caption="verdicts by iteration" head=${columns.map(([name]) => name)} rows=${verdicts.map((one) => columns.map(([, cell]) => cell(one)))} />
  </section>`;
}

function Run({ run, theme, show }) {
  const { status, headline, curves, suites, silver, verdicts, absent } = run.page;
  return html`
    <${Where} status=${status} />
    <${Headline} headline=${headline} />
    <${Health} signs=${run.signs} level=${run.level} />
    <${Curves} curves=${curves} absent=${absent} theme=${theme} />
    <${Suites} suites=${suites} absent=${absent} />
    <${Silver} panels=${silver} absent=${absent} show=${show} />
    <${Verdicts} verdicts=${verdicts} absent=${absent} />`;
}
