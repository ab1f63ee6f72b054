/** Fault lines of kernel logs, decoded. */
export { decodeFaults } from './decode.ts';
export { type ExplainedFault, type FaultSource, faultRecord, type Suspicion } from './fault.ts';
