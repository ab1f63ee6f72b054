import { type Log, Machine, SILENT } from '../../devices/index.ts';
import { addressText, BusError, FindingKind } from '../../emulator/index.ts';
import { Errno, errnoName, Prot } from '../../formats/index.ts';
import { type ClockOffset, type Decision, EventKind, type TraceEvent, UNKNOWN } from '../capture/index.ts';
import type { RunConfig } from '../config/index.ts';
import { DomainTracker, Match, NO_DOMAIN } from '../domains/index.ts';
import { DeviceAccesses } from './accesses/index.ts';
import { CpuTimes } from './cpu-times.ts';
import type { Edit, Edits, Refuse } from './edit.ts';
import { BindEdits, DirectEdits, InvalidationPolicy } from './edits/index.ts';
import { RecordedMode } from './recorded-mode.ts';
import { NO_DOMAIN_MEMORY, Refusals, requestText } from './refusal.ts';
import { type ReplayDomain, ReplayDomains } from './replay-domain.ts';
import { ReplayTime } from './replay-time.ts';

/** Bytes of the granules, largest first. */
const GRANULE_BYTES = [65536, 16384, 4096];
const LARGEST_GRANULE = 65536;

/** What a plain `map` line does not tell: a coherent device's buffer, as dma-iommu maps it. */
const DEFAULT_PROT = Prot.READ | Prot.WRITE | Prot.CACHE;

/**
 * Drives the machine with the events of a capture: each map and unmap goes through the driver, the device accesses the mapping
 * while it lives, time goes by as the capture says, and ledger and sanitizer watch. One event at a time, in constant memory.
 */
export class Replayer {
  readonly machine: Machine;
  readonly config: RunConfig;
  readonly tracker: DomainTracker;
  readonly domains: ReplayDomains;
  readonly device: DeviceAccesses;
  readonly invalidation: InvalidationPolicy;
  /** When what ran on which CPU. */
  readonly cpus: CpuTimes;
  /** How the capture's kernel invalidated, as far as it shows. */
  readonly recorded = new RecordedMode();
  /** The jobs of a replay through VM_BIND; null in a direct one. */
  readonly bind: BindEdits | null;
  /** Events taken, the maps and unmaps among them, and the times of the first and the last. */
  events = 0;
  maps = 0;
  unmaps = 0;
  firstTime = 0;
  lastTime = 0;
  readonly refusals = new Refusals();
  /** Told of each fault that the capture holds. */
  onFault: ((event: TraceEvent) => void) | null = null;

  readonly #edits: Edits;
  readonly #time: ReplayTime;
  readonly #log: Log;
  #operation = 0;
  /** Low bits that are set in any address or size. */
  #unaligned = 0;

