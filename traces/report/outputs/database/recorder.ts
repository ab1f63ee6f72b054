import {
  addressText,
  CAUSE_NAMES,
  type ClosedWindow,
  descriptorText,
  type Finding,
  type InvalidationObserver,
  type KnownTable,
  OPERATION_KIND_NAMES,
  type Operation,
  type TableObserver,
  type TranslationRequest,
} from '../../../../emulator/index.ts';
import { type TraceEvent, UNKNOWN } from '../../../capture/index.ts';
import { type Replayer, SERVED_NAMES, Served } from '../../../replay/index.ts';
import { METRICS } from '../../metrics.ts';
import type { Report } from '../../report.ts';
import { faultOf } from '../fault-name.ts';
import type { RunWatcher } from '../watch-run.ts';
import type { Column } from './column.ts';
import { type ParquetSink, ParquetTable } from './parquet-table.ts';
import { CAUSE_COLUMNS, DATABASE_SCHEMA, DATABASE_TABLES, type DatabaseTable } from './tables.ts';

export interface DatabaseOptions {
  /** One device access of so many is recorded, from 1: all. */
  readonly accessSample?: number;
  /** Name of a device of the capture. */
  readonly deviceName?: (device: number) => string;
}

/** A table that lives. */
interface LiveTable {
  readonly size: number;
  readonly domain: number;
  readonly allocatedBy: number;
  readonly allocated: number;
}

/**
 * Records a run as the tables of {@link DATABASE_TABLES}, while it goes on and in constant memory: one row group of each table at most,
 * and what page tables live.
 *
 *     const recorder = new DatabaseRecorder(replayer, (table) => sinkFor(table));
 *     watchRun(replayer, [recorder]);
 *     ... the run ...; recorder.captureEnded(); ...; recorder.end(report, title);
 *
 * An invalidation stands at the cycle at which its operation did: the queue of commands has no clock of its own.
 */
export class DatabaseRecorder implements RunWatcher {
  readonly tables: TableObserver;
  readonly invalidations: InvalidationObserver;
  readonly #replayer: Replayer;
  readonly #sample: number;
  readonly #deviceName: (device: number) => string;
  readonly #out: { readonly [T in DatabaseTable]: ParquetTable<(typeof DATABASE_TABLES)[T]> };
  readonly #causes: readonly Column<number>[];
  readonly #live = new Map<number, LiveTable>();
  #accesses = 0;
  #ended = false;

