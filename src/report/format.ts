import type { Cell, Column } from "./report-model";

/** A value as people read it: "12.50", "9.32 to 16.57", "320". What is not there is an en dash. */
export function formatCell(value: Cell | undefined, column: Column): string {
  if (value === null || value === undefined || value === "") return "–";
  if (Array.isArray(value)) {
    const [low, high] = value as [number, number];
    return `${percent(low)} to ${percent(high)}`;
  }
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (typeof value !== "number") return String(value);
  switch (column.format) {
    case "percent":
      return percent(value);
    case "points":
      return signed(100 * value);
    case "integer":
      return groups(String(value));
    case "p-value":
      return pValue(value);
    case "decimal":
      return column.significant ? significant(value, column.digits ?? 3) : value.toFixed(column.digits ?? 2);
    default:
      return String(value);
  }
}

/** Whether a column's values stand right and sort as numbers. */
export function isNumeric({ format }: Column): boolean {
  return format !== "text";
}

/** "12.50", of 0.125. */
export function percent(fraction: number): string {
  return (100 * fraction).toFixed(2);
}

/** "+1.25", "−0.31" with a true minus sign, "0.00". */
function signed(value: number): string {
  const text = Math.abs(value).toFixed(2);
  if (Number(text) === 0) return text;
  return `${value > 0 ? "+" : "−"}${text}`;
}

/** "12,345", of a number without an exponent. */
function groups(text: string): string {
  const [whole = "", ...rest] = text.split(".");
  return [whole.replace(/\B(?=(\d{3})+$)/g, ","), ...rest].join(".");
}

/** "0.034", "1.2e-9": what is below 0.001 as a power, never "0". */
function pValue(p: number): string {
  if (p >= 0.001) return p.toFixed(3);
  return p === 0 ? "< 1e-300" : p.toExponential(1);
}

/** So many significant digits without a power of ten where that stays readable. */
function significant(value: number, digits: number): string {
  if (value === 0) return "0";
  const size = Math.abs(value);
  return size >= 1e-4 && size < 1e9
    ? groups(value.toFixed(Math.max(0, Math.min(digits + 4, digits - 1 - Math.floor(Math.log10(size))))))
    : value.toExponential(digits - 1);
}

/** A radius as the field writes it: "0.1", and "8/255" for a multiple of 1/255 that has no short decimal form. */
export function formatEpsilon(epsilon: number): string {
  const levels = epsilon * 255;
  const whole = Math.round(levels);
  return String(epsilon).length > 5 && whole > 0 && Math.abs(levels - whole) < 1e-6
    ? `${whole}/255`
    : String(epsilon);
}
