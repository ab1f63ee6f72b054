/** The IPMMU-VMSA of Renesas R-Car parts: registers, what Linux and Xen do with it, and the device itself. */
export * from './device/index.ts';
export * from './driver/index.ts';
export { IPMMU_CONFIG, IPMMU_VMSA } from './model.ts';
export * as ipmmuSpec from './spec/index.ts';
export {
  IPMMU_GENERATION_NAMES,
  IPMMU_GENERATIONS,
  type IpmmuGeneration,
  type IpmmuGenerationName,
} from './spec/index.ts';
