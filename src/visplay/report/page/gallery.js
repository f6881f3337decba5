"use strict";
// Every question of the run: filtered by the source, shown a page at a time.

const PAGE = 48;
const ANY = { iteration: null, phase: null, type: null, gate: null, kept: null, least: 0, most: 1, text: "", image: null };
const ORDERS = { "-time": "latest first", time: "first asked first", "-confidence": "most confident", confidence: "least confident", "-reward": "highest reward", reward: "lowest reward", text: "by wording" };

function Choice({ label, value, options, choose }) {
  return html`<label>${label}
    <select value=${value ?? ""} onChange=${(event) => choose(event.target.value || null)}>
      ${options.map(([key, name]) => html`<option value=${key ?? ""}>${name}</option>`)}
    </select></label>`;
}

function Filters({ choices, filter, order, change, sort }) {
  const counted = (mapping, name = (key) => key) => [[null, "all"], ...Object.entries(mapping).filter(([key]) => key).map(([key, number]) => [key, `${name(key)} (${count(number)})`])];
  const set = (key) => (value) => change((before) => ({ ...before, [key]: value }));
  return html`<form class="filters" role="search" aria-label="filter the questions" onSubmit=${(event) => event.preventDefault()}>
    <label class="grow">Text <input type="search" value=${filter.text} placeholder="in questions, answers, votes" onInput=${(event) => set("text")(event.target.value)} /></label>
    <${Choice} label="Iteration" value=${filter.iteration} options=${counted(choices.iterations)} choose=${set("iteration")} />
    <${Choice} label="Phase" value=${filter.phase} options=${counted(choices.phases, doing)} choose=${set("phase")} />
    <${Choice} label="Type" value=${filter.type} options=${counted(choices.types, (key) => key || "none")} choose=${set("type")} />
    <${Choice} label="Verdict" value=${filter.kept} options=${[[null, "all"], ["true", `kept (${count(choices.kept)})`], ["false", `dropped (${count(choices.lost)})`]]} choose=${set("kept")} />
    <${Choice} label="Dropped by" value=${filter.gate} options=${counted(choices.gates, (key) => REASONS[key] || key)} choose=${set("gate")} />
    <fieldset><legend>Confidence, %</legend>
      <input type="number" min="0" max="100" step="5" aria-label="lowest confidence in percent" value=${Math.round(100 * filter.least)} onChange=${(event) => set("least")(share(event, 0))} />
      to
      <input type="number" min="0" max="100" step="5" aria-label="highest confidence in percent" value=${Math.round(100 * filter.most)} onChange=${(event) => set("most")(share(event, 1))} />
    </fieldset>
    <${Choice} label="Order" value=${order} options=${Object.entries(ORDERS)} choose=${sort} />
    <button type="button" onClick=${() => change(ANY)}>show all</button>
  </form>`;
}

function share(event, otherwise) {
  const value = event.target.value === "" ? otherwise : Number(event.target.value) / 100;
  return Math.min(1, Math.max(0, Number.isFinite(value) ? value : otherwise));
}

// What was found so far: the first page anew whenever the filter or the run changes, others when asked for.
function useFound(filter, order, version) {
  const [found, setFound] = useState({ rows: null, total: 0, error: "", more: false });
  const asked = useRef(0);
  const pages = useRef(1);
  const read = useCallback(
    async (start, number, wait) => {
      const mine = ++asked.current;
      if (wait) await new Promise((done) => setTimeout(done, wait));
      if (mine !== asked.current) return;
      try {
        const page = await source.find(filter, order, start, number);
        if (mine !== asked.current) return;
        setFound((before) => ({ rows: start ? [...before.rows, ...page.rows] : page.rows, total: page.total, error: "" }));
      } catch (error) {
        if (mine === asked.current) setFound((before) => ({ ...before, rows: before.rows || [], error: error.message }));
      }
    },
    [filter, order],
  );
  useEffect(() => {
    pages.current = 1;
    read(0, PAGE, filter.text ? 60 : 0);
  }, [read]);
  // A running run adds questions: the list is read anew unless the reader has gone further down.
  useEffect(() => {
    if (found.rows && pages.current === 1) read(0, PAGE, 0);
  }, [version]);
  const more = () => {
    pages.current += 1;
    read(found.rows.length, PAGE, 0);
  };
  return { ...found, more };
}

function Gallery({ run, version, filter, change, through, opened, open }) {
  const [order, sort] = useState("-time");
  const { rows, total, error, more } = useFound(filter, order, version);
  const end = useRef(null);
  useEffect(() => {
    if (!end.current) return undefined;
    const watcher = new IntersectionObserver(([entry]) => entry.isIntersecting && more(), { rootMargin: "400px" });
    watcher.observe(end.current);
    return () => watcher.disconnect();
  }, [rows]);
  return html`<section>
    <h2>Gallery</h2>
    ${!source.live && html`<p class="note">A fixed sample of the run's questions; the figures beside the filters count all of them. <code>visplay watch</code> shows every one.</p>`}
    <${Filters} choices=${run.choices} filter=${filter} order=${order} change=${change} sort=${(value) => sort(value || "-time")} />
    <p role="status" class="total">${rows === null ? "looking …" : several(total, "question")}${filter.image ? html` about <${Words} text=${filter.image} />` : ""}</p>
    ${error && html`<p class="failure" role="alert">${error}</p>`}
    <div class="cards">${(rows || []).map((row) => html`<${Card} key=${row.id} row=${row} open=${open} />`)}</div>
    ${rows && rows.length < total && html`<p ref=${end}><button type="button" onClick=${more}>more</button></p>`}
    ${opened && html`<${Detail} id=${opened} close=${() => open(null)} through=${through} />`}
  </section>`;
}
