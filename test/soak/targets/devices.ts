/** Programs of register accesses, commands, edits and transactions on every MMU with every driver of its own. */
import { type IommuDomain, Machine, MMUS, type MmuName } from '../../../devices/index.ts';
import { AccessFlag, FaultKind, TranslationRequest } from '../../../emulator/index.ts';
import { newGather, Prot } from '../../../formats/index.ts';
import { runConfig } from '../../../traces/index.ts';
import { demand, type Target } from '../target.ts';
import { pick } from './mutations.ts';

const PAGE = 4096;
const RAM = 0x4000_0000;
const IOVA = 0x1000_0000;
/** Registers of the SMMUv3's command queue (Arm IHI 0070, 6.3). */
const CMDQ_BASE = 0x90;
const CMDQ_PROD = 0x98;

type Step = readonly [string, ...number[]];

class Rig {
  readonly machine: Machine;
  readonly domain: IommuDomain;
  readonly request = new TranslationRequest();
  readonly stream: number;
  /** Page to physical address, as long as nothing but the driver has touched the device. */
  readonly mapped = new Map<number, number>();
  honest = true;

  constructor(model: MmuName, driver: string) {
    this.machine = new Machine(runConfig({ iommu: { model, driver } }));
    this.stream = Math.min(3, this.machine.driver.streamCount - 1);
    const domain = this.machine.createDomain();
    if (domain === null) throw new Error('no memory for a domain');
    this.domain = domain;
    this.machine.driver.attach(domain, this.stream);
  }

  step([what, first = 0, second = 0, third = 0]: Step): void {
    const { machine } = this;
    const { device, driver, memory } = machine;
    switch (what) {
      case 'write':
        this.honest = false;
        device.write32(first, second);
        return;
      case 'read':
        demand(device.read32(first) === device.read32(first) >>> 0, 'a register is 32 bits');
        return;
      case 'store':
        this.honest = false;
        memory.write32(first, second);
        return;
      case 'command': {
        this.honest = false;
        const base = (device.read32(CMDQ_BASE) & 0xffff_ffe0) >>> 0;
        const bits = device.read32(CMDQ_BASE) & 31;
        const prod = device.read32(CMDQ_PROD);
        const at = (base % 2 ** 32) + 16 * (prod & (2 ** Math.min(bits, 16) - 1));
        if (!memory.contains(at, 16)) return;
        memory.write64(at, first, second);
        memory.write64(at + 8, third, (first ^ third) >>> 0);
        device.write32(CMDQ_PROD, (prod + 1) & (2 ** (Math.min(bits, 19) + 1) - 1));
        return;
      }
      case 'map':
        this.#map(first, second, third);
        return;
      case 'unmap':
        this.#unmap(first, second);
        return;
      case 'faults':
        machine.watch.invalidation.end(false);
        driver.handleEvents();
        return;
      default:
        this.#access(first, second === 1);
    }
  }

