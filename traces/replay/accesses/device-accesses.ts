import type { Machine } from '../../../devices/index.ts';
import { AccessFlag, TranslationRequest } from '../../../emulator/index.ts';
import type { ClockOffset } from '../../capture/index.ts';
import type { RunConfig } from '../../config/index.ts';
import type { CpuTimes } from '../cpu-times.ts';
import type { Edit } from '../edit.ts';
import type { ReplayDomain, ReplayDomains } from '../replay-domain.ts';
import { AccessMeter } from './access-meter.ts';
import { AccessStream } from './access-stream.ts';
import { LingeringAccesses } from './lingering.ts';
import { MappingOracle } from './mapping-oracle.ts';
import { type MakeAccess, RecordedAccesses } from './recorded-accesses.ts';

/** Bytes of a recorded access, which the log does not tell: a cache line. */
const ACCESS_SIZE = 64;

/** The device of a replay: uses each mapping as the configuration says, through the MMU, and has its faults handled. */
export class DeviceAccesses {
  readonly meter = new AccessMeter();
  /** Null where accesses are not verified. */
  readonly oracle: MappingOracle | null;
  /** Accesses that a log recorded; null without one. */
  recorded: RecordedAccesses | null = null;
  readonly #machine: Machine;
  readonly #cpus: CpuTimes;
  readonly #stream: AccessStream;
  /** Null where the device uses nothing that is gone. */
  readonly #lingering: LingeringAccesses | null;
  readonly #request = new TranslationRequest();
  /** Faults that the device holds when the driver handles them. */
  readonly #eventBatch: number;
  /** Faults since then, each with one record at most. */
  #unhandled = 0;

  constructor(machine: Machine, config: RunConfig, cpus: CpuTimes) {
    this.#machine = machine;
    this.#cpus = cpus;
    this.#stream = new AccessStream({ ...config.access, seed: config.access.seed + config.seed }, machine.granule);
    this.#lingering = config.access.pattern === 'linger' ? new LingeringAccesses(config.access) : null;
    this.oracle = config.access.verify ? new MappingOracle(machine) : null;
    this.#eventBatch = Math.max(1, machine.driver.faultCapacity / 2);
  }

  /** The map has succeeded. */
  afterMap(one: ReplayDomain, edit: Edit): void {
    this.oracle?.mapped(one, edit);
    this.recorded?.mapped(one, edit);
    this.#stream.afterMap(edit.iova, edit.size);
    this.#make(one);
  }

  beforeUnmap(one: ReplayDomain, iova: number, size: number): void {
    this.recorded?.beforeUnmap(one, iova, size);
    this.#stream.beforeUnmap(iova, size);
    this.#make(one);
  }

  /** The unmap has returned. @param done bytes that it says it unmapped; -1 where it does not say */
  afterUnmap(one: ReplayDomain, edit: Edit, done: number): void {
    this.oracle?.unmapped(one, edit, done);
    this.recorded?.unmapped(one, edit.iova, edit.size);
    this.#stream.afterUnmap(edit.iova, edit.size);
    this.#make(one);
    this.#lingering?.unmapped(one, edit.iova, edit.size, this.#machine.clock.seconds);
  }

  /** When the device uses a mapping next that is gone; Infinity when it does not. */
  get nextLinger(): number {
    return this.#lingering?.next ?? Number.POSITIVE_INFINITY;
  }

  /** Makes that access: it is time for it. */
  linger(): void {
    const lingering = this.#lingering;
    lingering?.take();
    const one = lingering?.domain ?? null;
    if (lingering === null || one === null) return;
    const { sanitizer } = this.#machine;
    sanitizer.domain = one.number;
    this.#stream.at(lingering.iova);
    this.#make(one);
  }

  /** Lets the driver take what faults there are. */
  handleFaults(): void {
    this.#unhandled = 0;
    const { driver, clock } = this.#machine;
    driver.now = clock.cycles;
    driver.handleEvents();
    clock.cycles = driver.now;
  }

  /** Takes the accesses of a log from now on. */
  record(domains: ReplayDomains, clock: ClockOffset): void {
    const make: MakeAccess = (one, stream, iova, flags) => this.#makeOne(one, stream, iova, flags);
    this.recorded = new RecordedAccesses(domains, make, clock);
  }

  #makeOne(one: ReplayDomain, stream: number, iova: number, flags: number): TranslationRequest | null {
    const { driver, clock, walks } = this.#machine;
    const request = this.#request;
    const id = driver.activate(one.domain, stream);
    walks.space = one.space;
    this.oracle?.begin(one, id);
    request.ask(id % this.#machine.device.mmu.config.masters, id, -1, iova, flags, clock.cycles, ACCESS_SIZE);
    const translated = this.#translate(one, request, stream);
    driver.idle(one.domain);
    if (!translated && ++this.#unhandled >= this.#eventBatch) this.handleFaults();
    return translated ? request : null;
  }

  /** One access of a domain, asked for already. @returns whether it was translated */
  #translate(one: ReplayDomain, request: TranslationRequest, stream: number): boolean {
    const { device, clock, sanitizer } = this.#machine;
    sanitizer.accessIova = request.iova;
    sanitizer.accesses++;
    const translated = device.translate(request);
    clock.cycles = request.completion;
    this.meter.add(request, translated, stream, one.number);
    this.#cpus.access(stream, request.latency);
    this.oracle?.check(one, request, translated);
    if (request.staleMark !== 0) sanitizer.windows.hit(request.staleMark, request.iova);
    return translated;
  }

  /** Makes the accesses that the stream holds. */
  #make(one: ReplayDomain): void {
    const stream = this.#stream;
    const first = one.streams[0];
    if (first === undefined || !stream.next()) return;
    const { device, driver, clock, walks } = this.#machine;
    const request = this.#request;
    let id = driver.activate(one.domain, first);
    const tbu = id % device.mmu.config.masters;
    const { oracle } = this;
    walks.space = one.space;
    oracle?.begin(one, id);
    do {
      request.ask(tbu, id, -1, stream.iova, AccessFlag.READ, clock.cycles, stream.size);
      const translated = this.#translate(one, request, first);
      // The event thread is slower than the device: it finds many records at once, but in time for none to be lost.
      if (!translated && ++this.#unhandled >= this.#eventBatch) {
        driver.idle(one.domain);
        this.handleFaults();
        // A fault may have cost the domain its context.
        id = driver.activate(one.domain, first);
        oracle?.begin(one, id);
      }
    } while (stream.next());
    driver.idle(one.domain);
  }
}
