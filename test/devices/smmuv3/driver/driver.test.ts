import { describe, expect, it } from 'vitest';
import {
  CommandError,
  Cr0,
  type DomainConfig,
  decodeCommand,
  FlushQueue,
  Gerror,
  NO_BUGS,
  REGISTERS,
} from '../../../../devices/index.ts';
import { AccessFlag, Outcome } from '../../../../emulator/index.ts';
import { DirtyFlag, Errno, newGather, Prot, Quirk, resetGather } from '../../../../formats/index.ts';
import { last, translates } from '../../access.ts';
import { machineWith } from '../machine.ts';

const RW = Prot.READ | Prot.WRITE;
const STREAM = 0x100;

describe('Smmuv3Driver', () => {
  it('brings an SMMU up from its registers, so that a mapped page translates and others fault', () => {
    const { smmu, makeDriver } = machineWith();
    const driver = makeDriver();
    const domain = driver.createDomain();
    driver.attach(domain, STREAM);
    expect(driver.map(domain, 0xffffc000, 0x1234_5000, 4096, RW)).toBe(0);
    expect(translates(smmu, STREAM, -1, 0xffffc123, AccessFlag.WRITE)).toBe(true);
    expect(last.pa).toBe(0x1234_5123);
    expect(translates(smmu, STREAM, -1, 0xffffd000, AccessFlag.READ)).toBe(false);
    expect(last.outcome).toBe(Outcome.ABORTED);
    const records: unknown[] = [];
    driver.interrupts.onEvent = (record) => records.push(record);
    expect(driver.handleEvents()).toBe(1);
    expect(records).toMatchObject([
      { name: 'F_TRANSLATION', fields: { StreamID: STREAM, RnW: 1, S2: 0, CLASS: 2, InputAddress: 0xffffd000 } },
    ]);
  });

  it('leaves nothing in the TLBs after unmap and sync', () => {
    const { smmu, makeDriver } = machineWith();
    const driver = makeDriver();
    const domain = driver.createDomain();
    driver.attach(domain, STREAM);
    driver.map(domain, 0x10_0000, 0x4000_0000, 8 * 4096, RW);
    for (let page = 0; page < 8; page++) translates(smmu, STREAM, -1, 0x10_0000 + page * 4096, 0);
    const gather = newGather();
    expect(driver.unmap(domain, 0x10_0000, 8 * 4096, gather)).toBe(8 * 4096);
    expect(translates(smmu, STREAM, -1, 0x10_0000, 0)).toBe(true);
    driver.iotlbSync(domain, gather);
    for (let page = 0; page < 8; page++) {
      expect(translates(smmu, STREAM, -1, 0x10_0000 + page * 4096, 0)).toBe(false);
    }
    expect(driver.counters()).toMatchObject({ byAddress: 1, byWalkRange: 0, all: 0 });
    expect(driver.counters().commandsByName).toMatchObject({ TLBI_NH_VA: 1 });
  });

  it('refuses what the kernel refuses, and undoes a map that fails midway', () => {
    const { makeDriver } = machineWith();
    const driver = makeDriver();
    const domain = driver.createDomain({ ias: 32 });
    expect(driver.map(domain, 0x800, 0, 4096, RW)).toBe(-Errno.EINVAL);
    expect(driver.map(domain, 0, 0, -4096, RW)).toBe(-Errno.EINVAL);
    expect([driver.map(domain, 0, 0, 0, RW), domain.mapped, domain.table.iovaToPhys(0)]).toEqual([0, 0, 0]);
    driver.map(domain, 0x3000, 0x8000, 4096, RW);
    expect(driver.map(domain, 0x1000, 0x1000, 3 * 4096, RW)).toBe(-Errno.EEXIST);
    expect(domain.table.iovaToPhys(0x1000)).toBe(0);
    expect(domain.table.iovaToPhys(0x3000)).toBe(0x8000);
    expect(driver.unmap(domain, 0x3000, 0x800, newGather())).toBe(0);
    // Into the next table, where the second page is taken: a device may have used the first one for a moment.
    const M2 = 2 ** 21;
    driver.map(domain, M2, 0x8000, 4096, RW);
    const before = driver.counters();
    expect(driver.map(domain, M2 - 4096, 0x1000, 2 * 4096, RW)).toBe(-Errno.EEXIST);
    const after = driver.counters();
    expect([domain.table.iovaToPhys(M2 - 4096), domain.table.iovaToPhys(M2)]).toEqual([0, 0x8000]);
    expect([after.byAddress - before.byAddress, after.syncs - before.syncs]).toEqual([1, 1]);
  });
});

