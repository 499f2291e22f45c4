import type { Access } from "../evaluation/ledger-row";

/** A column of the paper's table. */
export type ColumnId = "clean" | "fgsm-white" | "pgd-white" | "fgsm-black" | "pgd-black";

export interface TableColumn {
  readonly id: ColumnId;
  readonly title: string;
  /** Which result of an evaluation it shows. */
  readonly attack: "clean" | "fgsm" | "pgd";
  readonly access: Access;
}

/** The columns of the paper's table, in its order. */
export const tableColumns: readonly TableColumn[] = [
  { id: "clean", title: "Clean", attack: "clean", access: "none" },
  { id: "fgsm-white", title: "FGSM, white", attack: "fgsm", access: "white" },
  { id: "pgd-white", title: "PGD-7, white", attack: "pgd", access: "white" },
  { id: "fgsm-black", title: "FGSM, black", attack: "fgsm", access: "black" },
  { id: "pgd-black", title: "PGD-7, black", attack: "pgd", access: "black" },
];
