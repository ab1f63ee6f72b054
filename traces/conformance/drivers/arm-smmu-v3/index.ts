/** Linux's arm-smmu-v3 of 6.12 and 7.3, held against what it did on 26 SMMUs. */
export { type DevicePass, performOnDevice } from './device-pass.ts';
export { ENTRY_WRITER } from './entry-writer.ts';
export { ARM_SMMU_V3 } from './run-scenario.ts';
export { ArmSmmuV3ScenarioSchema } from './scenario.ts';
export { TLBI_RANGE } from './tlbi-range.ts';
