/**
 * Named CPUs with their interconnects: what each step of software costs on them, in nanoseconds, with where the figure comes from. A
 * configuration counts cycles of the MMU's clock; `cpu` names one of these, and `clockMHz` makes cycles of its nanoseconds. What a
 * configuration says itself, in cycles, stands.
 */

/** A price and its source. `assumed`: nobody has published it. */
export interface CpuPrice {
  readonly ns: number;
  readonly source: string;
}

const assumed = (ns: number, why = ''): CpuPrice => ({ ns, source: why === '' ? 'assumed' : `assumed: ${why}` });
const from = (source: string, ns: number): CpuPrice => ({ ns, source });

const GENERIC_PT = 'cover letter of the generic_pt series, iommu list: page-table code alone on an i7-12700';
const CMD_SYNC =
  'arm-kernel list: CMD_SYNC on an empty queue takes 280 ns polling on MSI, 190 ns with SEV; the split is assumed';
const MAP_PAGES =
  'iommu list, map_pages series: dma_map and dma_unmap of 4 KiB and 1 MiB, with and without it; the split is assumed';
const CMDQ_SERIES = 'arm-kernel list, cmdq series: unmaps with 1 to 96 threads; the split is assumed';
const SM8150 = 'iommu list, 2021: unmap of 2, 16 and 32 MiB by address and by ASID; the split is assumed';
const ASAHI = 'Asahi Linux pull request 495: a warm bind';
const SLUB = 'Linux commit fbd02630c6e3: 10.8 ns for an allocation and its free, halved';

/** Every price that a CPU profile sets, by its field of the configuration, on the CPU that is meant when none is named. */
const ASSUMED_1GHZ = {
  'editCosts.mapCall': from(GENERIC_PT, 58.7),
  'editCosts.writeDescriptor': from(GENERIC_PT, 1.25),
  'editCosts.unmapCall': from(GENERIC_PT, 73.3),
  'editCosts.clearDescriptor': from(GENERIC_PT, 1.75),
  'iovaCosts.magazine': assumed(15, 'one lock of the CPU; a map leaves 45.5 ns to the whole DMA API on a Kunpeng 920'),
  'iovaCosts.depot': assumed(60, 'a lock that all CPUs share, and a magazine'),
  'iovaCosts.treeAllocate': assumed(250, 'a lock, a search of a red-black tree and an allocation'),
  'iovaCosts.treeFree': assumed(150, 'a lock, a removal from the tree and a free'),
  'iovaCosts.queue': assumed(25, 'one lock of the CPU and an entry of the ring'),
  'driver.cost.reserve': assumed(15, 'one compare-and-exchange'),
  'driver.cost.command': assumed(5),
  'driver.cost.doorbell': assumed(30, 'a barrier and a posted register write'),
  'driver.cost.seenByMsi': from(CMD_SYNC, 90),
  'driver.cost.seenBySev': from(CMD_SYNC, 0),
  'driver.cost.seenByPoll': assumed(100, 'one register read'),
  'driver.cost.event': assumed(1000),
  'mmu.invalidation.broadcast': from(CMD_SYNC, 40),
  'mmu.invalidation.sync': from(CMD_SYNC, 80),
  'dma.mapCycles': assumed(30),
  'dma.unmapCycles': assumed(20),
  'dma.syncCycles': assumed(10),
  'dma.lineCycles': assumed(20, 'to the point of coherency, pipelined'),
  'dma.barrierCycles': assumed(100, 'one memory latency'),
  'pages.allocateCycles': assumed(100, 'within what micro-benchmarks of the kernel’s page allocator show'),
  'pages.perOrderCycles': assumed(20),
  'pages.bulkPageCycles': assumed(35, 'a third of a call, for lock and checks paid once'),
  'pages.freeCycles': assumed(60),
  'pages.zeroPageCycles': assumed(256, '16 bytes per ns'),
  'pages.reclaimCycles': assumed(20_000),
  'allocatorCosts.cachePop': from(SLUB, 5.4),
  'allocatorCosts.cachePush': from(SLUB, 5.4),
  'allocatorCosts.account': assumed(4),
  'allocatorCosts.hypervisorAssign': assumed(2000, 'a hypervisor call, a stage-2 update and its TLB invalidation'),
  'allocatorCosts.hypervisorTakeBack': assumed(2000, 'as much as giving the page'),
  'bind.prepareCycles': assumed(500),
  'bind.runCycles': from(ASAHI, 744),
  'smmuv2.writeCycles': assumed(20, 'a posted register write'),
  'smmuv2.readCycles': assumed(80, 'a register read'),
  'driver.cyclesPerMicrosecond': from('the clock', 1000),
  'smmuv2.cyclesPerMicrosecond': from('the clock', 1000),
  'ipmmu.accessCycles': assumed(100, 'a register access'),
  'ipmmu.faultCycles': assumed(2000),
  'ipmmu.cyclesPerMicrosecond': from('the clock', 1000),
  'interconnect.transferCycles': assumed(50, 'a modified line from the cache of another core of the same chip'),
} as const satisfies Readonly<Record<string, CpuPrice>>;

