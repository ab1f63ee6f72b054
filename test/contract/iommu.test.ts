import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type IommuDomain, Machine, MMUS, type MmuName } from '../../devices/index.ts';
import { AccessFlag, TranslationRequest } from '../../emulator/index.ts';
import { newGather, Prot } from '../../formats/index.ts';
import { runConfig } from '../../traces/index.ts';

/** Every MMU of the registry with every driver of its own: one line there puts an MMU here. */
const KINDS = Object.values(MMUS).flatMap(({ name, drivers }) =>
  drivers.map((driver) => [name as MmuName, driver] as const),
);

const PAGE = 4096;
const RAM = 0x4000_0000;
const IOVA = 0x1000_0000;

/** Whether a register read gave 32 bits, unsigned. */
const isHalf = (value: number): boolean => value === value >>> 0;

/** One machine with an address space that a device uses. */
class Rig {
  readonly machine: Machine;
  readonly domain: IommuDomain;
  readonly request = new TranslationRequest();
  readonly stream: number;

  constructor(model: MmuName, driver: string) {
    this.machine = new Machine(runConfig({ iommu: { model, driver } }));
    this.stream = Math.min(3, this.machine.driver.streamCount - 1);
    this.domain = this.newDomain();
    this.machine.driver.attach(this.domain, this.stream);
  }

  newDomain(): IommuDomain {
    const domain = this.machine.createDomain();
    if (domain === null) throw new Error('no memory for a domain');
    return domain;
  }

  map(iova: number, pa: number, size: number, prot: number = Prot.READ | Prot.WRITE): number {
    return this.machine.driver.map(this.domain, iova, pa, size, prot);
  }

  unmap(iova: number, size: number): number {
    const gather = newGather();
    const { driver, clock } = this.machine;
    driver.now = clock.cycles;
    const bytes = driver.unmap(this.domain, iova, size, gather);
    driver.iotlbSync(this.domain, gather);
    clock.cycles = Math.max(clock.cycles, driver.now);
    return bytes;
  }

  /** Physical address of an access, -1 when it is refused. */
  access(iova: number, write = false): number {
    const { device, driver, clock } = this.machine;
    const id = driver.activate(this.domain, this.stream);
    const { request } = this;
    request.ask(
      id % device.mmu.config.masters,
      id,
      -1,
      iova,
      write ? AccessFlag.WRITE : AccessFlag.READ,
      clock.cycles,
      64,
    );
    const done = device.translate(request);
    clock.cycles = request.completion;
    driver.idle(this.domain);
    return done ? request.pa : -1;
  }

  /** Lets the driver take what faults there are. @returns how many it took */
  faults(): number {
    const { driver, clock } = this.machine;
    driver.now = clock.cycles;
    const taken = driver.handleEvents();
    clock.cycles = Math.max(clock.cycles, driver.now);
    return taken;
  }
}

it('every MMU names what its driver waits with', () => {
  const names = Object.values(MMUS).map(({ completion }) => completion);
  expect(new Set(names).size).toBe(names.length);
});

