/** Stream tables and context-descriptor tables in memory, and how an entry is rewritten while the SMMU reads it. */
export { ContextTable, LINEAR_CONTEXT_BITS } from './context-table.ts';
export { abortEntry, bypassEntry, contextEntry, stage1Entry, stage2Entry } from './entries.ts';
export {
  rewriteEntry,
  safeInStreamTableEntry,
  usedOfContextDescriptor,
  usedOfStreamTableEntry,
} from './entry-writer.ts';
export { StreamTable } from './stream-table.ts';
export { type CoherentMemory, StructureMemory } from './structure-memory.ts';
