// Jest's own reporter for the tests as they run; at the end every failure and every skipped test with its reason, and as
// the very last line `Tests: N passed, N failed, N skipped`.
import { writeSync } from "node:fs";
import { relative } from "node:path";
import { DefaultReporter } from "@jest/reporters";

/** How a skipped test says why: see skip.ts. */
const reasonPattern = / \[skipped: (.*)\]$/;

export default class Reporter extends DefaultReporter {
  #started = Date.now();

  onRunComplete(contexts, results) {
    super.onRunComplete?.(contexts, results);
    const counted = countTests(results);
    const lines = [
      ...section("Skipped:", skippedTests(results)),
      ...section("Failed:", failedTests(results)),
      `${results.numTotalTestSuites} files, ${((Date.now() - this.#started) / 1000).toFixed(1)} s`,
      `Tests: ${counted.passed} passed, ${counted.failed} failed, ${counted.skipped} skipped`,
    ];
    // At exit, because Jest may yet have something to say (about open handles), and nothing is to follow the last line.
    process.on("exit", () => writeAll(`\n${lines.join("\n")}\n`));
  }
}

function section(title, entries) {
  return entries.length === 0 ? [] : [title, ...entries.map((entry) => `  ${entry}`), ""];
}

/** A file that could not be run at all counts as one failed test: its tests are unknown. */
export function countTests(results) {
  return {
    passed: results.numPassedTests,
    failed: results.numFailedTests + filesNotRun(results).length,
    skipped: results.numPendingTests + results.numTodoTests,
  };
}

function filesNotRun(results) {
  return results.testResults.filter(
    (file) => file.testExecError !== undefined && file.testExecError !== null,
  );
}

function testsOf(results, statuses) {
  return results.testResults.flatMap((file) =>
    file.testResults
      .filter((test) => statuses.includes(test.status))
      .map((test) => ({ ...test, file: relative(process.cwd(), file.testFilePath) })),
  );
}

export function skippedTests(results) {
  return testsOf(results, ["pending", "todo", "skipped", "disabled"]).map((test) => {
    const titles = [...test.ancestorTitles, test.title];
    const reason = titles.map((title) => reasonPattern.exec(title)?.[1]).find((text) => text !== undefined);
    const name = titles.map((title) => title.replace(reasonPattern, "")).join(" > ");
    const otherwise = test.status === "todo" ? "not written yet" : "no reason given";
    return `${test.file}: ${name}: ${reason ?? otherwise}`;
  });
}

function failedTests(results) {
  const names = testsOf(results, ["failed"]).map((test) => `${test.file}: ${test.fullName}`);
  const files = filesNotRun(results).map(
    (file) => `${relative(process.cwd(), file.testFilePath)}: cannot be run`,
  );
  return [...names, ...files];
}

/** To the end also where stdout is a pipe that is full for the moment. */
function writeAll(text) {
  let rest = Buffer.from(text);
  while (rest.length > 0) {
    try {
      rest = rest.subarray(writeSync(1, rest));
    } catch (error) {
      if (error.code !== "EAGAIN") throw error;
    }
  }
}
