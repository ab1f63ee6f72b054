/** Events that were read once, for many replays or another thread. */
export { PackedFeed, statsFrom } from './feed.ts';
export { BLOCK_BYTES, BLOCK_EVENTS, EventBlock } from './layout.ts';
export { PackedWriter, plainStats } from './writer.ts';
