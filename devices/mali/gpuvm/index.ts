/** The generic GPUVA manager: which mappings a virtual machine has, and the steps of changing them. */
export { type GpuVa, GpuVaSpace, type GpuVaSteps, type Overlap } from './gpu-va-space.ts';
