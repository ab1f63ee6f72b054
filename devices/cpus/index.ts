/** Many CPUs in time: what they share, and how long they wait for each other. */
export { Cpu, CpuWait, QUEUE_STEPS } from './cpu.ts';
export { SharedLine } from './shared-line.ts';
export { type QueuedList, SharedQueue, type SharedQueuePrices } from './shared-queue.ts';
