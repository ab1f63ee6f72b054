/** Events that were read once, for many replays. */
export { PackedFeed } from './feed.ts';
export { BLOCK_EVENTS, EventBlock } from './layout.ts';
export { PackedWriter } from './writer.ts';
