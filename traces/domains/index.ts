/** Whose mapping is it: the domain of each map and unmap, named by the capture or inferred. */
export { CALLS_RIGHT, type Confidence, type Missing } from './confidence.ts';
export { type DecisionSink, DomainDecider } from './decider.ts';
export { type DomainInfo, type DomainOrigin, NO_DOMAIN } from './domain.ts';
export type { Hole } from './holes.ts';
export { Match } from './match.ts';
export { DomainTracker } from './tracker.ts';
