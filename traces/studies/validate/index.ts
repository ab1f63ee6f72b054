/** Every published figure that the model can be held against, with its error. */
export type { Standing, ValidationRow, ValidationTable, ValidationUnit } from './row.ts';
export { type CommandList, type QueueLoad, type QueuePrices, type QueueTimes, shareQueue } from './shared-queue.ts';
export { type ValidationReport, validate } from './validate.ts';