  /**
   * @param streamOfDevice StreamID of a device of the capture, or -1
   * @throws ConfigError for a machine that cannot work
   */
  constructor(config: RunConfig, streamOfDevice: (device: number) => number, log: Log = SILENT) {
    this.config = config;
    this.tracker = new DomainTracker((event, domain) => this.#take(event, domain), config.domains.single);
    this.machine = new Machine(config, log);
    this.#log = log;
    const { machine } = this;
    this.#time = new ReplayTime(machine.clock, config.clockMHz);
    this.cpus = new CpuTimes(machine, config, this.#time);
    this.domains = new ReplayDomains(machine, config, this.tracker.domains, streamOfDevice);
    this.device = new DeviceAccesses(machine, config, this.cpus);
    this.invalidation = new InvalidationPolicy(
      machine,
      config,
      () => this.recorded.verdict === 'strict',
      this.#time,
      this.domains.all,
    );
    const refuse: Refuse = (one, edit, result) => this.#refuse(one, edit, result);
    this.bind =
      config.bind.mode === 'async'
        ? new BindEdits(machine, config, this.#time, this.invalidation, this.device, refuse)
        : null;
    this.#edits = this.bind ?? new DirectEdits(machine, this.invalidation, this.device, config.editCosts, refuse);
  }

  /** Bytes of the largest granule of which every address and size is a multiple. */
  get commonGranule(): number {
    return GRANULE_BYTES.find((bytes) => this.#unaligned % bytes === 0) ?? 4096;
  }

  /** Operations so far. */
  get operations(): number {
    return this.#operation;
  }

  /** Takes the accesses of an IOMMU's own log among the events, some time before they are due. */
  recordAccesses(clock: ClockOffset): void {
    this.device.record(this.domains, clock);
  }

  take(event: TraceEvent): void {
    const { kind } = event;
    const { recorded } = this.device;
    // A fault of the capture names its device, one of the log its stream.
    const isOfLog = kind === EventKind.ACCESS || (kind === EventKind.FAULT && event.stream !== UNKNOWN);
    if (recorded !== null && isOfLog) {
      recorded.take(event);
      return;
    }
    this.#count(event);
    this.tracker.take(event);
  }

  /** Takes an event of a capture whose domain was found when it was read. */
  takeDecided(event: TraceEvent, decision: Decision): void {
    this.#count(event);
    this.tracker.takeDecided(event, decision);
  }

  #count({ kind, time }: TraceEvent): void {
    if (kind === EventKind.LOST) return;
    if (this.events === 0) this.firstTime = time;
    this.events++;
    this.lastTime = time;
  }

  /** An event whose domain is known by now. */
  #take(event: TraceEvent, domain: number): void {
    const { kind } = event;
    this.device.recorded?.passTime(event.time, this.#advance);
    this.#advance(event.time);
    if (kind === EventKind.MAP) this.#edit(event, domain, true);
    else if (kind === EventKind.UNMAP) this.#edit(event, domain, false);
    else if (kind === EventKind.ATTACH) this.domains.attach(event.device);
    else if (kind === EventKind.FAULT) this.onFault?.(event);
  }

  /** The capture is over: what still waits is done. Tables stay as they are. */
  end(): void {
    this.tracker.end();
    this.device.recorded?.end(this.lastTime);
    this.#edits.end();
    this.#passTime(Number.MAX_VALUE);
    this.invalidation.end();
    this.device.handleFaults();
    this.machine.costs.close();
    this.cpus.finish();
    this.machine.sanitizer.windows.finish();
  }

  /** Takes every table down, so that what was lost on the way shows. */
  tearDown(): void {
    this.#survive(() => this.domains.tearDown());
    this.machine.tables.close();
  }

  /** What is due by then happens first, at its own time. */
  readonly #advance = (seconds: number): void => {
    this.#edits.passTime(seconds);
    this.#passTime(seconds);
    this.#time.set(seconds);
  };

  /** Timers fire, and devices use what is gone, each at its time. */
  #passTime(seconds: number): void {
    for (let next = this.device.nextLinger; next <= seconds; next = this.device.nextLinger) {
      this.invalidation.passTime(next);
      this.#time.set(next);
      this.device.linger();
    }
    this.invalidation.passTime(seconds);
  }

  #edit(event: TraceEvent, at: number, maps: boolean): void {
    if (maps) this.maps++;
    else this.unmaps++;
    if (at === NO_DOMAIN) return;
    this.recorded.take(at, event);
    const number = ++this.#operation;
    const { sanitizer } = this.machine;
    sanitizer.operation = number;
    sanitizer.domain = at;
    sanitizer.iova = event.iova;
    const { line, cpu, iova, pa } = event;
    // What the kernel says it unmapped counts, where it says so: behind that may be a live neighbour.
    const size = maps || event.unmappedSize === UNKNOWN ? event.size : event.unmappedSize;
    sanitizer.line = line;
    sanitizer.cpu = cpu;
    this.#unaligned |= (iova % LARGEST_GRANULE) | (size % LARGEST_GRANULE);
    const protTold = event.prot !== UNKNOWN;
    const prot = protTold ? event.prot : DEFAULT_PROT;
    const live = maps ? 0 : this.tracker.bytesRemoved;
    const edit: Edit = { number, line, cpu, maps, iova, size, pa, prot, protTold, live, runEnd: event.runEnd };
    const one = this.domains.at(at);
    if (one === null) this.#refuse(one, edit, NO_DOMAIN_MEMORY);
    // No kernel unmaps parts of pages: the record is damaged, and what it meant stays.
    else if (!maps && !this.#isPages(edit)) this.#refuse(one, edit, errnoName(-Errno.EINVAL));
    else {
      const { match, parts } = this.tracker;
      // What a map comes over must have gone before, though its unmap is missing: the kernel never maps over a live mapping.
      const before = maps && match === Match.REPLACED;
      // Where an unmap has holes, a domain was inferred wrongly or events were lost: what is held goes, and holes are not touched.
      if (before || (match === Match.BEYOND && event.domain === UNKNOWN)) {
        for (const { start, end } of parts) {
          const gone: Edit = { ...edit, maps: false, iova: start, size: end - start, live: end - start };
          if (this.#isPages(gone)) this.#survive(() => this.#edits.submit(one, gone));
        }
        if (!before) return;
      }
      this.#survive(() => this.#edits.submit(one, edit));
    }
  }

  /** Software that follows a wrong descriptor out of memory would take its kernel with it: here that is found, and the replay goes on. */
  #survive(work: () => void): void {
    try {
      work();
    } catch (error) {
      if (!(error instanceof BusError)) throw error;
      const { sanitizer } = this.machine;
      sanitizer.found(FindingKind.CPU_FAULT, sanitizer.iova, () => ({
        detail: `the page-table code followed a descriptor to ${addressText(error.pa)}, where no memory is`,
      }));
    }
  }

  #refuse(one: ReplayDomain | null, edit: Edit, result: string): void {
    const { line, iova, size } = edit;
    this.#log.info({ line, iova, size, result }, 'refused');
    if (edit.maps && !this.#cannotBe(edit)) this.device.oracle?.refused(one, edit, result);
    this.refusals.add(
      line,
      () => requestText(edit),
      () => this.#reason(edit, result),
    );
  }

  /** A range of whole pages. */
  #isPages({ iova, size }: Edit): boolean {
    const { granule } = this.machine;
    return size > 0 && iova % granule === 0 && size % granule === 0;
  }

  /** No table of this configuration can hold it: what is wrong is the configuration, and no driver. */
  #cannotBe(edit: Edit): boolean {
    const { iova, pa, size, prot } = edit;
    const { ias, oas } = this.config.table;
    // Nor does any table code map what nobody may use.
    if ((prot & (Prot.READ | Prot.WRITE)) === 0) return true;
    if (!this.#isPages(edit) || pa % this.machine.granule !== 0) return true;
    return iova + size > 2 ** ias || pa + size > 2 ** oas;
  }

  #reason({ iova, pa, size, maps }: Edit, result: string): string {
    const { granule } = this.machine;
    const { table } = this.config;
    if (size <= 0) return 'a size of 0';
    if (iova % granule !== 0 || size % granule !== 0 || (maps && pa % granule !== 0)) {
      return `${result}, not a multiple of the granule (${table.granule})`;
    }
    if (iova + size > 2 ** table.ias) return `${result}, beyond the ${table.ias} bits of ias`;
    return maps && pa + size > 2 ** table.oas ? `${result}, beyond the ${table.oas} bits of oas` : result;
  }
}
