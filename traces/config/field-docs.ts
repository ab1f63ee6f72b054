/**
 * Every field of the configuration: its unit, what it is, and where its usual value comes from. One table, held against the schema by a
 * test. `tablewalk config --explain` prints from it.
 */
import { PLANTED_BUGS } from '../../devices/index.ts';

/** Source of a field whose value comes from the preset (`preset`), from the CPU profile (`cpu`), or from whoever asks (`choice`). */
export const FieldSource = { PRESET: 'preset', CPU: 'cpu', CHOICE: 'choice' } as const;

export interface FieldDoc {
  /** Empty where it counts nothing. */
  readonly unit: string;
  readonly meaning: string;
  /** A {@link FieldSource}, or the source in words; `assumed` where there is none. */
  readonly source: string;
}

type Row = readonly [field: string, unit: string, meaning: string, source: string];

const { PRESET, CPU, CHOICE } = FieldSource;
const ASSUMED = 'assumed';
const LINUX = 'as Linux has it';
const MALI = 'assumed: Arm publishes no size or latency of a Mali';
const ALLOCATION = 'CPU time of one call';

const RUN: readonly Row[] = [
  ['seed', '', 'seed of every choice by chance; parts with a seed of their own add it', CHOICE],
  [
    'clockMHz',
    'MHz',
    'clock of the SMMU, by which seconds of the trace and nanoseconds of the prices become cycles',
    ASSUMED,
  ],
  ['cpu', '', 'CPU and interconnect whose prices are meant where none is given', CHOICE],
  [
    'cpus',
    'CPUs',
    'how many run operations at once, each those that the capture has on it; capture: as many as it names; CPU n runs on n modulo fewer',
    CHOICE,
  ],
  [
    'cpuLoad.by',
    '',
    'which operations run on which of them: those of each CPU of the capture, or of each domain, as if each device interrupted a CPU of its own',
    CHOICE,
  ],
  [
    'cpuLoad.backToBack',
    '',
    'pauses between operations are left out: a CPU begins its next one as soon as it is free',
    CHOICE,
  ],
  ['interconnect.transferCycles', 'cycles', 'until one CPU has a cache line that another one had last', CPU],
  ['iommu.model', '', 'which MMU it is', CHOICE],
  ['iommu.driver', '', 'driver of that MMU; without one its first', CHOICE],
  [
    'domains.single',
    '',
    'all maps and unmaps that name no domain belong to one, else their domains are inferred',
    CHOICE,
  ],
  [
    'bind.mode',
    '',
    'maps and unmaps at once (direct), or as VM_BIND jobs that are prepared first and run later (async)',
    CHOICE,
  ],
  ['bind.maxReservedTables', 'tables', 'most tables reserved by jobs in flight; a submission beyond it waits', ASSUMED],
  ['bind.runDelay', 'cycles', 'from the end of prepare to when a job may run at the earliest', CHOICE],
  [
    'bind.afterFailure',
    '',
    'whether later jobs still run after one failed, or are all cancelled, as panthor does',
    CHOICE,
  ],
  ['bind.prepareCycles', 'cycles', 'fixed CPU time of preparing a job: a constant of the model, not a result', CPU],
  ['bind.runCycles', 'cycles', 'fixed CPU time of running a job: a constant of the model, not a result', CPU],
  ['invalidation.mode', '', 'strict: each unmap invalidates and waits; lazy: a flush queue does it for many', CHOICE],
  ['invalidation.flushQueue.entries', 'entries', 'ring of ranges that wait for a flush', 'Linux IOVA_DEFAULT_FQ_SIZE'],
  ['invalidation.flushQueue.timeout', 'seconds', 'from the first entry to the flush', 'Linux IOVA_DEFAULT_FQ_TIMEOUT'],
  [
    'invalidation.flushQueue.hz',
    'ticks a second',
    'of the kernel’s timers, which the timeout is counted in',
    'Linux CONFIG_HZ; 250 as distributions have it',
  ],
  ['access.pattern', '', 'what the device does with each mapping', CHOICE],
  ['access.accessSize', 'bytes', 'of one access', CHOICE],
  ['access.accessesPerMap', 'accesses', 'per mapping, for sequential and random', ASSUMED],
  ['access.lingerTime', 'seconds', 'for linger: how long the device goes on after an unmap', ASSUMED],
  ['access.lingerRate', 'accesses a second', 'for linger: to each mapping that is gone', ASSUMED],
  ['access.verify', '', 'each access is held against the capture and a walk of the tables', CHOICE],
  ['access.seed', '', 'seed of the random places', CHOICE],
  ['editCosts.mapCall', 'cycles', 'CPU time of each call that maps a run of pages', CPU],
  ['editCosts.writeDescriptor', 'cycles', 'CPU time of each descriptor written, leaf or table', CPU],
  ['editCosts.unmapCall', 'cycles', 'CPU time of each call that unmaps a run of pages', CPU],
  ['editCosts.clearDescriptor', 'cycles', 'CPU time of each descriptor cleared', CPU],
  ['iovaCosts.magazine', 'cycles', 'CPU time of an IOVA out of or into a magazine of the CPU', CPU],
  ['iovaCosts.depot', 'cycles', 'CPU time of a magazine out of or into the depot of all CPUs', CPU],
  ['iovaCosts.treeAllocate', 'cycles', 'CPU time of an IOVA out of the tree', CPU],
  ['iovaCosts.treeFree', 'cycles', 'CPU time of an IOVA back into the tree', CPU],
  ['iovaCosts.queue', 'cycles', 'CPU time of a range into the flush queue of lazy mode', CPU],
];

