/** Many CPUs in time: what they share, and how long they wait for each other. */
export { Activity } from './activity.ts';
export { CPU_WAIT_NAMES, CPU_WAITS, Cpu, CpuWait, QUEUE_STEPS } from './cpu.ts';
export { CpuJob } from './job.ts';
export { Processors } from './processors.ts';
export { SharedLine } from './shared-line.ts';
export { SharedLock } from './shared-lock.ts';
export { type QueuedList, SharedQueue, type SharedQueuePrices } from './shared-queue.ts';
export { NO_LOCK, newStep, type SharedStep, type StepDraft, type StepListener } from './shared-step.ts';
