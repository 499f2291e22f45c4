import { parseTime } from "../../src/cli/reproduce";
import { fitPlan, fullPlan, type Measurement, type ReproductionPlan } from "../../src/reproduction/plan";
import { findPreset, presetNames } from "../../src/reproduction/presets";

const vgg5 = findPreset("vgg5-cifar10");
const sizes = { trainingImages: 50_000, testImages: 10_000 };
const measured: Measurement = {
  trainingSeconds: { ann: 0.004, traditional: 0.01, hire: 0.01 },
  calibrationSeconds: 0.004,
  evaluationSeconds: { ann: 0.03, spiking: 0.08 },
};

/** What a plan takes by what was measured, added up anew. */
function secondsOf({ trainings, samples }: ReproductionPlan): number {
  const training = trainings.map(({ method, settings }) => {
    const { epochs = NaN, trainingImages = NaN, heldOut = NaN, calibration } = settings;
    const { images = NaN, timesteps = NaN } =
      method === "ann" ? { images: 0, timesteps: 0 } : (calibration ?? {});
    return (
      epochs * (trainingImages + 0.4 * heldOut) * measured.trainingSeconds[method] +
      images * timesteps * measured.calibrationSeconds
    );
  });
  const evaluation = 2 * samples * (0.03 + 2 * 0.08);
  return training.reduce((sum, seconds) => sum + seconds, evaluation);
}

test.each([900, 3600, 4 * 3600, 48 * 3600])("a plan fits %d s, and uses most of it", (budget) => {
  const plan = fitPlan(vgg5, measured, budget, sizes);
  expect(plan.estimatedSeconds).toBeCloseTo(secondsOf(plan), 6);
  expect(secondsOf(plan)).toBeLessThanOrEqual(budget);
  expect(secondsOf(plan)).toBeGreaterThan(0.5 * budget);
  const spiking = plan.trainings.filter(({ method }) => method !== "ann");
  const common = spiking.map(({ settings }) => ({ ...settings, method: "either", seed: "either" }));
  expect(common).toHaveLength(4);
  for (const settings of common) expect(settings).toEqual(common[0]);
  expect(plan.trainings.map(({ name, from }) => [name, from])).toEqual([
    ...[0, 1].flatMap((seed) => [
      [`ann-${seed}`, null],
      [`traditional-${seed}`, `ann-${seed}`],
      [`hire-${seed}`, `ann-${seed}`],
    ]),
  ]);
});

test("more time is never less training, and at most the whole schedule", () => {
  let before = 0;
  for (let budget = 1000; budget < 1e8; budget *= 3) {
    const { trainings, samples } = fitPlan(vgg5, measured, budget, sizes);
    const seen = trainings.reduce(
      (sum, { settings: { epochs = 0, trainingImages = 0 } }) => sum + epochs * trainingImages,
      0,
    );
    expect(seen).toBeGreaterThanOrEqual(before);
    expect(samples).toBeLessThanOrEqual(10_000);
    before = seen;
  }
  const { trainings } = fitPlan(vgg5, measured, 1e9, sizes);
  const whole = fullPlan(vgg5, 10_000).trainings;
  expect(trainings.map(({ settings: { epochs } }) => epochs)).toEqual(
    whole.map(({ settings: { epochs } }) => epochs),
  );
  expect(trainings[1]?.settings.calibration).toMatchObject({ images: 512, timesteps: 100 });
});

test("a budget that is too small is refused with one that is enough", () => {
  const refused = (): ReproductionPlan => fitPlan(vgg5, measured, 60, sizes);
  expect(refused).toThrow(expect.objectContaining({ code: "INVALID_ARGUMENT" }) as Error);
  let least = NaN;
  try {
    refused();
  } catch (error) {
    least = Number(/at least about (\d+) min/.exec((error as Error).message)?.[1]);
  }
  const { trainings, samples } = fitPlan(vgg5, measured, 60 * least, sizes);
  expect(samples).toBeGreaterThanOrEqual(100);
  for (const { settings } of trainings) expect(settings.trainingImages).toBeGreaterThanOrEqual(640);
});

test("asked for test images are kept, whatever they take", () => {
  expect(fitPlan(vgg5, measured, 3600, sizes, 1234).samples).toBe(1234);
});

test("every preset has a schedule for its six networks", () => {
  for (const name of presetNames) {
    const { trainings } = fullPlan(findPreset(name), 10);
    expect(trainings).toHaveLength(6);
    for (const { settings } of trainings) expect(settings.epochs).toBeGreaterThan(0);
  }
  expect(() => findPreset("vgg5")).toThrow(/one of vgg5-cifar10, .* but received "vgg5"/);
});

test.each([
  ["90s", 90],
  ["60m", 3600],
  ["1h30m", 5400],
  ["1.5h", 5400],
])("parseTime(%j)", (text, seconds) => {
  expect(parseTime(text)).toBe(seconds);
});

test.each(["", "60", "m", "0m", "1m1h", "-1m", "1h 30m"])("parseTime refuses %j", (text) => {
  expect(() => parseTime(text)).toThrow(expect.objectContaining({ code: "INVALID_ARGUMENT" }) as Error);
});
