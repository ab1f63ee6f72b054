import type { Machine } from '../../../devices/index.ts';
import { AccessFlag, TranslationRequest } from '../../../emulator/index.ts';
import type { RunConfig } from '../../config/index.ts';
import type { Edit } from '../edit.ts';
import type { ReplayDomain } from '../replay-domain.ts';
import { AccessMeter } from './access-meter.ts';
import { AccessStream } from './access-stream.ts';
import { MappingOracle } from './mapping-oracle.ts';

/** The device of a replay: uses each mapping as the configuration says, through the MMU, and has its faults handled. */
export class DeviceAccesses {
  readonly meter = new AccessMeter();
  /** Null where accesses are not verified. */
  readonly oracle: MappingOracle | null;
  readonly #machine: Machine;
  readonly #stream: AccessStream;
  readonly #request = new TranslationRequest();
  /** Faults that the device holds when the driver handles them. */
  readonly #eventBatch: number;
  /** Faults since then, each with one record at most. */
  #unhandled = 0;

  constructor(machine: Machine, config: RunConfig) {
    this.#machine = machine;
    this.#stream = new AccessStream({ ...config.access, seed: config.access.seed + config.seed }, machine.granule);
    this.oracle = config.access.verify ? new MappingOracle(machine) : null;
    this.#eventBatch = Math.max(1, machine.driver.faultCapacity / 2);
  }

  /** The map has succeeded. */
  afterMap(one: ReplayDomain, edit: Edit): void {
    this.oracle?.mapped(one, edit);
    this.#stream.afterMap(edit.iova, edit.size);
    this.#make(one);
  }

  beforeUnmap(one: ReplayDomain, iova: number, size: number): void {
    this.#stream.beforeUnmap(iova, size);
    this.#make(one);
  }

  /** The unmap has returned. @param done bytes that it says it unmapped; -1 where it does not say */
  afterUnmap(one: ReplayDomain, edit: Edit, done: number): void {
    this.oracle?.unmapped(one, edit, done);
    this.#stream.afterUnmap(edit.iova, edit.size);
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

  /** Makes the accesses that the stream holds. */
  #make(one: ReplayDomain): void {
    const stream = this.#stream;
    const first = one.streams[0];
    if (first === undefined || !stream.next()) return;
    const { device, driver, clock, sanitizer, walks } = this.#machine;
    const request = this.#request;
    let id = driver.activate(one.domain, first);
    const tbu = id % device.mmu.config.masters;
    const { oracle } = this;
    walks.space = one.space;
    oracle?.begin(one, id);
    do {
      sanitizer.accessIova = stream.iova;
      sanitizer.accesses++;
      request.ask(tbu, id, -1, stream.iova, AccessFlag.READ, clock.cycles, stream.size);
      const translated = device.translate(request);
      clock.cycles = request.completion;
      this.meter.add(request, translated, first, one.number);
      oracle?.check(one, request, translated);
      if (request.staleMark !== 0) sanitizer.windows.hit(request.staleMark, stream.iova);
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
