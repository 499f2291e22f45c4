import { colors } from "../charts/theme";

/** The colours of dark mode, by those of the plots on white: lighter, as bright on dark as the others are dark on white. */
const darkColors: Readonly<Record<string, string>> = {
  [colors.ink]: "#e8eaed",
  [colors.muted]: "#9aa4af",
  [colors.grid]: "#31373e",
  "#0072b2": "#4aa8e0",
  "#d55e00": "#f0813a",
  "#009e73": "#2fc79a",
  "#cc79a7": "#e39ac4",
  "#e69f00": "#f2b632",
  "#56b4e9": "#8fd0f5",
  "#7d7d7d": "#a5a5a5",
  "#8a5fbf": "#b592e0",
};

/** Rules that repaint drawings: a rule of a style sheet stands above an attribute of the drawing. */
const darkDrawings = Object.entries(darkColors)
  .flatMap(([light, dark]) => [
    `svg [fill="${light}"] { fill: ${dark}; }`,
    `svg [stroke="${light}"] { stroke: ${dark}; }`,
  ])
  .join("\n");

const darkVariables = `
  color-scheme: dark;
  --page: #14171a; --raised: #1b1f23; --ink: #e8eaed; --muted: #9aa4af; --line: #31373e; --faint: #22272c;
  --accent: #6cb6ea; --shade: 74, 168, 224; --warn: #f2b632; --warn-page: #2a2416; --wrong: #f0813a;`;

