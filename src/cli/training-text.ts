import type { EpochRecord } from "../training/epoch-record";
import type { TrainingStatus } from "../training/train";
import { describeDuration, describeSpeed } from "./progress-line";

/** Where a training is, in one line. */
export function describeStatus({
  epoch,
  epochs,
  batch,
  batches,
  loss,
  imagesPerSecond,
  etaSeconds,
}: TrainingStatus): string {
  return [
    `epoch ${epoch} of ${epochs}`,
    `${batch} of ${batches} mini-batches`,
    `loss ${loss.toFixed(4)}`,
    describeSpeed(imagesPerSecond),
    `ETA ${describeDuration(etaSeconds)}`,
  ].join("  ");
}

/** What an epoch came to, in lines. */
export function describeEpoch(record: EpochRecord): string {
  const percent = (share: number): string => `${(100 * share).toFixed(2)} %`;
  const listed = (values: Readonly<Record<string, number>>, text: (value: number) => string): string =>
    Object.entries(values)
      .map(([layer, value]) => `${layer} ${text(value)}`)
      .join(", ");
  const { epoch, loss, trainingAccuracy, heldOutAccuracy, imagesPerSecond, etaSeconds } = record;
  const lines = [
    `epoch ${epoch}: loss ${loss.toFixed(4)}, training ${percent(trainingAccuracy)}` +
      (heldOutAccuracy === null ? "" : `, held out ${percent(heldOutAccuracy)}`) +
      `, ${describeSpeed(imagesPerSecond)}, ETA ${describeDuration(etaSeconds)}`,
    `  rates: ${listed(record.rates, percent)}`,
  ];
  if (Object.keys(record.thresholds).length > 0) {
    lines.push(`  thresholds: ${listed(record.thresholds, (value) => value.toPrecision(4))}`);
    lines.push(`  leaks: ${listed(record.leaks, (value) => value.toPrecision(4))}`);
  }
  return lines.join("\n");
}
