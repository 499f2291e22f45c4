import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, utimesSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { temporaryFolder } from "../support/temporary-folder";

const locking = import("../../scripts/setup/lock.mjs");
const folder = temporaryFolder();
let count = 0;
const newLock = () => join(folder, `${++count}.lock`);

/** A process id that was in use a moment ago and is not any more. */
const deadPid = spawnSync(process.execPath, ["-e", ""]).pid;

let said: jest.SpyInstance;
beforeEach(() => {
  said = jest.spyOn(process.stderr, "write").mockReturnValue(true);
});
afterEach(() => said.mockRestore());

/** As the lock writes it, so that only the named fields differ from one of this very process. */
async function lockText(file: string, changes: object): Promise<string> {
  const { withLock } = await locking;
  let text = "";
  await withLock(file, "measuring", async () => {
    text = await Promise.resolve(readFileSync(file, "utf8"));
  });
  return JSON.stringify({ ...(JSON.parse(text) as object), token: "another", ...changes });
}

test("the lock names its holder, and is gone afterwards, also after a failure", async () => {
  const { withLock } = await locking;
  const file = newLock();
  const holder: unknown = await withLock(file, "testing", () =>
    Promise.resolve(JSON.parse(readFileSync(file, "utf8"))),
  );
  expect(holder).toMatchObject({ pid: process.pid, host: hostname(), what: "testing" });
  expect(existsSync(file)).toBe(false);
  await expect(withLock(file, "failing", () => Promise.reject(new Error("as expected")))).rejects.toThrow(
    "as expected",
  );
  expect(existsSync(file)).toBe(false);
});

test("one works at a time", async () => {
  const { withLock } = await locking;
  const file = newLock();
  let inside = 0;
  let most = 0;
  const work = async () => {
    most = Math.max(most, ++inside);
    await sleep(5);
    inside--;
  };
  await Promise.all(
    Array.from({ length: 8 }, () => withLock(file, "counting", work, { pollMilliseconds: 1 })),
  );
  expect(most).toBe(1);
});

test("a lock of a dead process is taken over, and said to be", async () => {
  const { withLock } = await locking;
  const file = newLock();
  writeFileSync(file, await lockText(file, { pid: deadPid, started: null }));
  expect(await withLock(file, "testing", () => Promise.resolve("done"))).toBe("done");
  expect(said.mock.calls.join("")).toContain(`process ${deadPid} on ${hostname()}) is gone`);
});

test("a process id in use again, by another process, does not hold the lock", async () => {
  const { withLock, processStart } = await locking;
  if (processStart(process.pid) === null) return; // No /proc: start times are unknown.
  const file = newLock();
  writeFileSync(file, await lockText(file, { pid: process.pid, started: "1" }));
  expect(await withLock(file, "testing", () => Promise.resolve("done"))).toBe("done");
});

test.each([
  ["another machine", { host: "elsewhere.example", pid: 1 }],
  ["another container", { space: "pid:[1]", pid: deadPid }],
])("a lock of %s counts while its heartbeat goes on", async (_, changes) => {
  const { withLock } = await locking;
  const file = newLock();
  writeFileSync(file, await lockText(file, changes));
  let done = false;
  const waiting = withLock(file, "testing", () => Promise.resolve((done = true)), { pollMilliseconds: 5 });
  await sleep(100);
  expect(done).toBe(false);
  const longAgo = new Date(Date.now() - 120_000);
  utimesSync(file, longAgo, longAgo);
  await waiting;
  expect(done).toBe(true);
});
