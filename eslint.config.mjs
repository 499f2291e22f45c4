import js from "@eslint/js";
import { defineConfig, globalIgnores } from "eslint/config";
import tseslint from "typescript-eslint";
import { importDirection } from "./scripts/lint/import-direction.mjs";

const nodeGlobals = Object.fromEntries(
  [
    ["process", "console", "Buffer", "URL", "fetch", "AbortController", "AbortSignal", "performance"],
    ["setTimeout", "clearTimeout", "setInterval", "clearInterval", "setImmediate", "structuredClone"],
    ["TextEncoder", "TextDecoder"],
  ]
    .flat()
    .map((name) => [name, "readonly"]),
);
const commonJsGlobals = {
  require: "readonly",
  module: "writable",
  __dirname: "readonly",
  __filename: "readonly",
};

export default defineConfig(
  globalIgnores(["lib/", "build/", "build-*/", "binding/", "coverage/", "runs/"]),
  {
    files: ["**/*.{js,cjs,mjs}"],
    extends: [js.configs.recommended],
    languageOptions: { ecmaVersion: 2025, globals: nodeGlobals },
    rules: {
      eqeqeq: "error",
      "no-var": "error",
      "prefer-const": "error",
      "no-unused-vars": ["error", { argsIgnorePattern: "^_", caughtErrors: "none" }],
      "no-shadow": "error",
    },
  },
  {
    files: ["**/*.{js,cjs}"],
    languageOptions: { sourceType: "commonjs", globals: commonJsGlobals },
  },
  {
    files: ["**/*.ts"],
    extends: [js.configs.recommended, tseslint.configs.strictTypeChecked],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      eqeqeq: "error",
      "@typescript-eslint/consistent-type-imports": ["error", { fixStyle: "inline-type-imports" }],
      // Numbers in messages are what most messages are about.
      "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true }],
      // `values[i]!`: with noUncheckedIndexedAccess the only way to index an array in a loop over its own length.
      "@typescript-eslint/no-non-null-assertion": "off",
      // `() => done()`: a short arrow function says no less for having no braces.
      "@typescript-eslint/no-confusing-void-expression": ["error", { ignoreArrowShorthand: true }],
      // `process.env["X"]`: required by noPropertyAccessFromIndexSignature.
      "@typescript-eslint/dot-notation": "off",
    },
  },
  {
    files: ["src/**/*.ts"],
    plugins: { project: { rules: { "import-direction": importDirection } } },
    rules: { "project/import-direction": "error" },
  },
  {
    files: ["test/**/*.ts"],
    rules: {
      // Jest's matchers (expect.any, toMatchObject) and parsed JSON are of type any.
      "@typescript-eslint/no-unsafe-assignment": "off",
      // jest.fn and expect(object.method) take methods without calling them.
      "@typescript-eslint/unbound-method": "off",
    },
  },
);
