// `npm test` runs all tests but two folders, which scripts/test-FOLDER.mjs runs by HIRE_SNN_TESTS=FOLDER: test/reference needs a Python
// with PyTorch, and test/package installs and builds the package anew.
const folders = ["reference", "package"];
const folder = folders.find((name) => name === process.env.HIRE_SNN_TESTS);

// Set here, and not left to the loader in src/native/addon.ts: a test file's process.env is a copy that libtorch's OpenMP
// runtime does not see.
process.env.OMP_WAIT_POLICY ??= "passive";

export default {
  testEnvironment: "node",
  roots: ["<rootDir>/test"],
  testMatch: [`<rootDir>/test/${folder ? `${folder}/` : ""}**/*.test.ts`],
  testPathIgnorePatterns: folder ? [] : folders.map((name) => `<rootDir>/test/${name}/`),
  transform: {
    "^.+\\.ts$": [
      "@swc/jest",
      {
        jsc: { parser: { syntax: "typescript" }, target: "es2022", keepClassNames: true },
        // A dynamic import stays one: it is how a CommonJS test reaches the .mjs modules of scripts/.
        module: { type: "commonjs", ignoreDynamic: true },
        sourceMaps: "inline",
      },
    ],
  },
  // libtorch itself computes on several threads.
  maxWorkers: 2,
  testTimeout: 60_000,
  reporters: ["<rootDir>/test/support/reporter.mjs"],
};
