/**
 * The page's one script: sorting, copying, and drawings that follow a narrow page. It is inline, because the file has to be complete by
 * itself, and named by its hash in the page's content security policy, so that no other script can run.
 */
export const pageScript = `"use strict";
(() => {
  // One collator: localeCompare makes one for every pair.
  const { compare } = new Intl.Collator("en", { numeric: true });
  const order = (a, b) => (typeof a === "number" && typeof b === "number" ? a - b : compare(String(a), String(b)));
  const valueOf = (cell) => {
    const text = cell.dataset.v ?? cell.textContent.trim();
    const number = Number(text);
    return text === "" || Number.isNaN(number) ? text : number;
  };
  for (const table of document.querySelectorAll("table[data-sortable]")) {
    const heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, column) => {
      head.querySelector("button").addEventListener("click", () => {
        const descending = head.getAttribute("aria-sort") === "ascending";
        for (const other of heads) other.setAttribute("aria-sort", "none");
        head.setAttribute("aria-sort", descending ? "descending" : "ascending");
        const body = table.tBodies[0];
        const rows = [...body.rows].map((row) => ({ row, value: valueOf(row.cells[column]) }));
        const isEmpty = ({ value }) => value === "";
        rows.sort((a, b) => (isEmpty(a) || isEmpty(b) ? isEmpty(a) - isEmpty(b) : descending ? order(b.value, a.value) : order(a.value, b.value)));
        // Out of the page while it changes, and only if it does: the browser then lays it out once.
        if (rows.every(({ row }, i) => row === body.rows[i])) return;
        body.remove();
        body.append(...rows.map(({ row }) => row));
        table.append(body);
      });
    });
  }
  const status = document.getElementById("status");
  const copy = async (text) => {
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      // A page from disk may not use the clipboard in every browser.
      const area = document.createElement("textarea");
      area.value = text;
      document.body.append(area);
      area.select();
      document.execCommand("copy");
      area.remove();
    }
  };
  for (const button of document.querySelectorAll("button[data-copy]")) {
    const label = button.textContent;
    button.addEventListener("click", async () => {
      const source = document.getElementById(button.dataset.copy);
      const text = source.tagName === "SCRIPT" ? JSON.stringify(JSON.parse(source.textContent), null, 2) : source.textContent;
      await copy(text);
      button.textContent = "Copied";
      status.textContent = "Copied to the clipboard";
      setTimeout(() => { button.textContent = label; }, 1600);
    });
  }
  // Folded parts belong on paper.
  let closed = [];
  addEventListener("beforeprint", () => {
    closed = [...document.querySelectorAll("details:not([open])")].filter((details) => details.querySelectorAll("tr").length < 120);
    for (const details of closed) details.open = true;
  });
  addEventListener("afterprint", () => {
    for (const details of closed) details.open = false;
  });
})();
`;