/** Unmaps a range strictly. */
function unmapStrict(
  driver: ReturnType<ReturnType<typeof machineWith>['makeDriver']>,
  ...[domain, iova, size]: [Parameters<typeof driver.unmap>[0], number, number]
): void {
  const gather = newGather();
  driver.unmap(domain, iova, size, gather);
  driver.iotlbSync(domain, gather);
}

describe('invalidation commands', () => {
  it('a start-up sends what Linux sends: all configurations, all translations, each with a SYNC', () => {
    const driver = machineWith().makeDriver();
    expect(driver.counters().commandsByName).toEqual({ CFGI_STE_RANGE: 1, TLBI_NSNH_ALL: 1, SYNC: 2 });
  });

  it('an unmap of many pages is one range command with ranges, and one per page, 64 to a doorbell, without', () => {
    for (const rangeInvalidation of [true, false]) {
      const { smmu, makeDriver } = machineWith({ rangeInvalidation });
      const driver = makeDriver();
      const domain = driver.createDomain();
      driver.attach(domain, STREAM);
      driver.map(domain, 0x10_0000, 0x4000_0000, 200 * 4096, RW);
      let doorbells = 0;
      const write32 = smmu.write32.bind(smmu);
      smmu.write32 = (offset, value) => {
        if (offset === REGISTERS.CMDQ_PROD.offset) doorbells++;
        write32(offset, value);
      };
      const before = driver.counters();
      unmapStrict(driver, domain, 0x10_0000, 200 * 4096);
      const after = driver.counters();
      // 200 pages are 25 units of 2^3 pages.
      expect(after.commands - before.commands).toBe(rangeInvalidation ? 1 : 200);
      expect(after.byAddress - before.byAddress).toBe(1);
      expect(after.syncs - before.syncs).toBe(1);
      expect(doorbells).toBe(rangeInvalidation ? 1 : 4);
    }
  });

  it('useRanges off sends single addresses also where the SMMU has ranges', () => {
    const driver = machineWith({}, { driver: { useRanges: false } }).makeDriver();
    const domain = driver.createDomain();
    driver.map(domain, 0, 0x4000_0000, 8 * 4096, RW);
    const before = driver.counters().commands;
    unmapStrict(driver, domain, 0, 8 * 4096);
    expect(driver.counters().commands - before).toBe(8);
  });

  it('a table that goes away is flushed with leaf = 0 over what it covered, before the leaf that replaces it can be used', () => {
    const { smmu, makeDriver } = machineWith();
    const driver = makeDriver();
    const domain = driver.createDomain();
    driver.attach(domain, STREAM);
    const M2 = 2 ** 21;
    driver.map(domain, M2, 0x4000_0000, 4096, RW);
    translates(smmu, STREAM, -1, M2, AccessFlag.READ);
    // Unmapping the page leaves its table; a block in its place frees it.
    unmapStrict(driver, domain, M2, 4096);
    driver.map(domain, M2, 0x5000_0000 - (0x5000_0000 % M2), M2, RW);
    expect(driver.counters().byWalkRange).toBe(1);
    expect(translates(smmu, STREAM, -1, M2 + 0x5000, AccessFlag.READ)).toBe(true);
    expect(last.pa).toBe(0x5000_5000);
  });

  it('leaves of different sizes in one gather are invalidated apart, each with its level', () => {
    const { makeDriver } = machineWith();
    const driver = makeDriver();
    const domain = driver.createDomain();
    const M2 = 2 ** 21;
    driver.map(domain, M2 - 4096, 0x4000_0000 + M2 - 4096, 4096 + M2, RW);
    unmapStrict(driver, domain, M2 - 4096, 4096 + M2);
    expect(driver.counters().byAddress).toBe(2);
  });

  it('leaves of one size with a hole between them are invalidated apart, what the hole holds stays', () => {
    const { smmu, makeDriver } = machineWith();
    const driver = makeDriver();
    const domain = driver.createDomain();
    driver.attach(domain, STREAM);
    driver.map(domain, 0x1000, 0x4000_0000, 3 * 4096, RW);
    const gather = newGather();
    driver.unmap(domain, 0x1000, 4096, gather);
    driver.unmap(domain, 0x3000, 4096, gather);
    driver.iotlbSync(domain, gather);
    expect(driver.counters().byAddress).toBe(2);
    translates(smmu, STREAM, -1, 0x2000, AccessFlag.READ);
    expect(driver.counters().commandsByName).toMatchObject({ TLBI_NH_VA: 2 });
    // Neighbours are one.
    const near = newGather();
    driver.map(domain, 0x1000, 0x4000_0000, 4096, RW);
    for (const iova of [0x1000, 0x2000]) driver.unmap(domain, iova, 4096, near);
    driver.iotlbSync(domain, near);
    expect(driver.counters().byAddress).toBe(3);
  });

  it('a stage 2 domain is invalidated by IPA and VMID', () => {
    const { smmu, makeDriver } = machineWith();
    const driver = makeDriver();
    const domain = driver.createDomain({ format: 'ARM_64_LPAE_S2', ias: 40 });
    driver.attach(domain, STREAM);
    driver.map(domain, 0x1000, 0x4000_0000, 4096, RW);
    expect(translates(smmu, STREAM, -1, 0x1000, AccessFlag.READ)).toBe(true);
    unmapStrict(driver, domain, 0x1000, 4096);
    driver.flushDomain(domain);
    expect(driver.counters().commandsByName).toMatchObject({ TLBI_S2_IPA: 1, TLBI_S12_VMALL: 1 });
    expect(translates(smmu, STREAM, -1, 0x1000, AccessFlag.READ)).toBe(false);
  });

  it('a command that the SMMU refuses is replaced by a SYNC, and the rest goes on', () => {
    const { smmu, makeDriver } = machineWith();
    const driver = makeDriver();
    driver.queue.add('TLBI_EL2_ALL', {});
    driver.queue.add('TLBI_NSNH_ALL', {});
    driver.queue.sync();
    expect(driver.queue.refused).toBe(1);
    expect(smmu.read32(REGISTERS.CMDQ_CONS.offset) & 0xfffff).toBe(smmu.read32(REGISTERS.CMDQ_PROD.offset));
    expect(smmu.interrupts.activeErrors).toBe(0);
  });

  it('a command that could not be read is read once more, unchanged', () => {
    const { smmu, makeDriver } = machineWith();
    const driver = makeDriver();
    const { execute } = smmu.commands;
    let aborts = 1;
    smmu.commands.execute = (pa) => (aborts-- > 0 ? CommandError.ABORT : execute.call(smmu.commands, pa));
    driver.queue.add('TLBI_NSNH_ALL', {});
    driver.queue.sync();
    expect([driver.queue.fetchAborts, driver.queue.refused, smmu.interrupts.activeErrors]).toEqual([1, 0, 0]);
    expect(smmu.commands.byOpcode[0x30]).toBe(2);
    // For good: the error stays, and nothing is thrown away.
    aborts = Number.POSITIVE_INFINITY;
    driver.queue.sync();
    expect([driver.queue.fetchAborts, driver.queue.refused]).toEqual([3, 0]);
    expect(smmu.interrupts.activeErrors).toBe(Gerror.CMDQ_ERR);
  });

  it('the queue in memory holds what was sent, over many wraps', () => {
    const { smmu, memory, makeDriver } = machineWith({}, { driver: { commandQueueBits: 4, batch: 8 } });
    const driver = makeDriver();
    const domain = driver.createDomain();
    driver.attach(domain, STREAM);
    for (let i = 0; i < 100; i++) {
      driver.map(domain, i * 4096, 0x4000_0000, 4096, RW);
      unmapStrict(driver, domain, i * 4096, 4096);
      const prod = smmu.read32(REGISTERS.CMDQ_PROD.offset);
      const low = smmu.read32(REGISTERS.CMDQ_BASE.offset) & ~0x1f;
      const at = memory.index((low >>> 0) + 16 * ((prod + 14) & 15));
      expect(decodeCommand(memory.words, at)).toMatchObject({
        name: 'TLBI_NH_VA',
        fields: { ASID: domain.tag, Address: i * 4096, Leaf: 1, TTL: 3, TG: 1 },
      });
    }
    expect(driver.queue.refused).toBe(0);
  });
});

