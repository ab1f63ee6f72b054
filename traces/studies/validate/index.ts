/** Every published figure that the model can be held against, with its error. */

export { type CommandList, type QueueLoad, type QueuePrices, type QueueTimes, shareQueue } from './queue-load.ts';
export type { Standing, ValidationRow, ValidationTable, ValidationUnit } from './row.ts';
export { type ValidationReport, validate } from './validate.ts';
