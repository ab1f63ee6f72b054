import { describe, expect, it } from 'vitest';
import { newGather, Outcome } from '../../../devices/index.ts';
import { AccessFlag } from '../../../emulator/index.ts';
import { Errno, Prot } from '../../../formats/index.ts';
import { machineWith } from './machine.ts';

const RW = Prot.READ | Prot.WRITE;
const STREAM = 0x100;

describe('Smmuv3Driver', () => {
  it('brings an SMMU up from its registers, so that a mapped page translates and others fault', () => {
    const { smmu, makeDriver } = machineWith();
    const driver = makeDriver();
    const domain = driver.createDomain();
    driver.attach(domain, STREAM);
    expect(driver.map(domain, 0xffffc000, 0x1234_5000, 4096, RW)).toBe(0);
    expect(smmu.translate(0, STREAM, -1, 0xffffc123, AccessFlag.WRITE, 0)).toBe(true);
    expect(smmu.mmu.pa).toBe(0x1234_5123);
    expect(smmu.translate(0, STREAM, -1, 0xffffd000, AccessFlag.READ, 0)).toBe(false);
    expect(smmu.outcome).toBe(Outcome.ABORTED);
    const records: unknown[] = [];
    driver.onEvent = (record) => records.push(record);
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
    for (let page = 0; page < 8; page++) smmu.translate(0, STREAM, -1, 0x10_0000 + page * 4096, 0, 0);
    const gather = newGather();
    expect(driver.unmap(domain, 0x10_0000, 8 * 4096, gather)).toBe(8 * 4096);
    expect(smmu.translate(0, STREAM, -1, 0x10_0000, 0, 0)).toBe(true);
    driver.iotlbSync(domain, gather);
    for (let page = 0; page < 8; page++) {
      expect(smmu.translate(0, STREAM, -1, 0x10_0000 + page * 4096, 0, 0)).toBe(false);
    }
    expect(driver.counters()).toMatchObject({ byAddress: 1, byWalkRange: 0, all: 0 });
    expect(driver.counters().commandsByName).toMatchObject({ TLBI_NH_VA: 1 });
  });

  it('refuses what the kernel refuses, and undoes a map that fails midway', () => {
    const { makeDriver } = machineWith();
    const driver = makeDriver();
    const domain = driver.createDomain({ ias: 32 });
    expect(driver.map(domain, 0x800, 0, 4096, RW)).toBe(-Errno.EINVAL);
    expect(driver.map(domain, 0, 0, 0, RW)).toBe(-Errno.EINVAL);
    driver.map(domain, 0x3000, 0x8000, 4096, RW);
    expect(driver.map(domain, 0x1000, 0x1000, 3 * 4096, RW)).toBe(-Errno.EEXIST);
    expect(domain.table.iovaToPhys(0x1000)).toBe(0);
    expect(domain.table.iovaToPhys(0x3000)).toBe(0x8000);
    expect(driver.unmap(domain, 0x3000, 0x800, newGather())).toBe(0);
  });
});
