import type { CpuJob } from '../../../../devices/index.ts';
import {
  type ClosedWindow,
  type Finding,
  OPERATION_KIND_NAMES,
  type Operation,
  OperationKind,
  type TranslationRequest,
} from '../../../../emulator/index.ts';
import { type TraceEvent, UNKNOWN } from '../../../capture/index.ts';
import { type Replayer, SERVED_NAMES, Served } from '../../../replay/index.ts';
import { faultOf } from '../fault-name.ts';
import type { RunWatcher } from '../watch-run.ts';
import { InvalidationFlows } from './flows.ts';
import { InvalidationLog } from './invalidation-log.ts';
import { drawJob } from './jobs.ts';
import { phasesOf, TLBI } from './phases.ts';
import { CounterUnit } from './schema.ts';
import { type TimelineSink, TrackWriter } from './track-writer.ts';

/** Numbers of tracks; CPUs and streams follow theirs. */
const Track = {
  CPUS: 1,
  DEVICES: 2,
  FINDINGS: 3,
  FAULTS: 4,
  TABLE_BYTES: 5,
  LIVE_BYTES: 6,
  MICRO_HITS: 7,
  TLB_HITS: 8,
  AT_ONCE: 9,
  CPU: 1000,
  JOBS: 500_000,
  STREAM: 1_000_000,
} as const;
/** Places of the tracks that stand in none. */
const Rank = { FINDINGS: 1, CPUS: 2, AT_ONCE: 2, DEVICES: 3, FAULTS: 4, COUNTERS: 5 } as const;

/** Accesses that one point of a hit rate is of. */
const HIT_RATE_ACCESSES = 64;

/**
 * Writes a run as a Perfetto trace (TrackEvent packets) while it goes on. Times are nanoseconds of the machine's clock from the start of the run.
 *
 * - CPUs, one track each: maps, unmaps and flushes, and inside them what they spend time on (table memory, table edit, cache maintenance,
 *   TLBI, SYNC wait). The ledger knows how long each took, not when: they are drawn one after the other, in the order of the kernel.
 * - with several CPUs (`--cpus`) their operations once more, where they ran at once: what they waited for because of each other, and their
 *   own SYNC wait. All other tracks go by the machine's one clock, on which operations come one after the other.
 * - devices, one track for each stream: accesses by what served them, faults with their reason, waits on a region that a Mali's driver locked,
 *   and the last use of a translation that was unmapped already.
 * - findings, and faults that the capture holds, as instants; counters of table memory, mapped bytes, and of the TLBs' hit rates.
 * - a flow for each unmap: to the TLBI that drops its translations (its own, or a flush's), by way of the last stale use.
 *
 * Memory is constant, but for the unmaps that wait for their flush.
 */
export class PerfettoTrace implements RunWatcher {
  readonly invalidations = new InvalidationLog();
  readonly #replayer: Replayer;
  readonly #deviceName: (device: number) => string;
  readonly #tracks: TrackWriter;
  readonly #flows: InvalidationFlows;
  readonly #nanoseconds: number;
  /** Where the last operation of each CPU ended, in cycles. */
  readonly #ends = new Map<number, number>();
  /** Stream of the last access that an entry with a mark served. */
  readonly #staleStreams = new Map<number, number>();
  #tableBytes = -1;
  #liveBytes = -1;
  #accesses = 0;
  #microHits = 0;
  #hits = 0;

  /** @param sink takes the trace piece by piece */
  constructor(
    replayer: Replayer,
    sink: TimelineSink,
    deviceName: (device: number) => string = (device) => `device ${device}`,
  ) {
    this.#replayer = replayer;
    this.#deviceName = deviceName;
    this.#tracks = new TrackWriter(sink);
    this.#flows = new InvalidationFlows(replayer.config.invalidation.mode === 'lazy');
    this.#nanoseconds = 1000 / replayer.config.clockMHz;
  }

