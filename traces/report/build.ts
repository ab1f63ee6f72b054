import { FORMAT_NAMES } from '../../devices/index.ts';
import { Cause, descriptorText, type Finding, FindingKind, OperationKind } from '../../emulator/index.ts';
import type { TableStats } from '../../formats/index.ts';
import type { CaptureStats } from '../capture/index.ts';
import type { RunConfig } from '../config/index.ts';
import { exact, hexText } from '../quantity.ts';
import type { Replayer } from '../replay/index.ts';
import { SERVED_NAMES } from '../replay/index.ts';
import { TOOL } from '../version.ts';
import { breakdownSection } from './breakdown.ts';
import { captureSection } from './capture-section.ts';
import { cpusSection } from './cpus.ts';
import {
  type CostItem,
  type FindingRecord,
  type FlushQueueSection,
  REPORT_SCHEMA,
  type Report,
  type SanitizerSection,
  type SoftwareSection,
  type TableSection,
  type TranslationSection,
} from './report.ts';

/**
 * Gathers a report from what was counted during a replay. Takes the tables down at the end, to see what was lost: no more
 * events can be replayed after it.
 */
export function buildReport(
  stats: CaptureStats,
  replayer: Replayer,
  complete: boolean,
  deviceName: (device: number) => string,
  captures: readonly string[] = [],
  until = Number.POSITIVE_INFINITY,
): Report {
  const { machine, config } = replayer;
  const { dma, driver } = machine;
  const { recorded } = replayer.device;
  const counters = driver.counters();
  const { maps, unmaps, syncs, bytesSynced, linesCleaned } = dma.stats;
  const report = {
    schema: REPORT_SCHEMA,
    complete,
    capture: captureSection(stats, replayer, complete ? until : Number.POSITIVE_INFINITY),
    table: tableSection(replayer, config),
    dma: { maps, unmaps, syncs, bytesSynced, linesCleaned },
    invalidation: {
      mode: config.invalidation.mode,
      byAddress: counters.byAddress,
      byWalkRange: counters.byWalkRange,
      all: counters.all,
      commands: counters.commands + counters.syncs,
      syncs: counters.syncs,
      cycles: exact(counters.cycles),
      flushQueue: flushQueueSection(replayer),
    },
    translation: translationSection(replayer),
    software: softwareSection(replayer),
    breakdown: breakdownSection(replayer, deviceName),
    cpus: cpusSection(replayer),
    bind: replayer.bind === null ? null : { totals: replayer.bind.totals(), deadlocks: replayer.bind.deadlocks },
    regions: driver.regions?.(),
    costs: costItems(replayer),
    config,
  } as const;
  replayer.tearDown();
  const {
    schema,
    capture,
    table,
    dma: dmaSection,
    invalidation,
    translation,
    software,
    breakdown,
    cpus,
    bind,
    regions,
    costs,
  } = report;
  return {
    schema,
    tool: TOOL,
    captures,
    complete,
    capture,
    table,
    allocation: machine.tables.report(),
    memory: machine.memoryMeter.report(),
    dma: dmaSection,
    invalidation,
    translation,
    software,
    breakdown,
    cpus,
    bind,
    ...(regions === undefined ? {} : { regions }),
    ...(recorded === null ? {} : { recordedAccesses: recorded.report() }),
    sanitizer: sanitizerSection(replayer, deviceName),
    costs,
    config,
  };
}

function flushQueueSection({ domains, config }: Replayer): FlushQueueSection | null {
  if (config.invalidation.mode === 'strict') return null;
  const queues = domains.all.flatMap((one) => (one === undefined || one.flushQueue === null ? [] : [one.flushQueue]));
  const sum = (pick: (queue: (typeof queues)[number]) => number): number =>
    queues.reduce((total, queue) => total + pick(queue), 0);
  return {
    timer: sum(({ timerFlushes }) => timerFlushes),
    full: sum(({ fullFlushes }) => fullFlushes),
    proven: sum(({ provenFlushes }) => provenFlushes),
    ranges: sum(({ queued }) => queued),
  };
}

