/** What the driver invalidates, and with which commands. */
export { InvalidationArray } from './invalidation-array.ts';
export { Invalidator } from './invalidator.ts';
export { RangeCover } from './range-cover.ts';
