import {
  type RegisterTiming,
  SMMU_HARDWARE,
  type SmmuHardwareName,
  Smmuv2,
  Smmuv2Driver,
  type Smmuv2DriverOptions,
} from '../../../devices/index.ts';
import { AccessFlag, Bus, BusView, PhysicalMemory, TranslationRequest } from '../../../emulator/index.ts';
import { Prot, type TableAllocator } from '../../../formats/index.ts';

const BASE = 0x8000_0000;
const SIZE = 2 ** 26;
export const PAGE = 4096;

/** An SMMU with memory, its driver, and a master. */
export class Rig {
  readonly memory = new PhysicalMemory({ banks: [{ base: BASE, size: SIZE, node: 0 }] });
  readonly smmu: Smmuv2;
  readonly driver: Smmuv2Driver;
  readonly request = new TranslationRequest();
  readonly messages: string[] = [];
  #next = BASE + SIZE / 2;

  constructor(hardware: SmmuHardwareName = 'mmu500-small', options: Smmuv2DriverOptions = {}, timing?: RegisterTiming) {
    const bus = new Bus(this.memory, null);
    const what = SMMU_HARDWARE[hardware];
    this.smmu = new Smmuv2({
      hardware: what,
      memory: bus.port('smmu', BusView.COHERENT),
      ...(timing === undefined ? {} : { timing }),
    });
    const pages: TableAllocator = {
      alloc: (_, size) => {
        const pa = Math.ceil(this.#next / size) * size;
        this.#next = pa + size;
        return pa;
      },
      free: () => {},
    };
    const dma = { mapSingle: (pa: number): number => pa, unmapSingle(): void {}, syncSingleForDevice(): void {} };
    this.driver = new Smmuv2Driver(
      this.smmu,
      { memory: this.memory, dma, pages, warn: () => {} },
      {
        compatible: what.compatible,
        contextInterrupts: what.contextInterrupts,
        coherentWalk: true,
        log: (_, text) => this.messages.push(text),
        ...options,
      },
    );
  }

  /** A device with one stream, in a domain of its own. */
  attach(streamId: number, options: Parameters<Smmuv2Driver['createDomain']>[0] = {}) {
    const master = this.driver.probeDevice([{ id: streamId, mask: 0 }]);
    if (typeof master === 'number') throw new Error(`probe: ${master}`);
    const domain = this.driver.createDomain(options);
    const result = this.driver.attach(master, domain);
    if (result !== 0 || domain.context === null) throw new Error(`attach: ${result}`);
    return { master, domain, context: domain.context };
  }

  map(
    domain: Parameters<Smmuv2Driver['map']>[0],
    iova: number,
    pa: number,
    count = 1,
    prot: number = Prot.READ | Prot.WRITE,
  ) {
    return this.driver.map(domain, iova, pa, PAGE, count, prot);
  }

  /** Physical address, or null when the access was refused. */
  access(streamId: number, iova: number, flags: number = AccessFlag.READ): number | null {
    const { request } = this;
    return this.smmu.translate(request.ask(0, streamId, -1, iova, flags, this.smmu.now)) ? request.pa : null;
  }
}
