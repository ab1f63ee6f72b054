/** Time: events in the order in which they happen. */
export { EventQueue } from './event-queue.ts';
