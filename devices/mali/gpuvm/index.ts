/** The generic GPUVA manager: which mappings a virtual machine has, and the steps of changing them. */
export { type GpuVa, type GpuVaOverlap, GpuVaSpace, type GpuVaSteps } from './gpu-va-space.ts';