  #map(page: number, count: number, frame: number): void {
    for (let at = page; at < page + count; at++) if (this.mapped.has(at)) return;
    const pa = RAM + frame * PAGE;
    const result = this.machine.driver.map(this.domain, IOVA + page * PAGE, pa, count * PAGE, Prot.READ | Prot.WRITE);
    if (this.honest) demand(result === 0, `a map returned ${result}`);
    for (let at = 0; at < count; at++) this.mapped.set(page + at, pa + at * PAGE);
  }

  #unmap(page: number, count: number): void {
    for (let at = page; at < page + count; at++) if (!this.mapped.has(at)) return;
    const gather = newGather();
    const { driver, clock } = this.machine;
    driver.now = clock.cycles;
    const bytes = driver.unmap(this.domain, IOVA + page * PAGE, count * PAGE, gather);
    driver.iotlbSync(this.domain, gather);
    clock.cycles = Math.max(clock.cycles, driver.now);
    if (this.honest) demand(bytes === count * PAGE, `an unmap of ${count} pages gave ${bytes} bytes`);
    for (let at = page; at < page + count; at++) this.mapped.delete(at);
  }

  #access(page: number, write: boolean): void {
    const { machine, request } = this;
    const { device, driver, clock } = machine;
    const iova = IOVA + page * PAGE + 64;
    const id = driver.activate(this.domain, this.stream);
    const flags = write ? AccessFlag.WRITE : AccessFlag.READ;
    request.ask(
      ((id % device.mmu.config.masters) + device.mmu.config.masters) % device.mmu.config.masters,
      id,
      -1,
      iova,
      flags,
      clock.cycles,
      64,
    );
    const served = device.translate(request);
    clock.cycles = Math.max(clock.cycles, request.completion);
    driver.idle(this.domain);
    demand(served === (request.fault === FaultKind.NONE && served), 'served or faulted');
    demand(Number.isFinite(request.completion), 'a completion time');
    if (!this.honest) return;
    const pa = this.mapped.get(page);
    demand(served === (pa !== undefined), `page ${page}: ${served ? 'served' : 'refused'}`);
    if (served && pa !== undefined) demand(request.pa === pa + 64, `page ${page} led to 0x${request.pa.toString(16)}`);
    if (!served) driver.handleEvents();
  }
}

function deviceTarget(model: MmuName, drivers: readonly string[]): Target {
  const size = model === 'smmuv3' ? 0x2_0000 : model === 'mali' ? 0x4000 : 0x2_0000;
  return {
    name: `device-${model}`,
    about: `register, command, edit and access programs on ${model}: no exception, no endless work, what is mapped is served`,
    slice: 6,
    make(random) {
      const wild = random.chance(0.7);
      const steps: Step[] = [['driver', random.below(drivers.length)]];
      for (let left = 4 + random.below(60); left > 0; left--) {
        const page = random.below(24);
        const count = 1 + random.below(5);
        const word = random.chance(0.5) ? 2 ** random.below(32) : random.below(2 ** 32);
        const kind = random.below(wild ? 9 : 4);
        if (kind === 0) steps.push(['map', page, count, random.below(64)]);
        else if (kind === 1) steps.push(['unmap', page, count]);
        else if (kind <= 3) steps.push(['access', page, random.below(2)]);
        else if (kind === 4) steps.push(['read', 4 * random.below(size / 4)]);
        else if (kind === 5) steps.push(['faults']);
        else if (kind === 6 && model === 'smmuv3') {
          const opcode = pick(
            random,
            [
              0x01, 0x02, 0x03, 0x04, 0x05, 0x10, 0x11, 0x12, 0x20, 0x28, 0x2a, 0x30, 0x40, 0x41, 0x43, 0x44, 0x46,
              0xff,
            ],
          );
          steps.push([
            'command',
            (opcode | (random.chance(0.3) ? word & 0xffff_ff00 : 0)) >>> 0,
            random.below(2 ** 32),
            word,
          ]);
        } else if (kind === 7) steps.push(['store', tableAddress(random.below(2 ** 14)), word]);
        else steps.push(['write', 4 * random.below(random.chance(0.5) ? 0x40 : size / 4), word]);
      }
      return steps;
    },
    run(parts) {
      const steps = parts as readonly Step[];
      const which = steps.find(([what]) => what === 'driver')?.[1] ?? 0;
      const rig = new Rig(model, drivers[which] ?? drivers[0] ?? '');
      for (const step of steps) if (step[0] !== 'driver') rig.step(step);
      if (rig.honest)
        demand(
          rig.machine.sanitizer.total === 0,
          `the sanitizer found ${[...rig.machine.sanitizer.countsByKind().keys()].join()}`,
        );
    },
  };
}

/** Where the machine's tables, queues and structures lie: the first megabytes of its second bank. */
function tableAddress(word: number): number {
  return 0x8_8000_0000 + 4 * word * 64;
}

export const DEVICE_TARGETS: readonly Target[] = Object.values(MMUS).map(({ name, drivers }) =>
  deviceTarget(name as MmuName, drivers),
);
