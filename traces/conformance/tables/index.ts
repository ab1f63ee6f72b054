/** Page-table software held against Linux's io-pgtable: return values, table memory, and what was told to whom. */
export { CodeBook } from './match-events.ts';
export { RecordingMachine } from './recorder.ts';
export { type Mismatch, runCase } from './run-case.ts';
export { checkVector, parseLine, parseVector, type Vector } from './vector.ts';