const TABLE: readonly Row[] = [
  ['table.format', '', 'format of every domain’s table', CHOICE],
  ['table.granule', '', 'smallest page: 4k, 16k or 64k', CHOICE],
  ['table.ias', 'bits', 'input address size: how large an IOVA may be', CHOICE],
  ['table.oas', 'bits', 'output address size', CHOICE],
  ['table.walk', '', 'whether the walker snoops the CPU caches', CHOICE],
  ['table.linux', '', 'kernel whose page-table code is followed', CHOICE],
  ['table.split', '', 'what unmapping a part of a block does', 'as the kernel of table.linux does it'],
  ['table.contiguous', '', 'mark aligned runs of leaves with the contiguous hint', CHOICE],
  ['table.allocator', '', 'layers that tables come from', CHOICE],
];

const MEMORY: readonly Row[] = [
  ['memory.banks', '', 'RAM: base and size in bytes, NUMA node', 'assumed: the Arm base memory map (DEN0001)'],
  ['pages.reservedBytes', 'bytes', 'at the start of RAM that the page allocator leaves alone', CHOICE],
  ['pages.node', '', 'NUMA node that tables prefer', CHOICE],
  ['pages.minFreeKib', 'KiB', 'min watermark; null: by the kernel’s formula', 'Linux init_per_zone_wmark_min'],
  ['pages.allocateCycles', 'cycles', `${ALLOCATION} for a page`, CPU],
  ['pages.perOrderCycles', 'cycles', 'CPU time added per order above 0', CPU],
  ['pages.bulkPageCycles', 'cycles', 'CPU time of each further page of a bulk call', CPU],
  ['pages.freeCycles', 'cycles', 'CPU time of a free of any order', CPU],
  ['pages.zeroPageCycles', 'cycles', 'CPU time of zeroing 4 KiB', CPU],
  ['pages.reclaimCycles', 'cycles', 'CPU time of one direct reclaim', CPU],
  ['occupied.share', 'share', 'RAM that the rest of the system holds', CHOICE],
  ['occupied.returned', 'share', 'of that, given back at random places', CHOICE],
  ['cpuCache.kind', '', 'endless, or finite with sets and ways', ASSUMED],
  ['cpuCache.sets', 'sets', 'of the finite cache', ASSUMED],
  ['cpuCache.ways', 'ways', 'of the finite cache', ASSUMED],
  ['cpuCache.replacement', '', 'which way a new line replaces', 'assumed: random, as Arm cores mostly do'],
  ['cpuCache.seed', '', 'seed of the random replacement', CHOICE],
  ['dma.addressBits', 'bits', 'the MMU’s own DMA mask', CHOICE],
  ['dma.busOffset', 'bytes', 'bus address minus physical address', CHOICE],
  ['dma.bounce', '', 'bounce buffer for memory beyond the mask; null: none', CHOICE],
  ['dma.mapErrorAt', '', 'map calls that fail, by number from 1', CHOICE],
  ['dma.mapErrorFraction', 'share', 'of map calls that fail', CHOICE],
  ['dma.seed', '', 'seed of that choice', CHOICE],
  ['dma.mapCycles', 'cycles', `${ALLOCATION} of dma_map for a table, without its cache maintenance`, CPU],
  ['dma.unmapCycles', 'cycles', `${ALLOCATION} of dma_unmap`, CPU],
  ['dma.syncCycles', 'cycles', `${ALLOCATION} of dma_sync`, CPU],
  ['dma.lineCycles', 'cycles', 'CPU time of each cache line cleaned', CPU],
  ['dma.barrierCycles', 'cycles', 'CPU time of the barrier after the lines', CPU],
  ['allocatorCosts.cachePop', 'cycles', 'CPU time of a table taken from a list of free ones', CPU],
  ['allocatorCosts.cachePush', 'cycles', 'CPU time of a table put on a list of free ones', CPU],
  ['allocatorCosts.account', 'cycles', 'CPU time of one charge against an owner’s limit', CPU],
  ['allocatorCosts.hypervisorAssign', 'cycles', 'CPU time of giving 4 KiB to the protected owner', CPU],
  ['allocatorCosts.hypervisorTakeBack', 'cycles', 'CPU time of taking 4 KiB back', CPU],
];

