/* What pages do beyond HTML and htmx. Everything works without it; it makes things quicker.
   One listener per kind of event, on the document, so that swapped parts need no setting up. */
"use strict";

(() => {
  const byId = (id) => document.getElementById(id);
  const announce = (words) => { const box = byId("announce"); if (box) box.textContent = words; };
  const isTyping = (target) => target.closest("input, textarea, select, [contenteditable]") !== null;

  /* Dialogs: the browser's own invoker commands where it has them, this where it has not. */
  const hasCommands = "commandForElement" in HTMLButtonElement.prototype;
  const openDialog = (id) => {
    const dialog = byId(id);
    if (!dialog || dialog.matches(":modal")) return;
    dialog.removeAttribute("open");
    dialog.showModal();
  };

  const openPalette = () => {
    const field = byId("palette-q");
    if (!field) return false;
    openDialog("palette");
    field.select();
    return true;
  };

  /* Digests: shown short, copied whole. */
  const copyWhole = async (button) => {
    try {
      await navigator.clipboard.writeText(button.dataset.copy);
    } catch {
      return window.prompt("", button.dataset.copy);
    }
    button.classList.add("is-copied");
    announce(button.dataset.copied);
    window.setTimeout(() => button.classList.remove("is-copied"), 1500);
  };

  document.addEventListener("click", (event) => {
    const target = event.target.closest("[data-copy], [data-dialog-open], [data-dialog-close], [data-palette]");
    document.querySelectorAll("details.menu[open]").forEach((menu) => {
      if (!menu.contains(event.target)) menu.open = false;
    });
    if (!target) return;
    if (target.dataset.copy !== undefined) copyWhole(target);
    if (target.dataset.dialogOpen && !hasCommands) openDialog(target.dataset.dialogOpen);
    if (target.dataset.dialogClose !== undefined && !hasCommands) target.closest("dialog").close();
    if (target.dataset.palette !== undefined && openPalette()) event.preventDefault();
  });

  /* Keys: ⌘K anywhere; j, k, x and enter on a table. */
  const rowsOf = (table) => [...table.tBodies[0].rows];
  const here = () => document.querySelector("tr.is-here");

  const step = (by) => {
    const table = here()?.closest("table") ?? document.querySelector("table[data-keys]");
    if (!table) return;
    const rows = rowsOf(table);
    const at = rows.indexOf(here());
    const next = rows[Math.min(Math.max(at + by, 0), rows.length - 1)];
    here()?.classList.remove("is-here");
    next.classList.add("is-here");
    next.scrollIntoView({ block: "nearest" });
    (next.querySelector("a, button") ?? next).focus({ preventScroll: true });
  };

  const pickHere = () => {
    const box = here()?.querySelector('input[name="pick"]');
    if (box) box.click();
  };

  const openHere = (event) => {
    const row = here();
    if (!row?.dataset.href || event.target.closest("a, button, input")) return;
    window.location.assign(row.dataset.href);
  };

  const movesInPalette = (event) => {
    const links = [...document.querySelectorAll("#palette-results a")];
    const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!by || !links.length || !event.target.closest("#palette")) return false;
    event.preventDefault();
    const at = links.indexOf(document.activeElement);
    (at + by < 0 ? byId("palette-q") : links[Math.min(at + by, links.length - 1)]).focus();
    return true;
  };

  document.addEventListener("keydown", (event) => {
    if ((event.metaKey || event.ctrlKey) && event.key.toLowerCase() === "k") {
      if (openPalette()) event.preventDefault();
      return;
    }
    /* A search field takes the first escape to empty itself; here one escape is enough. */
    if (event.key === "Escape") event.target.closest("#palette")?.close();
    if (event.key === "Escape") document.querySelectorAll("details.menu[open]").forEach((menu) => { menu.open = false; });
    if (movesInPalette(event) || isTyping(event.target) || event.metaKey || event.ctrlKey || event.altKey) return;
    if (document.querySelector("dialog:modal")) return;
    const act = { j: () => step(1), k: () => step(-1), x: pickHere, Enter: () => openHere(event) }[event.key];
    if (act) act();
  });

  /* Bulk actions appear once something is picked. */
  const showBulk = (form) => {
    const boxes = [...form.querySelectorAll('input[name="pick"]')];
    const n_picked = boxes.filter((box) => box.checked).length;
    form.querySelector("[data-bulk-bar]").hidden = n_picked === 0;
    form.querySelector("[data-bulk-count]").textContent = String(n_picked);
    const all = form.querySelector("[data-pick-all]");
    all.checked = n_picked === boxes.length;
    all.indeterminate = n_picked > 0 && n_picked < boxes.length;
  };

  document.addEventListener("change", (event) => {
    const form = event.target.closest("form[data-bulk]");
    if (!form) return;
    if (event.target.matches("[data-pick-all]")) {
      form.querySelectorAll('input[name="pick"]').forEach((box) => { box.checked = event.target.checked; });
    }
    showBulk(form);
  });

  /* Clocks: text only, every second in the last hour, every half minute before. */
  const SIZES = [86400, 3600, 60, 1];
  const span = (seconds, units) => {
    let rest = Math.floor(Math.abs(seconds));
    const parts = SIZES.map((size, at) => {
      const n = Math.floor(rest / size);
      rest -= n * size;
      return [n, units[at]];
    });
    const first = Math.max(parts.findIndex(([n]) => n > 0), 0);
    return parts.slice(first, first + 2).map(([n, unit]) => `${n}\u00a0${unit}`).join("\u00a0");
  };

  const tick = () => {
    let soonest = 30000;
    document.querySelectorAll("[data-clock-due]").forEach((clock) => {
      const seconds = (Date.parse(clock.dataset.clockDue) - Date.now()) / 1000;
      if (Math.abs(seconds) < 3600) soonest = 1000;
      const words = seconds < 0 ? clock.dataset.over : clock.dataset.left;
      const text = words.replace("%s", span(seconds, clock.dataset.units.split(" ")));
      if (clock.textContent !== text) clock.textContent = text;
    });
    window.setTimeout(tick, soonest);
  };

  /* A part of the page that comes again stays as far unfolded and scrolled as its reader left it. */
  const left = { unfolded: [], scrolled: [] };
  document.addEventListener("htmx:beforeSwap", (event) => {
    const { target } = event.detail;
    const parts = target.matches("[data-stays]") ? [target, ...target.querySelectorAll("[id]")] : [];
    left.unfolded = parts.filter((part) => part.matches("details[open]")).map((part) => part.id);
    left.scrolled = parts.filter((part) => part.scrollTop > 0).map((part) => [part.id, part.scrollTop]);
  });
  document.addEventListener("htmx:afterSwap", () => {
    left.unfolded.forEach((id) => byId(id)?.setAttribute("open", ""));
    left.scrolled.forEach(([id, top]) => { if (byId(id)) byId(id).scrollTop = top; });
  });

  document.querySelectorAll("form[data-bulk]").forEach(showBulk);
  document.addEventListener("htmx:load", (event) => event.target.querySelectorAll("form[data-bulk]").forEach(showBulk));
  if (document.querySelector("[data-clock-due]")) tick();
})();
