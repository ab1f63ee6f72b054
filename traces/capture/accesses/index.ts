/** What devices really accessed, from an IOMMU's own log: as lists of addresses, and beside the maps and unmaps of the same run. */
export { clockOffset, RangeLog } from './clock-offset.ts';
export { LiveMaps, Verdict } from './live-maps.ts';
export { isAccessLog, logAccesses } from './log-accesses.ts';
export { type LogSums, logStreams, type StreamSums } from './log-streams.ts';
export { type AccessCheck, checkAccesses, findClockOffset, LIFE_TOLERANCE, MergedEvents } from './merge.ts';
export { MergedFeed } from './merged-feed.ts';
export { findOwners } from './owners.ts';
