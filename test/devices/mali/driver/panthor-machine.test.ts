/** Panthor as the driver of a whole machine: what it maps is reached, what it unmaps is not, also when address spaces change hands. */
import { describe, expect, it } from 'vitest';
import {
  type FlushBug,
  type IommuDomain,
  type Machine,
  MaliMmu,
  PANTHOR_KERNELS,
  PanthorDriver,
  type PanthorKernel,
  Machine as RealMachine,
} from '../../../../devices/index.ts';
import { ADDRESS_SPACE, AsCommand, addressSpaceBase } from '../../../../devices/mali/spec/index.ts';
import { AccessFlag, TranslationRequest } from '../../../../emulator/index.ts';
import { newGather, Prng, Prot } from '../../../../formats/index.ts';
import { readRunConfig } from '../../../../traces/index.ts';

const PAGE = 4096;
const HUGE = 2 ** 21;
const IOVA = 0x1000_0000;
const PA = 0x9000_0000;
const RW = Prot.READ | Prot.WRITE | Prot.CACHE;

class Rig {
  readonly machine: Machine;
  readonly driver: PanthorDriver;
  readonly device: MaliMmu;
  readonly request = new TranslationRequest();

  constructor(kernel: PanthorKernel, more: Record<string, unknown> = {}) {
    this.machine = new RealMachine(
      readRunConfig({
        iommu: { model: 'mali', driver: `panthor-${kernel}` },
        // Small, so that translations are evicted only by what the driver does.
        mali: { asPresent: 0xf },
        ...more,
      }),
    );
    const { driver, device } = this.machine;
    if (!(driver instanceof PanthorDriver && device instanceof MaliMmu)) throw new Error('not a Mali with panthor');
    this.driver = driver;
    this.device = device;
  }

  domain(): IommuDomain {
    const domain = this.machine.createDomain();
    if (domain === null) throw new Error('no memory');
    return domain;
  }

  /** What an access through a domain reaches, or null. */
  reach(domain: IommuDomain, iova: number): number | null {
    const { machine, device, request } = this;
    const { driver } = machine;
    const slot = driver.activate(domain, 0);
    request.ask(0, slot, -1, iova, AccessFlag.READ, device.now, 64);
    const reached = device.translate(request);
    driver.idle(domain);
    if (!reached) driver.handleEvents();
    return reached ? request.pa : null;
  }

  unmap(domain: IommuDomain, iova: number, size: number): number {
    const { watch } = this.machine;
    this.machine.sanitizer.operation++;
    watch.invalidation.begin();
    const bytes = this.machine.driver.unmap(domain, iova, size, newGather());
    watch.invalidation.end(true);
    return bytes;
  }
}

