import { AnnClassifier } from "../classifiers/ann-classifier";
import type { Classifier, Device } from "../classifiers/classifier";
import type { NetworkWeights } from "../classifiers/native-layers";
import { SpikingClassifier } from "../classifiers/spiking-classifier";
import type { Dataset } from "../datasets/dataset";
import { evaluate } from "../evaluation/evaluate";
import { annTwin } from "../networks/network";
import type { TensorData } from "../tensor/tensor";
import { readSamples } from "../training/batches";
import { resolveSettings, trainingMethods, type TrainingMethod } from "../training/options";
import { TrainedNetwork, trainedTensors } from "../training/trained-network";
import { networkToTrain } from "../training/training-network";
import { fullPlan, type Measurement } from "./plan";
import type { ReproductionPreset } from "./presets";

/** Mini-batches of each method: the first, which also makes the optimizer's moments, is not counted. */
const miniBatches = 4;
/** So many that packing the weights, which is done once, hardly counts. */
const calibrated = { images: 64, timesteps: 32 };
const evaluated = 16;

/** White box takes eight gradients, three forward passes' worth each, and three passes; black box two more on the other's images. */
const bothAccesses = 29 / 27;

/**
 * Measures what a preset's trainings and evaluations take on this machine, with networks of initial weights: a few mini-batches of each
 * method, thresholds on a few images, and the attacks on a few.
 */
export async function measure(
  preset: ReproductionPreset,
  training: Dataset,
  test: Dataset,
  { device, signal }: { readonly device?: Device | undefined; readonly signal?: AbortSignal | undefined },
): Promise<Measurement> {
  const trainingSeconds = {} as Record<TrainingMethod, number>;
  const evaluationSeconds = { ann: 0, spiking: 0 };
  let calibrationSeconds = 0;
  for (const method of trainingMethods) {
    const planned = fullPlan(preset, 1).trainings.find((each) => each.method === method)!;
    const settings = await resolveSettings(
      { ...planned.settings, device },
      { datasetName: training.name, images: training.length },
    );
    const network = networkToTrain(preset.network, training);
    const { mean, std } = training;
    using trained = await TrainedNetwork.create({ network, mean, std, settings, seed: 0 });
    if (method !== "ann") {
      const some = firstOf(training, calibrated.images);
      const { images } = await readSamples(training, some);
      const asked = { ...settings.calibration, timesteps: calibrated.timesteps };
      const begun = performance.now();
      await trained.calibrate(images, some, asked, signal);
      calibrationSeconds = secondsSince(begun) / (some.length * calibrated.timesteps);
    }
    const samples = firstOf(training, settings.batchSize);
    const times: number[] = [];
    for (let number = 0; number < miniBatches; number++) {
      signal?.throwIfAborted();
      const begun = performance.now();
      const { images, labels } = await readSamples(training, samples);
      await trained.step(images, labels, samples, number, 1, settings.learningRate);
      if (number > 0) times.push(secondsSince(begun) / labels.length);
    }
    trainingSeconds[method] = times.sort((a, b) => a - b)[Math.floor(times.length / 2)]!;
    if (method === "hire") continue; // is evaluated as a traditional one is
    using classifier = await classifierOf(trained, test, preset.timesteps, device);
    const count = Math.min(evaluated, test.length);
    const begun = performance.now();
    await evaluate({
      ...{ target: classifier, dataset: test, attacks: "hire", samples: count, seed: 0, signal },
      allowZeroGradient: true,
    });
    evaluationSeconds[method === "ann" ? "ann" : "spiking"] = (bothAccesses * secondsSince(begun)) / count;
  }
  return { trainingSeconds, calibrationSeconds, evaluationSeconds };
}

function firstOf({ length }: Dataset, count: number): Uint32Array {
  return Uint32Array.from({ length: Math.min(count, length) }, (_, sample) => sample);
}

function secondsSince(begun: number): number {
  return (performance.now() - begun) / 1000;
}

/** A network in training as what is attacked. */
async function classifierOf(
  trained: TrainedNetwork,
  { mean, std }: Dataset,
  timesteps: number,
  device: Device | undefined,
): Promise<Classifier> {
  const { network, isAnn } = trained;
  const tensors = new Map<string, { data: TensorData; shape: readonly number[] }>();
  for (const { key, name } of trainedTensors(network, isAnn)) tensors.set(key, await trained.read(name));
  const weights: NetworkWeights = { read: (key) => tensors.get(key)! };
  return isAnn
    ? await AnnClassifier.create(annTwin(network), weights, { mean, std })
    : await SpikingClassifier.create(network, weights, { mean, std, timesteps, device });
}
