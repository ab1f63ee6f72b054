/** VM_BIND: asynchronous jobs that edit a GPU's virtual machine, their fences, and the memory they work on. */
export { type ChainLink, findCycle, findDeadEnd, type Party, type Wait, type Worker } from './dependency-graph.ts';
export { Fence } from './fence.ts';
export { GpuJob } from './gpu-job.ts';
export { GpuBuffer, GpuMemory } from './gpu-memory.ts';
export { type Deadlock, JobClock } from './job-clock.ts';
export { type LockRegion, lockRegion } from './lock-region.ts';
export { RangeEditor } from './range-editor.ts';
export { VmBind, type VmBindPorts } from './vm-bind.ts';
export { type VmBindConfig, type VmBindConfigInput, VmBindSchema } from './vm-bind-config.ts';
export { BindJob, type BindReport, type BindRequest, type BindState } from './vm-bind-job.ts';
export { addBindTotals, type BindTotals, newBindTotals } from './vm-bind-totals.ts';
