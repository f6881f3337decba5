"use strict";
// Small things that everything on the page is made of: how figures and a model's words are written.

const { h, render } = preact;
const { useEffect, useMemo, useRef, useState, useCallback } = preactHooks;
const html = htm.bind(h);

// The phases of an iteration in their order, [{ name, doing }]; main.js sets them when it has read the run.
let phases = [];
const doing = (name) => (phases.find((phase) => phase.name === name) || { doing: name }).doing;

const percent = (share, digits = 1) => (share === null || share === undefined ? "–" : `${(100 * share).toFixed(digits)} %`);
const points = (share) => `${share < 0 ? "−" : "+"}${Math.abs(100 * share).toFixed(1)}`;
const figure = (value) =>
  value === null || value === undefined ? "–" : Math.abs(value) >= 100 ? value.toFixed(0) : value.toFixed(Math.abs(value) < 0.01 && value ? 4 : 3);
const count = (value) => value.toLocaleString("en");
const several = (value, one, many = `${one}s`) => `${count(value)} ${value === 1 ? one : many}`;

function duration(seconds) {
  if (seconds === null || seconds === undefined) return "–";
  if (seconds < 90) return `${Math.round(seconds)} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  return `${(seconds / 3600).toFixed(1)} h`;
}

// Everything that cannot be seen or that turns the direction of text is written out; line ends and tabs stay.
const UNSEEN = /[\p{Cs}\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200b\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/gu;
const literal = (text) => text.replace(UNSEEN, (c) => `\\u${c.codePointAt(0).toString(16).padStart(4, "0")}`);

// A model's text, always as text.
const Words = ({ text, class: name = "" }) => html`<span class=${`words ${name}`} dir="auto">${literal(text)}</span>`;

const MARKS = { good: "✓", watch: "!", bad: "✗" };
const LEVELS = { good: "healthy", watch: "look again", bad: "bad signs" };
const Mark = ({ level, children }) => html`<span class=${`mark ${level}`}><span aria-hidden="true">${MARKS[level]}</span> ${children}</span>`;

const Confidence = ({ value }) => html`
  <span class="confidence" title="confidence: share of the votes">
    <span class="track" aria-hidden="true"><span style=${{ width: `${100 * value}%` }}></span></span>
    ${percent(value, 0)}<span class="unseen"> confidence</span>
  </span>`;

const ImageRef = ({ image, side = 256, alt }) => {
  const [gone, setGone] = useState("");
  const address = source.image(image, side);
  return gone === address
    ? html`<span class="image gone" role="img" aria-label=${alt}>no image</span>`
    : html`<img class="image" src=${address} alt=${alt} loading="lazy" onError=${() => setGone(address)} />`;
};

// Bars with their figures: [{ name, value, class, note }].
function Bars({ rows, total }) {
  return html`<dl class="bars">
    ${rows.map(
      (row) => html`<div key=${row.name} class=${row.class || ""}>
        <dt>${row.name}</dt>
        <dd><span class="track" aria-hidden="true"><span style=${{ width: `${total ? (100 * row.value) / total : 0}%` }}></span></span>
          <span class="figure">${count(row.value)}${row.note ? html` <small>${row.note}</small>` : ""}</span></dd>
      </div>`,
    )}
  </dl>`;
}

function Table({ head, rows, caption }) {
  return html`<div class="scroll" tabindex="0" role="region" aria-label=${caption}><table>
    <caption class="unseen">${caption}</caption>
    <thead><tr>${head.map((cell) => html`<th scope="col">${cell}</th>`)}</tr></thead>
    <tbody>${rows.map(([first, ...rest]) => html`<tr><th scope="row">${first}</th>${rest.map((cell) => html`<td>${cell}</td>`)}</tr>`)}</tbody>
  </table></div>`;
}

// A promise's value, asked for anew when what it depends on changes; the last one stays until the next is there.
function useLoaded(load, dependencies) {
  const [state, setState] = useState({ value: null, error: "", loading: true });
  useEffect(() => {
    let wanted = true;
    setState((before) => ({ ...before, loading: true }));
    load().then(
      (value) => wanted && setState({ value, error: "", loading: false }),
      (error) => wanted && setState((before) => ({ ...before, error: error.message, loading: false })),
    );
    return () => {
      wanted = false;
    };
  }, dependencies);
  return state;
}
