// The timeline's tip: what the mark under the pointer, or in focus, stands for.
"use strict";
(() => {
  const figure = document.getElementById("timeline");
  if (!figure) return;
  const tip = document.getElementById("tip");

  const line = (kind, text) => {
    const element = document.createElement(kind);
    element.textContent = text;
    return element;
  };

  const show = (mark) => {
    const details = mark.dataset.details ? mark.dataset.details.split("\n") : [];
    tip.replaceChildren(line("b", mark.dataset.label), ...details.map((text) => line("code", text)));
    tip.hidden = false;
    const frame = figure.getBoundingClientRect();
    const place = mark.getBoundingClientRect();
    const middle = Math.max(place.left, frame.left) - frame.left + Math.min(place.width, frame.width) / 2;
    const left = Math.min(Math.max(0, middle - tip.offsetWidth / 2), frame.width - tip.offsetWidth);
    tip.style.left = `${Math.max(0, left)}px`;
    tip.style.top = `${place.bottom - frame.top + 10}px`;
  };
  const hide = () => { tip.hidden = true; };
  const markOf = (event) => event.target.closest(".mark");

  figure.addEventListener("pointerover", (event) => {
    const mark = markOf(event);
    if (mark) show(mark); else hide();
  });
  figure.addEventListener("pointerleave", hide);
  figure.addEventListener("focusin", (event) => { if (markOf(event)) show(markOf(event)); });
  figure.addEventListener("focusout", hide);
  document.addEventListener("keydown", (event) => { if (event.key === "Escape") hide(); });
})();
