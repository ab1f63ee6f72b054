import { FindingKind } from '../../emulator/index.ts';

/** Where software of this kind goes wrong. */
export type BugFloor =
  | 'allocator of tables'
  | 'allocator of addresses'
  | 'cache maintenance'
  | 'page table'
  | 'map and unmap'
  | 'TLB maintenance'
  | 'registers and structures';

/** What a run must be like for a bug to change anything; each with what is asked of the configuration. */
export const BUG_NEEDS = {
  'non-coherent': 'table.walk=non-coherent',
  lazy: 'invalidation.mode=lazy',
  'stage 1': 'a format of stage 1',
  'access flag': 'an LPAE format, which has an access flag',
} as const;
export type BugNeed = keyof typeof BUG_NEEDS;

/** An MMU by its name, or the drivers whose names begin so. */
export type BugHome = 'smmuv3' | 'smmuv2' | 'mali' | 'panfrost-6.12' | 'panthor' | 'ipmmu-vmsa';

/** A bug that can be planted: one row of {@link PLANTED_BUGS}. */
export interface PlantedBug {
  /** As `--break` names it. */
  readonly name: string;
  /** Its field of a configuration's `plantedBugs`. */
  readonly field: string;
  readonly floor: BugFloor;
  /** What it is without `=value`: the share of the calls that go wrong, 0 to 1, or on. */
  readonly value: number | true;
  /** What goes wrong. */
  readonly about: string;
  /** Kinds of findings that it must show in; others may come with them. */
  readonly finds: readonly FindingKind[];
  readonly needs?: readonly BugNeed[];
  /** The same, where an MMU sees it otherwise. */
  readonly findsOn?: Readonly<Partial<Record<BugHome, readonly FindingKind[]>>>;
  /** Where it changes nothing, and why. */
  readonly not?: Readonly<Partial<Record<BugHome, string>>>;
}

const K = FindingKind;
const REGION = 'a flush is for a region, walk caches and all, and comes with the edit';
const WHOLE = 'every flush drops the whole context';

/**
 * Every bug that can be planted, with what it must be found by: the sanitizer's vocabulary, `--break`, the fields of a configuration
 * and the documentation all come from here.
 */
