/** Which domain each plain `map` and `unmap` line belongs to, by what all lines together make likely. */
export { Attachments } from './attachments.ts';
export { DomainInference } from './inference.ts';
export { NO_SLOT } from './slots.ts';
