"use strict";
// An image of the reader's: asked by the reader or the Questioner, answered by the base and by what came of it.

const LARGEST = 20 * 2 ** 20; // bytes, as the server takes

const read = (file) =>
  new Promise((done, fail) => {
    const reader = new FileReader();
    reader.onload = () => done(reader.result);
    reader.onerror = () => fail(new Error("the file cannot be read"));
    reader.readAsDataURL(file);
  });

function Drop({ image, take }) {
  const [over, setOver] = useState(false);
  const [bad, setBad] = useState(null);
  const first = (list) => list && list.length && take(list[0]);
  return html`<label class=${`drop ${over ? "over" : ""}`}
      onDragOver=${(event) => { event.preventDefault(); setOver(true); }}
      onDragLeave=${() => setOver(false)}
      onDrop=${(event) => { event.preventDefault(); setOver(false); first(event.dataTransfer.files); }}>
    ${image && bad !== image ? html`<img src=${image.address} alt="your image" onError=${() => setBad(image)} />` : html`<span>${image ? "the browser cannot show this image" : "drop an image here, paste one, or choose a file"}</span>`}
    <input type="file" accept="image/*" onChange=${(event) => first(event.target.files)} />
  </label>`;
}

function Side({ title, said }) {
  return html`<div class="side"><h4>${title}</h4>
    ${said === null ? html`<p class="quiet">no answer: it is not there yet</p>` : html`
      <p class="answer">${said.answer === null ? html`<span class="quiet">no silver answer</span>` : html`<${Words} text=${said.answer} />`} <${Confidence} value=${said.confidence} /></p>
      <p class="quiet"><${Words} text=${said.verdict} /></p>
      <ul class="counts">${said.counts.map(([answer, number]) => html`<li><${Words} text=${answer} /> × ${number}</li>`)}${said.unboxed > 0 && html`<li>nothing boxed × ${said.unboxed}</li>`}</ul>
      <details><summary>${several(said.votes.length, "vote")} with reasoning</summary><${Votes} votes=${said.votes} /></details>`}
  </div>`;
}

function Playground() {
  const [image, setImage] = useState(null);
  const [question, setQuestion] = useState("");
  const [answered, setAnswered] = useState(null);
  const [error, setError] = useState("");
  const [busy, setBusy] = useState(false);

  const take = async (file) => {
    setError("");
    setAnswered(null);
    if (file.size > LARGEST) {
      setImage(null);
      setError(`the image is too large: ${(file.size / 2 ** 20).toFixed(0)} MiB, at most ${LARGEST / 2 ** 20}`);
      return;
    }
    try {
      setImage({ address: await read(file) });
    } catch (failure) {
      setError(failure.message);
    }
  };
  useEffect(() => {
    const paste = (event) => event.clipboardData && event.clipboardData.files.length && take(event.clipboardData.files[0]);
    document.addEventListener("paste", paste);
    return () => document.removeEventListener("paste", paste);
  }, []);
  const ask = async (text) => {
    setBusy(true);
    setError("");
    setAnswered(null);
    try {
      setAnswered(await source.ask(image.address.split(",", 2)[1] || "", text));
    } catch (failure) {
      setError(failure.message);
    }
    setBusy(false);
  };
  const ready = image && !busy;
  return html`<section class="playground">
    <h2>Playground</h2>
    <p class="quiet">Both Reasoners, the base and the run's, vote on an image of yours as they would for a silver set.</p>
    <form onSubmit=${(event) => { event.preventDefault(); if (ready && question.trim()) ask(question); }}>
      <${Drop} image=${image} take=${take} />
      <div class="asking">
        <label>Your question <input type="text" maxlength="2000" value=${question} onInput=${(event) => setQuestion(event.target.value)} /></label>
        <p><button type="submit" class="main" disabled=${!ready || !question.trim()}>ask</button>
          <button type="button" disabled=${!ready} onClick=${() => ask(null)}>let the Questioner ask</button></p>
        <p role="status">${busy ? "thinking; the first time models are loaded, which takes a while …" : ""}</p>
        ${error && html`<p class="failure" role="alert">${error}</p>`}
      </div>
    </form>
    ${answered && html`<${Answered} answered=${answered} />`}
  </section>`;
}

const ASKERS = { you: "You ask", base: "The base asks", evolved: "The evolved Questioner asks" };

function Answered({ answered }) {
  return html`<div class="answered" aria-live="polite">
    ${answered.note && html`<p class="note">${answered.note}</p>`}
    <h3>${ASKERS[answered.asks]}</h3>
    ${answered.questions.length === 0 && html`<p class="quiet">no question in the agreed form</p>`}
    ${answered.questions.map((one) => html`<article class="asked">
      <h4><${Words} text=${one.text} /> <small>${answered.asks === "you" ? "" : one.type}</small></h4>
      <div class="sides"><${Side} title="Base" said=${one.base} /><${Side} title="Evolved" said=${one.evolved} /></div>
    </article>`)}
    ${answered.unread.length > 0 && html`<details><summary>${several(answered.unread.length, "completion")} in no agreed form</summary>
      <ul>${answered.unread.map((text) => html`<li><${Words} text=${text} /></li>`)}</ul></details>`}
  </div>`;
}
