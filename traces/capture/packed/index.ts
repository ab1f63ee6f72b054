/** Events that were read once, for many replays. */
export { PackedFeed } from './feed.ts';
export { PackedWriter } from './writer.ts';
