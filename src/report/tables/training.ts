import { lineChart, type Point } from "../charts/line-chart";
import type { TrainingData } from "../read-training";
import type { Chart, Section } from "../report-model";

const trainingColumn = { key: "training", title: "Training", format: "text" } as const;
const epochColumn = { key: "epoch", title: "Epoch", format: "integer" } as const;

/** How networks were trained: loss, accuracy, rates, thresholds and leaks by epoch, from the logs. */
export function trainingSection(trainings: readonly TrainingData[]): Section | undefined {
  const epochs = trainings.flatMap(({ label, log }) => log.map((record) => ({ label, record })));
  if (epochs.length === 0) return undefined;
  const layers = epochs.flatMap(({ label, record: { epoch, rates, thresholds, leaks } }) =>
    Object.entries(rates).map(([layer, rate]) => ({
      ...{ training: label, epoch, layer, rate },
      threshold: thresholds[layer] ?? null,
      leak: leaks[layer] ?? null,
    })),
  );
  const byLayer = (value: (row: (typeof layers)[number]) => number | null): Point[] =>
    layers.flatMap((row) => {
      const y = value(row);
      return y === null ? [] : [{ x: row.epoch, y, series: row.layer, panel: row.training }];
    });
  return {
    id: "training",
    title: "Training",
    short: "Training",
    text: [describe(trainings)],
    charts: [
      chart("training-loss", "Loss, nats, by epoch", {
        caption:
          "Mean cross-entropy of the epoch's mini-batches, while the weights changed and with dropout.",
        points: epochs.map(({ label, record }) => ({
          ...{ x: record.epoch, y: record.loss, series: label, panel: "" },
        })),
      }),
      chart("training-accuracy", "Accuracy, %, by epoch", {
        caption:
          "In training: of the epoch's mini-batches, with dropout and, of HIRE, on noisy images as well. Held out: of images that were " +
          "not trained on, by the network as it was at the end of the epoch.",
        percent: true,
        points: epochs.flatMap(({ label, record: { epoch, trainingAccuracy, heldOutAccuracy } }) => [
          { x: epoch, y: trainingAccuracy, series: label, panel: "in training" },
          ...(heldOutAccuracy === null
            ? []
            : [{ x: epoch, y: heldOutAccuracy, series: label, panel: "held out" }]),
        ]),
      }),
      chart("training-rates", "Spikes per neuron and time step, %, by epoch", {
        caption: "Of a pool, and of an ANN's layers, the share of outputs that are not zero.",
        points: byLayer(({ rate }) => 100 * rate),
      }),
      chart("training-thresholds", "Thresholds by epoch", {
        caption: "What a neuron's membrane has to exceed to fire; one for each layer.",
        points: byLayer(({ threshold }) => threshold),
      }),
      chart("training-leaks", "Leaks by epoch", {
        caption: "What is left of the membrane after a time step, at most 1. The axis does not begin at 0.",
        points: byLayer(({ leak }) => leak),
        zero: false,
      }),
    ].flatMap((each) => each ?? []),
    tables: [
      {
        id: "training",
        title: "Training by epoch",
        folded: true,
        columns: [
          trainingColumn,
          epochColumn,
          { key: "loss", title: "Loss, nats", format: "decimal", digits: 4 },
          { key: "trainingAccuracy", title: "In training, %", format: "percent" },
          { key: "heldOutAccuracy", title: "Held out, %", format: "percent" },
          {
            ...{ key: "learningRate", title: "Learning rate", format: "decimal", digits: 3 },
            significant: true,
          },
          { key: "gradientNorm", title: "Gradient norm", format: "decimal", digits: 3 },
          { key: "imagesPerSecond", title: "Images/s", format: "decimal", digits: 1 },
        ],
        rows: epochs.map(({ label, record }) => ({
          ...{ training: label, epoch: record.epoch, loss: record.loss },
          trainingAccuracy: record.trainingAccuracy,
          heldOutAccuracy: record.heldOutAccuracy,
          learningRate: record.learningRate,
          gradientNorm: record.gradientNorm,
          imagesPerSecond: record.imagesPerSecond,
        })),
      },
      {
        id: "training-layers",
        title: "Rates, thresholds and leaks by epoch",
        folded: true,
        columns: [
          trainingColumn,
          epochColumn,
          { key: "layer", title: "Layer", format: "text" },
          { key: "rate", title: "Rate, %", format: "percent" },
          { key: "threshold", title: "Threshold", format: "decimal", digits: 4 },
          { key: "leak", title: "Leak", format: "decimal", digits: 4 },
        ],
        rows: layers,
      },
    ],
  };
}

function describe(trainings: readonly TrainingData[]): string {
  const each = trainings.map(({ label, method, network, timesteps, epochs, log }) => {
    const time = method === "ann" ? "" : `, T = ${timesteps}`;
    const done = log.length === epochs ? `${epochs} epochs` : `${log.length} of ${epochs} epochs`;
    return `${label}: ${method}, ${network}${time}, ${done}`;
  });
  return `From the logs of the trainings. ${each.join("; ")}.`;
}

/** A plot of what there is by epoch; undefined if that is nothing. */
function chart(
  id: string,
  title: string,
  figures: { caption: string; points: readonly Point[]; percent?: boolean; zero?: boolean },
): Chart | undefined {
  if (figures.points.length === 0) return undefined;
  return lineChart({ percent: false, ...figures, id, title, xTitle: "epoch" });
}
