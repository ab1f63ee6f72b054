/** How tables are changed: map, unmap, and map over what is there. */
export { mapEntries, mapFrom } from './map.ts';
export { unmapPartOfBlock } from './remap.ts';
export { PARTIAL_BLOCK, type PartialBlock, unmapEntries, unmapFrom } from './unmap.ts';