export const PLANTED_BUGS = [
  {
    name: 'dirty-table',
    field: 'dirtyTable',
    floor: 'allocator of tables',
    value: 0.1,
    about: 'a table is not zeroed before use',
    finds: [K.DIRTY_TABLE],
  },
  {
    name: 'table-twice',
    field: 'tableTwice',
    floor: 'allocator of tables',
    value: 0.1,
    about: 'the page of a live table is given out as a second one',
    finds: [K.TABLE_IN_USE],
  },
  {
    name: 'alloc-in-run',
    field: 'allocateInRun',
    floor: 'allocator of tables',
    value: 0.01,
    about: 'an operation allocates where it must not',
    finds: [K.ALLOCATION_IN_RUN],
  },
  {
    name: 'leak',
    field: 'leak',
    floor: 'allocator of tables',
    value: 0.01,
    about: 'a table is never freed',
    finds: [K.LEAKED_TABLE],
  },
  {
    name: 'double-free',
    field: 'doubleFree',
    floor: 'allocator of tables',
    value: 0.01,
    about: 'a table is freed twice',
    finds: [K.DOUBLE_FREE],
  },
  {
    name: 'wrong-free',
    field: 'wrongFree',
    floor: 'allocator of tables',
    value: 0.01,
    about: 'a table is freed with another size',
    finds: [K.WRONG_FREE],
  },
  {
    name: 'wrong-owner',
    field: 'wrongOwner',
    floor: 'allocator of tables',
    value: 0.01,
    about: 'a table is freed to another owner than it came from',
    finds: [K.WRONG_FREE],
  },
  {
    name: 'stray-free',
    field: 'strayFree',
    floor: 'allocator of tables',
    value: 0.1,
    about: 'another table is freed than the one that went away',
    finds: [K.EARLY_TABLE_FREE, K.LEAKED_TABLE],
  },
  {
    name: 'iova-twice',
    field: 'iovaTwice',
    floor: 'allocator of addresses',
    value: 0.01,
    about: 'an address that is mapped is handed out a second time',
    finds: [K.REFUSED_OPERATION],
  },
  {
    name: 'early-iova',
    field: 'earlyIova',
    floor: 'allocator of addresses',
    value: 1,
    about: 'an address is handed out again before the flush queue has run',
    finds: [K.BREAK_BEFORE_MAKE],
    needs: ['lazy'],
    not: { mali: 'its drivers flush each edit at once, whatever the mode' },
  },
  {
    name: 'skip-flush',
    field: 'skipFlush',
    floor: 'allocator of addresses',
    value: 1,
    about: 'the flush queue gives addresses back and does not flush',
    finds: [K.BREAK_BEFORE_MAKE],
    needs: ['lazy'],
    not: { mali: 'its drivers flush each edit at once, whatever the mode' },
  },
  {
    name: 'drop-sync',
    field: 'dropSync',
    floor: 'cache maintenance',
    value: 0.01,
    about: 'a dma_sync is left out',
    finds: [K.STALE_WALK],
    needs: ['non-coherent'],
  },
  {
    name: 'late-sync',
    field: 'lateSync',
    floor: 'cache maintenance',
    value: true,
    about: 'each dma_sync is made when the next one is due',
    finds: [K.STALE_WALK],
    needs: ['non-coherent'],
  },
  {
    name: 'short-sync',
    field: 'shortSync',
    floor: 'cache maintenance',
    value: 0.1,
    about: 'a dma_sync is made of the first descriptor only',
    finds: [K.STALE_WALK],
    needs: ['non-coherent'],
  },
  {
    name: 'skip-dma-map',
    field: 'skipDmaMap',
    floor: 'cache maintenance',
    value: 0.1,
    about: 'a table is not given to dma_map',
    finds: [K.MISSING_DMA_MAP],
    needs: ['non-coherent'],
  },
  {
    name: 'dma-map-twice',
    field: 'dmaMapTwice',
    floor: 'cache maintenance',
    value: 0.1,
    about: 'a table is given to dma_map twice',
    finds: [K.WRONG_DMA_UNMAP],
    needs: ['non-coherent'],
  },
  {
    name: 'dma-unmap-twice',
    field: 'dmaUnmapTwice',
    floor: 'cache maintenance',
    value: 0.1,
    about: 'a table is taken from dma_map twice',
    finds: [K.WRONG_DMA_UNMAP],
    needs: ['non-coherent'],
  },
  {
    name: 'wrong-dma-size',
    field: 'wrongDmaSize',
    floor: 'cache maintenance',
    value: 0.1,
    about: 'a table is taken from dma_map with another size',
    finds: [K.WRONG_DMA_UNMAP],
    needs: ['non-coherent'],
  },
  {
    name: 'bbm',
    field: 'breakBeforeMake',
    floor: 'page table',
    value: 0.01,
    about: 'a live leaf is changed in place, without break-before-make',
    finds: [K.BREAK_BEFORE_MAKE],
  },
  {
    name: 'wrong-address',
    field: 'wrongAddress',
    floor: 'page table',
    value: 0.01,
    about: 'the last leaf of a store leads elsewhere',
    finds: [K.WRONG_TRANSLATION],
  },
  {
    name: 'short-address',
    field: 'shortAddress',
    floor: 'page table',
    value: 0.1,
    about: 'the last leaf of a store keeps 32 bits of its address',
    finds: [K.WRONG_TRANSLATION],
  },
  {
    name: 'lost-read',
    field: 'lostRead',
    floor: 'page table',
    value: 0.01,
    about: 'the last leaf of a store may not be read',
    finds: [K.LOST_PERMISSION],
  },
  {
    name: 'lost-page',
    field: 'lostPage',
    floor: 'page table',
    value: 0.01,
    about: 'the last leaf of a store is left out',
    finds: [K.LOST_MAPPING],
  },
  {
    name: 'lost-access-flag',
    field: 'lostAccessFlag',
    floor: 'page table',
    value: 0.01,
    about: 'the last leaf of a store has no access flag',
    finds: [K.LOST_MAPPING],
    needs: ['access flag'],
    not: { 'ipmmu-vmsa': 'its drivers leave IMCTR.AFE off, so that it ignores access flags' },
  },
  {
    name: 'wrong-type',
    field: 'wrongType',
    floor: 'page table',
    value: 0.01,
    about: 'the last leaf of a store is a block where only pages can be',
    finds: [K.LOST_MAPPING],
    needs: ['access flag'],
  },
  {
    name: 'wrong-memory',
    field: 'wrongMemory',
    floor: 'page table',
    value: 0.01,
    about: 'the last leaf of a store has another memory type',
    finds: [K.WRONG_MEMORY_TYPE],
  },
  {
    name: 'short-map',
    field: 'shortMap',
    floor: 'map and unmap',
    value: 0.1,
    about: 'the last page of a map is left out',
    finds: [K.LOST_MAPPING, K.REFUSED_OPERATION],
  },
  {
    name: 'long-map',
    field: 'longMap',
    floor: 'map and unmap',
    value: 0.1,
    about: 'a page behind the end of a map is mapped too',
    finds: [K.STRAY_MAPPING],
  },
  {
    name: 'shifted-map',
    field: 'shiftedMap',
    floor: 'map and unmap',
    value: 0.1,
    about: 'a map leads one page further than it is asked to',
    finds: [K.WRONG_TRANSLATION],
  },
  {
    name: 'other-domain',
    field: 'otherDomain',
    floor: 'map and unmap',
    value: 0.1,
    about: 'a map is made in the table of another domain',
    finds: [K.LOST_MAPPING],
  },
  {
    name: 'lost-write',
    field: 'lostWrite',
    floor: 'map and unmap',
    value: 0.1,
    about: 'a map for both directions may only be read',
    finds: [K.LOST_PERMISSION],
  },
  {
    name: 'extra-write',
    field: 'extraWrite',
    floor: 'map and unmap',
    value: 1,
    about: 'a map to be read may be written too',
    finds: [K.EXTRA_PERMISSION],
  },
  {
    name: 'lost-cache',
    field: 'lostCache',
    floor: 'map and unmap',
    value: 0.1,
    about: 'a map of coherent memory is made without IOMMU_CACHE',
    finds: [K.WRONG_MEMORY_TYPE],
  },
  {
    name: 'short-unmap',
    field: 'shortUnmap',
    floor: 'map and unmap',
    value: 0.1,
    about: 'the last page of an unmap stays mapped',
    finds: [K.STRAY_MAPPING],
  },
  {
    name: 'long-unmap',
    field: 'longUnmap',
    floor: 'map and unmap',
    value: 0.1,
    about: 'a page behind the end of an unmap goes too',
    finds: [K.LOST_MAPPING],
  },
  {
    name: 'forgotten-unmap',
    field: 'forgottenUnmap',
    floor: 'map and unmap',
    value: 0.1,
    about: 'an unmap says that it is done and does nothing',
    finds: [K.STRAY_MAPPING],
  },
  {
    name: 'early-invalidate',
    field: 'earlyInvalidation',
    floor: 'map and unmap',
    value: 0.1,
    about: 'an unmap invalidates before it clears the descriptors',
    finds: [K.MISSING_INVALIDATION],
    not: { mali: REGION, smmuv2: 'page-table code invalidates each page once it is cleared' },
  },
  {
    name: 'skip-invalidate',
    field: 'skipInvalidation',
    floor: 'TLB maintenance',
    value: 0.01,
    about: 'an unmap does not invalidate',
    finds: [K.MISSING_INVALIDATION, K.STALE_TLB_HIT],
  },
  {
    name: 'late-invalidate',
    field: 'lateInvalidation',
    floor: 'TLB maintenance',
    value: true,
    about: 'an unmap invalidates when the next one does',
    finds: [K.MISSING_INVALIDATION, K.STALE_TLB_HIT],
    not: { mali: REGION },
  },
  {
    name: 'skip-walk-flush',
    field: 'skipWalkFlush',
    floor: 'TLB maintenance',
    value: 1,
    about: 'walk caches keep the way into tables that are freed',
    finds: [K.EARLY_TABLE_FREE],
    not: { mali: REGION },
  },
  {
    name: 'late-walk-flush',
    field: 'lateWalkFlush',
    floor: 'TLB maintenance',
    value: true,
    about: 'walk caches are flushed when the next table goes',
    finds: [K.EARLY_TABLE_FREE],
    not: { mali: REGION },
  },
  {
    name: 'whole-space',
    field: 'wholeSpace',
    floor: 'TLB maintenance',
    value: 0.01,
    about: 'an unmap invalidates the whole address space',
    finds: [K.WIDE_INVALIDATION],
    not: { mali: REGION, 'ipmmu-vmsa': WHOLE },
  },
  {
    name: 'needless-walk-flush',
    field: 'needlessWalkFlush',
    floor: 'TLB maintenance',
    value: 0.01,
    about: 'an unmap of leaves flushes walk caches too',
    finds: [K.WIDE_INVALIDATION],
    not: { mali: REGION, 'ipmmu-vmsa': WHOLE },
  },
  {
    name: 'short-invalidate',
    field: 'shortInvalidation',
    floor: 'TLB maintenance',
    value: 0.1,
    about: 'the last page of an unmap of several is not invalidated',
    finds: [K.MISSING_INVALIDATION],
    findsOn: { mali: [K.SHORT_FLUSH] },
    not: { 'ipmmu-vmsa': WHOLE },
  },
  {
    name: 'shifted-invalidate',
    field: 'shiftedInvalidation',
    floor: 'TLB maintenance',
    value: 0.1,
    about: 'the page, or region, behind what was unmapped is invalidated instead',
    finds: [K.MISSING_INVALIDATION],
    findsOn: { mali: [K.SHORT_FLUSH] },
    not: { 'ipmmu-vmsa': WHOLE },
  },
  {
    name: 'wrong-tag',
    field: 'wrongTag',
    floor: 'TLB maintenance',
    value: 0.1,
    about: 'an invalidation names another ASID, VMID, context or address space',
    finds: [K.MISSING_INVALIDATION],
  },
  {
    name: 'leaf-walk-flush',
    field: 'leafWalkFlush',
    floor: 'TLB maintenance',
    value: 1,
    about: 'a table that went away is invalidated by leaves only',
    finds: [K.EARLY_TABLE_FREE],
    not: { mali: REGION, 'ipmmu-vmsa': WHOLE },
  },
  {
    name: 'wrong-scale',
    field: 'wrongScale',
    floor: 'TLB maintenance',
    value: 0.1,
    about: 'a range TLBI counts in units half as large as it means',
    finds: [K.MISSING_INVALIDATION],
    not: {
      smmuv2: 'its invalidations have no ranges',
      mali: 'its regions have no scale',
      'ipmmu-vmsa': 'its invalidations have no ranges',
    },
  },
  {
    name: 'skip-sync',
    field: 'skipSync',
    floor: 'TLB maintenance',
    value: 0.01,
    about: 'a command is not waited for (CMD_SYNC, TLBSYNC, AS_ACTIVE, IMCTR.FLUSH)',
    finds: [K.MISSING_SYNC],
    findsOn: { mali: [K.COMMAND_WHILE_ACTIVE] },
  },
  {
    name: 'wrong-ttl',
    field: 'wrongLevel',
    floor: 'TLB maintenance',
    value: 0.01,
    about: 'a range TLBI has a wrong level hint',
    finds: [K.WRONG_LEVEL_HINT],
    not: {
      smmuv2: 'its invalidations have no level hint',
      mali: 'its invalidations have no level hint',
      'ipmmu-vmsa': 'its invalidations have no level hint',
    },
  },
  {
    name: 'wrong-asid',
    field: 'wrongAsid',
    floor: 'registers and structures',
    value: true,
    about: 'context descriptors have another ASID than the domain',
    finds: [K.WRONG_DOMAIN],
    needs: ['stage 1'],
    not: {
      smmuv2: 'it has no context descriptors',
      mali: 'an address space has no ASID',
      'ipmmu-vmsa': 'a context is an address space: ASIDs tell nothing apart',
    },
  },
  {
    name: 'shared-asid',
    field: 'sharedAsid',
    floor: 'registers and structures',
    value: true,
    about: 'context descriptors have the ASID of another domain',
    finds: [K.WRONG_DOMAIN],
    needs: ['stage 1'],
    not: {
      smmuv2: 'it has no context descriptors',
      mali: 'an address space has no ASID',
      'ipmmu-vmsa': 'a context is an address space: ASIDs tell nothing apart',
    },
  },
  {
    name: 'wrong-table',
    field: 'wrongTable',
    floor: 'registers and structures',
    value: true,
    about: 'context descriptors lead to the table of another domain',
    finds: [K.WRONG_DOMAIN],
    needs: ['stage 1'],
    not: {
      smmuv2: 'it has no context descriptors',
      mali: 'it has no context descriptors',
      'ipmmu-vmsa': 'it has no context descriptors',
    },
  },
  {
    name: 'wrong-root',
    field: 'wrongRoot',
    floor: 'registers and structures',
    value: true,
    about: 'the base of the first-level table is one page off',
    finds: [K.WRONG_DOMAIN],
  },
  {
    name: 'wrong-size',
    field: 'wrongSize',
    floor: 'registers and structures',
    value: true,
    about: 'the input size (T0SZ, INA_BITS) is smaller than that of the table',
    finds: [K.LOST_MAPPING],
    not: { 'panfrost-6.12': 'the legacy address mode has one size' },
  },
  {
    name: 'wrong-attributes',
    field: 'wrongAttributes',
    floor: 'registers and structures',
    value: true,
    about: 'the memory attributes (MAIR, MEMATTR) stand at other indexes',
    finds: [K.WRONG_MEMORY_TYPE],
    needs: ['stage 1'],
  },
  {
    name: 'bypass',
    field: 'bypass',
    floor: 'registers and structures',
    value: true,
    about: 'streams pass untranslated, though they are attached',
    finds: [K.WRONG_TRANSLATION, K.UNMAPPED_ACCESS],
  },
  {
    name: 'other-context',
    field: 'otherContext',
    floor: 'registers and structures',
    value: true,
    about: 'streams use the context behind that of their domain',
    finds: [K.WRONG_DOMAIN],
    not: {
      smmuv3: 'a stream has contexts of its own: see wrong-table',
      mali: 'a job names its address space by itself',
    },
  },
  {
    name: 'skip-update',
    field: 'skipUpdate',
    floor: 'registers and structures',
    value: true,
    about: 'no UPDATE follows the registers of an address space',
    finds: [K.LOST_MAPPING],
    not: {
      smmuv3: 'it has no address spaces to update',
      smmuv2: 'its registers act at once',
      'ipmmu-vmsa': 'its registers act at once',
    },
  },
] as const satisfies readonly PlantedBug[];

type Row = (typeof PLANTED_BUGS)[number];
/** Fields that hold a share of the calls, 0 to 1. */
export type ShareField = Extract<Row, { readonly value: number }>['field'];
/** Fields that are on or off. */
export type SwitchField = Extract<Row, { readonly value: true }>['field'];

/** Kinds of findings that a bug must show in, on an MMU and with a driver. */
export function findsOf(bug: PlantedBug, mmu: string, driver: string): readonly FindingKind[] {
  for (const [home, finds] of Object.entries(bug.findsOn ?? {})) {
    if (mmu === home || driver.startsWith(home)) return finds;
  }
  return bug.finds;
}
