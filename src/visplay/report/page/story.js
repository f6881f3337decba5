"use strict";
// One image through the iterations: what it asked then, what it asks now.

function Story({ image, choose, open, opened, through, show, version }) {
  const { value: ids } = useLoaded(() => source.storied(), [version]);
  const chosen = image || (ids && ids[0]) || null;
  const { value: story, error } = useLoaded(() => (chosen ? source.story(chosen) : Promise.resolve(null)), [chosen, version]);
  return html`<section>
    <h2>Then and now</h2>
    ${!ids && html`<p class="quiet">reading …</p>`}
    ${ids && ids.length === 0 && !chosen && html`<p class="quiet">No image was asked about in two iterations yet.</p>`}
    ${ids && ids.length > 0 && html`<p class="quiet">The same image through the iterations; choose one.</p>
      <div class="strip" role="group" aria-label="images">
        ${ids.map((id) => html`<button type="button" key=${id} aria-pressed=${id === chosen} onClick=${() => choose(id)}><${ImageRef} image=${id} side="128" alt=${`image ${literal(id)}`} /></button>`)}
      </div>`}
    ${error && html`<p class="failure" role="alert">${error}</p>`}
    ${story && story.image === chosen && html`<${Through} story=${story} open=${open} show=${show} />`}
    ${opened && html`<${Detail} id=${opened} close=${() => open(null)} through=${through} />`}
  </section>`;
}

function Through({ story, open, show }) {
  return html`
    <div class="through">
      <figure><${ImageRef} image=${story.image} side="512" alt=${`image ${literal(story.image)}`} /><figcaption><${Words} text=${story.image} /></figcaption></figure>
      <div class="iterations" tabindex="0" role="region" aria-label="questions by iteration">
        ${story.iterations.map((then) => html`<section key=${then.iteration} aria-label=${then.iteration ? `iteration ${then.iteration}` : "base"}>
          <h3>${then.iteration ? `Iteration ${then.iteration}` : "The base"}</h3>
          ${then.rows.map((row) => html`<${Card} key=${row.id} row=${row} open=${open} imaged=${false} />`)}
          ${then.rows.length === 0 && html`<p class="quiet">nothing</p>`}
          ${then.more > 0 && html`<p><button type="button" onClick=${() => show({ iteration: then.iteration, image: story.image })}>${several(then.more, "more", "more")}</button></p>`}
        </section>`)}
      </div>
    </div>
    ${story.anchored.length > 0 && html`<h3>The base's questions about it, answered by each iteration</h3><${Anchors} anchored=${story.anchored} />`}`;
}

function Anchors({ anchored }) {
  const iterations = [...new Set(anchored.flatMap((one) => one.held_out_answers.map((each) => each.iteration)))].sort((a, b) => a - b);
  const cell = (one, t) => {
    const opinion = one.held_out_answers.find((each) => each.iteration === t);
    if (!opinion) return "–";
    return html`${opinion.answer === null ? html`<span class="quiet">none</span>` : html`<${Words} text=${opinion.answer} />`} <small>${percent(opinion.confidence, 0)}</small>`;
  };
  return html`<${Table} caption="answers by iteration" head=${["question", ...iterations.map((t) => (t ? `iteration ${t}` : "base"))]}
    rows=${anchored.map((one) => [html`<${Words} text=${one.question} />`, ...iterations.map((t) => cell(one, t))])} />`;
}