describe('cost', () => {
  it('an empty CMD_SYNC takes the 280 ns that were measured when polling on its MSI, 190 ns with SEV', () => {
    const cycles = (['msi', 'sev'] as const).map((wait) => {
      const driver = machineWith({}, { driver: { wait } }).makeDriver();
      driver.now = 1e6;
      driver.queue.sync();
      return driver.now - 1e6;
    });
    const [msi = 0, sev = 0] = cycles;
    expect(msi).toBe(280);
    expect(sev).toBe(190);
  });

  it('is counted apart from the waiting, and moves the clock of the driver by as much', () => {
    const driver = machineWith().makeDriver();
    driver.now = 5000;
    const before = driver.counters();
    driver.flushDomain(driver.createDomain());
    const after = driver.counters();
    expect(driver.now - 5000).toBe(after.cycles - before.cycles);
    expect(after.waitCycles - before.waitCycles).toBeGreaterThan(0);
    expect(after.waitCycles).toBeLessThan(after.cycles);
  });

  it('a per-address invalidation of 2 MiB costs many times the flush of the address space', () => {
    const cost = (whole: boolean): number => {
      const driver = machineWith({ rangeInvalidation: false }).makeDriver();
      const domain = driver.createDomain({ pageSizes: 4096 });
      driver.map(domain, 0, 0x4000_0000, 2 ** 21, RW);
      const gather = newGather(whole);
      driver.unmap(domain, 0, 2 ** 21, gather);
      const before = driver.counters().cycles;
      if (whole) driver.flushDomain(domain);
      else driver.iotlbSync(domain, gather);
      return driver.counters().cycles - before;
    };
    expect(cost(false) / cost(true)).toBeGreaterThan(5);
  });
});

