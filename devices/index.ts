export * from './smmuv3/commands.ts';
export * from './smmuv3/context-descriptor.ts';
export * from './smmuv3/encodings.ts';
export * from './smmuv3/events.ts';
export * from './smmuv3/features.ts';
export * from './smmuv3/regime.ts';
export * from './smmuv3/stream-table-entry.ts';
