// Acting: questions before what cannot be taken back, choosing several rows, and files that are dropped.

const question = document.getElementById("confirm");

document.addEventListener("submit", (event) => {
  const form = event.target;
  const button = event.submitter;
  const words = button?.dataset.confirm ?? form.dataset.confirm;
  if (!words || form.dataset.sure || !question) {
    if (form.dataset.busy && !event.defaultPrevented) {
      for (const one of form.querySelectorAll("button")) one.setAttribute("aria-busy", "true");
      const state = form.querySelector("[data-busy-text]");
      if (state) state.textContent = form.dataset.busy;
    }
    return;
  }
  event.preventDefault();
  question.querySelector("p").textContent = words;
  const yes = question.querySelector("button[value=yes]");
  yes.textContent = button?.textContent.trim() || "Yes";
  yes.classList.toggle("harm", Boolean(button?.classList.contains("harm")));
  question.returnValue = "";
  question.onclose = () => {
    if (question.returnValue !== "yes") return button?.focus();
    form.dataset.sure = "1";
    form.requestSubmit(button ?? undefined);
    delete form.dataset.sure;
  };
  question.showModal();
});

// Choosing rows
const chosen = () => [...document.querySelectorAll("input[name=id]:checked")];
const count = () => {
  for (const place of document.querySelectorAll("[data-chosen]")) place.textContent = String(chosen().length);
  for (const button of document.querySelectorAll("[data-needs-chosen]")) button.disabled = chosen().length === 0;
};
document.addEventListener("change", (event) => {
  const all = event.target.closest("[data-choose-all]");
  if (all) for (const box of document.querySelectorAll("input[name=id]")) box.checked = all.checked;
  if (event.target.matches("select[data-go]")) event.target.form.requestSubmit();
  count();
});
document.addEventListener("lovage:fresh", count);
count();

// Files that are dropped on the page's place for them
for (const place of document.querySelectorAll(".drop")) {
  const input = place.querySelector("input[type=file]");
  for (const kind of ["dragenter", "dragover"]) {
    place.addEventListener(kind, (event) => { event.preventDefault(); place.dataset.over = ""; });
  }
  for (const kind of ["dragleave", "drop"]) place.addEventListener(kind, () => { delete place.dataset.over; });
  place.addEventListener("drop", (event) => {
    event.preventDefault();
    if (!event.dataTransfer.files.length) return;
    input.files = event.dataTransfer.files;
    // who drops a file means it; who chooses one may still look at the options
    input.form.requestSubmit();
  });
}

document.addEventListener("click", (event) => {
  const opener = event.target.closest("[data-open]");
  if (opener) document.getElementById(opener.dataset.open)?.showModal();
  const closer = event.target.closest("[data-close]");
  if (closer) closer.closest("dialog")?.close();
  const copy = event.target.closest("[data-copy]");
  if (copy) navigator.clipboard?.writeText(copy.dataset.copy).then(() => { copy.textContent = "Copied"; });
});