describe('lazy invalidation', () => {
  it('leaves a window until the flush queue invalidates the whole address space', () => {
    const { smmu, makeDriver } = machineWith();
    const driver = makeDriver();
    const domain = driver.createDomain();
    driver.attach(domain, STREAM);
    const freed: number[] = [];
    const lazy = new FlushQueue({}, { flush: () => driver.flushDomain(domain), release: (iova) => freed.push(iova) });
    driver.map(domain, 0x1000, 0x4000_0000, 4096, RW);
    translates(smmu, STREAM, -1, 0x1000, AccessFlag.READ);
    const gather = newGather(true);
    driver.unmap(domain, 0x1000, 4096, gather);
    lazy.add(0x1000, 4096, 0);
    expect(gather.pageSize).toBe(0);
    expect(translates(smmu, STREAM, -1, 0x1000, AccessFlag.READ)).toBe(true);
    lazy.advance(0.016);
    expect(freed).toEqual([0x1000]);
    expect(translates(smmu, STREAM, -1, 0x1000, AccessFlag.READ)).toBe(false);
    expect(driver.counters()).toMatchObject({ byAddress: 0, all: 1 });
  });
});

describe('domains', () => {
  it('get the lowest free ASID, from 1 on', () => {
    const driver = machineWith().makeDriver();
    const [a, b] = [driver.createDomain(), driver.createDomain()];
    expect([a.tag, b.tag]).toEqual([1, 2]);
    driver.freeDomain(a);
    expect(driver.createDomain().tag).toBe(1);
    expect(driver.createDomain().tag).toBe(3);
  });

  it('run out of ASIDs with an error that names the field', () => {
    const driver = machineWith({ asidBits: 8 }).makeDriver();
    for (let i = 0; i < 255; i++) driver.createDomain();
    expect(() => driver.createDomain()).toThrow(/asid/);
  });

  it('give back every table when they are freed', () => {
    const { pages, makeDriver } = machineWith();
    const driver = makeDriver();
    const live = pages.live;
    const domain = driver.createDomain();
    driver.map(domain, 0, 0x4000_0000, 2 ** 30 + 4096, RW);
    expect(pages.live).toBeGreaterThan(live);
    driver.freeDomain(domain);
    expect(pages.live).toBe(live);
  });

  it('of formats that an SMMUv3 does not walk are refused', () => {
    const driver = machineWith().makeDriver();
    expect(() => driver.createDomain({ format: 'ARM_MALI_LPAE' })).toThrow(/table.format/);
    expect(() => machineWith({ stage2: false }).makeDriver().createDomain({ format: 'ARM_64_LPAE_S2' })).toThrow(
      /table.format/,
    );
  });

  it('take page and address sizes from the SMMU, and are refused for those that it cannot walk', () => {
    const driverOf = (asked: Parameters<typeof machineWith>[0]) => machineWith(asked).makeDriver();
    const sizes = (asked: Parameters<typeof machineWith>[0], config: DomainConfig = {}): number[] => {
      const { pageSizes, ias, oas } = driverOf(asked).createDomain(config).table.config;
      return [Math.log2(pageSizes & -pageSizes), ias, oas];
    };
    expect(sizes({ outputBits: 40 })).toEqual([12, 48, 40]);
    expect(sizes({ outputBits: 40 }, { format: 'ARM_64_LPAE_S2' })).toEqual([12, 40, 40]);
    expect(sizes({ outputBits: 52, inputBits52: true })).toEqual([12, 48, 48]);
    expect(sizes({ outputBits: 52, inputBits52: true, granules: [16] })).toEqual([16, 52, 52]);
    expect(sizes({ outputBits: 52, granules: [16] })).toEqual([16, 48, 52]);
    expect(sizes({ outputBits: 52, granules: [16] }, { format: 'ARM_64_LPAE_S2' })).toEqual([16, 52, 52]);
    const K64 = 2 ** 16 + 2 ** 29;
    expect(sizes({ granules: [16] }, { pageSizes: 2 ** 12 + K64 })).toEqual([16, 48, 48]);
    const refused = (asked: Parameters<typeof machineWith>[0], config: DomainConfig) =>
      expect(() => driverOf(asked).createDomain(config));
    refused({ granules: [12, 14] }, { pageSizes: K64 }).toThrow(/table.pageSizes.*4K, 16K/);
    refused({ granules: [12] }, { pageSizes: 2 ** 21 }).toThrow(/table.pageSizes/);
    refused({ outputBits: 52 }, { pageSizes: K64, ias: 52 }).toThrow(/table.ias/);
    refused({ outputBits: 44 }, { format: 'ARM_64_LPAE_S2', ias: 48 }).toThrow(/table.ias/);
    refused({ outputBits: 44 }, { oas: 48 }).toThrow(/table.oas/);
  });

  it('have blocks of 4 TiB where pages are 64 KiB and outputs 52 bits', () => {
    const { smmu, makeDriver } = machineWith({ outputBits: 52, granules: [16] });
    const driver = makeDriver();
    const domain = driver.createDomain();
    driver.attach(domain, STREAM);
    expect(driver.map(domain, 2 ** 42, 2 ** 51, 2 ** 42, RW)).toBe(0);
    expect(domain.table.stats.leavesMapped[1]).toBe(1);
    expect(translates(smmu, STREAM, -1, 2 ** 42 + 0x1234_5678_9000, 0)).toBe(false);
    expect(translates(smmu, STREAM, -1, 2 ** 42 + 0x234_5678_9000, 0)).toBe(true);
    expect(last.pa).toBe(2 ** 51 + 0x234_5678_9000);
  });

  it('with ARM_HD let the SMMU mark pages dirty, and are read and made clean so that the next write marks them again', () => {
    const { smmu, makeDriver } = machineWith({ hardwareUpdate: 2 });
    const driver = makeDriver();
    const domain = driver.createDomain({ quirks: Quirk.ARM_HD });
    driver.attach(domain, STREAM);
    driver.map(domain, 0x1000, 0x4000_0000, 4 * 4096, RW);
    const dirty = (flags = 0): number[] => {
      const found: number[] = [];
      expect(driver.readAndClearDirty(domain, 0x1000, 4 * 4096, flags, { record: (iova) => found.push(iova) })).toBe(0);
      return found;
    };
    // Mapping says writable and clean or dirty as Linux encodes it: start clean.
    dirty();
    expect(dirty()).toEqual([]);
    const write = (iova: number) => translates(smmu, STREAM, -1, iova, AccessFlag.WRITE);
    expect([write(0x1000), write(0x3000)]).toEqual([true, true]);
    expect(dirty(DirtyFlag.NO_CLEAR)).toEqual([0x1000, 0x3000]);
    const { syncs } = driver.counters();
    expect(dirty()).toEqual([0x1000, 0x3000]);
    // Two pages apart: two invalidations.
    expect(driver.counters().syncs - syncs).toBe(2);
    expect(dirty()).toEqual([]);
    expect(write(0x3000)).toBe(true);
    expect(dirty()).toEqual([0x3000]);
    for (const hardwareUpdate of [0, 1] as const) {
      const plain = machineWith({ hardwareUpdate }).makeDriver();
      expect(() => plain.createDomain({ quirks: Quirk.ARM_HD })).toThrow(/table.quirks/);
    }
  });

  it('shared by two streams serve both, and a detached stream aborts', () => {
    const { smmu, makeDriver } = machineWith();
    const driver = makeDriver();
    const domain = driver.createDomain();
    driver.attach(domain, 1);
    driver.attach(domain, 0x102);
    driver.map(domain, 0x1000, 0x4000_0000, 4096, RW);
    expect(translates(smmu, 1, -1, 0x1000, 0)).toBe(true);
    expect(translates(smmu, 0x102, -1, 0x1000, 0)).toBe(true);
    driver.detach(domain, 1);
    expect(translates(smmu, 1, -1, 0x1000, 0)).toBe(false);
    expect(translates(smmu, 0x102, -1, 0x1000, 0)).toBe(true);
  });
});