/** A cache of the MMU. */
const cache = (field: string, what: string): Row[] => [
  [`${field}.enabled`, '', `whether there is ${what}`, PRESET],
  [`${field}.entries`, 'entries', `of ${what}`, PRESET],
  [`${field}.ways`, 'ways', `of ${what}; full: fully associative`, PRESET],
  [`${field}.policy`, '', `which entry a new one replaces in ${what}`, PRESET],
  [`${field}.latency`, 'cycles', `of one lookup of ${what}`, PRESET],
  [`${field}.ports`, 'lookups', `of ${what} that may overlap`, PRESET],
];

const MMU: readonly Row[] = [
  ['preset', '', 'TLBs and walker to start from', CHOICE],
  ['mmu.masters', '', 'masters, each behind a translation buffer unit (TBU) of its own', PRESET],
  ['mmu.tbu.portWidth', 'bytes', 'width of a TBU’s port to its master', PRESET],
  ['mmu.tbu.slots', 'translations', 'that may be in flight in a TBU', PRESET],
  ['mmu.tbu.writeBufferSlots', 'beats', 'of write data that may wait for their translation', PRESET],
  ['mmu.tbu.prefetch', '', 'a miss fetches the next page’s translation too', PRESET],
  ['mmu.tbu.prefetchOwnsLastWay', '', 'prefetches fill the last way of the main TLB only', PRESET],
  ...cache('mmu.tbu.microTlb', 'the micro-TLB of a TBU'),
  ...cache('mmu.tbu.mainTlb', 'the main TLB of a TBU'),
  ['mmu.link.request', 'cycles', 'from a TBU to the MMU', PRESET],
  ['mmu.link.response', 'cycles', 'and back', PRESET],
  ['mmu.slots', 'translations', 'that may be inside the SMMU', PRESET],
  ['mmu.walkSlots', 'walks', 'at a time', PRESET],
  ['mmu.walkStep', 'cycles', 'between two steps of a walk', PRESET],
  ['mmu.portWidth', 'bytes', 'width of the SMMU’s port to memory', PRESET],
  ...cache('mmu.configurationCache', 'the configuration cache'),
  ...cache('mmu.tlb', 'the TLB that all TBUs share (macro TLB)'),
  ['mmu.walkCache.enabled', '', 'whether there are walk caches', PRESET],
  ['mmu.walkCache.stage1', 'entries', 'by level of stage 1', PRESET],
  ['mmu.walkCache.stage2', 'entries', 'by level of stage 2', PRESET],
  ['mmu.walkCache.stage1Levels', '', 'levels of stage 1 that are looked up and filled', PRESET],
  ['mmu.walkCache.stage2Levels', '', 'levels of stage 2 that are looked up and filled', PRESET],
  ['mmu.walkCache.unifiedEntries', 'entries', 'of one array for all levels; 0: one array each', PRESET],
  ['mmu.walkCache.ways', 'ways', 'of the walk caches', PRESET],
  ['mmu.walkCache.policy', '', 'which entry of the walk caches a new one replaces', PRESET],
  ['mmu.walkCache.latency', 'cycles', 'to probe one level', PRESET],
  ['mmu.walkCache.ports', 'lookups', 'of the walk caches that may overlap', PRESET],
  ['mmu.walkCache.parallelLevels', '', 'all levels are probed at once', PRESET],
  ['mmu.walkCache.holdsLeaves', '', 'leaves are kept too, not only tables', PRESET],
  ['mmu.walkCache.nonFinal', '', 'stage-2 translations of stage-1 tables are kept too', PRESET],
  ...cache('mmu.ipaCache', 'the cache of stage-2 translations'),
  ['mmu.memory.latency', 'cycles', 'from a read of memory to its data', PRESET],
  ['mmu.memory.bandwidth', 'bytes per cycle', 'that memory takes; 0: unlimited', PRESET],
  ['mmu.contiguousRunIsOneEntry', '', 'a contiguous run of pages is one TLB entry', PRESET],
  ['mmu.onePointerForAllSets', '', 'the round-robin pointer belongs to all sets of a cache', PRESET],
  ['mmu.indexMixesAddressSpace', '', 'the set of a TLB entry depends on ASID and VMID', PRESET],
  ['mmu.freshEntryIsOldest', '', 'LRU: a fresh entry is the oldest until its first hit', PRESET],
  ['mmu.seed', '', 'seed of random replacement', CHOICE],
  ['mmu.invalidation.doorbell', 'cycles', 'from the doorbell to the first command read', ASSUMED],
  [
    'mmu.invalidation.commandsPerRead',
    'commands',
    'that one memory read brings in',
    '4 of 16 bytes fill a 64-byte line',
  ],
  ['mmu.invalidation.issue', 'cycles', 'to decode and issue one command', CPU],
  ['mmu.invalidation.broadcast', 'cycles', 'for a command to reach every TBU and be acknowledged', CPU],
  ['mmu.invalidation.byAddress', 'cycles', 'that a TBU is busy with one invalidation by address', ASSUMED],
  ['mmu.invalidation.setsPerCycle', 'sets', 'of a TLB that a search goes through per cycle', ASSUMED],
  ['mmu.invalidation.sync', 'cycles', 'of a SYNC besides waiting: its completion written back', CPU],
  ['mmu.invalidation.syncDrains', '', 'a SYNC waits for translations in flight', 'Arm IHI 0070'],
];

