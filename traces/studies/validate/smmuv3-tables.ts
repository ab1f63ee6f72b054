import type { RunConfigInput } from '../../config/index.ts';
import { DMA_LAYER, type DmaTimes, dmaBenchmark, listsOf, queuePrices } from './dma-benchmark.ts';
import { MappingBench } from './mapping-bench.ts';
import { shareQueue } from './queue-load.ts';
import { row, type ValidationTable } from './row.ts';

/** What several CPUs and an SMMUv3 have been measured to take, against replays and the simulated queue. */

const PAGE = 4096;
const KIB = 1024;
const MIB = 2 ** 20;

/** An SMMUv3 without range invalidation: one TLBI per page. */
const BY_PAGE: RunConfigInput = { smmu: { rangeInvalidation: false } };

const KUNPENG: RunConfigInput = { ...BY_PAGE, cpu: 'kunpeng920' };
const MORELLO: RunConfigInput = { ...BY_PAGE, cpu: 'morello' };
const GRACE: RunConfigInput = { ...BY_PAGE, cpu: 'grace-guest', preset: 'mmu-700' };

/** Nanoseconds of one way to the memory of another socket. */
const REMOTE_HOP = 135;

export function syncTable(): ValidationTable {
  const polling = syncOf({ driver: { wait: 'msi' } });
  return {
    name: 'sync',
    title: 'CMD_SYNC on an empty queue',
    source: 'arm-kernel list',
    basis: 'the driver on the default SMMU; fitted: mmu.invalidation.sync, driver.cost.seenByMsi, a hop of 135 ns',
    rows: [
      row('waking by SEV', 190, syncOf({ driver: { wait: 'sev' } }), 'fitted'),
      row('polling on the MSI', 280, polling, 'fitted'),
      row('polling, queue on the remote node', 550, polling + 2 * REMOTE_HOP, 'fitted'),
    ],
  };
}

/** A list that is nothing but a CMD_SYNC. */
function syncOf(machine: RunConfigInput): number {
  const bench = new MappingBench(machine);
  const { config } = bench;
  const prices = queuePrices(bench);
  const { seenBySev, seenByMsi } = config.driver.cost;
  const seen = config.driver.wait === 'sev' ? seenBySev : seenByMsi;
  const perNs = config.clockMHz / 1000;
  const { total } = shareQueue(
    { cpus: 1, pause: 0, work: 0, lists: [{ commands: 0, sync: true }] },
    { ...prices, seen: seen / perNs },
  );
  return total;
}

export function kunpengTable(): ValidationTable {
  const small = dmaBenchmark(KUNPENG, DMA_LAYER.gigahertz, {});
  const large = dmaBenchmark(KUNPENG, DMA_LAYER.gigahertz, { size: MIB });
  const { mapCall, unmapCall } = new MappingBench(KUNPENG).config.editCosts;
  const moreCalls = MIB / PAGE - 1;
  return {
    name: 'kunpeng920',
    title: 'Kunpeng 920: dma_map and dma_unmap',
    source: 'iommu list, map_pages series',
    basis:
      'a replay; fitted: a call and a page of the page-table code, the rate of TLBIs, the DMA API’s part; before map_pages: a call per page',
    rows: [
      row('map 4 KiB', 100, small.map, 'fitted'),
      row('unmap 4 KiB', 800, small.unmap, 'fitted'),
      row('map 1 MiB', 800, large.map, 'fitted'),
      row('unmap 1 MiB', 19_300, large.unmap, 'fitted'),
      row('map 1 MiB before map_pages', 14_000, large.map + moreCalls * mapCall, 'fitted'),
      row('unmap 1 MiB before map_pages', 53_900, large.unmap + moreCalls * unmapCall, 'fitted'),
    ],
  };
}

/** Threads of the cmdq series, nanoseconds of a whole unmap and of its wait for CMD_SYNC. */
const HI1620_ROWS = [
  { cpus: 1, total: 1_960, sync: 900 },
  { cpus: 16, total: 8_900, sync: 4_000 },
  { cpus: 32, total: 22_000, sync: 6_900 },
  { cpus: 64, total: 61_000, sync: 16_700 },
  { cpus: 96, total: 102_000, sync: 24_400 },
] as const;

export function hi1620Table(): ValidationTable {
  const bench = new MappingBench({ ...BY_PAGE, cpu: 'hi1620' });
  const { unmap } = bench.steady(PAGE);
  const prices = queuePrices(bench);
  // The threads map in between; what that takes is not published for this machine, so it is the Kunpeng 920's.
  const load = { pause: 100, work: unmap.total - unmap.invalidation, lists: listsOf(1) };
  return {
    name: 'hi1620',
    title: 'hi1620: a strict unmap of one page with many CPUs on one command queue',
    source: 'arm-kernel list, cmdq series',
    basis:
      'simulated CPUs that issue lists as arm_smmu_cmdq_issue_cmdlist does; fitted: an unmap and a CMD_SYNC of one CPU, and one price for many: 75 ns for a cache line to come over',
    misses:
      'Whole unmaps follow from the contended compare-and-exchange. Between publishing and completion the model waits a third of what was measured: owners of a batch get their line as soon as anybody else, and polling CPUs slow nobody.',
    rows: HI1620_ROWS.flatMap(({ cpus, total, sync }) => {
      const ours = shareQueue({ ...load, cpus }, prices);
      const name = cpus === 1 ? '1 CPU' : `${cpus} CPUs`;
      return [
        row(`${name}, whole unmap`, total, ours.total, cpus === 1 || cpus === 96 ? 'fitted' : 'predicted'),
        row(`${name}, waiting for CMD_SYNC`, sync, ours.sync, cpus === 1 ? 'fitted' : 'predicted'),
      ];
    }),
  };
}

