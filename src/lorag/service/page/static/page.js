// What HTML and htmx cannot do: copy a command, send a question with Enter, decide about drafts by key,
// read off the break-even, and say that the service is down.
(() => {
  "use strict";

  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy]");
    if (!button) return;
    const before = button.textContent;
    try {
      await navigator.clipboard.writeText(button.dataset.copy);
      button.textContent = "Copied";
    } catch {
      // Without https or permission: the command is selected instead, so that a key copies it.
      const range = document.createRange();
      range.selectNodeContents(button.previousElementSibling);
      getSelection().removeAllRanges();
      getSelection().addRange(range);
      button.textContent = "Selected";
    }
    setTimeout(() => { button.textContent = before; }, 1500);
  });

  document.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing || !event.target.matches("[data-enter]")) return;
    event.preventDefault();
    event.target.form.requestSubmit();
  });

  // A key presses the button that names it, unless somebody types.
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.repeat || event.isComposing) return;
    if (event.target.closest("input, textarea, select, [contenteditable]")) {
      const edited = event.key === "Escape" && event.target.closest("details");
      if (edited) {
        edited.open = false;
        edited.querySelector("summary").focus();
      }
      return;
    }
    const button = document.querySelector(`[data-key="${CSS.escape(event.key)}"]`);
    if (!button) return;
    event.preventDefault();
    button.click();
    if (button.matches("summary") && button.parentElement.open) button.parentElement.querySelector("textarea").focus();
  });

  function showFailure(place, said, todo) {
    const section = document.createElement("section");
    section.className = "error";
    section.setAttribute("role", "alert");
    for (const [name, text] of [["h2", "This did not work"], ["p", said], ["p", todo]]) {
      section.appendChild(document.createElement(name)).textContent = text;
    }
    place.replaceChildren(section);
  }

  // The service cannot say itself that it is down.
  document.addEventListener("htmx:error", (event) => {
    const target = event.detail.ctx?.target;
    if (target instanceof Element && target !== document.body) {
      showFailure(target, "The service does not answer.", "What to do: start `lorag serve` again, then load this page.");
    }
  });

  document.addEventListener("htmx:sse:close", (event) => {
    const target = document.querySelector(event.target.getAttribute("hx-target"));
    if (target?.querySelector("[aria-busy]")) {
      showFailure(target, "The answer broke off.", "What to do: ask again; if nothing comes, start `lorag serve` again.");
      return;
    }
    // So that the way back from a document leads to the answer, or at least to the question.
    const answer = target?.querySelector("[name=answer]")?.value;
    const address = new URL(event.target.dataset.back, location.href);
    if (target?.id === "answer" && answer) address.searchParams.set("answer", answer);
    else address.searchParams.set("question", event.target.elements.question.value);
    history.replaceState(null, "", address);
  });

  const spread = ([least, greatest], share) => least * (greatest / least) ** share;

  const plain = (value) => (
    value >= 100 ? value.toLocaleString("en", { maximumFractionDigits: 0 }) : String(Number(value.toPrecision(2))));

  function money(value, unit) {
    if (value === 0) return `0 ${unit}`;
    const digits = value >= 1 ? 2 : Math.min(8, Math.max(2, 1 - Math.floor(Math.log10(value))));
    return `${value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits })} ${unit}`;
  }

  function readOff(form) {
    const data = JSON.parse(form.dataset.breakEven);
    const [left, top, right, bottom] = data.plot;
    const share = { updates: form.updates.value / data.steps, queries: form.queries.value / data.steps };
    const updates = spread(data.updates, share.updates);
    const queries = spread(data.queries, share.queries);
    form.querySelector("output.updates").value = plain(updates);
    form.querySelector("output.queries").value = plain(queries);
    const x = left + share.updates * (right - left);
    const y = bottom - share.queries * (bottom - top);
    form.querySelector(".cross-x").setAttribute("d", `M${x} ${top}V${bottom}`);
    form.querySelector(".cross-y").setAttribute("d", `M${left} ${y}H${right}`);
    const dot = form.querySelector("circle");
    dot.setAttribute("cx", x);
    dot.setAttribute("cy", y);
    const aDay = Object.fromEntries(Object.entries(data.costs).map(
      ([name, [update, query, storage]]) => [name, updates * update + queries * query + storage]));
    const cheapest = data.drawn.reduce((best, name) => (aDay[name] < aDay[best] ? name : best));
    for (const row of form.querySelectorAll("[data-strategy]")) {
      row.classList.toggle("cheapest", row.dataset.strategy === cheapest);
      row.lastElementChild.textContent = money(aDay[row.dataset.strategy], data.unit);
    }
  }

  document.addEventListener("input", (event) => {
    const form = event.target.closest("[data-break-even]");
    if (form) readOff(form);
  });

  for (const kind of ["pointermove", "pointerdown"]) {
    document.addEventListener(kind, (event) => {
      const drawing = event.target.closest("[data-break-even] svg");
      if (!drawing) return;
      const form = drawing.closest("form");
      const data = JSON.parse(form.dataset.breakEven);
      const [left, top, right, bottom] = data.plot;
      const at = new DOMPoint(event.clientX, event.clientY).matrixTransform(drawing.getScreenCTM().inverse());
      if (at.x < left || at.x > right || at.y < top || at.y > bottom) return;
      form.updates.value = Math.round(((at.x - left) / (right - left)) * data.steps);
      form.queries.value = Math.round(((bottom - at.y) / (bottom - top)) * data.steps);
      readOff(form);
    });
  }
})();