  operation(operation: Readonly<Operation>): void {
    const { kind, number, line, domain, cpu, iova, size, cycles } = operation;
    const { invalidations: told } = this;
    const track = this.#cpuTrack(cpu);
    const start = Math.max(operation.start, this.#ends.get(cpu) ?? 0);
    const end = start + cycles;
    this.#ends.set(cpu, end);
    const completes = this.#flows.completedBy(operation, told.count > 0, told.whole);
    const details =
      number > 0
        ? { numbers: { operation: number, line, domain, size }, addresses: { iova } }
        : { numbers: { domain: Math.max(domain, 0) } };
    const flows = kind === OperationKind.UNMAP && number > 0 ? [number] : [];
    this.#tracks.begin(track, this.#time(start), OPERATION_KIND_NAMES[kind] ?? '', details, flows);
    this.#phases(operation, track, start, completes);
    this.#tracks.end(track, this.#time(end));
    told.clear();
    this.#memory(end);
  }

  job(job: Readonly<CpuJob>): void {
    const { config, cpus } = this.#replayer;
    if (config.cpus === 1) return;
    const track = Track.JOBS + job.cpu;
    this.#tracks.declare(Track.AT_ONCE, () => ({ name: 'CPUs at once', rank: Rank.AT_ONCE }));
    this.#tracks.declare(track, () => {
      const what = config.cpuLoad.by === 'cpu' ? 'CPU' : 'domain';
      const one =
        config.cpus === 'capture'
          ? `${what} ${cpus.names[job.cpu]?.[0] ?? 'unnamed'}`
          : `CPU ${job.cpu} of ${config.cpus}`;
      return { name: `${one}, at once`, parent: Track.AT_ONCE, rank: job.cpu };
    });
    drawJob(this.#tracks, track, job, (cycle) => this.#time(cycle));
  }

  access(request: TranslationRequest, served: Served, stream: number, domain: number): void {
    const { start, completion, latency, iova, staleMark } = request;
    const track = this.#streamTrack(stream);
    // Where an access waits for a lock to end, it begins later than it was asked for.
    const waits = this.#replayer.config.iommu.model === 'mali' ? Math.max(0, completion - latency - start) : 0;
    const begins = start + waits;
    if (waits > 0) {
      this.#tracks.begin(track, this.#time(start), 'wait on a locked region', { addresses: { iova } });
      this.#tracks.end(track, this.#time(begins));
    }
    const details =
      served === Served.FAULT
        ? { numbers: { domain, level: request.faultLevel }, addresses: { iova }, texts: { fault: faultOf(request) } }
        : { numbers: { domain }, addresses: { iova } };
    this.#tracks.begin(track, this.#time(begins), SERVED_NAMES[served], details);
    this.#tracks.end(track, this.#time(begins + latency));
    if (staleMark !== 0) this.#staleStreams.set(staleMark, stream);
    this.#countHit(served, begins + latency);
  }

