import {
  addBindTotals,
  type BindTotals,
  type Deadlock,
  JobClock,
  newBindTotals,
  type Smmuv3Domain,
  VmBind,
  type VmBindConfig,
} from '../devices/index.ts';
import { type AllocatorReport, Prot } from '../formats/index.ts';
import { type CaptureReader, openCaptures } from './capture/capture-reader.ts';
import type { RunConfig } from './config/run-config.ts';
import { DomainTracker, NO_DOMAIN } from './domains.ts';
import { EventKind, type TraceEvent, UNKNOWN } from './event.ts';
import { Machine } from './machine.ts';
import type { ReplayOptions } from './replay.ts';

export const BIND_SCHEMA = 'tablewalk.bind/1';

/** What a plain `map` line does not tell: a coherent device's buffer, as dma-iommu maps it. */
const DEFAULT_PROT = Prot.READ | Prot.WRITE | Prot.CACHE;

/** What came of a capture whose maps and unmaps went through VM_BIND. Plain JSON. */
export interface BindReplayReport {
  readonly schema: typeof BIND_SCHEMA;
  readonly complete: boolean;
  readonly captures: readonly string[];
  readonly events: number;
  readonly maps: number;
  readonly unmaps: number;
  readonly domains: number;
  /** How the queues behaved and what their steps cost. */
  readonly bind: VmBindConfig | null;
  /** Over all domains: sums, and the largest of what is a peak or a worst. */
  readonly totals: BindTotals;
  readonly deadlocks: readonly Deadlock[];
  /** Tables in trees and ranges mapped at the end. */
  readonly liveTables: number;
  readonly liveRanges: number;
  readonly allocation: AllocatorReport;
  /** Findings of the sanitizer by kind. */
  readonly findings: Readonly<Record<string, number>>;
  readonly config: RunConfig;
}

/** One domain of the capture, with its queue of jobs. */
interface BoundDomain {
  readonly domain: Smmuv3Domain;
  readonly vm: VmBind;
}

/**
 * Replays a capture as a GPU driver would carry it out: each map and unmap becomes a VM_BIND job of its domain, prepared when the
 * capture says, run some time later, in order. The device makes no accesses. The tables at the end are those of a direct replay.
 */
export class BindReplay {
  readonly machine: Machine;
  readonly #captures: readonly string[];
  readonly #config: RunConfig;
  readonly #options: ReplayOptions;
  readonly #bind: Partial<VmBindConfig>;
  readonly #clock = new JobClock();
  readonly #tracker = new DomainTracker();
  readonly #domains: (BoundDomain | undefined)[] = [];
  #start = Number.NaN;
  #stopped = false;

  /** @throws ConfigError for a machine that cannot work */
  constructor(
    captures: readonly string[],
    config: RunConfig,
    bind: Partial<VmBindConfig>,
    options: ReplayOptions = {},
  ) {
    this.#captures = captures;
    this.#config = config;
    this.#bind = bind;
    this.#options = options;
    this.machine = new Machine(config);
    // Jobs edit tables only: the hardware that would drop their leaves is not part of this.
    this.machine.watch.invalidation.watchesLeaves = false;
  }

  get stopped(): boolean {
    return this.#stopped;
  }

  /** Domains by the tracker's number. */
  get domains(): readonly (Smmuv3Domain | undefined)[] {
    return this.#domains.map((one) => one?.domain);
  }

  /** Ends the replay at the next block of input. */
  stop(): void {
    this.#stopped = true;
  }

  /** @throws InputError for captures that cannot be read */
  async run(onProgress: (done: number, events: number) => void = () => {}): Promise<BindReplayReport> {
    const { strict = false, limit = Number.POSITIVE_INFINITY, until = Number.POSITIVE_INFINITY, stdin } = this.#options;
    const reader = await openCaptures(this.#captures, { strict, ...(stdin === undefined ? {} : { stdin }) });
    let ended = true;
    reading: while (!this.#stopped && (await reader.fill())) {
      while (reader.next()) {
        const { event } = reader;
        if (event.time > until) {
          ended = false;
          break reading;
        }
        this.#take(event);
        if (event.kind !== EventKind.LOST && reader.stats.events >= limit) {
          ended = false;
          break reading;
        }
      }
      const { read, total } = reader.progress;
      onProgress(total > 0 ? read / total : 0, reader.stats.events);
    }
    await reader.close();
    for (const one of this.#domains) one?.vm.finish();
    return this.#report(reader, ended && !this.#stopped);
  }

  #take(event: TraceEvent): void {
    if (Number.isNaN(this.#start)) this.#start = event.time;
    this.#clock.runUntil((event.time - this.#start) * this.#config.clockMHz * 1e6);
    const { iova, size, kind } = event;
    const at = this.#tracker.take(event);
    if ((kind !== EventKind.MAP && kind !== EventKind.UNMAP) || at === NO_DOMAIN) return;
    const { vm } = this.#domainAt(at);
    if (kind === EventKind.UNMAP) vm.submit('q0', { kind: 'unmap', iova, size });
    else {
      const prot = event.prot === UNKNOWN ? DEFAULT_PROT : event.prot;
      vm.submit('q0', { kind: 'map', iova, size, pa: event.pa, prot });
    }
  }

  #domainAt(at: number): BoundDomain {
    const known = this.#domains[at];
    if (known !== undefined) return known;
    const { machine } = this;
    const domain = machine.createDomain();
    const vm = new VmBind(
      `domain-${at}`,
      { table: domain.table, allocator: machine.tables, cookie: domain, clock: this.#clock },
      this.#bind,
    );
    const made = { domain, vm };
    this.#domains[at] = made;
    return made;
  }

  #report(reader: CaptureReader, complete: boolean): BindReplayReport {
    const used = this.#domains.filter((one) => one !== undefined);
    const { sanitizer, tables } = this.machine;
    const totals = newBindTotals();
    for (const { vm } of used) addBindTotals(totals, vm.totals());
    return {
      schema: BIND_SCHEMA,
      complete,
      captures: this.#captures,
      events: reader.stats.events,
      maps: reader.stats.maps,
      unmaps: reader.stats.unmaps,
      domains: used.length,
      bind: used[0]?.vm.config ?? null,
      totals,
      deadlocks: this.#clock.deadlocks,
      liveTables: used.reduce((sum, { domain }) => sum + domain.table.liveTables, 0),
      liveRanges: used.reduce((sum, { vm }) => sum + vm.ranges.count, 0),
      allocation: tables.report(),
      findings: Object.fromEntries(sanitizer.countsByKind()),
      config: this.#config,
    };
  }
}
