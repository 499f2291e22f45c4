import type { Column } from "../report-model";

/** Columns that many tables have. */
export const runColumn: Column = { key: "run", title: "Run", format: "text", onlyIfDifferent: true };
export const attackColumn: Column = { key: "attack", title: "Attack", format: "text" };
export const accessColumn: Column = { key: "access", title: "Access", format: "text" };
export const epsilonColumn: Column = { key: "epsilon", title: "ε", format: "text" };
export const countColumns: readonly Column[] = [
  { key: "correct", title: "Correct", format: "integer" },
  { key: "samples", title: "Images", format: "integer" },
];
export const intervalColumn: Column = { key: "interval", title: "95 % interval", format: "interval" };

export const accessNames = { none: "", white: "white box", black: "black box" } as const;
