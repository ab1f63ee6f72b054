/** Options that several commands share. */
export { allocatorHelp } from './allocator-help.ts';
export {
  addMachineOptions,
  FIELD_NAMES,
  type MachineFlags,
  machineFrom,
  machineInput,
  timeOfTrace,
  wholeNumber,
} from './machine-options.ts';
export { metricsNamed } from './metric-names.ts';
export { readText } from './read-text.ts';
export { addOutputOptions, type OutputFlags, ReportOutputs } from './report-outputs.ts';
