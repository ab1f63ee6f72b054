/** The editor of LPAE tables, its four architectural formats, and what another format needs to be edited by it. */
export { checkQuirks, refused, restrict, SMALL_GRANULE_SHIFT, smallGranule } from './config.ts';
export { LPAE_FORMATS, lpaeEntry } from './formats.ts';
export { attributeIndex, encodingTable, type LeafEncoding } from './leaf-encoding.ts';
export type { LpaeFormat } from './table.ts';
