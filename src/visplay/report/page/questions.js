"use strict";
// A question as a card in a list, and in full with every vote.

const REASONS = { unlabelled: "no silver answer", invalid: "not in the agreed form", repeated: "the same again" };

function Verdict({ row }) {
  if (row.kept === null) return html`<span class="verdict">trained on</span>`;
  if (row.kept) return html`<span class="verdict kept">✓ ${row.phase === "silver" ? "kept" : "passed"}</span>`;
  return html`<span class="verdict lost">✗ ${REASONS[row.gate] || row.gate || "dropped"}</span>`;
}

const told = (row) => `image of “${literal(row.question).slice(0, 120)}”`;

function Card({ row, open, imaged = true }) {
  return html`<article class=${`card ${row.kept === false ? "lost" : "kept"}`}>
    ${imaged && html`<${ImageRef} image=${row.image} alt=${told(row)} />`}
    <div>
      <p class="meta">${row.type || "no type"} · ${imaged ? `iteration ${row.iteration}` : doing(row.phase)}</p>
      <h3><button type="button" class="whole" onClick=${() => open(row.id)}><${Words} text=${row.question} class="short" /></button></h3>
      ${row.more > 0 && html`<p class="quiet">and ${several(row.more, "more character")}</p>`}
      <p class="answer">${row.answer === null ? html`<span class="quiet">no silver answer</span>` : html`<${Words} text=${row.answer} class="short" />`}</p>
      <p class="meta"><${Confidence} value=${row.confidence} /> <${Verdict} row=${row} />
        ${row.reward !== null && html`<span>reward ${figure(row.reward)}</span>`}</p>
    </div>
  </article>`;
}

// The votes of a question in full, as the playground has them.
const votesOf = (item) =>
  (item.votes || []).map((answer, i) => ({ answer, text: item.reasoning[i], augmentation: item.augmentations[i], agrees: item.agrees[i], reward: (item.rewards || [])[i] }));

function Votes({ votes }) {
  return html`<ol class="votes">
    ${votes.map((vote) => html`<li class=${vote.agrees === undefined ? "" : vote.agrees ? "agrees" : "differs"}>
      <p><b>${vote.answer === null ? html`<span class="quiet">nothing boxed</span>` : html`<${Words} text=${vote.answer} />`}</b>
        <small>${vote.reward !== undefined ? `reward ${figure(vote.reward)}` : vote.agrees === true ? "with the majority" : vote.agrees === false ? "against it" : ""}${vote.augmentation && vote.augmentation !== "plain" ? ` · saw it ${vote.augmentation}` : ""}</small></p>
      <p class="reasoning"><${Words} text=${vote.text} /></p>
    </li>`)}
  </ol>`;
}

function Parts({ item }) {
  const rows = [
    ["base_reward", item.base_reward, "what it would earn if nothing resembled it"],
    ["diversity_penalty", -item.diversity_penalty, "for questions of its group that resemble it"],
    ["history_penalty", -item.history_penalty, "for having been asked in earlier steps"],
  ].filter(([, value], i) => i === 0 || value);
  return html`<dl class="parts">
    ${rows.map(([name, value, why]) => html`<div><dt>${name} <small>${why}</small></dt><dd>${value < 0 ? `−${figure(-value)}` : figure(value)}</dd></div>`)}
    <div class="sum"><dt>reward <small>rule “${item.rule}”</small></dt><dd>${figure(item.reward)}</dd></div>
  </dl>`;
}

// What the labeler read beside the votes, and what follows from it.
function Evidence({ item }) {
  if (!(item.evidence || []).length) return null;
  return html`<h3>What the labeler compared the votes with</h3>
    <ol class="evidence">${item.evidence.map((text, i) => html`<li>
      <p><b>${item.findings[i] === null ? html`<span class="quiet">nothing follows</span>` : html`<${Words} text=${item.findings[i]} />`}</b></p>
      <p class="reasoning"><${Words} text=${text || "an empty list"} /></p>
    </li>`)}</ol>`;
}

// A question in full, over the page; Escape or the button closes it.
function Detail({ id, close, open, through }) {
  const dialog = useRef(null);
  const { value: item, error } = useLoaded(() => source.item(id), [id]);
  useEffect(() => {
    if (!dialog.current.open) dialog.current.showModal();
    dialog.current.scrollTop = 0;
  }, [id]);
  const shown = item && item.id === id ? item : null;
  return html`<dialog ref=${dialog} class="detail" aria-label="a question in full" onClose=${close} onClick=${(event) => event.target === dialog.current && dialog.current.close()}>
    <button type="button" class="close" onClick=${() => dialog.current.close()}>close</button>
    ${error && html`<p class="failure" role="alert">${error}</p>`}
    ${!shown && !error && html`<p class="quiet">reading …</p>`}
    ${shown && html`<${Full} item=${shown} through=${through} />`}
  </dialog>`;
}

function Full({ item, through }) {
  const votes = votesOf(item);
  const trained = item.kept === null;
  const heading = trained ? "Every answer of its group, with its reward" : "Every vote with its reasoning";
  return html`
    <p class="meta">${item.type || "no type"}${item.source && item.source !== "questioner" ? ` · asked by ${item.source}` : ""} · iteration ${item.iteration}, ${doing(item.phase)}${item.phase === "questioner" || trained ? `, step ${item.step + 1}` : ""} · <${Verdict} row=${item} /></p>
    <h2 class="long"><${Words} text=${item.question} /></h2>
    <div class="columns">
      <div>
        <${ImageRef} image=${item.image} side="512" alt=${told(item)} />
        <p class="quiet"><${Words} text=${item.image} /></p>
        <button type="button" onClick=${() => through(item.image)}>this image through the iterations</button>
      </div>
      <div>
        <dl class="facts">
          <div><dt>silver answer</dt><dd>${item.answer === null ? "none" : html`<${Words} text=${item.answer} />`}</dd></div>
          <div><dt>confidence</dt><dd><${Confidence} value=${item.confidence} /></dd></div>
          <div><dt>majority of the ${trained ? "answers" : "votes"}</dt><dd>${item.majority === null ? "none" : html`<${Words} text=${item.majority} />`} <small>${percent(item.majority_share, 0)} of ${several(votes.length, trained ? "answer" : "vote")}${item.unboxed ? `, ${item.unboxed} without a box` : ""}</small></dd></div>
          ${item.reason && html`<div><dt>dropped</dt><dd><${Words} text=${item.reason} /></dd></div>`}
        </dl>
        ${item.base_reward !== null && html`<h3>Reward and its parts</h3><${Parts} item=${item} />`}
      </div>
    </div>
    <${Evidence} item=${item} />
    <h3>${votes.length ? heading : "It was never put to the vote"}</h3>
    <${Votes} votes=${votes} />`;
}
