/** What devices do with mappings while they live, and what it costs them. */
export { type AccessAccount, SERVED_NAMES, Served } from './access-meter.ts';
export { AccessStream } from './access-stream.ts';
export { DeviceAccesses } from './device-accesses.ts';
export type { RecordedReport } from './recorded-accesses.ts';
