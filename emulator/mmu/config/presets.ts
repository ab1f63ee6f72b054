import type { MmuOptions } from './mmu-config.ts';

/**
 * Named machines. Numbers that a source gives are named with it; the rest says "assumed". No vendor publishes the latency of a miss,
 * of a walk or of an invalidation, so every latency outside `gem5` is assumed.
 */

/** gem5's caches, slots and latencies are the defaults of the schema; here is what makes it deviate from a correct MMU. */
const gem5: MmuOptions = {
  // gem5 v24.0, src/dev/arm/SMMUv3.py; its maintainers say these numbers describe no real part.
  onePointerForAllSets: true,
  freshEntryIsOldest: true,
  indexMixesAddressSpace: true,
  deviations: {
    blocksFoundByFirstPageOnly: true,
    cachedLeafSkipsStage2: true,
    ignoresProtectedTableWalk: true,
    invalidationScansOneSet: true,
    invalidationIsFree: true,
    bypassEntryMatchesAll: true,
    mergesBy4KiBAddress: true,
    ipaInvalidationMissesTlbs: true,
    globalPagesBelongToAsid: true,
    stage2EntriesHaveAsid0: true,
  },
};

/** MMU-500 as the Agilex 7 HPS has it. */
const mmu500Agilex7: MmuOptions = {
  // Intel Agilex 7 HPS TRM 683567: five TBUs, micro-TLB of 32 entries (128 in the FPGA TBU), macro TLB of 512 entries in the TCU.
  masters: 5,
  tbu: {
    // Arm DDI 0517: best-case hit in the TBU 2 clocks.
    microTlb: { entries: 32, ways: 'full', policy: 'round-robin', latency: 2, ports: 1 },
    mainTlb: { enabled: false },
    slots: 16,
  },
  tlb: { enabled: true, entries: 512, ways: 4, policy: 'round-robin', latency: 4, ports: 2 },
  link: { request: 6, response: 6 },
  slots: 32,
  walkSlots: 8,
  configurationCache: { entries: 32, ways: 'full', latency: 2, ports: 1 },
  // Page-walk cache and IPA-to-PA cache exist (Arm DDI 0517); their sizes are assumed.
  walkCache: { stage1: [4, 16, 64, 0], stage2: [4, 16, 64, 0], ways: 4, latency: 3, ports: 2, holdsLeaves: false },
  ipaCache: { enabled: true, entries: 64, ways: 4, latency: 3, ports: 1 },
  memory: { latency: 120 },
  // Invalidations are register writes, so that no command is fetched: 64, the most that one read may bring in, makes that next to nothing.
  invalidation: { commandsPerRead: 64 },
  contiguousRunIsOneEntry: true,
};

/** MMU-600 as the Agilex 5 HPS has it; the default machine. */
const mmu600Agilex5: MmuOptions = {
  tbu: {
    // Arm 100310: fully associative micro-TLB, round robin or PLRU; main TLB 4-way with one lookup per cycle. Sizes are assumed.
    microTlb: { entries: 32, ways: 'full', policy: 'plru', latency: 1, ports: 1 },
    mainTlb: { entries: 512, ways: 4, policy: 'plru', latency: 3, ports: 3 },
    slots: 32,
  },
  link: { request: 8, response: 8 },
  // Intel Agilex 5 HPS TRM 814346: 64 translation slots, configuration cache of 256, eight walk caches of 256.
  slots: 64,
  walkSlots: 16,
  configurationCache: { entries: 256, ways: 4, policy: 'plru', latency: 3, ports: 3 },
  // Arm 100310: eight separate 4-way walk caches S1L0 to S2L3, probed together; a contiguous run is one entry.
  walkCache: {
    stage1: [256, 256, 256, 256],
    stage2: [256, 256, 256, 256],
    stage1Levels: [0, 1, 2, 3],
    stage2Levels: [0, 1, 2, 3],
    ways: 4,
    policy: 'plru',
    latency: 4,
    ports: 4,
    parallelLevels: true,
    nonFinal: true,
  },
  contiguousRunIsOneEntry: true,
};

