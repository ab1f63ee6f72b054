/** Captures: what they hold as one stream of events, whatever form they come in. */
export * from './accesses/index.ts';
export {
  CaptureFeed,
  type ClockOffset,
  type EventFeed,
  type EventOrigin,
  type EventSink,
  type FeedEnd,
  type FeedOptions,
} from './capture-feed.ts';
export { CaptureReader, openSources, type ReaderOptions } from './capture-reader.ts';
export {
  CaptureStats,
  Context,
  copyEvent,
  DAMAGE_KEPT,
  type Damage,
  Decision,
  DmaRequest,
  EVENT_KINDS,
  EventKind,
  MEANINGS,
  type Meaning,
  NameTable,
  Shape,
  TraceEvent,
  UNKNOWN,
} from './events/index.ts';
export * from './packed/index.ts';
export { pciNameOf, streamIdOf } from './pci-stream.ts';
export { type CaptureForm, type EventStream, FORMS, SUPPORTED } from './readers/index.ts';
export { remarks, whatInstead } from './remarks.ts';
export {
  BlobSource,
  type Block,
  type ByteSource,
  MemoryAccess,
  type Platform,
  type RandomAccess,
} from './sources/index.ts';