export function morelloTable(): ValidationTable {
  const rows = [
    { name: '4 KiB', size: PAGE, threads: 1, map: 100, unmap: 600 },
    { name: '4 KiB, 4 threads', size: PAGE, threads: 4, map: 100, unmap: 1_100 },
    { name: '1 MiB', size: MIB, threads: 1, map: 800, unmap: 21_200 },
    { name: '1 MiB, 4 threads', size: MIB, threads: 4, map: 1_100, unmap: 45_900 },
  ];
  return {
    name: 'morello',
    title: 'Morello: dma_map_benchmark on an SMMUv3',
    source: 'iommu list',
    basis:
      'a replay, and the simulated queue for 4 threads; the prices of the Kunpeng 920 by the clock, nothing set for Morello',
    misses:
      'Four threads of 1 MiB: the model’s SMMU takes 67 ns for a TLBI whoever sends it and is the bottleneck, while the measured total leaves it 45 ns at most: part of what a page costs is the CPU’s here, not the SMMU’s. Maps do not contend in the model. One page: the DMA API’s part comes from a larger, two-socket machine.',
    rows: rows.flatMap(({ name, size, threads, map, unmap }) => {
      const ours = dmaBenchmark(MORELLO, 2.5, { size, threads });
      return [row(`map ${name}`, map, ours.map, 'predicted'), row(`unmap ${name}`, unmap, ours.unmap, 'predicted')];
    }),
  };
}

/** Nanoseconds of what a virtual machine's trapped queue adds. All assumed: no source has them. */
const TRAP = {
  /** One access to an emulated register: out to the emulator in user space and back. */
  exit: 5_000,
  /** Exits of one list: the doorbell, and the read that sees it done. */
  exitsPerList: 2,
  /** Reading and decoding one command from the guest's memory. */
  decode: 200,
  /** The system call that hands one invalidation to the host's driver. */
  call: 500,
} as const;

export function graceTable(): ValidationTable {
  const published = [
    { name: '4 KiB', size: 4 * KIB, threads: 1, trapped: 35_700, direct: 5_300 },
    { name: '64 KiB', size: 64 * KIB, threads: 1, trapped: 68_900, direct: 9_900 },
    { name: '256 KiB', size: 256 * KIB, threads: 1, trapped: 187_100, direct: 18_000 },
    { name: '256 KiB, 2 threads', size: 256 * KIB, threads: 2, trapped: 443_000, direct: 17_900 },
  ];
  return {
    name: 'grace',
    title: 'Grace: an unmap in a nested guest, command queue trapped or its own (VCMDQ)',
    source: 'cover.1752126748.git.nicolinc@nvidia.com',
    basis:
      'VCMDQ: the driver on an MMU-700, a queue for each virtual CPU; trapped: two exits a list (5 us assumed), and for each TLBI a decode (0.2 us), a system call (0.5 us) and the host’s list with CMD_SYNC, all under one lock; nothing set for Grace',
    misses:
      'No price of an exit, nor of an invalidation that goes out to a PCIe device’s ATC and across a chip as large as this one, is published: one TLBI in a guest’s own queue takes 200 ns here and 67 ns in the model, and the smallest unmap 4.6 us more than a list with its CMD_SYNC.',
    rows: published.flatMap(({ name, size, threads, trapped, direct }) => {
      const ours = dmaBenchmark(GRACE, 3.4, { size });
      return [
        row(`unmap ${name}, trapped`, trapped, trappedUnmap(ours, size, threads), 'predicted'),
        row(`unmap ${name}, VCMDQ`, direct, ours.unmap, 'predicted'),
      ];
    }),
  };
}

/** What a guest waits for when its lists go through the emulator, whose lock lets one virtual CPU in at a time. */
function trappedUnmap(direct: DmaTimes, size: number, threads: number): number {
  const bench = new MappingBench(GRACE);
  const { unmap } = bench.steady(size);
  const pages = size / PAGE;
  const host = bench.steady(PAGE).unmap.invalidation;
  const guest = direct.unmap - unmap.invalidation;
  const lists = listsOf(pages).length;
  const emulated = TRAP.exitsPerList * lists * TRAP.exit + pages * (TRAP.decode + TRAP.call + host);
  return guest + threads * emulated;
}
