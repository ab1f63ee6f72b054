/** Finding out what the SMMU is, and setting it up: what the driver does at probe. */
export { Interrupts, REQUEST_BYTES } from './interrupts.ts';
export { type ProbedSmmu, ProbeError, probeSmmu, STREAM_SPLIT } from './probe.ts';
export { SmmuReset } from './reset.ts';