/** The page's style sheet. */
export const pageStyle = `
:root {
  color-scheme: light;
  --page: #fff; --raised: #fafbfc; --ink: ${colors.ink}; --muted: ${colors.muted}; --line: ${colors.grid}; --faint: #f1f3f5;
  --accent: #0067a3; --shade: 0, 114, 178; --warn: #8a5a00; --warn-page: #fff8e8; --wrong: #b84a00;
}
@media screen and (prefers-color-scheme: dark) {
  :root { ${darkVariables} }
  ${darkDrawings}
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; scroll-behavior: smooth; scroll-padding-top: 3.5rem; }
@media (prefers-reduced-motion: reduce) { html { scroll-behavior: auto; } }
body {
  margin: 0; background: var(--page); color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif;
  font-variant-numeric: tabular-nums;
}
.column { max-width: 62rem; margin: 0 auto; padding: 0 1.5rem; }
header.column { padding-top: 3.2rem; }
.kind { margin: 0 0 .35rem; color: var(--muted); font-size: .82rem; letter-spacing: .07em; text-transform: uppercase; }
h1 { margin: 0; font-size: clamp(1.6rem, 4.4vw, 2.3rem); line-height: 1.15; letter-spacing: -.02em; font-weight: 680; overflow-wrap: anywhere; text-wrap: balance; }
.subtitle { margin: .6rem 0 0; color: var(--muted); overflow-wrap: anywhere; }
.note { margin: 1.2rem 0 0; padding: .6rem .9rem; border-left: 3px solid var(--warn); background: var(--warn-page); border-radius: 0 4px 4px 0; font-size: .92rem; }
.highlights { display: grid; grid-template-columns: repeat(auto-fit, minmax(13rem, 1fr)); margin: 2rem 0 0; border-top: 1px solid var(--line); border-bottom: 1px solid var(--line); }
.highlight { padding: 1.05rem 1.2rem 1.1rem 0; }
.highlight + .highlight { padding-left: 1.2rem; border-left: 1px solid var(--line); }
.highlight dt { color: var(--muted); font-size: .85rem; overflow-wrap: anywhere; }
.highlight dd { margin: 0; }
.highlight .figure { font-size: 2.35rem; line-height: 1.25; font-weight: 620; letter-spacing: -.02em; }
.highlight .figure small { font-size: 1.1rem; font-weight: 400; color: var(--muted); letter-spacing: 0; }
.highlight .detail { color: var(--muted); font-size: .85rem; overflow-wrap: anywhere; }
nav { position: sticky; top: 0; z-index: 2; background: var(--page); border-bottom: 1px solid var(--line); margin-top: 1.6rem; }
nav ul { display: flex; gap: 1.25rem; margin: 0 auto; padding-top: .6rem; padding-bottom: .6rem; list-style: none; overflow-x: auto; white-space: nowrap; font-size: .88rem; scrollbar-width: none; }
nav a { color: var(--muted); text-decoration: none; }
nav a:hover { color: var(--accent); text-decoration: underline; text-underline-offset: .25em; }
section { padding-top: 2.9rem; }
h2 { margin: 0 0 .5rem; font-size: 1.32rem; line-height: 1.25; letter-spacing: -.01em; font-weight: 640; }
h3 { margin: 1.5rem 0 .4rem; font-size: .98rem; font-weight: 620; overflow-wrap: anywhere; }
p { margin: .5rem 0; }
.text { max-width: 44rem; color: var(--muted); font-size: .94rem; }
figure { margin: 1.3rem 0 0; }
figure h3 { margin: 0 0 .5rem; }
figure svg { display: block; max-width: 100%; height: auto; overflow: visible; }
figcaption { max-width: 44rem; margin-top: .55rem; color: var(--muted); font-size: .86rem; line-height: 1.5; }
.narrow { display: none; }
@media screen and (max-width: 46rem) { .wide { display: none; } .narrow { display: block; } }
.scroll { contain: content; overflow-x: auto; margin: .7rem 0 0; border-bottom: 1px solid var(--line); }
.scroll:focus-visible, button:focus-visible, a:focus-visible, summary:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
.tall { max-height: 34rem; overflow-y: auto; }
table { width: 100%; border-collapse: separate; border-spacing: 0; font-size: .875rem; line-height: 1.35; }
th, td { padding: .38rem .7rem .38rem 0; text-align: left; vertical-align: baseline; border-top: 1px solid var(--faint); }
th:last-child, td:last-child { padding-right: .2rem; }
td.number, th.number { text-align: right; }
td.number { white-space: nowrap; }
td.text { max-width: none; color: inherit; font-size: inherit; }
.short { white-space: nowrap; }
thead th { position: sticky; top: 0; z-index: 1; padding-top: .5rem; padding-bottom: .5rem; background: var(--page); border-top: 0; border-bottom: 1px solid var(--line); font-weight: 600; vertical-align: bottom; }
tbody tr:first-child > * { border-top: 0; }
tbody th { font-weight: 500; }
tbody tr:hover > * { background-color: var(--raised); }
th button { all: unset; cursor: pointer; position: relative; color: var(--muted); font-size: .8rem; }
th button:hover { color: var(--ink); }
th button::after { content: ""; position: absolute; margin-left: .15rem; }
th[aria-sort="ascending"] button, th[aria-sort="descending"] button { color: var(--accent); }
th[aria-sort="ascending"] button::after { content: "↑"; }
th[aria-sort="descending"] button::after { content: "↓"; }
td.shaded { background-color: rgba(var(--shade), calc(var(--value) * .42)); padding-left: .7rem; padding-right: .7rem; border-top: 2px solid var(--page); border-left: 2px solid var(--page); }
details { margin: 1rem 0 0; }
summary { cursor: pointer; color: var(--accent); font-size: .9rem; overflow-wrap: anywhere; }
button.copy { flex: none; white-space: nowrap; font: inherit; font-size: .8rem; color: var(--muted); background: none; border: 1px solid var(--line); border-radius: 5px; padding: .12rem .6rem; cursor: pointer; }
button.copy:hover { color: var(--ink); border-color: var(--muted); }
.tools { display: flex; justify-content: space-between; align-items: baseline; gap: 1rem; }
.warnings { list-style: none; margin: .8rem 0 0; padding: 0; border-top: 1px solid var(--line); }
.warnings li { display: grid; grid-template-columns: 10.5rem 1fr; gap: .2rem 1rem; padding: .6rem 0; border-bottom: 1px solid var(--line); font-size: .92rem; }
.warnings code { color: var(--warn); font-size: .78rem; padding-top: .15rem; overflow-wrap: anywhere; }
.warnings p { margin: 0; overflow-wrap: anywhere; }
.warnings details { margin: .15rem 0 0; }
.warnings .said { color: var(--muted); font-size: .88rem; margin-top: .15rem; }
pre { margin: .5rem 0 0; padding: .9rem 1rem; max-height: 26rem; overflow: auto; background: var(--raised); border: 1px solid var(--line); border-radius: 6px; font: .78rem/1.5 ui-monospace, "SF Mono", Menlo, Consolas, monospace; white-space: pre-wrap; overflow-wrap: anywhere; }
.gallery { display: grid; grid-template-columns: repeat(auto-fill, minmax(17.5rem, 1fr)); gap: 1.4rem 1.6rem; margin-top: 1rem; }
.gallery figure { margin: 0; }
.gallery .triple { display: grid; grid-template-columns: repeat(3, 1fr); gap: .4rem; }
.gallery img { display: block; width: 100%; aspect-ratio: 1; object-fit: contain; image-rendering: pixelated; background: var(--faint); border-radius: 4px; }
.gallery .triple span { display: block; margin-top: .25rem; font-size: .78rem; line-height: 1.3; color: var(--muted); overflow-wrap: anywhere; }
.gallery .triple b { display: block; color: var(--ink); font-weight: 600; }
.gallery .fooled b { color: var(--wrong); }
.gallery h3 { margin: 0 0 .4rem; font-size: .88rem; font-weight: 500; color: var(--muted); }
footer.column { margin-top: 3.5rem; padding-top: 1.4rem; padding-bottom: 3rem; border-top: 1px solid var(--line); color: var(--muted); font-size: .86rem; }
footer h2 { font-size: .95rem; color: var(--ink); }
footer dl { display: grid; grid-template-columns: minmax(8rem, 12rem) 1fr; gap: .35rem 1.2rem; margin: .6rem 0 1.4rem; }
footer dt { color: var(--ink); } footer dd { margin: 0; max-width: 44rem; }
.hidden { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
@media screen and (max-width: 46rem) {
  .column { padding: 0 1rem; }
  header.column { padding-top: 1.8rem; }
  .highlights { grid-template-columns: 1fr; }
  .highlight, .highlight + .highlight { display: grid; grid-template-columns: 1fr auto; align-items: baseline; padding: .7rem 0; border-left: 0; }
  .highlight + .highlight { border-top: 1px solid var(--line); }
  .highlight .figure { font-size: 1.7rem; text-align: right; }
  .highlight .detail { grid-column: 1 / -1; }
  section { padding-top: 2.3rem; }
  .warnings li { grid-template-columns: 1fr; }
  footer dl { grid-template-columns: 1fr; } footer dd { margin-bottom: .5rem; }
}
@media print {
  @page { margin: 16mm 14mm; }
  body { font-size: 10.5pt; }
  nav, button.copy { display: none; }
  .wide { display: block; } .narrow { display: none; }
  .column { max-width: none; padding: 0; }
  .scroll, .tall, pre { contain: none; overflow: visible; max-height: none; }
  thead { display: table-header-group; } thead th { position: static; }
  table { font-size: 8pt; } th button { font-size: 7.5pt; } th, td { padding-right: .45rem; }
  figure, tr, .warnings li, .gallery figure { break-inside: avoid; }
  h2, h3 { break-after: avoid; }
  section { padding-top: 1.4rem; }
  td.shaded { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
}
`;
