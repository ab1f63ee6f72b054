/** What captures hold: events, what kernels mean by them, the names they use, and what is counted and noted on the way. */
export { Decision } from './decision.ts';
export * from './event.ts';
export { NameTable, PointerTable } from './names.ts';
export { CaptureNotes } from './notes.ts';
export * from './semantics.ts';
export * from './stats.ts';
