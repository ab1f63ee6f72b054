/** An IPMMU in a whole machine, with the driver of each system. */
import { describe, expect, it } from 'vitest';
import { type IommuDomain, Machine } from '../../../devices/index.ts';
import { AccessFlag, TranslationRequest } from '../../../emulator/index.ts';
import { newGather, Prot } from '../../../formats/index.ts';
import { readRunConfig } from '../../../traces/index.ts';
import { lookForStale } from '../../../traces/replay/edits/stale-search.ts';

const PAGE = 4096;
const STREAM = 0x100;
const PA = 0x9000_0000;

function machineWith(driver: string, more: object = {}) {
  const machine = new Machine(readRunConfig({ iommu: { model: 'ipmmu-vmsa', driver }, ...more }));
  const request = new TranslationRequest();
  const newDomain = (): IommuDomain => {
    const domain = machine.createDomain();
    if (domain === null) throw new Error('no memory');
    return domain;
  };
  const access = (domain: IommuDomain, stream: number, iova: number): number => {
    const id = machine.driver.activate(domain, stream);
    const translated = machine.device.translate(request.ask(0, id, -1, iova, AccessFlag.READ, machine.clock.cycles));
    if (request.staleMark !== 0) machine.sanitizer.windows.hit(request.staleMark, iova);
    return translated ? request.pa : -1;
  };
  return { machine, request, newDomain, access };
}

const SHARED = { ipmmu: { sharesGuestTables: true }, table: { format: 'arm-64-lpae-s2', ias: 40 } };

describe.each([
  ['ipmmu', {}],
  ['ipmmu-xen', {}],
  ['ipmmu-xen', SHARED],
])('an IPMMU machine with the driver %s and %j', (name, kind) => {
  it('translates what is mapped, and aborts what is unmapped or was taken away', () => {
    const { machine, newDomain, access } = machineWith(name, kind);
    const { driver } = machine;
    const domain = newDomain();
    driver.attach(domain, STREAM);
    expect(driver.map(domain, 0x10_0000, PA, 3 * PAGE, Prot.READ | Prot.WRITE)).toBe(0);
    expect(access(domain, STREAM, 0x10_2010)).toBe(PA + 2 * PAGE + 0x10);
    const gather = newGather();
    expect(driver.unmap(domain, 0x10_0000, 2 * PAGE, gather)).toBe(2 * PAGE);
    driver.iotlbSync(domain, gather);
    expect(access(domain, STREAM, 0x10_0000)).toBe(-1);
    expect([driver.handleEvents(), driver.handleEvents()]).toEqual([1, 0]);
    expect(access(domain, STREAM, 0x10_2000)).toBe(PA + 2 * PAGE);
    driver.detach(domain, STREAM);
    expect(access(domain, STREAM, 0x10_2000)).toBe(-1);
    machine.freeDomain(domain);
    expect(machine.tables.close()).toBe(0);
    // Not even that a flush drops more than was unmapped: the hardware has no other.
    expect(machine.sanitizer.findings).toEqual([]);
  });

  it('counts every flush as one of the whole context, with the time that the CPU waits for it', () => {
    const { machine, newDomain } = machineWith(name, kind);
    const { driver } = machine;
    const domain = newDomain();
    const before = driver.counters();
    driver.now = 5000;
    driver.map(domain, 0, PA, PAGE, Prot.READ);
    driver.unmap(domain, 0, PAGE, newGather());
    driver.iotlbSync(domain, newGather());
    const { byAddress, all, syncs, cycles, waitCycles } = driver.counters();
    expect([byAddress, all - before.all, syncs - before.syncs]).toEqual([0, 1, 1]);
    expect(cycles - before.cycles).toBe(driver.now - 5000);
    expect(waitCycles).toBeLessThan(cycles);
  });

  it('shows a forgotten flush as a stale hit', () => {
    const { machine, request, newDomain, access } = machineWith(name, {
      ...kind,
      plantedBugs: { skipInvalidation: 1 },
    });
    const { driver, watch } = machine;
    const domain = newDomain();
    driver.attach(domain, STREAM);
    watch.invalidation.begin();
    driver.map(domain, 0, PA, PAGE, Prot.READ);
    watch.invalidation.end(true);
    expect(access(domain, STREAM, 0)).toBe(PA);
    watch.invalidation.begin();
    const gather = newGather();
    driver.unmap(domain, 0, PAGE, gather);
    driver.iotlbSync(domain, gather);
    watch.invalidation.end(true);
    lookForStale(machine, domain, machine.spaceOf(domain), 0, PAGE);
    expect(access(domain, STREAM, 0)).toBe(PA);
    expect(request.staleMark).toBeGreaterThan(0);
    expect(driver.counters().all).toBe(0);
  });
});

describe('an IPMMU machine refuses', () => {
  it.each(['ipmmu', 'ipmmu-xen'])('under %s a domain for which no context is left, and coherent walks', (name) => {
    const gen2 = { ipmmu: { generation: 'gen2' }, table: { format: 'arm-32-lpae-s1', ias: 32 } };
    const { newDomain } = machineWith(name, gen2);
    newDomain();
    expect(newDomain).toThrow(/ipmmu.generation/);
    expect(() => machineWith(name, { table: { walk: 'coherent' } })).toThrow(/table.walk/);
  });

  it('tables that its driver does not set up', () => {
    expect(machineWith('ipmmu', { table: { format: 'arm-64-lpae-s1' } }).newDomain).toThrow(/table.format/);
    expect(machineWith('ipmmu-xen', { table: { format: 'arm-32-lpae-s1', ias: 32 } }).newDomain).toThrow(
      /table.format/,
    );
    expect(machineWith('ipmmu-xen', { table: { granule: '16k' } }).newDomain).toThrow(/table.granule/);
    expect(() => machineWith('ipmmu', SHARED)).toThrow(/ipmmu.sharesGuestTables/);
  });
});

it('an IPMMU configuration says which of its fields is wrong', () => {
  expect(() => readRunConfig({ iommu: { model: 'ipmmu-vmsa' }, ipmmu: { leaves: 0 } })).toThrow(/ipmmu.leaves/);
});