describe('start-up', () => {
  it('lets nothing pass untranslated while it takes over an SMMU that firmware left on', () => {
    const { smmu, makeDriver } = machineWith();
    smmu.write32(REGISTERS.CR0.offset, Cr0.SMMUEN);
    const passed: boolean[] = [];
    const write32 = smmu.write32.bind(smmu);
    smmu.write32 = (offset, value) => {
      write32(offset, value);
      passed.push(translates(smmu, STREAM, -1, 0x1000, AccessFlag.READ));
    };
    makeDriver();
    expect(passed).not.toContain(true);
  });
});

describe('wrong configuration', () => {
  it('names the field', () => {
    expect(() => machineWith({}, { driver: { batch: 0 } }).makeDriver()).toThrow(/driver.batch/);
    expect(() => machineWith({}, { driver: { batch: 64, commandQueueBits: 6 } }).makeDriver()).toThrow(/driver.batch/);
    expect(() => machineWith({ stage1: false, stage2: false }).makeDriver()).toThrow(/stage1/);
    const driver = machineWith({ streamBits: 9 }).makeDriver();
    expect(() => driver.attach(driver.createDomain(), 512)).toThrow(/streamId/);
  });
});

describe('planted bugs', () => {
  it('a forgotten invalidation leaves the translation, a late one comes with the next unmap', () => {
    const access = (bugs: object): [boolean, boolean] => {
      const { smmu, makeDriver } = machineWith({}, { bugs: { ...NO_BUGS, ...bugs } });
      const driver = makeDriver();
      const domain = driver.createDomain();
      driver.attach(domain, STREAM);
      driver.map(domain, 0x1000, 0x4000_0000, 8192, RW);
      translates(smmu, STREAM, -1, 0x1000, 0);
      unmapStrict(driver, domain, 0x1000, 4096);
      const first = translates(smmu, STREAM, -1, 0x1000, 0);
      unmapStrict(driver, domain, 0x2000, 4096);
      return [first, translates(smmu, STREAM, -1, 0x1000, 0)];
    };
    expect(access({})).toEqual([false, false]);
    expect(access({ skipInvalidation: 1 })).toEqual([true, true]);
    expect(access({ lateInvalidation: true })).toEqual([true, false]);
  });

  it('a forgotten walk flush leaves walks in the freed table', () => {
    const { smmu, makeDriver } = machineWith({}, { bugs: { ...NO_BUGS, skipWalkFlush: 1 } });
    const driver = makeDriver();
    const domain = driver.createDomain();
    driver.attach(domain, STREAM);
    const M2 = 2 ** 21;
    driver.map(domain, M2, 0x4000_0000, 4096, RW);
    translates(smmu, STREAM, -1, M2, AccessFlag.READ);
    unmapStrict(driver, domain, M2, 4096);
    driver.map(domain, M2, 0x6000_0000, M2, RW);
    expect(driver.invalidator.skipped).toBe(1);
    expect(translates(smmu, STREAM, -1, M2 + 0x5000, AccessFlag.READ)).toBe(false);
  });
});

describe('a gather', () => {
  it('is empty again after its sync', () => {
    const gather = newGather();
    gather.start = 1;
    gather.end = 2;
    gather.pageSize = 4096;
    gather.queued = true;
    resetGather(gather);
    expect(gather).toEqual(newGather());
  });
});
