/**
 * The public interface of hire-snn: load a classifier and a data set, attack, evaluate.
 *
 * @packageDocumentation
 *
 * @example
 * const { evaluate, loadClassifier, openDataset } = require("hire-snn");
 * const dataset = await openDataset("cifar10");
 * using target = await loadClassifier("vgg5.pt", dataset);
 * const { results } = await evaluate({ target, dataset, attacks: "hire", samples: 100, seed: 0 });
 */
export { demo } from "./demo";
export { HireSnnError, type ErrorCode } from "./errors";

export type {
  Checkpoint,
  CheckpointFormat,
  ExtraObject,
  ExtraScalar,
  ExtraValue,
  StateDict,
  StateDictTensor,
  StoredDtype,
  StoredTensor,
  StoredValues,
} from "./checkpoint/checkpoint";
export {
  convertCheckpoint,
  type Conversion,
  type ConvertedFile,
  type ConvertOptions,
} from "./checkpoint/convert-checkpoint";
export { openCheckpoint } from "./checkpoint/open-checkpoint";
export {
  isTorchScript,
  readTorchScriptArchive,
  type TorchScriptArchive,
} from "./checkpoint/torchscript-archive";
export type { OperatorCalls } from "./checkpoint/torchscript-code";
export { OrderedMap, TensorToWrite, type WritableValue } from "./checkpoint/writable";
export { writeCheckpoint } from "./checkpoint/write-checkpoint";

export { Tensor, type Dtype, type TensorData, type TypedArrayOf } from "./tensor/tensor";
export { tensorScope, type Disposable } from "./tensor/scope";
export type { Seed } from "./tensor/philox";

export {
  countsSpikes,
  isIdentified,
  type CallOptions,
  type Classifier,
  type CountedLayer,
  type Device,
  type Identified,
  type InputGradient,
  type SpikeCounting,
  type SpikeCounts,
} from "./classifiers/classifier";
export { crossEntropy, evaluateLoss, type Loss } from "./classifiers/loss";
export { loadClassifier, type LoadOptions } from "./classifiers/load-classifier";
export { loadModel, type ModelOptions } from "./classifiers/load-model";
export { exportTorchScript, type ExportedScript, type ExportOptions } from "./classifiers/export-torchscript";
export type { TorchScriptMetadata } from "./classifiers/torchscript-metadata";
export {
  loadTorchScript,
  type ImageDescription,
  type TorchScriptOptions,
} from "./classifiers/load-torchscript";
export {
  TorchScriptClassifier,
  type ScriptOrigin,
  type ScriptSource,
  type ScriptUse,
} from "./classifiers/torchscript-classifier";
export { inspectTorchScript, type ScriptInspection } from "./classifiers/inspect-torchscript";
export { TorchScriptModule, type ScriptOutput } from "./classifiers/torchscript-module";
export {
  NetworkClassifier,
  type CheckpointOrigin,
  type LayerProfile,
  type LayerTrace,
  type NetworkClassifierOptions,
} from "./classifiers/network-classifier";
export {
  SpikingClassifier,
  type Coding,
  type KernelOptions,
  type SpikingOptions,
} from "./classifiers/spiking-classifier";
export { AnnClassifier } from "./classifiers/ann-classifier";
export type { NetworkWeights } from "./classifiers/native-layers";
export {
  surrogateShapes,
  type Surrogate,
  type SurrogateOptions,
  type SurrogateScale,
  type SurrogateShape,
} from "./networks/surrogate";
export { getThreads, runtimeIdentity, setThreads, type RuntimeIdentity } from "./native/addon";

export { annTwin, isAnn } from "./networks/network";
export type {
  AveragePoolLayer,
  ConvLayer,
  Layer,
  LinearLayer,
  Network,
  OutputLayer,
  Shape,
  Shortcut,
  SpikingKeys,
} from "./networks/network";

export { connectionsOf, type Connection } from "./networks/connections";
export { namedNetwork, type NamedNetworkOptions } from "./networks/named-network";

export type { Batch, Dataset, Split } from "./datasets/dataset";
export {
  datasetNames,
  openDataset,
  type DatasetName,
  type OpenDatasetOptions,
} from "./datasets/open-dataset";

export {
  fetchDataset,
  type FetchOptions,
  type FetchProgress,
  type FetchResult,
} from "./datasets/published/fetch";
export {
  verifyDataset,
  type Verification,
  type VerifiedFile,
  type VerifyOptions,
} from "./datasets/published/verify";
export { publishedNames, type PublishedName } from "./datasets/published/catalogue";
export { drawShapes } from "./datasets/draw-shapes";
export { writeNpz, type NpzDescription } from "./datasets/write-npz";

