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
    ...{ sample, label: 0, attack: "clean", access: "none", valid: true, prediction: 0, rank: 0 },
    ...{ margin: 1, loss: 0.5, linf: 0, l2: 0, tie: false, zeroGradient: 0, firstSuccess: null },
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
    row(0, { attack: "pgd", access: "white", rank: 7, linf: 0.031, l2: 0.3, zeroGradient: 3, loss: 2 }),
    row(1, {
      rank: 4,
      loss: 1.5,
      tie: true,
      spikes: [
        [5, 7],
        [0, 0],
      ],
    }),
    row(1, { attack: "pgd", access: "white", rank: 0, linf: 0.02, l2: 0.1, tie: true, loss: 1 }),
  ];
  const keys = [
    { attack: "clean", access: "none" },
    { attack: "pgd", access: "white" },
    { attack: "pgd", access: "black" },
  ] as const;
  const results = await summarise(rows, keys, layers);
  expect(results).toEqual([
    {
      ...{ attack: "clean", access: "none", top1: 0.5, top5: 1, correct: 1, n: 2, invalid: 0, loss: 1 },
      interval: wilsonInterval(1, 2),
      ties: { samples: 1, correct: 0 },
      zeroGradient: { samples: 0, steps: 0 },
      ...{ linf: 0, l2: { mean: 0, max: 0 } },
      spikes: [
        { name: "conv1", kind: "conv", neurons: 10, perTimestep: [3, 5], rate: 16 / (2 * 10 * 2) },
        { name: "linear1", kind: "linear", neurons: 4, perTimestep: [0, 2], rate: 4 / (2 * 4 * 2) },
      ],
    },
    {
      ...{ attack: "pgd", access: "white", top1: 0.5, top5: 0.5, correct: 1, n: 2, invalid: 0, loss: 1.5 },
      interval: wilsonInterval(1, 2),
      ties: { samples: 1, correct: 1 },
      zeroGradient: { samples: 1, steps: 3 },
      ...{ linf: 0.031, l2: { mean: 0.2, max: 0.3 } },
    },
  ]);
});

test("repaired: correct at this epsilon and every smaller one, sample by sample", async () => {
  const ranks = { "0.1": [0, 1, 0, 0], "0.2": [1, 0, 0, 0], "0.3": [0, 0, 1, 0] };
  const rows = [0, 1, 2, 3].flatMap((sample) =>
    // From the largest on: the order within a sample does not matter.
    (["0.3", "0.2", "0.1"] as const).map((epsilon) =>
      row(sample, { attack: epsilon, access: "white", rank: ranks[epsilon][sample] as number }),
    ),
  );
  const keys = [
    { attack: "0.1", access: "white", smaller: [] },
    { attack: "0.2", access: "white", smaller: ["0.1"] },
    { attack: "0.3", access: "white", smaller: ["0.1", "0.2"] },
  ] as const;
  const results = await summarise(rows, keys, []);
  expect(results.map(({ correct, repaired }) => [correct, repaired])).toEqual([
    [3, { correct: 3, top1: 0.75, interval: wilsonInterval(3, 4) }],
    [3, { correct: 2, top1: 0.5, interval: wilsonInterval(2, 4) }],
    [3, { correct: 1, top1: 0.25, interval: wilsonInterval(1, 4) }],
  ]);
});