  /** @param sink where the file of each table goes */
  constructor(replayer: Replayer, sink: (table: DatabaseTable) => ParquetSink, options: DatabaseOptions = {}) {
    this.#replayer = replayer;
    this.#sample = options.accessSample ?? 1;
    this.#deviceName = options.deviceName ?? ((device) => `device ${device}`);
    this.#out = {
      run: new ParquetTable(DATABASE_TABLES.run, sink('run')),
      metrics: new ParquetTable(DATABASE_TABLES.metrics, sink('metrics')),
      domains: new ParquetTable(DATABASE_TABLES.domains, sink('domains')),
      operations: new ParquetTable(DATABASE_TABLES.operations, sink('operations')),
      accesses: new ParquetTable(DATABASE_TABLES.accesses, sink('accesses')),
      invalidations: new ParquetTable(DATABASE_TABLES.invalidations, sink('invalidations')),
      windows: new ParquetTable(DATABASE_TABLES.windows, sink('windows')),
      findings: new ParquetTable(DATABASE_TABLES.findings, sink('findings')),
      tables: new ParquetTable(DATABASE_TABLES.tables, sink('tables')),
      faults: new ParquetTable(DATABASE_TABLES.faults, sink('faults')),
      columns: new ParquetTable(DATABASE_TABLES.columns, sink('columns')),
    };
    const operations = this.#out.operations.columns as unknown as Readonly<Record<string, Column<number>>>;
    this.#causes = CAUSE_COLUMNS.map((name) => operations[name] as Column<number>);
    this.tables = {
      allocated: (pa, size) => this.#allocated(pa, size),
      freed: (pa, known) => this.#freed(pa, known),
    };
    this.invalidations = {
      addresses: (_stage, from, end, asid, vmid, leafOnly) =>
        this.#invalidation('range', asid, vmid, from, end - from, leafOnly),
      addressSpace: (asid, vmid) => this.#invalidation('address-space', asid, vmid, null, null, false),
      virtualMachine: (vmid) => this.#invalidation('virtual-machine', UNKNOWN, vmid, null, null, false),
      everything: () => this.#invalidation('all', UNKNOWN, UNKNOWN, null, null, false),
      completed: () => this.#invalidation('sync', UNKNOWN, UNKNOWN, null, null, false),
    };
  }

  operation(operation: Readonly<Operation>): void {
    if (this.#ended) return;
    const table = this.#out.operations;
    const { columns } = table;
    const { machine, tracker } = this.#replayer;
    const row = table.row();
    columns.operation.set(row, operation.number);
    columns.line.set(row, operation.line);
    columns.kind.set(row, OPERATION_KIND_NAMES[operation.kind] ?? '');
    columns.domain.set(row, operation.domain);
    columns.cpu.set(row, operation.cpu);
    columns.iova.set(row, operation.iova);
    columns.size.set(row, operation.size);
    columns.seconds.set(row, machine.clock.seconds);
    columns.start.set(row, operation.start);
    columns.cycles.set(row, operation.cycles);
    columns.live_ranges.set(row, tracker.liveRanges);
    columns.live_bytes.set(row, tracker.liveBytes);
    columns.table_bytes.set(row, machine.tables.layers[0]?.stats.liveBytes ?? 0);
    const causes = this.#causes;
    for (let cause = 0; cause < CAUSE_NAMES.length; cause++) {
      causes[cause]?.set(row, operation.byCause[cause] as number);
    }
  }

  access(request: TranslationRequest, served: Served, stream: number, domain: number): void {
    this.#accesses++;
    const { sanitizer, clock } = this.#replayer.machine;
    if (served === Served.FAULT) {
      this.#fault('device', sanitizer.line, domain, stream, null, request.iova, faultOf(request), request.faultLevel, {
        start: request.completion,
        seconds: clock.seconds,
      });
    }
    if ((this.#accesses - 1) % this.#sample !== 0) return;
    const table = this.#out.accesses;
    const { columns } = table;
    const row = table.row();
    columns.access.set(row, this.#accesses);
    columns.operation.set(row, sanitizer.operation);
    columns.stream.set(row, stream);
    columns.domain.set(row, domain);
    columns.iova.set(row, request.iova);
    columns.pa.set(row, request.pa);
    columns.start.set(row, request.start);
    columns.cycles.set(row, request.latency);
    columns.served.set(row, SERVED_NAMES[served]);
    columns.descriptor_reads.set(row, request.missed ? request.descriptorReads : 0);
    columns.stale.set(row, request.staleMark !== 0);
  }

  finding(finding: Finding): void {
    const { kind, operation, line, domain, iova, level, low, high, cycles, accesses, detail } = finding;
    const table = this.#out.findings;
    const { columns } = table;
    const row = table.row();
    columns.kind.set(row, kind);
    columns.operation.set(row, operation);
    columns.line.set(row, line ?? null);
    columns.domain.set(row, domain);
    columns.iova.set(row, iova);
    columns.level.set(row, level ?? null);
    columns.descriptor.set(row, low === undefined || high === undefined ? null : descriptorText(low, high));
    columns.age_cycles.set(row, cycles ?? null);
    columns.age_accesses.set(row, accesses ?? null);
    columns.start.set(row, this.#replayer.machine.clock.cycles);
    columns.detail.set(row, detail);
  }

  window({ operation, iova, size, start, cycles, hits, lastHit }: Readonly<ClosedWindow>): void {
    const table = this.#out.windows;
    const { columns } = table;
    const row = table.row();
    columns.operation.set(row, operation);
    columns.iova.set(row, iova);
    columns.size.set(row, size);
    columns.start.set(row, start);
    columns.cycles.set(row, cycles);
    columns.seconds.set(row, cycles / (this.#replayer.config.clockMHz * 1e6));
    columns.hits.set(row, hits);
    columns.last_hit.set(row, hits === 0 ? null : lastHit);
  }

  fault({ line, stream, device, iova, time }: TraceEvent): void {
    const { clock } = this.#replayer.machine;
    const known = (value: number): number | null => (value === UNKNOWN ? null : value);
    const name = device === UNKNOWN ? null : this.#deviceName(device);
    const at = { start: clock.cycles, seconds: time };
    this.#fault('capture', line, null, known(stream), name, Math.max(iova, 0), 'recorded fault', null, at);
  }

  /** The capture is over: what page tables still live is noted, before the run takes them down. */
  captureEnded(): void {
    for (const pa of [...this.#live.keys()]) this.#freed(pa, this.#replayer.machine.watch.tableAt(pa), true);
    this.#ended = true;
  }

  /** Writes what is known at the end only, and ends every file. */
  end(report: Report, title: string): void {
    const { config, breakdown, complete, capture } = report;
    const { run, metrics, domains, columns } = this.#out;
    const at = run.row();
    run.columns.schema.set(at, DATABASE_SCHEMA);
    run.columns.title.set(at, title);
    run.columns.complete.set(at, complete);
    run.columns.synthetic.set(at, capture.synthetic === true);
    run.columns.clock_mhz.set(at, config.clockMHz);
    run.columns.first_time.set(at, capture.firstTime);
    run.columns.access_sample.set(at, this.#sample);
    run.columns.config.set(at, JSON.stringify(config));
    for (const { key, unit, better, label, meaning, pick } of METRICS) {
      const row = metrics.row();
      metrics.columns.key.set(row, key);
      metrics.columns.value.set(row, pick(report));
      metrics.columns.unit.set(row, unit);
      metrics.columns.better.set(row, better);
      metrics.columns.label.set(row, label);
      metrics.columns.meaning.set(row, meaning);
    }
    for (const { domain, origin, devices, streams } of breakdown.domains) {
      const row = domains.row();
      domains.columns.domain.set(row, domain);
      domains.columns.origin.set(row, origin);
      domains.columns.devices.set(row, devices.join(' '));
      domains.columns.streams.set(row, streams.map(addressText).join(' '));
    }
    for (const [table, spec] of Object.entries(DATABASE_TABLES)) {
      for (const [column, { meaning }] of Object.entries(spec)) {
        const row = columns.row();
        columns.columns.table.set(row, table);
        columns.columns.column.set(row, column);
        columns.columns.meaning.set(row, meaning);
      }
    }
    for (const table of Object.values(this.#out)) table.end();
  }

  #allocated(pa: number, size: number): void {
    const { clock, sanitizer } = this.#replayer.machine;
    const { domain, operation } = sanitizer;
    this.#live.set(pa, { size, domain, allocatedBy: operation, allocated: clock.cycles });
  }

  /** @param lives the table was not freed: the capture is over */
  #freed(pa: number, known: KnownTable | null, lives = false): void {
    const live = this.#live.get(pa);
    if (live === undefined || this.#ended) return;
    this.#live.delete(pa);
    const { clock, sanitizer } = this.#replayer.machine;
    const table = this.#out.tables;
    const { columns } = table;
    const row = table.row();
    const domain = known?.space.domain ?? -1;
    columns.pa.set(row, pa);
    columns.size.set(row, live.size);
    columns.domain.set(row, domain < 0 ? live.domain : domain);
    columns.level.set(row, known?.level ?? null);
    columns.iova.set(row, known?.iova ?? null);
    columns.allocated_by.set(row, live.allocatedBy);
    columns.allocated.set(row, live.allocated);
    columns.freed_by.set(row, lives ? null : sanitizer.operation);
    columns.freed.set(row, lives ? null : clock.cycles);
  }

  #invalidation(
    scope: string,
    asid: number,
    vmid: number,
    iova: number | null,
    size: number | null,
    leafOnly: boolean,
  ): void {
    if (this.#ended) return;
    const { clock, sanitizer, watch } = this.#replayer.machine;
    const table = this.#out.invalidations;
    const { columns } = table;
    const row = table.row();
    const space = watch.invalidation.spaces.find((one) => !one.retired && one.asid === asid && one.vmid === vmid);
    columns.operation.set(row, sanitizer.operation);
    columns.domain.set(row, space?.domain ?? UNKNOWN);
    columns.scope.set(row, scope);
    columns.asid.set(row, asid);
    columns.vmid.set(row, vmid);
    columns.iova.set(row, iova);
    columns.size.set(row, size);
    columns.leaf_only.set(row, leafOnly);
    columns.start.set(row, clock.cycles);
  }

  #fault(
    source: 'device' | 'capture',
    line: number,
    domain: number | null,
    stream: number | null,
    device: string | null,
    iova: number,
    kind: string,
    level: number | null,
    { start, seconds }: { readonly start: number; readonly seconds: number },
  ): void {
    const table = this.#out.faults;
    const { columns } = table;
    const row = table.row();
    columns.source.set(row, source);
    columns.operation.set(row, this.#replayer.machine.sanitizer.operation);
    columns.line.set(row, line > 0 ? line : null);
    columns.domain.set(row, domain);
    columns.stream.set(row, stream);
    columns.device.set(row, device);
    columns.iova.set(row, iova);
    columns.kind.set(row, kind);
    columns.level.set(row, level);
    columns.start.set(row, start);
    columns.seconds.set(row, seconds);
  }
}
