"use strict";
// The street: buttons and keys are sent one after the other, and what the chips do is shown as it comes.
(() => {
  const LOOK_MS = 2000;
  const PRESSED_MS = 180;
  const street = document.getElementById("street");
  const said = document.getElementById("said");
  const happened = document.getElementById("happened");
  if (!street || !window.EventSource || !window.fetch) {
    return;
  }
  let frames = street.dataset.frames;
  // Keys of a code must arrive in the order in which they were pressed.
  let queue = Promise.resolve();

  function show(view) {
    for (const [name, [state, words]] of Object.entries(view.states)) {
      street.dataset[name] = state;
      for (const place of street.querySelectorAll(`[data-word="${name}"]`)) {
        if (place.textContent !== words) {
          place.textContent = words;
        }
      }
    }
    if (view.states.frames[0] !== frames) {
      frames = view.states.frames[0];
      document.getElementById("frame").src = `/street/frame.jpg?${frames}`;
      look();
    }
    happened.replaceChildren(...view.lines.map((line) => {
      const item = document.createElement("li");
      ["time", "name", "what"].forEach((name, index) => {
        const part = document.createElement("span");
        part.className = name;
        part.textContent = line[index];
        item.append(part);
      });
      return item;
    }));
  }

  async function send(form, value) {
    const body = new URLSearchParams({ value });
    const headers = { "Accept": "application/json", "X-CSRF-Token": form.elements.csrf.value };
    try {
      const answer = await fetch(form.action, { method: "POST", body, headers });
      if (answer.status === 401 || answer.redirected) {
        window.location.assign("/login");
        return;
      }
      said.textContent = (await answer.json()).said;
    } catch (error) {
      said.textContent = "The demonstration does not answer.";
    }
  }

  // Before the page's own listener, which takes every form for one that leads to another page.
  document.addEventListener("submit", (occasion) => {
    const form = occasion.target;
    if (!street.contains(form) || !occasion.submitter) {
      return;
    }
    occasion.preventDefault();
    occasion.stopPropagation();
    const value = occasion.submitter.value;
    queue = queue.then(() => send(form, value));
  }, true);

  // The keyboard's digits are the keypad's, wherever nothing is being written.
  document.addEventListener("keydown", (occasion) => {
    const isWriting = occasion.target.closest("input, textarea, select, [contenteditable]");
    if (isWriting || occasion.ctrlKey || occasion.metaKey || occasion.altKey || occasion.repeat) {
      return;
    }
    const button = street.querySelector(`.keypad button[value="${CSS.escape(occasion.key)}"]`);
    if (occasion.key.length === 1 && button) {
      occasion.preventDefault();
      button.classList.add("pressed");
      setTimeout(() => button.classList.remove("pressed"), PRESSED_MS);
      button.form.requestSubmit(button);
    }
  });

  function look() {
    if (!document.hidden) {
      document.getElementById("scene").src = `/street/scene.jpg?${Date.now()}`;
    }
  }

  const source = new EventSource("/street/live");
  source.addEventListener("view", (message) => show(JSON.parse(message.data)));
  setInterval(look, LOOK_MS);
})();