const DEVIATIONS: readonly Row[] = (
  [
    [
      'blocksFoundByFirstPageOnly',
      'a block’s TLB entry is indexed by its first page but looked up by the requested one',
    ],
    ['cachedLeafSkipsStage2', 'a cached stage-1 leaf is final although a stage 2 follows'],
    ['ignoresProtectedTableWalk', 'STE.S2PTW is not looked at'],
    ['invalidationScansOneSet', 'invalidations by address look into one set only'],
    ['invalidationIsFree', 'invalidations and SYNC take no time'],
    ['bypassEntryMatchesAll', 'a bypassed stream leaves one TLB entry for all its addresses'],
    ['mergesBy4KiBAddress', 'requests wait for an earlier miss of the same 4 KiB of any stream'],
    ['ipaInvalidationMissesTlbs', 'invalidations by IPA leave TLB entries of stage-2-only streams'],
    ['globalPagesBelongToAsid', 'invalidation by ASID drops global pages'],
    ['stage2EntriesHaveAsid0', 'stage-2 walk-cache entries carry ASID 0'],
  ] as const
).map(([name, meaning]) => [`mmu.deviations.${name}`, '', `otherwise than the architecture: ${meaning}`, PRESET]);

const SMMUV3: readonly Row[] = [
  ['smmu.stage1', '', 'IDR0.S1P: stage 1', CHOICE],
  ['smmu.stage2', '', 'IDR0.S2P: stage 2', CHOICE],
  ['smmu.hardwareUpdate', '', 'IDR0.HTTU: 0 none, 1 access flag, 2 dirty state too', CHOICE],
  ['smmu.el2', '', 'IDR0.HYP: EL2 contexts', CHOICE],
  ['smmu.ats', '', 'IDR0.ATS: translation requests of PCIe devices', CHOICE],
  ['smmu.pri', '', 'IDR0.PRI: page requests of PCIe devices', CHOICE],
  ['smmu.asidBits', 'bits', 'IDR0.ASID16', CHOICE],
  ['smmu.vmidBits', 'bits', 'IDR0.VMID16', CHOICE],
  ['smmu.msi', '', 'IDR0.MSI: interrupts as writes to memory', CHOICE],
  ['smmu.sev', '', 'IDR0.SEV: CMD_SYNC wakes CPUs in WFE', CHOICE],
  ['smmu.twoLevelContexts', '', 'IDR0.CD2L', CHOICE],
  ['smmu.twoLevelStreams', '', 'IDR0.ST_LEVEL', CHOICE],
  ['smmu.stallModel', '', 'IDR0.STALL_MODEL: 0 stall or terminate, 1 terminate only, 2 stall forced', CHOICE],
  ['smmu.terminateAborts', '', 'IDR0.TERM_MODEL', CHOICE],
  ['smmu.streamBits', 'bits', 'IDR1.SIDSIZE', CHOICE],
  ['smmu.substreamBits', 'bits', 'IDR1.SSIDSIZE', CHOICE],
  ['smmu.commandQueueBits', 'log2 of entries', 'IDR1.CMDQS', CHOICE],
  ['smmu.eventQueueBits', 'log2 of entries', 'IDR1.EVENTQS', CHOICE],
  ['smmu.priQueueBits', 'log2 of entries', 'IDR1.PRIQS', CHOICE],
  ['smmu.hierarchicalDisable', '', 'IDR3.HAD', CHOICE],
  ['smmu.rangeInvalidation', '', 'IDR3.RIL: invalidation of ranges by one command', CHOICE],
  ['smmu.breakBeforeMakeLevel', '', 'IDR3.BBML', CHOICE],
  ['smmu.outputBits', 'bits', 'IDR5.OAS', CHOICE],
  ['smmu.granules', 'log2 of bytes', 'IDR5.GRAN4K, GRAN16K, GRAN64K', CHOICE],
  ['smmu.inputBits52', '', 'IDR5.VAX: 52-bit input addresses', CHOICE],
  ['smmu.stallMax', 'transactions', 'IDR5.STALL_MAX', CHOICE],
  ['driver.kernel', '', 'kernel whose arm-smmu-v3 is followed', CHOICE],
  ['driver.erratum', '', 'a workaround beyond what the identification asks for', CHOICE],
  ['driver.rangePolicy', '', 'how range commands cover what was gathered', LINUX],
  ['driver.virtualAddressBits', 'bits', 'the kernel’s VA_BITS', CHOICE],
  ['driver.kernelAtEl2', '', 'the kernel runs at EL2 (VHE)', CHOICE],
  ['driver.firmwareCoherency', '', 'what the firmware says of coherency', CHOICE],
  ['driver.interrupts', '', 'wires from the SMMU to the interrupt controller', CHOICE],
  ['driver.regionSize', 'bytes', 'of the SMMU’s register region', CHOICE],
  ['driver.useRanges', '', 'use range invalidation when the SMMU has it', LINUX],
  ['driver.batch', 'commands', 'sent with one doorbell', 'Linux CMDQ_BATCH_ENTRIES'],
  ['driver.commandQueueBits', 'log2 of entries', 'of the command queue', LINUX],
  ['driver.eventQueueBits', 'log2 of entries', 'of the event queue', LINUX],
  ['driver.wait', '', 'how completion is waited for: poll, msi or sev', LINUX],
  ['driver.cyclesPerMicrosecond', 'cycles', 'in a microsecond that the driver waits', CPU],
  ['driver.cost.reserve', 'cycles', 'CPU time of claiming space in the queue', CPU],
  ['driver.cost.command', 'cycles', 'CPU time of building and storing one command', CPU],
  ['driver.cost.doorbell', 'cycles', 'CPU time of barrier and doorbell', CPU],
  ['driver.cost.seenByMsi', 'cycles', 'from completion to a CPU that polls memory seeing it', CPU],
  ['driver.cost.seenBySev', 'cycles', 'from completion to a CPU in WFE running on', CPU],
  ['driver.cost.seenByPoll', 'cycles', 'from completion to a read of CMDQ_CONS returning', CPU],
  ['driver.cost.event', 'cycles', 'CPU time of one event record', CPU],
];

