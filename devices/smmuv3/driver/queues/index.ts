/** The driver's ends of the queues. */
export { type AddressCommand, CommandQueue, type CpuClock } from './command-queue.ts';
export { answerableFault, type FaultRecord } from './fault-events.ts';
export { RecordQueue } from './record-queue.ts';
