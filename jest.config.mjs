// `npm test` runs all tests but test/reference, which need a Python with PyTorch: `npm run test:reference` runs those, by
// HIRE_SNN_TESTS=reference.
const reference = process.env.HIRE_SNN_TESTS === "reference";

// Set here, and not left to the loader in src/native/addon.ts: a test file's process.env is a copy that libtorch's OpenMP
// runtime does not see.
process.env.OMP_WAIT_POLICY ??= "passive";

export default {
  testEnvironment: "node",
  roots: ["<rootDir>/test"],
  testMatch: reference ? ["<rootDir>/test/reference/**/*.test.ts"] : ["<rootDir>/test/**/*.test.ts"],
  testPathIgnorePatterns: reference ? [] : ["<rootDir>/test/reference/"],
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
