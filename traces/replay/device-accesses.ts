import type { Machine } from '../../devices/index.ts';
import { AccessFlag, TranslationRequest } from '../../emulator/index.ts';
import type { RunConfig } from '../config/run-config.ts';
import { AccessStream } from './access.ts';
import { AccessMeter } from './access-meter.ts';
import type { ReplayDomain } from './replay-domain.ts';

/** The device of a replay: uses each mapping as the configuration says, through the MMU, and has its faults handled. */
export class DeviceAccesses {
  readonly meter = new AccessMeter();
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
    this.#eventBatch = Math.max(1, machine.driver.faultCapacity / 2);
  }

  afterMap(one: ReplayDomain, iova: number, size: number): void {
    this.#stream.afterMap(iova, size);
    this.#make(one);
  }

  beforeUnmap(one: ReplayDomain, iova: number, size: number): void {
    this.#stream.beforeUnmap(iova, size);
    this.#make(one);
  }

  afterUnmap(one: ReplayDomain, iova: number, size: number): void {
    this.#stream.afterUnmap(iova, size);
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
    walks.space = one.space;
    do {
      sanitizer.accessIova = stream.iova;
      sanitizer.accesses++;
      request.ask(tbu, id, -1, stream.iova, AccessFlag.READ, clock.cycles, stream.size);
      const translated = device.translate(request);
      clock.cycles = request.completion;
      this.meter.add(request, translated, first, one.number);
      if (request.staleMark !== 0) sanitizer.windows.hit(request.staleMark, stream.iova);
      // The event thread is slower than the device: it finds many records at once, but in time for none to be lost.
      if (!translated && ++this.#unhandled >= this.#eventBatch) {
        driver.idle(one.domain);
        this.handleFaults();
        // A fault may have cost the domain its context.
        id = driver.activate(one.domain, first);
      }
    } while (stream.next());
    driver.idle(one.domain);
  }
}
