"use strict";
// What the page does beyond htmx: live lists without a jump, words for those who hear them, and a sign of waiting.
(() => {
  const KEPT = 200;
  const SLOW_MS = 700;
  let waiting = 0;
  let timer = 0;

  const byId = (id) => document.getElementById(id);

  function say(text) {
    const place = byId("announcement");
    if (place && text) {
      place.textContent = text;
    }
  }

  // The first card that is in sight, and where: whatever comes above it must not move it.
  function anchorOf(list) {
    if (window.scrollY < 40) {
      return null;
    }
    for (const card of list.children) {
      const box = card.getBoundingClientRect();
      if (box.bottom > 0) {
        return { card, top: box.top };
      }
    }
    return null;
  }

  // Takes over what changed, card by card: those that are the same stay the elements that they are, with their focus.
  function merge(list, fresh) {
    const anchor = anchorOf(list);
    const known = new Map([...list.children].map((card) => [card.id, card]));
    const added = [];
    let last = null;
    for (const card of [...fresh.children]) {
      let present = known.get(card.id);
      if (!present) {
        card.classList.add("new");
        added.push(card.dataset.says || "");
        present = card;
      } else if (present.dataset.version !== card.dataset.version) {
        if (present.contains(document.activeElement)) {
          present.dataset.version = card.dataset.version;
          present.innerHTML = card.innerHTML;
          present.className = card.className;
        } else {
          present.replaceWith(card);
          if (anchor && anchor.card === present) {
            anchor.card = card;
          }
          present = card;
        }
      }
      const wanted = last ? last.nextElementSibling : list.firstElementChild;
      if (present !== wanted) {
        list.insertBefore(present, wanted);
      }
      known.delete(card.id);
      last = present;
    }
    // Older ones than the fragment reaches stay for whoever is reading them.
    const reachesEnd = fresh.dataset.more !== "yes";
    for (const card of known.values()) {
      const isOlder = last && last.compareDocumentPosition(card) & Node.DOCUMENT_POSITION_FOLLOWING;
      if (reachesEnd || !isOlder) {
        card.remove();
      }
    }
    while (list.children.length > KEPT) {
      list.lastElementChild.remove();
    }
    if (anchor && anchor.card.isConnected) {
      window.scrollBy(0, anchor.card.getBoundingClientRect().top - anchor.top);
    }
    return added;
  }

  function showProgress(change) {
    waiting = Math.max(0, waiting + change);
    const place = byId("progress");
    clearTimeout(timer);
    if (place && waiting === 0) {
      place.hidden = true;
    } else if (place) {
      timer = setTimeout(() => { place.hidden = false; }, SLOW_MS);
    }
  }

  document.addEventListener("htmx:beforeSwap", (occasion) => {
    const target = occasion.detail.target;
    if (!target || !target.matches("[data-merge]") || occasion.detail.xhr.status !== 200) {
      return;
    }
    occasion.detail.shouldSwap = false;
    const fragment = new DOMParser().parseFromString(occasion.detail.xhr.responseText, "text/html");
    const fresh = fragment.querySelector("[data-merge]");
    if (!fresh) {
      return;
    }
    const added = merge(target, fresh);
    const empty = byId("empty");
    if (empty) {
      empty.hidden = target.children.length > 0;
    }
    if (added.length === 1) {
      say(added[0]);
    } else if (added.length > 1) {
      say(`${added.length} new: ${added[0]}`);
    }
  });
  document.addEventListener("htmx:beforeRequest", () => showProgress(1));
  document.addEventListener("htmx:afterRequest", () => showProgress(-1));

  // A form that was sent says so, and is not sent twice.
  document.addEventListener("submit", (occasion) => {
    const button = occasion.submitter || occasion.target.querySelector("button");
    showProgress(1);
    if (button) {
      setTimeout(() => { button.disabled = true; }, 0);
    }
  });
  // Back from another page, the browser shows this one as it was left.
  window.addEventListener("pageshow", () => {
    waiting = 0;
    showProgress(0);
    for (const button of document.querySelectorAll("button[disabled]")) {
      button.disabled = false;
    }
  });

  // Only scripts can print, so without them there is no button for it.
  for (const button of document.querySelectorAll("[data-print]")) {
    button.hidden = false;
    button.addEventListener("click", () => window.print());
  }

  // On a phone the newest deliveries come first, unless a filter says which ones.
  const filters = document.querySelector(".filters:not([data-used])");
  if (filters && window.matchMedia("(max-width: 43.99rem)").matches) {
    filters.open = false;
  }

  // A connection that was down for a while has missed things; /live says hello and all is read again.
  function tellConnection(isOpen) {
    const place = byId("offline");
    const text = isOpen ? "" : "No connection to the lock's service: this page may be out of date. Trying again.";
    document.body.classList.toggle("offline", !isOpen);
    if (place && place.textContent !== text) {
      place.textContent = text;
    }
  }
  // Leaving the page ends the connection as well, which is nothing to tell of.
  let isLeaving = false;
  window.addEventListener("pagehide", () => { isLeaving = true; });
  window.addEventListener("pageshow", () => { isLeaving = false; });
  document.addEventListener("htmx:sseError", () => isLeaving || tellConnection(false));
  document.addEventListener("htmx:sseOpen", () => tellConnection(true));
})();
