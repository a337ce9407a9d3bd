"use strict";
// The pages work without this: it only spares a press of "Show" after the slider was moved.
for (const form of document.querySelectorAll("form[data-slider]")) {
  const range = form.querySelector("input[type=range]");
  const output = form.querySelector("output");
  range.addEventListener("input", () => { output.value = range.value; });
  range.addEventListener("change", () => { form.submit(); });
}
const current = document.querySelector(".steps [aria-current]");
if (current) {
  const list = current.closest(".steps");
  list.scrollTop = current.offsetTop - list.clientHeight / 2;
}
