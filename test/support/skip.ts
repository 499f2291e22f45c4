/**
 * Tests that need something which may be absent. A skipped test says why in its name, in the form that the reporter reads
 * (reporter.mjs), so that none is skipped silently.
 */

/** Under CI nothing may be skipped for the lack of something: what is absent there is a failure. */
export const isCi = process.env["CI"] === "true";

/**
 * describe, if there is no reason against it; else its tests are counted as skipped, or fail under CI=true.
 *
 * @param reason what is missing and how to get it, or null if nothing is
 * @param body runs in any case, to count its tests: it must read nothing outside of tests and hooks
 */
export function describeUnless(reason: string | null, name: string, body: () => void): void {
  if (reason === null) {
    describe(name, body);
  } else if (isCi) {
    // One failure that says why, instead of as many as there are tests.
    test(name, () => {
      throw new Error(`Under CI=true nothing is skipped, but: ${reason}`);
    });
  } else {
    describe.skip(`${name} [skipped: ${reason}]`, body);
  }
}