const OTHER_MMUS: readonly Row[] = [
  ['mali.family', '', 'job-manager (panfrost) or csf (panthor)', CHOICE],
  ['mali.asPresent', 'bit mask', 'GPU_AS_PRESENT: address spaces', 'as most products have'],
  ['mali.vaBits', 'bits', 'GPU_MMU_FEATURES: virtual addresses', CHOICE],
  ['mali.paBits', 'bits', 'GPU_MMU_FEATURES: physical addresses', CHOICE],
  ['mali.cores', 'cores', 'shader cores, each with a TLB', MALI],
  ['mali.l2.size', 'bytes', 'of the L2 cache', MALI],
  ['mali.l2.line', 'bytes', 'of a line of the L2 cache', MALI],
  ['mali.l2.ways', 'ways', 'of the L2 cache', MALI],
  ['mali.l2.hit', 'cycles', 'of a hit in the L2 cache', MALI],
  ['mali.l2.miss', 'cycles', 'of a line that comes from memory', MALI],
  ['mali.timing.clockMHz', 'MHz', 'GPU clock, for the microseconds of drivers', MALI],
  ['mali.timing.registerRead', 'cycles', 'CPU time of a register read', MALI],
  ['mali.timing.registerWrite', 'cycles', 'CPU time of a register write', MALI],
  ['mali.timing.update', 'cycles', 'of UPDATE', MALI],
  ['mali.timing.lock', 'cycles', 'of LOCK, besides the accesses that it waits for', MALI],
  ['mali.timing.unlock', 'cycles', 'of UNLOCK and the flushes, besides what they drop', MALI],
  ['mali.timing.cleanLine', 'cycles', 'of writing back one dirty line', MALI],
  ['mali.timing.linesPerCycle', 'lines', 'of the L2 cache that a flush looks at per cycle', MALI],
  ['mali.timing.flushCores', 'cycles', 'of flushing the caches of the cores', MALI],
  ['mali.timing.reset', 'cycles', 'of a reset of the GPU', MALI],
  ['smmuv2.hardware', '', 'implementation: identification registers and quirks', CHOICE],
  ['smmuv2.contextBanks', 'banks', 'instead of the implementation’s', 'Arm DDI 0517: the most of an MMU-500'],
  [
    'smmuv2.groups',
    'groups',
    'stream mapping groups instead of the implementation’s',
    'Arm DDI 0517: the most of an MMU-500',
  ],
  ['smmuv2.kernel', '', 'kernel whose arm-smmu is followed', CHOICE],
  ['smmuv2.walkByAsid', '', 'a table that went away has the whole ASID dropped (Qualcomm)', CHOICE],
  ['smmuv2.stalls', '', 'faults stall until they are answered', CHOICE],
  ['smmuv2.writeCycles', 'cycles', 'CPU time of a register write', CPU],
  ['smmuv2.readCycles', 'cycles', 'CPU time of a register read', CPU],
  ['smmuv2.cyclesPerMicrosecond', 'cycles', 'in a microsecond that the driver waits', CPU],
  ['ipmmu.generation', '', 'generation of R-Car', CHOICE],
  ['ipmmu.leaves', '', 'leaf IPMMUs behind the root', CHOICE],
  ['ipmmu.cyclesPerMicrosecond', 'cycles', 'in a microsecond that the driver waits', CPU],
  ['ipmmu.accessCycles', 'cycles', 'CPU time of a register access', CPU],
  ['ipmmu.sharesGuestTables', '', 'Xen: the IPMMU walks the guest’s stage 2', CHOICE],
  ['ipmmu.faultCycles', 'cycles', 'CPU time of one fault', CPU],
];