describe.each(PANTHOR_KERNELS)('a machine with panthor %s', (kernel) => {
  it('reaches what is mapped, and nothing after the unmap, whoever has the address spaces by then', () => {
    const rig = new Rig(kernel);
    const { driver, machine } = rig;
    const domains = Array.from({ length: 6 }, () => rig.domain());
    const prng = new Prng(7);
    const plain = domains.map(() => new Map<number, number>());
    for (let step = 0; step < 600; step++) {
      const at = prng.below(domains.length);
      const domain = domains[at] as IommuDomain;
      const pages = plain[at] as Map<number, number>;
      const page = prng.below(64);
      const iova = IOVA + page * 16 * PAGE;
      const known = pages.get(page);
      if (known === undefined) {
        const pa = PA + prng.below(1024) * 16 * PAGE;
        expect(machine.driver.map(domain, iova, pa, 16 * PAGE, RW)).toBe(0);
        pages.set(page, pa);
      } else if (prng.chance(0.4)) {
        expect(rig.unmap(domain, iova, 16 * PAGE)).toBe(16 * PAGE);
        pages.delete(page);
      }
      const expected = pages.get(page);
      expect(rig.reach(domain, iova + 0x2040)).toBe(expected === undefined ? null : expected + 0x2040);
    }
    expect(rig.driver.mmu.counters.evictions).toBeGreaterThan(50);
    expect([...machine.sanitizer.countsByKind()]).toEqual([]);
    expect([...driver.host.warnings]).toEqual([]);
    for (const domain of domains) machine.freeDomain(domain);
    machine.tables.close();
    expect(machine.sanitizer.total).toBe(0);
  });

  it('cuts a 2 MiB page, and accounts for the tables that were set aside for it', () => {
    const rig = new Rig(kernel);
    const domain = rig.domain();
    expect(rig.machine.driver.map(domain, IOVA, PA, HUGE, RW)).toBe(0);
    expect(rig.unmap(domain, IOVA + 4 * PAGE, PAGE)).toBe(PAGE);
    expect(rig.reach(domain, IOVA + 3 * PAGE)).toBe(PA + 3 * PAGE);
    expect(rig.reach(domain, IOVA + 4 * PAGE)).toBeNull();
    expect(rig.reach(domain, IOVA + 5 * PAGE)).toBe(PA + 5 * PAGE);
    const { reserved, used, returned, remappedBytes } = rig.driver.totals();
    // Three levels for the map, of which a 2 MiB page needs two; one for the cut.
    expect([reserved, used, returned]).toEqual([4, 3, 1]);
    expect(remappedBytes).toBe(kernel === '7.3' ? HUGE - PAGE : 0);
  });

  it('has the GPU reset when a command is stuck, and goes on', () => {
    const rig = new Rig(kernel);
    const domain = rig.domain();
    rig.machine.driver.map(domain, IOVA, PA, PAGE, RW);
    expect(rig.reach(domain, IOVA)).toBe(PA);
    rig.device.stick(domain.asid);
    rig.unmap(domain, IOVA, PAGE);
    expect(rig.driver.host.resets).toBe(1);
    expect(rig.driver.mmu.allocated).toBe(0);
    rig.machine.driver.map(domain, IOVA + PAGE, PA + PAGE, PAGE, RW);
    expect(rig.reach(domain, IOVA + PAGE)).toBe(PA + PAGE);
  });

  it('shows each misuse that only a device with locks and regions sees', () => {
    const rig = new Rig(kernel);
    const { device } = rig;
    const domain = rig.domain();
    rig.machine.driver.map(domain, IOVA, PA, PAGE, RW);
    rig.reach(domain, IOVA);
    const command = addressSpaceBase(domain.asid) + ADDRESS_SPACE.AS_COMMAND.offset;
    const write = (value: number): void => {
      while ((device.read32(addressSpaceBase(domain.asid) + ADDRESS_SPACE.AS_STATUS.offset) & 1) !== 0) device.delay(1);
      device.write32(command, value);
    };
    write(AsCommand.FLUSH_MEM);
    device.write32(command, AsCommand.NOP);
    rig.reach(domain, IOVA);
    device.write32(addressSpaceBase(domain.asid) + ADDRESS_SPACE.AS_TRANSTAB.offset, 0x8100_0000);
    write(AsCommand.UPDATE);
    device.write32(addressSpaceBase(domain.asid) + ADDRESS_SPACE.AS_LOCKADDR.offset, 0x3f);
    write(AsCommand.LOCK);
    device.delay(10);
    rig.reach(domain, IOVA);
    expect([...rig.machine.sanitizer.countsByKind()]).toEqual([
      ['command-while-active', 1],
      ['reused-context', 1],
      ['locked-out', 1],
    ]);
  });

  it('reports a fault once, and enables the address space again for whoever uses it next', () => {
    const rig = new Rig(kernel);
    const domain = rig.domain();
    rig.machine.driver.map(domain, IOVA, PA, PAGE, RW);
    expect(rig.reach(domain, IOVA + PAGE)).toBeNull();
    expect(rig.driver.handleEvents()).toBe(0);
    expect(rig.driver.counters().events).toBe(1);
    expect(rig.reach(domain, IOVA)).toBe(PA);
  });
});

describe('a huge page of which a part goes', () => {
  it.each([
    ['6.12', ['break-before-make']],
    ['7.3', []],
  ] as const)('%s: the sanitizer finds %j, since only 7.3 has it locked meanwhile', (kernel, kinds) => {
    const rig = new Rig(kernel);
    const domain = rig.domain();
    rig.machine.driver.map(domain, IOVA, PA, HUGE, RW);
    rig.reach(domain, IOVA);
    rig.unmap(domain, IOVA + 4 * PAGE, PAGE);
    expect([...rig.machine.sanitizer.countsByKind().keys()]).toEqual(kinds);
  });
});

describe('a flush that goes wrong', () => {
  function kindsAfter(kernel: PanthorKernel, bug: FlushBug): string[] {
    const rig = new Rig(kernel);
    const domain = rig.domain();
    rig.machine.driver.map(domain, IOVA, PA, 64 * PAGE, RW);
    rig.reach(domain, IOVA);
    rig.reach(domain, IOVA + 48 * PAGE);
    rig.driver.host.flushBug = () => bug;
    rig.unmap(domain, IOVA, 64 * PAGE);
    rig.reach(domain, IOVA + 48 * PAGE);
    return [...rig.machine.sanitizer.countsByKind().keys()].sort();
  }

  it('is found when 6.12 forgets it, flushes too little, or everything', () => {
    expect(kindsAfter('6.12', 'none')).toEqual([]);
    expect(kindsAfter('6.12', 'forgotten')).toEqual(['missing-invalidation']);
    expect(kindsAfter('6.12', 'too-small')).toEqual(['short-flush']);
    expect(kindsAfter('6.12', 'whole-space')).toEqual([]);
  });

  it('is found when 7.3 forgets it, because the lock stays', () => {
    expect(kindsAfter('7.3', 'none')).toEqual([]);
    expect(kindsAfter('7.3', 'forgotten')).toEqual(['locked-out', 'missing-invalidation']);
  });
});