export type { Attack, AttackOptions, AttackResult, RandomOptions, ThreatModel } from "./attacks/attack";
export { fgsm, fgsmAttack, type FgsmParameters } from "./attacks/fgsm";
export { pgd, pgdAttack, type PgdParameters } from "./attacks/pgd";
export { hirePreset, hirePresetNote } from "./attacks/hire-preset";
export { uniformStart, type RandomStream } from "./attacks/random-start";

export {
  measuredActivity,
  spikingModel,
  syntheticActivity,
  type Activity,
  type ConnectionCounts,
  type LayerCounts,
  type MeasuredCounts,
  type OperationCounts,
  type SpikingModel,
} from "./energy/activity";
export type { Baseline } from "./energy/baselines";
export type { BreakEvenRate } from "./energy/break-even";
export { chips, type Chip } from "./energy/chips";
export {
  compareEnergies,
  type ConventionEnergy,
  type EnergyComparison,
  type EnergyOptions,
} from "./energy/compare-energies";
export {
  conventions,
  operationsUnder,
  type Borders,
  type Convention,
  type ConventionName,
  type Operations,
} from "./energy/conventions";
export { layerTable, type LayerOperations, type WeightOperations } from "./energy/layer-table";
export { memoryModels, type Dataflow } from "./energy/memory";
export { presetNames, presets, type EnergyPreset, type PresetName } from "./energy/presets";

export { mergeRuns } from "./evaluation/merge";
export type { Passes } from "./evaluation/pass-count";
export {
  study,
  studyModel,
  type ModelSettings,
  type Study,
  type StudyModel,
  type StudyOptions,
  type StudyRun,
} from "./evaluation/study";
export { evaluate, type EvaluateOptions, type Evaluation } from "./evaluation/evaluate";
export type { Access, LedgerRow } from "./evaluation/ledger-row";
export type { Progress, RunProgress } from "./evaluation/progress";
export {
  ResultSummary,
  summarise,
  type LayerActivity,
  type Result,
  type ResultKey,
  type SynapseActivity,
} from "./evaluation/results";
export { activityOf, whyWithoutEnergies } from "./evaluation/results-activity";
export { energiesOf } from "./evaluation/results-energy";
export type {
  AttackIdentity,
  ModelExecution,
  ModelIdentity,
  RunConfig,
  RunExecution,
  RunIdentity,
  SavedImages,
} from "./evaluation/run-config";
export { readLedger } from "./evaluation/ledger";
export { readCommitted, type Committed, type JournalEntry } from "./evaluation/ledger-journal";
export type { SampleRange, Shard } from "./evaluation/shard";
export { probeGradient, type GradientProbe, type ProbeOptions } from "./evaluation/probe-gradient";
export type { EvaluationWarning } from "./evaluation/warnings";
export { wilsonInterval } from "./evaluation/wilson";

export type { EpochRecord } from "./training/epoch-record";
export { train, type TrainedModel, type TrainingStatus, type TrainOptions } from "./training/train";
export {
  trainingMethods,
  type ResolvedSettings,
  type TrainingMethod,
  type TrainingSettings,
} from "./training/options";
export type { ColumnId } from "./reproduction/columns";
export type { Measurement, PlannedTraining, ReproductionPlan } from "./reproduction/plan";
export {
  presetNames as reproductionNames,
  type ReproductionPreset,
  type SharedSettings,
} from "./reproduction/presets";
export type { FigureMark, PublishedFigures } from "./reproduction/published";
export { reproduce, type ReproduceOptions, type Reproduction } from "./reproduction/reproduce";
export type { TableFigure, TableRow, TextTable } from "./reproduction/table";
export { createReport, type ReportOptions } from "./report/create-report";
export type {
  Cell,
  Chart,
  ChartSpec,
  Column,
  Format,
  GalleryImage,
  GalleryItem,
  Highlight,
  Pivot,
  Report,
  ReportWarning,
  Section,
  Table,
} from "./report/report-model";
export { writeReport } from "./report/write-report";

export { diagnose, type Diagnosis, type Problem } from "./doctor/diagnose";
export type { Folder } from "./doctor/folders";
export type { LibtorchBuild } from "./doctor/libtorch-build";
export type { Machine } from "./doctor/machine";
export type { AddonProbe } from "./doctor/probe-addon";