  finding({ kind, operation, line, domain, iova, detail }: Finding): void {
    this.#tracks.declare(Track.FINDINGS, () => ({ name: 'findings', rank: Rank.FINDINGS }));
    this.#tracks.instant(Track.FINDINGS, this.#time(this.#replayer.machine.clock.cycles), kind, {
      numbers: { operation, line: line ?? 0, domain },
      addresses: { iova },
      texts: { detail },
    });
  }

  window({ mark, operation, iova, size, hits, lastHit, cycles }: Readonly<ClosedWindow>): void {
    const stream = this.#staleStreams.get(mark);
    if (hits === 0 || stream === undefined) return;
    this.#staleStreams.delete(mark);
    const details = { numbers: { operation, size, hits, 'window, cycles': Math.round(cycles) }, addresses: { iova } };
    this.#tracks.instant(this.#streamTrack(stream), this.#time(lastHit), 'last stale use', details, [operation]);
  }

  fault({ line, device, stream, iova }: TraceEvent): void {
    this.#tracks.declare(Track.FAULTS, () => ({ name: 'faults of the capture', rank: Rank.FAULTS }));
    const name = device === UNKNOWN ? `stream 0x${stream.toString(16)}` : this.#deviceName(device);
    this.#tracks.instant(Track.FAULTS, this.#time(this.#replayer.machine.clock.cycles), 'recorded fault', {
      numbers: { line },
      addresses: { iova },
      texts: { device: name },
    });
  }

  /** Hands out what is still gathered; the trace is whole then. */
  end(): void {
    this.#tracks.flush();
  }

  /** What an operation spends its time on, and the invalidation that its unmaps' flows go to. */
  #phases(operation: Readonly<Operation>, track: number, start: number, completes: readonly number[]): void {
    const { invalidations: told } = this;
    let at = start;
    for (const phase of phasesOf(operation)) {
      const cycles = operation.byCause[phase.cause] as number;
      const invalidates = phase === TLBI && told.count > 0;
      if (cycles <= 0 && !invalidates) continue;
      const { scope, count } = told;
      const details = invalidates
        ? {
            numbers: { invalidations: count, ...(told.end > 0 ? { size: told.end - told.start } : {}) },
            addresses: told.end > 0 ? { iova: told.start } : {},
            texts: { scope },
          }
        : null;
      this.#tracks.begin(track, this.#time(at), phase.name, details, invalidates ? completes : []);
      at += cycles;
      this.#tracks.end(track, this.#time(at));
    }
  }

  #memory(cycle: number): void {
    const { machine, tracker } = this.#replayer;
    const tables = machine.tables.layers[0]?.stats.liveBytes ?? 0;
    if (tables !== this.#tableBytes) {
      this.#tableBytes = tables;
      this.#count(Track.TABLE_BYTES, 'page-table memory', CounterUnit.SIZE_BYTES, cycle, tables);
    }
    if (tracker.liveBytes !== this.#liveBytes) {
      this.#liveBytes = tracker.liveBytes;
      this.#count(Track.LIVE_BYTES, 'mapped', CounterUnit.SIZE_BYTES, cycle, tracker.liveBytes);
    }
  }

  #countHit(served: Served, cycle: number): void {
    this.#accesses++;
    if (served === Served.MICRO_TLB) this.#microHits++;
    if (served <= Served.TLB) this.#hits++;
    if (this.#accesses < HIT_RATE_ACCESSES) return;
    this.#count(Track.MICRO_HITS, 'micro-TLB hit rate', '%', cycle, (100 * this.#microHits) / this.#accesses);
    this.#count(Track.TLB_HITS, 'TLB hit rate, all levels', '%', cycle, (100 * this.#hits) / this.#accesses);
    this.#accesses = 0;
    this.#microHits = 0;
    this.#hits = 0;
  }

  #count(track: number, name: string, unit: string | 2 | 3, cycle: number, value: number): void {
    this.#tracks.declare(track, () => ({ name, rank: Rank.COUNTERS, unit }));
    this.#tracks.count(track, this.#time(cycle), value);
  }

  #cpuTrack(cpu: number): number {
    const track = Track.CPU + 1 + cpu;
    this.#tracks.declare(Track.CPUS, () => ({ name: 'CPUs', rank: Rank.CPUS }));
    const name = cpu < 0 ? 'timers and unnamed CPUs' : `CPU ${cpu}`;
    this.#tracks.declare(track, () => ({ name, parent: Track.CPUS, rank: cpu + 1 }));
    return track;
  }

  #streamTrack(stream: number): number {
    const track = Track.STREAM + stream;
    this.#tracks.declare(Track.DEVICES, () => ({ name: 'devices', rank: Rank.DEVICES }));
    this.#tracks.declare(track, () => {
      const device = this.#replayer.domains.deviceOfStream.get(stream);
      const id = `stream 0x${stream.toString(16)}`;
      const name = device === undefined ? id : `${id}, ${this.#deviceName(device)}`;
      return { name, parent: Track.DEVICES, rank: stream };
    });
    return track;
  }

  #time(cycle: number): number {
    return cycle * this.#nanoseconds;
  }
}
