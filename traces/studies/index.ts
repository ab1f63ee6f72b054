/** Questions asked of whole runs: one capture replayed and reported, several machines compared, published prices met. */
export * from './compare.ts';
export { comparePage } from './compare-page.ts';
export * from './miss-curve/index.ts';
export { Replay, type ReplayOptions } from './replay.ts';
export * from './sweep/index.ts';
export * from './validate/index.ts';
export * from './variation/index.ts';