const PLANTED: readonly Row[] = [
  ...PLANTED_BUGS.map(
    ({ field, value, about }): Row => [
      `plantedBugs.${field}`,
      value === true ? '' : 'share',
      `planted bug: ${about}`,
      CHOICE,
    ],
  ),
  ['plantedBugs.seed', '', 'planted bug: seed of the choices', CHOICE],
];

const ROWS = [...RUN, ...TABLE, ...MEMORY, ...MMU, ...DEVIATIONS, ...SMMUV3, ...OTHER_MMUS, ...PLANTED];

/** By dotted field, in the order in which `config --explain` lists them. */
export const FIELD_DOCS: ReadonlyMap<string, FieldDoc> = new Map(
  ROWS.map(([field, unit, meaning, source]) => [field, { unit, meaning, source }]),
);

/** Where the sizes of each preset come from. Latencies have no source, but for gem5's. */
export const PRESET_SOURCES: Readonly<Record<string, string>> = {
  gem5: 'gem5 v24, SMMUv3.py; its maintainers say it describes no real part',
  'mmu-500-agilex7': 'sizes: Arm DDI 0517 and Intel Agilex 7 HPS TRM 683567; latencies assumed',
  'mmu-600-agilex5': 'sizes: Arm 100310 and Intel Agilex 5 HPS TRM 814346; latencies assumed',
  'mmu-700': 'a middle of what Arm 101542 allows; latencies assumed',
  qemu: 'QEMU hw/arm/smmu-common.c, which models no time',
  'mali-assumed': MALI,
  'ipmmu-assumed': 'assumed: Renesas publishes no size or latency',
  ideal: 'no part: everything hits after its first use',
};
