import { platform } from "node:os";
import { cacheFolder, defaultDataFolder } from "../../src/datasets/data-folder";

const home = platform() === "darwin" ? "/home/u/Library/Caches/hire-snn" : "/home/u/.cache/hire-snn";

test.each([
  [{ HOME: "/home/u" }, home],
  [{ HOME: "/home/u", XDG_CACHE_HOME: "/xdg" }, "/xdg/hire-snn"],
  [{ HOME: "/home/u", XDG_CACHE_HOME: "relative" }, home],
  [{ HOME: "/home/u", XDG_CACHE_HOME: "/xdg", HIRE_SNN_CACHE: "/own" }, "/own"],
])("cacheFolder(%j)", (environment, folder) => {
  expect(cacheFolder(environment)).toBe(folder);
});

test("data sets are in HIRE_SNN_DATA, else in the cache folder", () => {
  expect(defaultDataFolder({ HIRE_SNN_DATA: "data", HIRE_SNN_CACHE: "/own" })).toBe("data");
  expect(defaultDataFolder({ HIRE_SNN_CACHE: "/own" })).toBe("/own/data");
});

test("a relative cache folder is refused", () => {
  expect(() => cacheFolder({ HIRE_SNN_CACHE: "own" })).toThrow(
    expect.objectContaining({ code: "INVALID_ARGUMENT" }) as Error,
  );
});