/** A field of the configuration that a CPU profile sets. */
export type PriceField = keyof typeof ASSUMED_1GHZ;

type Prices = Readonly<Partial<Record<PriceField | 'mmu.invalidation.issue', CpuPrice>>>;

/** What a profile says beyond the prices that are assumed everywhere. */
export interface CpuProfile {
  /** What it is, in a few words. */
  readonly title: string;
  readonly prices: Prices;
}

/**
 * Page-table code and command queue of a Kunpeng 920. Of the map_pages series' six figures three rates follow: a call of the page-table
 * code for a page (13.2 us for 255 more calls to map, 34.6 us to unmap), a page of the same call (0.7 us for 255 more to map, 18.5 us to
 * unmap), and what is left of the smallest (`DMA_LAYER` of the validation). How the rate of unmapping splits between clearing a
 * descriptor and the SMMU's work on its TLBI is assumed: 1.4 times the price of writing one, as on the i7-12700.
 */
const KUNPENG: Prices = {
  'editCosts.mapCall': from(MAP_PAGES, 51.8),
  'editCosts.writeDescriptor': from(MAP_PAGES, 2.745),
  'editCosts.unmapCall': from(MAP_PAGES, 135.7),
  'editCosts.clearDescriptor': from(MAP_PAGES, 3.84),
  'mmu.invalidation.issue': from(MAP_PAGES, 42.25),
  'interconnect.transferCycles': from(CMDQ_SERIES, 75),
};

/** The Arm prices of KUNPENG (2.6 GHz) on a CPU of another clock, where nothing of its own is published. */
function scaledKunpeng(gigahertz: number, part: string): Prices {
  const fields = [
    'editCosts.mapCall',
    'editCosts.writeDescriptor',
    'editCosts.unmapCall',
    'editCosts.clearDescriptor',
  ] as const;
  const scaled = fields.map((field) => {
    const ns = Number((((KUNPENG[field]?.ns ?? 0) * 2.6) / gigahertz).toFixed(3));
    return [field, assumed(ns, `the Kunpeng 920's price at ${gigahertz} GHz, as ${part} is said to run`)] as const;
  });
  return {
    ...Object.fromEntries(scaled),
    'mmu.invalidation.issue': assumed(42.25, 'the rate at which the SMMU of a Kunpeng 920 takes commands'),
  };
}

export const CPU_PROFILES = {
  'assumed-1ghz': { title: 'no CPU in particular: published prices where there are any, the rest assumed', prices: {} },
  hi1620: {
    title: 'HiSilicon hi1620, 96 cores on two sockets, as the cmdq series measured it',
    prices: {
      ...KUNPENG,
      'editCosts.unmapCall': from(CMDQ_SERIES, 1001.2),
      'driver.cost.seenByMsi': from(CMDQ_SERIES, 692.5),
    },
  },
  kunpeng920: { title: 'HiSilicon Kunpeng 920, as the map_pages series measured it', prices: KUNPENG },
  sm8150: {
    title: 'Qualcomm SM8150, whose SMMUv2 lies behind a slow interconnect',
    prices: {
      'smmuv2.writeCycles': from(SM8150, 119.5),
      'smmuv2.readCycles': from(SM8150, 90),
      'mmu.invalidation.broadcast': from(SM8150, 60),
      'mmu.invalidation.sync': from(SM8150, 2140),
    },
  },
  morello: {
    title: 'Arm Morello, four cores of the Neoverse N1 kind: nothing fitted to it',
    prices: scaledKunpeng(2.5, 'Morello'),
  },
  'grace-guest': {
    title: 'a virtual machine on Nvidia Grace: nothing fitted to it',
    prices: scaledKunpeng(3.4, 'Grace'),
  },
} as const satisfies Readonly<Record<string, CpuProfile>>;

export type CpuName = keyof typeof CPU_PROFILES;

/** The CPU that is meant when none is named. */
export const DEFAULT_CPU: CpuName = 'assumed-1ghz';

/** Every price of a CPU, by its field of the configuration. */
export function pricesOf(cpu: CpuName): Readonly<Record<string, CpuPrice>> {
  return { ...ASSUMED_1GHZ, ...CPU_PROFILES[cpu].prices };
}

/** The part of a configuration that a CPU and a clock make. */
export function pricedConfig(cpu: CpuName, clockMHz: number): Record<string, unknown> {
  const config: Record<string, unknown> = {};
  for (const [field, { ns }] of Object.entries(pricesOf(cpu))) {
    const path = field.split('.');
    const last = path.pop() ?? '';
    let here = config;
    for (const key of path) {
      here[key] ??= {};
      here = here[key] as Record<string, unknown>;
    }
    const cycles = cyclesOf(ns, clockMHz);
    here[last] = field.startsWith('ipmmu.') ? Math.min(Math.round(cycles), IPMMU_MOST) : cycles;
  }
  return config;
}

/** Prices of the IPMMU are whole cycles, and not more than this. */
const IPMMU_MOST = 10_000;

/** Nanoseconds as cycles of a clock; to a millionth, so that decimal fractions stay what they are. */
function cyclesOf(ns: number, clockMHz: number): number {
  return Math.round(ns * clockMHz * 1000) / 1e6;
}
