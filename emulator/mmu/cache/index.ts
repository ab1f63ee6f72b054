/** The associative memory that all caches of an MMU are built of: tags, sets, page sizes, replacement, and searches of a range. */
export { AssociativeCache } from './cache.ts';
export { type CacheGeometry, ENTRY_WORDS } from './geometry.ts';
export { ANY_SALT, NO_SALT, RangeSearch } from './range-search.ts';
export * from './tag.ts';
