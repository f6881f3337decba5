"use strict";
// Where the page's data comes from: the server it was loaded from, or, in a report, the page itself.

function serverSource() {
  let tag = "";
  let last = null;

  async function get(path, asked = {}) {
    const given = Object.entries(asked).filter(([, value]) => value !== null && value !== "");
    const query = given.length ? `?${new URLSearchParams(given)}` : "";
    const answer = await fetch(`${path}${query}`);
    if (!answer.ok) throw new Error(await reason(answer));
    return answer.json();
  }

  async function reason(answer) {
    return (await answer.text()) || `the server answered ${answer.status}`;
  }

  return {
    live: true,
    // The same object as before when nothing changed.
    async run() {
      const answer = await fetch("api/run", { headers: tag ? { "If-None-Match": tag } : {}, cache: "no-store" });
      if (answer.status === 304 && last) return last;
      if (!answer.ok) throw new Error(await reason(answer));
      last = await answer.json();
      tag = answer.headers.get("ETag") || "";
      return last;
    },
    find: (filter, order, start, count) => get("api/gallery", { ...filter, order, start, count }),
    item: (id) => get("api/item", { id }),
    storied: () => get("api/storied"),
    story: (image) => get("api/story", { image }),
    image: (image, side) => `image?${new URLSearchParams({ image, side })}`,
    async ask(image, question) {
      const answer = await fetch("api/playground", {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify({ image, question }),
      });
      if (!answer.ok) throw new Error(await reason(answer));
      return answer.json();
    },
  };
}

// What a report holds: { run, items: [question in full], stories: {image: story}, images: {image: address} }.
function fileSource(report) {
  const items = new Map(report.items.map((item) => [item.id, item]));
  const key = {
    time: (row, place) => place,
    confidence: (row) => row.confidence,
    reward: (row) => row.reward ?? -Infinity,
    text: (row) => row.question.toLowerCase(),
  };

  function matches(row, filter) {
    const text = filter.text.toLowerCase();
    return (
      (filter.iteration === null || row.iteration === Number(filter.iteration)) &&
      (filter.phase === null || row.phase === filter.phase) &&
      (filter.type === null || row.type === filter.type) &&
      (filter.gate === null || row.gate === filter.gate) &&
      (filter.kept === null || row.kept === (filter.kept === "true")) &&
      row.confidence >= filter.least &&
      row.confidence <= filter.most &&
      (!text || [row.question, row.answer || "", ...(row.reasoning || [])].some((one) => one.toLowerCase().includes(text)))
    );
  }

  return {
    live: false,
    run: async () => report.run,
    async find(filter, order, start, count) {
      const falling = order.startsWith("-");
      const value = key[falling ? order.slice(1) : order];
      const keyed = report.items
        .map((item, place) => [value(item, place), item])
        .filter(([, item]) => matches(item, filter));
      keyed.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0) * (falling ? -1 : 1));
      const rows = keyed.map(([, item]) => item);
      return { rows: rows.slice(start, start + count), start, total: rows.length };
    },
    async item(id) {
      if (!items.has(id)) throw new Error("this question is not in the report's sample; the run has all of them");
      return items.get(id);
    },
    storied: async () => Object.keys(report.stories),
    story: async (image) => report.stories[image] || { image, iterations: [], anchored: [] },
    image: (image) => report.images[image] || "",
    ask: null,
  };
}

const embedded = document.getElementById("report");
const source = embedded ? fileSource(JSON.parse(embedded.textContent)) : serverSource();
