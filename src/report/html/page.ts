import { createHash } from "node:crypto";
import { renderChart } from "../charts/render-chart";
import { percent } from "../format";
import type { Chart, GalleryItem, Highlight, Report, ReportWarning, Section } from "../report-model";
import { escapeHtml, scriptJson } from "./escape";
import { imageUrl } from "./image-url";
import { pageScript } from "./script";
import { pageStyle } from "./style";
import { tableHtml } from "./table";

/** Widths that plots are drawn at, in pixels: a column of the page, and a phone's. */
const wide = 940;
const narrow = 340;

/**
 * A report as one HTML file that needs nothing else: no network, no other file. What files and labels say is text in it, and its policy
 * lets no script run but its own.
 *
 * @throws HireSnnError IO if an image cannot be read
 */
export async function htmlOf(report: Report): Promise<string> {
  const { title, subtitle, notes, highlights, sections, version } = report;
  const policy = [
    "default-src 'none'",
    "img-src data:",
    "style-src 'unsafe-inline'",
    `script-src 'sha256-${createHash("sha256").update(pageScript).digest("base64")}'`,
    "base-uri 'none'",
    "form-action 'none'",
  ].join("; ");
  const bodies: string[] = [];
  for (const section of sections) bodies.push(await sectionHtml(section));
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="generator" content="hire-snn ${escapeHtml(version)}">
<title>${escapeHtml(title)}</title>
<link rel="icon" href="data:,">
<style>${pageStyle}</style>
</head>
<body>
<header class="column">
<p class="kind">${report.runs.length > 0 ? "Robustness" : "Training"} report</p>
<h1>${escapeHtml(title)}</h1>
<p class="subtitle">${escapeHtml(subtitle)}</p>
${notes.map((note) => `<p class="note">${escapeHtml(note)}</p>`).join("\n")}
<dl class="highlights">${highlights.map(highlightHtml).join("\n")}</dl>
</header>
<nav aria-label="Contents"><ul class="column">${sections
    .map(({ id, short: name }) => `<li><a href="#${escapeHtml(id)}">${escapeHtml(name)}</a></li>`)
    .join("")}</ul></nav>
<main class="column">
${bodies.join("\n")}
</main>
<footer class="column">${report.runs.length > 0 ? methods : ""}<p>Made by hire-snn ${escapeHtml(version)} from ${sourcesOf(report)}; no model was run for it.</p></footer>
<p id="status" class="hidden" role="status"></p>
<script>${pageScript}</script>
</body>
</html>
`;
}

function sourcesOf({ runs, trainings }: Report): string {
  const counted = (count: number, one: string, several: string): string[] =>
    count === 0 ? [] : [count === 1 ? one : several];
  return [
    ...counted(runs.length, "the ledger of one run", `the ledgers of ${runs.length} runs`),
    ...counted(trainings.length, "the log of one training", `the logs of ${trainings.length} trainings`),
  ].join(" and ");
}

/** How every figure is made. */
const methods = `<h2>How the figures are made</h2>
<dl>
<dt>Top-k</dt><dd>Correct when fewer than k classes stand before the label: those with a larger logit, and those with an equal one and a smaller index.</dd>
<dt>95 % interval</dt><dd>Wilson’s score interval of the proportion over the images.</dd>
<dt>Ties</dt><dd>Images on which several classes share the largest logit; the first of them counts.</dd>
<dt>Zero gradient</dt><dd>Images on which the gradient was exactly zero at one step or more: the attack stood still there.</dd>
<dt>Invalid</dt><dd>Images with a logit, loss or gradient that was not finite: among all images, neither correct nor a success of the attack.</dd>
<dt>ε</dt><dd>Largest change of a pixel (maximum norm) that the attack may make, of pixels from 0 to 1.</dd>
</dl>`;

function highlightHtml({ label, value, interval: [low, high], detail }: Highlight): string {
  return `<div class="highlight"><dt>${escapeHtml(label)}</dt><dd class="figure">${percent(value)}<small> %</small></dd><dd class="detail">95 %: ${percent(low)} to ${percent(high)}<br>${escapeHtml(detail)}</dd></div>`;
}

async function sectionHtml(section: Section): Promise<string> {
  const {
    id,
    title,
    text = [],
    charts = [],
    tables = [],
    gallery = [],
    warnings = [],
    documents = [],
  } = section;
  const drawn: string[] = [];
  for (const chart of charts) drawn.push(await chartHtml(chart));
  const parts = [
    `<h2>${escapeHtml(title)}</h2>`,
    ...text.map((paragraph) => `<p class="text">${escapeHtml(paragraph)}</p>`),
    ...(warnings.length > 0 ? [`<ul class="warnings">${warnings.map(warningHtml).join("\n")}</ul>`] : []),
    ...drawn,
    ...tables.map(tableHtml),
    ...(gallery.length > 0 ? [await galleryHtml(gallery)] : []),
    ...documents.map(({ name, text: content }, i) => documentHtml(`${id}-${i + 1}`, name, content)),
  ];
  return `<section id="${escapeHtml(id)}">\n${parts.join("\n")}\n</section>`;
}

/** Twice, for a page and for a phone: text in a drawing shrinks with it. The specification is the wide one's. */
async function chartHtml({ id, title, caption, spec }: Chart): Promise<string> {
  const page = await renderChart(spec(wide));
  const phone = await renderChart(spec(narrow));
  const name = escapeHtml(id);
  return `<figure>
<div class="tools"><h3>${escapeHtml(title)}</h3><button type="button" class="copy" data-copy="spec-${name}" title="Copy the Vega-Lite specification of this plot">Copy plot</button></div>
<div class="wide">${asFigure(page.svg, title)}</div><div class="narrow">${asFigure(phone.svg, title)}</div>
<figcaption>${escapeHtml(caption)}</figcaption>
<script type="application/json" id="spec-${name}">${scriptJson(page.spec)}</script>
</figure>`;
}

function asFigure(svg: string, title: string): string {
  return svg.replace("<svg ", `<svg role="img" aria-label="${escapeHtml(title)}" `);
}

function warningHtml({ code, meaning, messages }: ReportWarning): string {
  const said = messages.map(({ run, message }) => `${escapeHtml(message)} (${escapeHtml(run)})`);
  const shown =
    said.length <= 2
      ? said.map((text) => `<p class="said">${text}</p>`).join("")
      : `<details><summary>In ${said.length} places</summary>${said.map((text) => `<p class="said">${text}</p>`).join("")}</details>`;
  return `<li><code>${escapeHtml(code)}</code><div><p>${escapeHtml(meaning)}</p>${shown}</div></li>`;
}

async function galleryHtml(items: readonly GalleryItem[]): Promise<string> {
  const figures: string[] = [];
  for (const { title, images } of items) {
    const cells: string[] = [];
    for (const { role, path, prediction, correct } of images) {
      const says = prediction === undefined ? "" : `<b>${escapeHtml(prediction)}</b>`;
      cells.push(
        `<div${correct === false ? ' class="fooled"' : ""}><img alt="${escapeHtml(`${role} image`)}" src="${await imageUrl(path)}"><span>${says}${escapeHtml(role)}</span></div>`,
      );
    }
    figures.push(`<figure><h3>${escapeHtml(title)}</h3><div class="triple">${cells.join("")}</div></figure>`);
  }
  return `<div class="gallery">${figures.join("\n")}</div>`;
}

function documentHtml(id: string, name: string, text: string): string {
  return `<details><summary>${escapeHtml(name)}</summary><div class="tools"><span></span><button type="button" class="copy" data-copy="${escapeHtml(id)}">Copy</button></div><pre id="${escapeHtml(id)}">${escapeHtml(text)}</pre></details>`;
}
