/** Linux's arm-smmu held against what it did on 13 SMMUs. */
export { type DevicePass, performOnDevice } from './device-pass.ts';
export { ARM_SMMU_PROFILES } from './run-profile.ts';
export { ARM_SMMU } from './run-scenario.ts';
export { type ArmSmmuOperation, type ArmSmmuScenario, ArmSmmuScenarioSchema } from './scenario.ts';
