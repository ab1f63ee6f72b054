import { FORMAT_NAMES } from '../../devices/index.ts';
import { descriptorText, type Finding, FindingKind } from '../../emulator/index.ts';
import type { TableStats } from '../../formats/index.ts';
import type { CaptureStats } from '../capture/stats.ts';
import type { RunConfig } from '../config/run-config.ts';
import type { Replayer } from '../replay/replayer.ts';
import { address, exact } from './quantity.ts';
import {
  type CaptureSection,
  type CostItem,
  type FindingRecord,
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
export function buildReport(stats: CaptureStats, replayer: Replayer, complete: boolean): Report {
  const { machine, config } = replayer;
  const { dma, driver } = machine;
  const counters = driver.counters();
  const { maps, unmaps, syncs, bytesSynced, linesCleaned } = dma.stats;
  const report = {
    schema: REPORT_SCHEMA,
    complete,
    capture: captureSection(stats, replayer),
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
    },
    translation: translationSection(replayer),
    software: softwareSection(replayer),
    costs: costItems(replayer),
    config,
  } as const;
  replayer.tearDown();
  const { schema, capture, table, dma: dmaSection, invalidation, translation, software, costs } = report;
  return {
    schema,
    complete,
    capture,
    table,
    allocation: machine.tables.report(),
    memory: machine.memoryMeter.report(),
    dma: dmaSection,
    invalidation,
    translation,
    software,
    sanitizer: sanitizerSection(replayer),
    costs,
    config,
  };
}

function captureSection(stats: CaptureStats, replayer: Replayer): CaptureSection {
  const { tracker } = replayer;
  return {
    events: replayer.events,
    maps: replayer.maps,
    unmaps: replayer.unmaps,
    other: replayer.events - replayer.maps - replayer.unmaps,
    damaged: stats.damaged,
    lost: stats.lostEvents,
    unmatchedUnmaps: tracker.unmatchedUnmaps,
    refused: replayer.refusals.count,
    refusals: replayer.refusals.kept,
    partialUnmaps: tracker.partialUnmaps,
    liveAtEnd: tracker.liveRanges,
    liveBytesAtEnd: tracker.liveBytes,
    domains: tracker.used,
    domainsInferred: tracker.inferred,
    ambiguous: tracker.ambiguousMaps + tracker.ambiguousUnmaps,
    bytesMapped: tracker.bytesMapped,
    bytesUnmapped: tracker.bytesUnmapped,
    firstTime: replayer.firstTime,
    lastTime: replayer.lastTime,
    damage: stats.damage.map(({ file, line, reason }) => ({ file, line, reason })),
  };
}

function tableSection(replayer: Replayer, config: RunConfig): TableSection {
  const { machine } = replayer;
  const sum = (pick: (stats: Readonly<TableStats>) => number): number =>
    replayer.domains.reduce((total, one) => total + (one === undefined ? 0 : pick(one.domain.table.stats)), 0);
  const leaves: Record<string, number> = {};
  const first = replayer.domains.find((one) => one !== undefined);
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
  const { latency } = replayer.accesses;
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

function softwareSection(replayer: Replayer): SoftwareSection {
  const { software } = replayer;
  const allocation = exact(software.allocation);
  const edit = exact(software.mapEdit + software.unmapEdit);
  const sync = exact(software.sync);
  const invalidation = exact(software.invalidation);
  return { cycles: { allocation, edit, sync, invalidation, total: exact(allocation + edit + sync + invalidation) } };
}

function costItems(replayer: Replayer): CostItem[] {
  const { software, accesses, machine } = replayer;
  const driver = machine.driver.counters();
  const { total } = machine.tables.report();
  const { dma } = machine;
  const items: CostItem[] = [
    { name: 'CPU: editing tables, map', count: software.mapCalls, cycles: software.mapEdit },
    { name: 'CPU: editing tables, unmap', count: software.unmapCalls, cycles: software.unmapEdit },
    { name: 'CPU: allocating and freeing tables', count: total.allocations + total.frees, cycles: software.allocation },
    {
      name: 'CPU: cache maintenance for tables',
      count: dma.stats.maps + dma.stats.unmaps + dma.stats.syncs,
      cycles: software.sync,
    },
    { name: 'CPU: issuing commands', count: driver.commands, cycles: driver.cycles - driver.waitCycles },
    { name: 'CPU: waiting for CMD_SYNC', count: driver.syncs, cycles: driver.waitCycles },
    { name: 'CPU: handling events', count: driver.events, cycles: driver.eventCycles },
    ...accesses.items(),
  ];
  return items
    .map((item) => ({ ...item, cycles: exact(item.cycles) }))
    .filter(({ cycles }) => cycles > 0)
    .sort((a, b) => b.cycles - a.cycles || a.name.localeCompare(b.name, 'en'));
}

function sanitizerSection(replayer: Replayer): SanitizerSection {
  const { sanitizer } = replayer.machine;
  const { windows } = sanitizer;
  return {
    staleWindows: sanitizer.count(FindingKind.STALE_WINDOW),
    staleTlbHits: sanitizer.count(FindingKind.STALE_TLB_HIT),
    staleWalks: sanitizer.count(FindingKind.STALE_WALK),
    leakedTables: sanitizer.count(FindingKind.LEAKED_TABLE),
    doubleFrees: sanitizer.count(FindingKind.DOUBLE_FREE),
    byKind: Object.fromEntries(sanitizer.countsByKind()),
    reusedBeforeFlush: replayer.reusedBeforeFlush,
    longestWindow: { cycles: exact(windows.longestCycles), seconds: exact(windows.longestSeconds, 9) },
    findings: sanitizer.findings.map(findingRecord),
  };
}

function findingRecord(finding: Finding): FindingRecord {
  const { kind, operation, domain, iova, level, low, high, cycles, accesses, detail } = finding;
  return {
    kind,
    operation,
    domain,
    iova: address(iova),
    ...(level === undefined ? {} : { level }),
    ...(low === undefined || high === undefined ? {} : { descriptor: descriptorText(low, high) }),
    ...(cycles === undefined || accesses === undefined ? {} : { age: { cycles, accesses } }),
    detail,
  };
}
