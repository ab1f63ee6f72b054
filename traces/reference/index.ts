/** gem5's SMMU, held against ours on the same accesses. */
export { compareFigures, type FigureDifference } from './compare.ts';
export { type Experiment, type ExperimentConfig, machineOf, parseExperiment } from './experiment.ts';
export { type ExperimentResult, runExperiment, type TranslationRecord } from './run.ts';