/** A middle MMU-700. */
const mmu700: MmuOptions = {
  tbu: {
    microTlb: { entries: 16, ways: 'full', policy: 'plru', latency: 1, ports: 1 },
    mainTlb: { entries: 1024, ways: 4, policy: 'plru', latency: 3, ports: 8 },
    slots: 64,
  },
  link: { request: 8, response: 8 },
  slots: 256,
  walkSlots: 32,
  configurationCache: { entries: 256, ways: 4, policy: 'plru', latency: 3, ports: 4 },
  // Arm 101542: one unified walk cache in banks.
  walkCache: {
    unifiedEntries: 4096,
    stage1: [0, 0, 0, 0],
    stage2: [0, 0, 0, 0],
    ways: 8,
    policy: 'plru',
    stage1Levels: [0, 1, 2, 3],
    stage2Levels: [0, 1, 2, 3],
    latency: 4,
    ports: 4,
    parallelLevels: true,
    nonFinal: true,
  },
  contiguousRunIsOneEntry: true,
};

/** QEMU's SMMUv3, which models no time: one hash of translations. */
const qemu: MmuOptions = {
  // QEMU hw/arm/smmu-common.c: 256 translations by ASID, VMID, IOVA, granule and level, dropped as a whole when full; no walk cache.
  tbu: { microTlb: { enabled: false }, mainTlb: { enabled: false } },
  tlb: { enabled: true, entries: 256, ways: 'full', policy: 'drop-all', latency: 1, ports: 1 },
  configurationCache: { entries: 256, ways: 'full', latency: 1, ports: 1 },
  walkCache: { enabled: false },
  ipaCache: { enabled: false },
};

/** A Mali GPU's MMU. No size or latency of one is public: all assumed. */
const maliAssumed: MmuOptions = {
  tbu: {
    microTlb: { entries: 32, ways: 'full', policy: 'lru', latency: 1, ports: 2 },
    mainTlb: { enabled: false },
    slots: 64,
  },
  tlb: { enabled: true, entries: 1024, ways: 4, policy: 'lru', latency: 6, ports: 4 },
  link: { request: 4, response: 4 },
  slots: 128,
  walkSlots: 16,
  configurationCache: { entries: 16, ways: 'full', latency: 0, ports: 16 },
  walkCache: { stage1: [8, 16, 64, 0], stage2: [0, 0, 0, 0], ways: 4, latency: 2, ports: 4 },
};

/** An IPMMU-VMSA of R-Car. Renesas publishes no size or latency: all assumed. One TLB behind the micro-TLBs, in the root that walks. */
const ipmmuAssumed: MmuOptions = {
  masters: 16,
  tbu: {
    microTlb: { entries: 16, ways: 'full', policy: 'lru', latency: 1, ports: 1 },
    mainTlb: { enabled: false },
    slots: 16,
  },
  link: { request: 4, response: 4 },
  configurationCache: { enabled: false },
  tlb: { enabled: true, entries: 512, ways: 4, policy: 'lru', latency: 4, ports: 2 },
  slots: 32,
  walkSlots: 4,
  walkCache: { stage1: [0, 8, 32, 0], stage2: [0, 8, 32, 0], stage1Levels: [1, 2], stage2Levels: [1, 2], latency: 2 },
};

/** Everything hits as soon as it was seen once: the least that any TLB could cost. */
const ideal: MmuOptions = {
  tbu: {
    microTlb: { entries: 65536, ways: 'full', latency: 0, ports: 4096 },
    mainTlb: { enabled: false },
    slots: 4096,
    writeBufferSlots: 4096,
  },
  link: { request: 1, response: 1 },
  slots: 65536,
  walkSlots: 4096,
  walkStep: 0,
  configurationCache: { entries: 65536, ways: 'full', latency: 0, ports: 4096 },
  walkCache: {
    stage1: [4096, 4096, 65536, 0],
    stage2: [4096, 4096, 65536, 65536],
    stage2Levels: [0, 1, 2, 3],
    ways: 16,
    latency: 0,
    ports: 4096,
    nonFinal: true,
  },
  ipaCache: { enabled: true, entries: 65536, ways: 'full', latency: 0, ports: 4096 },
  memory: { latency: 0 },
  deviations: { invalidationIsFree: true },
};

/** The named machines, as what they change of `MmuSchema`'s defaults. */
export const PRESETS = {
  gem5,
  'mmu-500-agilex7': mmu500Agilex7,
  'mmu-600-agilex5': mmu600Agilex5,
  'mmu-700': mmu700,
  qemu,
  'mali-assumed': maliAssumed,
  'ipmmu-assumed': ipmmuAssumed,
  ideal,
} as const satisfies Readonly<Record<string, MmuOptions>>;

export type PresetName = keyof typeof PRESETS;

/** The machine that is meant when none is named. */
export const DEFAULT_PRESET: PresetName = 'mmu-600-agilex5';