function tableSection(replayer: Replayer, config: RunConfig): TableSection {
  const { machine } = replayer;
  const sum = (pick: (stats: Readonly<TableStats>) => number): number =>
    replayer.domains.all.reduce((total, one) => total + (one === undefined ? 0 : pick(one.domain.table.stats)), 0);
  const leaves: Record<string, number> = {};
  const first = replayer.domains.all.find((one) => one !== undefined);
  for (const [level, size] of (first?.domain.table.geometry.blockSizes ?? []).entries()) {
    const mapped = sum((stats) => stats.leavesMapped[level] ?? 0);
    if (mapped > 0) leaves[String(size)] = mapped;
  }
  const { total } = machine.tables.report();
  return {
    format: FORMAT_NAMES[config.table.format],
    granule: config.table.granule,
    // What the table made of the configuration: an oas beyond what the granule can reach is clamped.
    ias: first?.domain.table.config.ias ?? config.table.ias,
    oas: first?.domain.table.config.oas ?? config.table.oas,
    coherentWalk: config.table.walk === 'coherent',
    allocations: total.allocations,
    frees: total.frees,
    liveTables: total.allocations - total.frees,
    peakTables: total.peakTables,
    peakBytes: total.peakBytes,
    descriptorsWritten: sum((stats) => stats.descriptorsWritten),
    descriptorsCleared: sum((stats) => stats.descriptorsCleared),
    leavesMappedBySize: leaves,
    blockSplits: sum((stats) => stats.blockSplits),
    warnings: Object.fromEntries(machine.warnings),
  };
}

function translationSection(replayer: Replayer): TranslationSection {
  const { latency } = replayer.device.meter;
  const counters = replayer.machine.device.mmu.counters();
  const rate = ({ lookups, misses }: { lookups: number; misses: number }) => ({ hits: lookups - misses, misses });
  return {
    requests: counters.requests,
    faults: counters.faults,
    microTlb: rate(counters.microTlb),
    mainTlb: rate(counters.mainTlb),
    walkCache: rate(counters.walkCache),
    walks: counters.walks,
    descriptorReads: counters.descriptorReads,
    cycles: {
      mean: exact(latency.mean),
      p50: latency.percentile(0.5),
      p99: latency.percentile(0.99),
      max: exact(latency.max),
      total: exact(latency.total),
    },
  };
}

/** What maps, unmaps and their flushes cost. Attaching streams and handling events are among the cost items only. */
const OF_EDITS = [OperationKind.MAP, OperationKind.UNMAP, OperationKind.FLUSH] as const;

function softwareSection({ machine: { costs } }: Replayer): SoftwareSection {
  const allocation = exact(costs.total(Cause.ALLOCATION, OF_EDITS));
  const edit = exact(costs.total(Cause.EDIT, OF_EDITS));
  const sync = exact(costs.total(Cause.SYNC, OF_EDITS));
  const invalidation = exact(costs.total(Cause.COMMAND, OF_EDITS) + costs.total(Cause.WAIT, OF_EDITS));
  const iova = exact(costs.total(Cause.IOVA, OF_EDITS));
  const total = exact(allocation + edit + sync + invalidation + iova);
  return { cycles: { allocation, edit, sync, invalidation, iova, total } };
}

