/** Captures: what they hold as one stream of events, whatever form they come in. */
export * from './accesses/index.ts';
export { BlobSource, type ByteSource, MemoryAccess, type Platform, type RandomAccess, WEB } from './byte-source.ts';
export {
  CaptureFeed,
  type EventFeed,
  type EventOrigin,
  type EventSink,
  type FeedEnd,
  type FeedOptions,
} from './capture-feed.ts';
export { CaptureReader, openSources, type ReaderOptions } from './capture-reader.ts';
export * from './event.ts';
export { NameTable } from './names.ts';
export * from './packed/index.ts';
export { type CaptureForm, type EventStream, FORMS } from './readers/index.ts';
export { remarks, whatInstead } from './remarks.ts';
export * from './stats.ts';
