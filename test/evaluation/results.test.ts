import type { CountedLayer } from "../../src/classifiers/classifier";
import type { LedgerRow } from "../../src/evaluation/ledger-row";
import { summarise } from "../../src/evaluation/results";
import { wilsonInterval } from "../../src/evaluation/wilson";

const layers: CountedLayer[] = [
  { name: "conv1", kind: "conv", neurons: 10 },
  { name: "linear1", kind: "linear", neurons: 4 },
];

function row(sample: number, changes: Partial<LedgerRow>): LedgerRow {
  return {
    ...{ sample, label: 0, attack: "clean", access: "none", prediction: 0, rank: 0, margin: 1, loss: 0.5 },
    ...{ linf: 0, tie: false, zeroGradient: 0 },
    ...changes,
  };
}

test("results are sums and shares of the rows", async () => {
  const rows = [
    row(0, {
      spikes: [
        [1, 3],
        [0, 4],
      ],
    }),
    row(0, { attack: "pgd", access: "white", rank: 7, linf: 0.031, zeroGradient: 3, loss: 2 }),
    row(1, {
      rank: 4,
      loss: 1.5,
      tie: true,
      spikes: [
        [5, 7],
        [0, 0],
      ],
    }),
    row(1, { attack: "pgd", access: "white", rank: 0, linf: 0.02, tie: true, loss: 1 }),
  ];
  const keys = [
    { attack: "clean", access: "none" },
    { attack: "pgd", access: "white" },
    { attack: "pgd", access: "black" },
  ] as const;
  const results = await summarise(rows, keys, layers);
  expect(results).toEqual([
    {
      ...{ attack: "clean", access: "none", top1: 0.5, top5: 1, correct: 1, n: 2, loss: 1 },
      interval: wilsonInterval(1, 2),
      ties: { samples: 1, correct: 0 },
      zeroGradient: { samples: 0, steps: 0 },
      linf: 0,
      spikes: [
        { name: "conv1", kind: "conv", neurons: 10, perTimestep: [3, 5], rate: 16 / (2 * 10 * 2) },
        { name: "linear1", kind: "linear", neurons: 4, perTimestep: [0, 2], rate: 4 / (2 * 4 * 2) },
      ],
    },
    {
      ...{ attack: "pgd", access: "white", top1: 0.5, top5: 0.5, correct: 1, n: 2, loss: 1.5 },
      interval: wilsonInterval(1, 2),
      ties: { samples: 1, correct: 1 },
      zeroGradient: { samples: 1, steps: 3 },
      linf: 0.031,
    },
  ]);
});