function costItems(replayer: Replayer): CostItem[] {
  const { machine, device, maps, unmaps } = replayer;
  const { costs, dma } = machine;
  const driver = machine.driver.counters();
  const { total } = machine.tables.report();
  const cpu = (name: string, count: number, cycles: number): CostItem => ({ side: 'cpu', name, count, cycles });
  const { MAP, UNMAP } = OperationKind;
  const items: CostItem[] = [
    cpu('editing tables, map', maps, costs.total(Cause.EDIT, [MAP])),
    cpu('editing tables, unmap', unmaps, costs.total(Cause.EDIT, [UNMAP])),
    cpu('allocating and freeing tables', total.allocations + total.frees, costs.total(Cause.ALLOCATION, OF_EDITS)),
    cpu(
      'cache maintenance for tables',
      dma.stats.maps + dma.stats.unmaps + dma.stats.syncs,
      costs.total(Cause.SYNC, OF_EDITS),
    ),
    cpu('addresses and flush queues', maps + unmaps, costs.total(Cause.IOVA)),
    cpu('issuing commands', driver.commands, costs.total(Cause.COMMAND)),
    cpu('waiting for completion', driver.syncs, costs.total(Cause.WAIT)),
    cpu('handling faults', driver.events, costs.total(Cause.EVENTS)),
    cpu('VM_BIND jobs, a price for each', replayer.bind?.totals().submitted ?? 0, costs.total(Cause.BIND)),
    ...SERVED_NAMES.map((name, served) => ({
      side: 'device' as const,
      name,
      count: device.meter.counts[served] as number,
      cycles: device.meter.cycles[served] as number,
    })),
  ];
  return items
    .map((item) => ({ ...item, cycles: exact(item.cycles) }))
    .filter(({ cycles }) => cycles > 0)
    .sort((a, b) => a.side.localeCompare(b.side) || b.cycles - a.cycles || a.name.localeCompare(b.name, 'en'));
}

function sanitizerSection(replayer: Replayer, deviceName: (device: number) => string): SanitizerSection {
  const { sanitizer } = replayer.machine;
  const devicesOf = (domain: number): string[] => (replayer.tracker.domains[domain]?.devices ?? []).map(deviceName);
  const { lengths } = sanitizer.windows;
  const cycles = {
    p50: lengths.percentile(0.5),
    p90: lengths.percentile(0.9),
    p99: lengths.percentile(0.99),
    max: exact(lengths.max),
  };
  const rate = replayer.config.clockMHz * 1e6;
  const seconds = {
    p50: exact(cycles.p50 / rate, 9),
    p90: exact(cycles.p90 / rate, 9),
    p99: exact(cycles.p99 / rate, 9),
    max: exact(cycles.max / rate, 9),
  };
  return {
    staleWindows: sanitizer.count(FindingKind.STALE_WINDOW),
    staleTlbHits: sanitizer.count(FindingKind.STALE_TLB_HIT),
    staleWalks: sanitizer.count(FindingKind.STALE_WALK),
    leakedTables: sanitizer.count(FindingKind.LEAKED_TABLE),
    doubleFrees: sanitizer.count(FindingKind.DOUBLE_FREE),
    byKind: Object.fromEntries(sanitizer.countsByKind()),
    reusedBeforeFlush: replayer.invalidation.reusedBeforeFlush,
    longestWindow: { cycles: cycles.max, seconds: seconds.max },
    windows: { count: lengths.count, cycles, seconds },
    findings: sanitizer.findings.map((finding) => findingRecord(finding, devicesOf(finding.domain))),
  };
}

function findingRecord(finding: Finding, devices: readonly string[]): FindingRecord {
  const { kind, operation, line, seconds, cpu, domain, iova, level, low, high, cycles, accesses, detail } = finding;
  return {
    kind,
    operation,
    ...(line === undefined ? {} : { line }),
    ...(seconds === undefined ? {} : { time: exact(seconds, 9) }),
    ...(cpu === undefined ? {} : { cpu }),
    domain,
    ...(devices.length === 0 ? {} : { devices }),
    iova: hexText(iova),
    ...(level === undefined ? {} : { level }),
    ...(low === undefined || high === undefined ? {} : { descriptor: descriptorText(low, high) }),
    ...(cycles === undefined || accesses === undefined ? {} : { age: { cycles, accesses } }),
    detail,
  };
}
