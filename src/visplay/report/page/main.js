"use strict";
// The frame: tabs, theme, and a look at the run every other second while it goes.

const TABS = [
  ["run", "Run"],
  ["gallery", "Gallery"],
  ["story", "Then and now"],
  ...(source.ask ? [["playground", "Playground"]] : []),
];
const OFTEN = 1500; // milliseconds between two looks at a run that goes on
const SELDOM = 8000;

function useRun() {
  const [state, setState] = useState({ run: null, error: "", version: 0 });
  useEffect(() => {
    let timer = 0;
    let over = false;
    const look = async () => {
      clearTimeout(timer);
      let wait = OFTEN;
      try {
        const run = await source.run();
        phases = run.page.phases;
        wait = run.page.status.state === "running" ? OFTEN : SELDOM;
        setState((before) => (before.run === run && !before.error ? before : { run, error: "", version: before.run === run ? before.version : before.version + 1 }));
      } catch (error) {
        setState((before) => ({ ...before, error: `no answer from the server: ${error.message}` }));
      }
      if (source.live && !over && !document.hidden) timer = setTimeout(look, wait);
    };
    const seen = () => source.live && !document.hidden && look();
    look();
    document.addEventListener("visibilitychange", seen);
    return () => {
      over = true;
      clearTimeout(timer);
      document.removeEventListener("visibilitychange", seen);
    };
  }, []);
  return state;
}

// "light", "dark" or what the system says; remembered where the browser allows it.
const THEMES = ["system", "light", "dark"];
function useTheme() {
  const remembered = () => {
    try {
      return localStorage.getItem("theme");
    } catch {
      return null;
    }
  };
  const [theme, setTheme] = useState(THEMES.includes(remembered()) ? remembered() : "system");
  const [dark, setDark] = useState(matchMedia("(prefers-color-scheme: dark)").matches);
  useEffect(() => {
    const media = matchMedia("(prefers-color-scheme: dark)");
    const changed = () => setDark(media.matches);
    media.addEventListener("change", changed);
    return () => media.removeEventListener("change", changed);
  }, []);
  const shown = theme === "system" ? (dark ? "dark" : "light") : theme;
  document.documentElement.dataset.theme = shown;
  const next = () => {
    const following = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length];
    try {
      localStorage.setItem("theme", following);
    } catch {
      // a report opened from a file may remember nothing
    }
    setTheme(following);
  };
  return [theme, shown, next];
}

function useTab() {
  const named = () => (TABS.some(([id]) => id === location.hash.slice(1)) ? location.hash.slice(1) : "run");
  const [tab, setTab] = useState(named());
  useEffect(() => {
    const changed = () => setTab(named());
    addEventListener("hashchange", changed);
    return () => removeEventListener("hashchange", changed);
  }, []);
  return [tab, (id) => { location.hash = id; }];
}

function Tabs({ tab, go }) {
  const moved = (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const [id] = TABS[(TABS.findIndex(([one]) => one === tab) + step + TABS.length) % TABS.length];
    go(id);
    document.getElementById(`tab-${id}`).focus();
  };
  return html`<div class="tabs" role="tablist" aria-label="views" onKeyDown=${moved}>
    ${TABS.map(([id, name]) => html`<button type="button" role="tab" id=${`tab-${id}`} aria-selected=${id === tab} aria-controls="view" tabindex=${id === tab ? 0 : -1} onClick=${() => go(id)}>${name}</button>`)}
  </div>`;
}

function Page() {
  const { run, error, version } = useRun();
  const [theme, shown, nextTheme] = useTheme();
  const [tab, go] = useTab();
  const [filter, setFilter] = useState(ANY);
  const [image, setImage] = useState(null);
  const [opened, open] = useState(null);
  useEffect(() => {
    if (run) document.title = `${run.name} · visplay`;
  }, [run && run.name]);
  const show = (wanted) => {
    setFilter({ ...ANY, ...wanted });
    go("gallery");
  };
  const through = (id) => {
    open(null);
    setImage(id);
    go("story");
  };
  const view = run && {
    run: () => html`<${Run} run=${run} theme=${shown} show=${show} />`,
    gallery: () => html`<${Gallery} run=${run} version=${version} filter=${filter} change=${setFilter} through=${through} opened=${opened} open=${open} />`,
    story: () => html`<${Story} image=${image} choose=${setImage} version=${version} through=${through} show=${show} opened=${opened} open=${open} />`,
    playground: () => html`<${Playground} />`,
  }[tab];
  return html`
    <header>
      <h1><span class="brand">visplay</span> ${run ? html`<${Words} text=${run.name} />` : ""}</h1>
      ${run && html`<p class="glance"><span class=${`state ${run.page.status.state}`}>${run.page.status.state}</span><${Mark} level=${run.level}>${LEVELS[run.level]}<//></p>`}
      <button type="button" class="theme" onClick=${nextTheme}>theme: ${theme}</button>
      <${Tabs} tab=${tab} go=${go} />
    </header>
    <main id="view" role="tabpanel" aria-labelledby=${`tab-${tab}`}>
      ${error && html`<p class="failure" role="alert">${error}</p>`}
      ${view ? view() : !error && html`<p class="quiet">reading the run …</p>`}
    </main>
    <footer>${source.live ? "" : "A report: one file, nothing is loaded from elsewhere. "}visplay</footer>`;
}

render(h(Page), document.getElementById("page"));
