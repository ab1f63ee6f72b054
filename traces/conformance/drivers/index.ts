/** Drivers held against what the real ones did, access for access. */
export { CaseCheck } from './case-check.ts';
export { type DriverEvent, eventList, isEventList } from './event.ts';
export { hex64, hexNumber, integer, linuxKernel } from './fields.ts';
export { Divergence, type PlayerOptions, RegisterPlayer } from './register-player.ts';
export { type CaseFields, type DriverCaseResult, type DriverRunner, defineRunner, isDriverCase } from './runner.ts';
export { findRunner, runnerNames } from './runners.ts';
