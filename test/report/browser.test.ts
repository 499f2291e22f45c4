import { mkdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { chromium, type Browser, type Page } from "playwright-core";
import sharp from "sharp";
import { createReport } from "../../src/report/create-report";
import { writeReport } from "../../src/report/write-report";
import { runCli, root as project } from "../cli/run-cli";
import { findChromium } from "../support/chromium";
import { describeUnless } from "../support/skip";
import { temporaryFolder } from "../support/temporary-folder";
import { fourImages, writeRun } from "./hand-made-run";

const executablePath = findChromium();
const reason = executablePath ? null : "no Chromium: install Debian's chromium, or set HIRE_SNN_CHROMIUM";
const folder = temporaryFolder();

interface Opened {
  readonly page: Page;
  /** What must not happen: messages on the console, errors, requests. */
  readonly noise: string[];
}

interface View {
  readonly width?: number;
  readonly colorScheme?: "light" | "dark";
}

describeUnless(reason, "a report in a browser", () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await chromium.launch({ ...(executablePath && { executablePath }), args: ["--no-sandbox"] });
  });
  afterAll(async () => {
    await browser.close();
  });

  async function open(file: string, { width = 1100, colorScheme = "light" }: View = {}): Promise<Opened> {
    const context = await browser.newContext({ viewport: { width, height: 900 }, colorScheme });
    const page = await context.newPage();
    const noise: string[] = [];
    const url = pathToFileURL(file).href;
    page.on("console", (message) => noise.push(message.text()));
    page.on("pageerror", (error) => noise.push(error.message));
    page.on("dialog", (dialog) => noise.push(dialog.message()));
    page.on("request", (request) => {
      if (request.url() !== url && !request.url().startsWith("data:")) noise.push(request.url());
    });
    await page.goto(url);
    return { page, noise };
  }

  describe("of a small run", () => {
    const run = join(folder, "small");
    const file = join(folder, "out", "report.html");
    beforeAll(async () => {
      writeRun(run, {
        ...fourImages,
        name: "<img src=x onerror=alert(1)>.pt",
        classes: ["<script>alert(2)</script>", "dog"],
      });
      const pictures = join(run, "png", "0");
      mkdirSync(pictures, { recursive: true });
      const background = { r: 200, g: 60, b: 20 };
      for (const name of [
        "clean",
        "near-white",
        "near-white-perturbation",
        "pgd-white",
        "pgd-white-perturbation",
      ]) {
        await sharp({ create: { width: 4, height: 4, channels: 3, background } })
          .png()
          .toFile(join(pictures, `${name}.png`));
      }
      await writeReport(await createReport([run]), join(folder, "out"));
    });

    test("opens without a message, an error or a request, and shows its images", async () => {
      const { page, noise } = await open(file);
      expect(await page.title()).toBe("Robustness of <img src=x onerror=alert(1)>.pt");
      const images = await page.evaluate<number[]>("[...document.images].map((image) => image.naturalWidth)");
      expect(images).toEqual([4, 4, 4]);
      expect(await page.locator("figure svg:visible").count()).toBeGreaterThanOrEqual(4);
      expect(noise).toEqual([]);
    });

    test("its tables sort by their heads, with the keyboard too", async () => {
      const { page, noise } = await open(file);
      const correct = (): Promise<number[]> =>
        page.evaluate<number[]>(
          '[...document.querySelectorAll("#table-accuracy tbody tr")].map((row) => Number(row.cells[5].textContent))',
        );
      const head = page.locator("#table-accuracy th", { hasText: /^Correct$/ });
      expect(await correct()).toEqual([3, 2, 2, 1]);
      await head.getByRole("button").click();
      expect(await correct()).toEqual([1, 2, 2, 3]);
      expect(await head.getAttribute("aria-sort")).toBe("ascending");
      await head.getByRole("button").focus();
      await page.keyboard.press("Enter");
      expect(await correct()).toEqual([3, 2, 2, 1]);
      expect(await head.getAttribute("aria-sort")).toBe("descending");
      expect(await page.locator('#table-accuracy th[aria-sort="none"]').count()).toBeGreaterThan(4);
      expect(noise).toEqual([]);
    });

    test("the identity and a plot's specification are copied", async () => {
      const { page, noise } = await open(file);
      await page.locator("#identity summary").click();
      const button = page.locator('button[data-copy="identity-1"]');
      await button.click();
      await page.getByText("Copied", { exact: true }).waitFor();
      await page.locator('button[data-copy="spec-accuracy"]').click();
      expect(await page.locator("#status").textContent()).toContain("Copied");
      expect(noise).toEqual([]);
    });

    test("dark mode repaints drawings and text", async () => {
      const colour = async (colorScheme: "light" | "dark"): Promise<string[]> => {
        const { page } = await open(file, { colorScheme });
        return await page.evaluate<string[]>(`[
          getComputedStyle(document.querySelector('#accuracy .wide svg [fill="#0072b2"]')).fill,
          getComputedStyle(document.body).backgroundColor,
        ]`);
      };
      expect(await colour("light")).toEqual(["rgb(0, 114, 178)", "rgb(255, 255, 255)"]);
      expect(await colour("dark")).toEqual(["rgb(74, 168, 224)", "rgb(20, 23, 26)"]);
    });

    test("fits a phone without scrolling sideways, and paper", async () => {
      const { page } = await open(file, { width: 375 });
      expect(await page.evaluate<number>("document.documentElement.scrollWidth")).toBe(375);
      expect(await page.locator(".wide:visible").count()).toBe(0);
      expect(await page.locator(".narrow:visible").count()).toBeGreaterThan(2);
      const paper = await page.pdf({ format: "A4" });
      expect(paper.subarray(0, 5).toString()).toBe("%PDF-");
      await page.emulateMedia({ media: "print" });
      expect(await page.locator("nav:visible").count()).toBe(0);
      expect(await page.locator(".wide:visible").count()).toBeGreaterThan(2);
    });
  });

  test("of 10,000 images under 50 settings is small, opens at once, and sorts without a pause", async () => {
    const run = join(folder, "large");
    const { generateRun } = (await import(
      pathToFileURL(join(project, "scripts", "report", "generate-run.mjs")).href
    )) as { generateRun: (path: string) => Promise<void> };
    await generateRun(run);
    const begun = performance.now();
    const { code, stderr } = await runCli(["report", run, "-o", join(folder, "large-out")]);
    expect([code, stderr]).toEqual([0, ""]);
    expect(performance.now() - begun).toBeLessThan(30_000);
    const file = join(folder, "large-out", "report.html");
    expect(statSync(file).size).toBeLessThan(10e6);

    const { page, noise } = await open(file);
    const loaded = await page.evaluate<number>('performance.getEntriesByType("navigation")[0].duration');
    expect(loaded).toBeLessThan(2000);
    expect(await page.locator("#energy table").count()).toBeGreaterThan(2);
    const longest = await page.evaluate<{ most: number; sorted: number }>(sortEverything);
    expect(longest.sorted).toBeGreaterThan(50);
    expect(longest.most).toBeLessThan(200);
    expect(noise).toEqual([]);
  }, 300_000);
});

/** Clicks every head of every table, and says how many there were and how long the longest task was, in ms. */
const sortEverything = `(async () => {
  const wait = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));
  for (const details of document.querySelectorAll("details")) details.open = true;
  await wait(500);
  let most = 0;
  let sorted = 0;
  const observer = new PerformanceObserver((list) => {
    for (const { duration } of list.getEntries()) most = Math.max(most, duration);
  });
  observer.observe({ entryTypes: ["longtask"] });
  for (const button of document.querySelectorAll("th button")) {
    button.click();
    sorted++;
    await new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)));
  }
  await wait(100);
  observer.disconnect();
  return { most, sorted };
})()`;
