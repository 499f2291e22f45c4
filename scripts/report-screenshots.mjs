// The screenshots of docs/images: reports of real evaluations of the demo's pair, in a Chromium of this machine.
//
//   node scripts/report-screenshots.mjs
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { chromium } from "playwright-core";
import sharp from "sharp";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const demo = join(root, "examples", "demo");
const images = join(root, "docs", "images");
const temporary = mkdtempSync(join(tmpdir(), "hire-snn-screenshots-"));

function cli(...args) {
  execFileSync(process.execPath, [join(root, "lib", "cli", "main.js"), ...args], {
    stdio: ["ignore", "ignore", "inherit"],
  });
}

function evaluate(name, ...options) {
  const out = join(temporary, name);
  const pair = [join(demo, "target.pt"), "--source", join(demo, "source.pt")];
  cli("evaluate", ...pair, "--dataset", "shapes", "--data", demo, "--seed", "0", ...options, "--out", out);
  return out;
}

/** FGSM and PGD at several radii, and PGD with several numbers of steps. */
const sweep = [
  ...[2, 4, 6, 8, 12, 16].flatMap((levels) => [
    `fgsm:epsilon=${levels}/255`,
    `pgd:epsilon=${levels}/255,steps=7,step-size=2/255`,
  ]),
  ...[1, 3, 20].map((steps) => `pgd:epsilon=8/255,steps=${steps},step-size=2/255`),
].flatMap((attack) => ["--attack", attack]);

function report(name, ...runs) {
  const out = join(temporary, name);
  cli("report", ...runs, "-o", out);
  return pathToFileURL(join(out, "report.html")).href;
}

/** @param from the element whose top is the picture's; the page's, if it is null */
async function shoot(browser, url, name, { width, height, colorScheme = "light", scale = 1, from = null }) {
  const context = await browser.newContext({
    viewport: { width, height },
    colorScheme,
    deviceScaleFactor: scale,
  });
  const page = await context.newPage();
  await page.goto(url);
  const top = from ? await page.locator(from).evaluate((element) => element.offsetTop) : 0;
  // The contents stay at the window's top: a picture that begins further down has no window.
  await page.addStyleTag({ content: "nav { position: static !important; }" });
  const picture = await page.screenshot({ fullPage: true, clip: { x: 0, y: top, width, height } });
  await sharp(picture)
    .png({ palette: true, colours: 128, effort: 10, compressionLevel: 9 })
    .toFile(join(images, `${name}.png`));
  await context.close();
}

const executablePath = process.env.HIRE_SNN_CHROMIUM ?? "/usr/bin/chromium";
try {
  const one = report("one", evaluate("preset"));
  const study = report(
    "study",
    ...[8, 4].map((timesteps) => evaluate(`t${timesteps}`, "--timesteps", timesteps, ...sweep)),
  );
  const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
  await shoot(browser, one, "report-light", { width: 1080, height: 885 });
  await shoot(browser, study, "report-dark", {
    ...{ width: 1080, height: 1140, colorScheme: "dark", from: "#epsilon" },
  });
  await shoot(browser, one, "report-phone", { width: 390, height: 1465 });
  await browser.close();
} finally {
  rmSync(temporary, { recursive: true, force: true });
}
