import * as v from 'valibot';
import { describe, expect, test } from 'vitest';
import { ArmSmmuDriver, Machine, MachineConfigSchema, Smmuv2 } from '../../../devices/index.ts';
import { AccessFlag, FlightEngine, Outcome, TranslationRequest } from '../../../emulator/index.ts';
import { newGather, Prot } from '../../../formats/index.ts';

const IOVA = 0x1234_5000;
const PA = 0x9000_0000;
const PAGE = 4096;
const STREAM = 3;

function machine(smmuv2: Record<string, unknown> = {}, table: Record<string, unknown> = {}) {
  const made = new Machine(
    v.parse(MachineConfigSchema, { iommu: { model: 'smmuv2' }, preset: 'mmu-500-agilex7', smmuv2, table }),
  );
  const { driver, device } = made;
  const domain = made.createDomain();
  if (domain === null) throw new Error('no memory for a table');
  driver.attach(domain, STREAM);
  const request = new TranslationRequest();
  const access = (iova: number, name = STREAM, flags: number = AccessFlag.READ): number | null => {
    const id = driver.activate(domain, name);
    return device.translate(request.ask(0, id, -1, iova, flags, device.now)) ? request.pa : null;
  };
  return { made, driver, device, domain, access, request };
}

describe('an SMMUv2 behind the contract of every MMU', () => {
  test.each([
    ['coherent', '6.12', 'arm-64-lpae-s1'],
    ['non-coherent', '6.12', 'arm-64-lpae-s1'],
    ['coherent', '7.3', 'arm-64-lpae-s2'],
    ['coherent', '6.12', 'arm-32-lpae-s1'],
    ['coherent', '6.12', 'arm-32-lpae-s2'],
  ])('maps, unmaps and faults: walks %s, Linux %s, %s', (walk, kernel, format) => {
    const narrow = format.startsWith('arm-32');
    const sizes = narrow ? { ias: format.endsWith('s1') ? 32 : 40, oas: 40 } : {};
    const { driver, domain, access, request } = machine({ kernel }, { walk, format, ...sizes });
    expect(driver.map(domain, IOVA, PA, 3 * PAGE, Prot.READ | Prot.WRITE)).toBe(0);
    expect(access(IOVA + 0x10)).toBe(PA + 0x10);
    expect(access(IOVA + 2 * PAGE, STREAM, AccessFlag.WRITE)).toBe(PA + 2 * PAGE);
    const gather = newGather();
    expect(driver.unmap(domain, IOVA, 3 * PAGE, gather)).toBe(3 * PAGE);
    driver.iotlbSync(domain, gather);
    expect(driver.handleEvents()).toBe(0);
    expect(access(IOVA)).toBeNull();
    expect(request.outcome).toBe(Outcome.ABORTED);
    expect(driver.handleEvents()).toBe(1);
    expect(driver.handleEvents()).toBe(0);
    driver.detach(domain, STREAM);
    expect(access(IOVA)).toBeNull();
    expect(driver.handleEvents()).toBe(1);
  });

  test('frees everything it took, and gives the bank to the next domain', () => {
    const { made, driver, domain } = machine({ contextBanks: 1, groups: 2 });
    driver.map(domain, IOVA, PA, 600 * PAGE, Prot.READ);
    expect(() => made.createDomain()).toThrow(/contextBanks/);
    driver.detach(domain, STREAM);
    made.freeDomain(domain);
    expect(domain.table.liveTables).toBe(0);
    expect(made.createDomain()?.asid).toBe(domain.asid);
  });

  test('gives a device whose name is no stream id one of its own', () => {
    const { driver, domain, access } = machine();
    driver.map(domain, IOVA, PA, PAGE, Prot.READ);
    driver.attach(domain, 0x8001);
    expect(driver.activate(domain, 0x8001)).toBe(0x7fff);
    expect(access(IOVA, 0x8001)).toBe(PA);
  });

  test('says what its invalidations were and what they cost', () => {
    const { driver, domain } = machine();
    driver.map(domain, IOVA, PA, 8 * PAGE, Prot.READ);
    const gather = newGather();
    const before = driver.counters();
    driver.unmap(domain, IOVA, 8 * PAGE, gather);
    driver.iotlbSync(domain, gather);
    driver.flushDomain(domain);
    const after = driver.counters();
    expect(after.byAddress - before.byAddress).toBe(8);
    expect(after.commandsByName).toMatchObject({ TLBIVAL: 8, TLBIASID: 1 });
    expect(after.syncs - before.syncs).toBe(2);
    expect(after.waitCycles).toBeGreaterThan(before.waitCycles);
    expect(after.cycles - before.cycles).toBeGreaterThan(after.waitCycles - before.waitCycles);
  });

  test('requests in flight that stall go on once their page is there', () => {
    const { made, driver, device, domain } = machine({ stalls: true, kernel: '7.3' });
    made.driver.map(domain, IOVA + PAGE, PA + PAGE, 3 * PAGE, Prot.READ);
    if (!(device instanceof Smmuv2 && driver instanceof ArmSmmuDriver)) throw new Error('another MMU');
    driver.onFault = () => {
      made.driver.map(domain, IOVA, PA, PAGE, Prot.READ);
      return -11;
    };
    const engine = new FlightEngine(device);
    const done: number[] = [];
    engine.onDone = (flight) => {
      if (flight.outcome === Outcome.OK) done.push(flight.pa);
      else if (flight.outcome === Outcome.STALLED && device.stalled.live === 4) driver.handleEvents();
    };
    const addresses = Float64Array.from([0, 1, 2, 3], (page) => IOVA + page * PAGE);
    // So far apart that the others come when the first has faulted, and have to wait behind it.
    engine.run([{ streamId: STREAM, addresses, outstanding: 4, gap: 2000 }]);
    expect(done.sort((a, b) => a - b)).toEqual([0, 1, 2, 3].map((page) => PA + page * PAGE));
  });
});