describe.each(KINDS)('%s with %s', (model, driver) => {
  it('translates what is mapped, in every page, and nothing beside it', () => {
    const rig = new Rig(model, driver);
    expect(rig.map(IOVA, RAM, 3 * PAGE)).toBe(0);
    for (let page = 0; page < 3; page++) expect(rig.access(IOVA + page * PAGE + 0x123)).toBe(RAM + page * PAGE + 0x123);
    expect(rig.access(IOVA - PAGE)).toBe(-1);
    rig.faults();
    expect(rig.access(IOVA + 3 * PAGE)).toBe(-1);
    rig.faults();
    expect(rig.access(IOVA)).toBe(RAM);
  });

  it('faults on what was unmapped and invalidated, however often it was used before', () => {
    const rig = new Rig(model, driver);
    rig.map(IOVA, RAM, 2 * PAGE);
    rig.access(IOVA);
    rig.access(IOVA);
    expect(rig.unmap(IOVA, PAGE)).toBe(PAGE);
    expect(rig.access(IOVA)).toBe(-1);
    rig.faults();
    expect(rig.access(IOVA + PAGE)).toBe(RAM + PAGE);
    expect(rig.machine.sanitizer.total).toBe(0);
  });

  it('answers with the new address after an unmap and a map of the same range', () => {
    const rig = new Rig(model, driver);
    for (let round = 0; round < 5; round++) {
      const pa = RAM + round * 0x10_0000;
      expect(rig.map(IOVA, pa, PAGE)).toBe(0);
      expect(rig.access(IOVA + 8)).toBe(pa + 8);
      expect(rig.unmap(IOVA, PAGE)).toBe(PAGE);
    }
  });

  it('refuses a write to what is mapped for reading, and lets reads through', () => {
    const rig = new Rig(model, driver);
    rig.map(IOVA, RAM, PAGE, Prot.READ);
    expect(rig.access(IOVA)).toBe(RAM);
    expect(rig.access(IOVA, true)).toBe(-1);
  });

  it('reports a fault to the driver once', () => {
    const rig = new Rig(model, driver);
    rig.map(IOVA, RAM, PAGE);
    rig.access(IOVA);
    expect(rig.faults()).toBe(0);
    rig.access(IOVA + 16 * PAGE);
    expect(rig.faults()).toBe(1);
    expect(rig.faults()).toBe(0);
  });

  it('keeps address spaces apart, and a detached stream reaches none', () => {
    const rig = new Rig(model, driver);
    const { machine, domain, stream } = rig;
    rig.map(IOVA, RAM, PAGE);
    expect(rig.access(IOVA)).toBe(RAM);
    const other = rig.newDomain();
    machine.driver.detach(domain, stream);
    machine.driver.attach(other, stream);
    machine.driver.map(other, IOVA, RAM + 0x100_0000, PAGE, Prot.READ | Prot.WRITE);
    const id = machine.driver.activate(other, stream);
    rig.request.ask(id % machine.device.mmu.config.masters, id, -1, IOVA, AccessFlag.READ, machine.clock.cycles, 64);
    expect(machine.device.translate(rig.request)).toBe(true);
    expect(rig.request.pa).toBe(RAM + 0x100_0000);
  });

  it('gives every table back, and leaves no translation behind', () => {
    const rig = new Rig(model, driver);
    const { machine, domain, stream } = rig;
    for (let at = 0; at < 8; at++) rig.map(IOVA + at * 0x20_0000, RAM + at * PAGE, PAGE);
    for (let at = 0; at < 8; at++) rig.access(IOVA + at * 0x20_0000);
    machine.driver.detach(domain, stream);
    machine.freeDomain(domain);
    machine.tables.close();
    const { total } = machine.tables.report();
    expect(total.frees).toBe(total.allocations);
    expect(machine.sanitizer.total).toBe(0);
  });

  it('agrees with a model of pages over random maps, unmaps and accesses', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(2), fc.nat(15), fc.integer({ min: 1, max: 4 }), fc.nat(200)), { maxLength: 60 }),
        (steps) => {
          const rig = new Rig(model, driver);
          const pages = new Map<number, number>();
          for (const [what, first, count, frame] of steps) {
            const range = Array.from({ length: count }, (_, at) => first + at);
            const iova = IOVA + first * PAGE;
            if (what === 0 && range.every((page) => !pages.has(page))) {
              expect(rig.map(iova, RAM + frame * 0x1_0000, count * PAGE)).toBe(0);
              for (const [at, page] of range.entries()) pages.set(page, RAM + frame * 0x1_0000 + at * PAGE);
            } else if (what === 1 && range.every((page) => pages.has(page))) {
              expect(rig.unmap(iova, count * PAGE)).toBe(count * PAGE);
              for (const page of range) pages.delete(page);
            } else {
              expect(rig.access(iova + 64)).toBe((pages.get(first) ?? -65) + 64);
              rig.faults();
            }
          }
          expect(rig.machine.sanitizer.total).toBe(0);
        },
      ),
      { numRuns: 12 },
    );
  });

  it('lets nothing out whatever is written to its registers: no exception, no endless work', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(0x2_0000), fc.integer({ min: 0, max: 0xffff_ffff }), fc.boolean()), { maxLength: 80 }),
        (writes) => {
          const rig = new Rig(model, driver);
          const { device } = rig.machine;
          let halves = true;
          for (const [offset, value, reads] of writes) {
            const at = offset - (offset % 4);
            if (reads) halves &&= isHalf(device.read32(at));
            else device.write32(at, value);
          }
          expect(halves).toBe(true);
          const { request } = rig;
          request.ask(0, 0, -1, IOVA, AccessFlag.READ, 0, 64);
          expect(typeof device.translate(request)).toBe('boolean');
        },
      ),
      // The soak does more.
      { numRuns: 12 },
    );
  });
});
