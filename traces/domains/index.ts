/** Whose mapping is it: the domain of each map and unmap, named by the capture or inferred. */
export { CALLS_RIGHT, type Confidence, type Missing } from './confidence.ts';
export { type DomainInfo, type DomainOrigin, DomainTracker, Match, NO_DOMAIN } from './tracker.ts';
