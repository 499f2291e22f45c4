/** A value of a table, as it was computed: fractions from 0 to 1, not per cent. null where there is none. */
export type Cell = string | number | boolean | null | readonly [low: number, high: number];

/**
 * How a column's values are shown: `percent` and `interval` take fractions, `points` a difference of fractions. JSON and CSV have the
 * values themselves.
 */
export type Format = "text" | "integer" | "percent" | "interval" | "points" | "decimal" | "p-value";

/** A column of a table. */
export interface Column {
  /** Name of the value in JSON and CSV; of an interval, CSV has `KEY_low` and `KEY_high`. */
  readonly key: string;
  /** What people read above it. */
  readonly title: string;
  readonly format: Format;
  /** Digits behind the point, of `decimal`; significant ones if `significant`. @default 2 */
  readonly digits?: number;
  readonly significant?: boolean;
  /** Not shown to people where all rows have the same value; JSON and CSV have it in any case. */
  readonly onlyIfDifferent?: boolean;
}

/** Figures in tidy form: one row per observation. HTML, Markdown, CSV and JSON are all made from this. */
export interface Table {
  readonly id: string;
  readonly title: string;
  readonly columns: readonly Column[];
  readonly rows: readonly Readonly<Record<string, Cell>>[];
  /** Show it to people as a matrix: one column's values as rows, another's as columns, the third's inside. */
  readonly pivot?: Pivot;
  /** Whether it stands folded below its plot. */
  readonly folded?: boolean;
}

/** How a tidy table becomes a matrix. The dimension with more values becomes the rows, so that it fits a page. */
export interface Pivot {
  readonly rows: string;
  readonly columns: string;
  readonly value: string;
  /** Keep rows and columns as they are named, whichever has more values. */
  readonly fixed?: boolean;
  /** Values of the columns' dimension that are shown to people; JSON and CSV have all. @default all */
  readonly shown?: readonly string[];
  /** Shade the cells by their value, from 0 to 1. */
  readonly shaded?: boolean;
}

/** A Vega-Lite specification without its configuration. */
export type ChartSpec = Readonly<Record<string, unknown>>;

/** A plot as a Vega-Lite specification, drawn for a given width in pixels. */
export interface Chart {
  readonly id: string;
  readonly title: string;
  /** How to read it. */
  readonly caption: string;
  /** Its specification, for a width of all that is drawn in pixels. */
  readonly spec: (width: number) => ChartSpec;
}

/** One picture of the gallery. */
export interface GalleryImage {
  readonly role: "clean" | "perturbation" | "adversarial";
  /** Path of a PNG file. */
  readonly path: string;
  /** Class that the target gives it; absent for a perturbation. */
  readonly prediction?: string;
  readonly correct?: boolean;
}

/** A sample's images under one attack. */
export interface GalleryItem {
  readonly title: string;
  readonly images: readonly GalleryImage[];
}

/** Warnings of one kind with what they mean. */
export interface ReportWarning {
  readonly code: string;
  readonly meaning: string;
  /** What the runs said. */
  readonly messages: readonly { readonly run: string; readonly message: string }[];
}

/** A part of the report. What a section has none of is left out. */
export interface Section {
  readonly id: string;
  readonly title: string;
  /** One word or two, for the table of contents. */
  readonly short: string;
  /** Paragraphs of plain text. */
  readonly text?: readonly string[];
  readonly charts?: readonly Chart[];
  readonly tables?: readonly Table[];
  readonly gallery?: readonly GalleryItem[];
  readonly warnings?: readonly ReportWarning[];
  /** JSON to copy, each under a name. */
  readonly documents?: readonly { readonly name: string; readonly text: string }[];
}

/** A figure at the head of the report. */
export interface Highlight {
  readonly label: string;
  /** A fraction, with its interval. */
  readonly value: number;
  readonly interval: readonly [low: number, high: number];
  readonly detail: string;
}

/** All that a report says, before it takes a form. */
export interface Report {
  readonly title: string;
  readonly subtitle: string;
  /** What has to be said of the figures, such as a preset's note. */
  readonly notes: readonly string[];
  readonly highlights: readonly Highlight[];
  readonly runs: readonly { readonly label: string; readonly folder: string }[];
  readonly trainings: readonly { readonly label: string; readonly folder: string }[];
  readonly sections: readonly Section[];
  /** Version of this package that made it. */
  readonly version: string;
}
