/** Panfrost as the driver of a whole machine: what it maps is reached, what it unmaps is not, also when address spaces change hands. */
import { describe, expect, it } from 'vitest';
import { type IommuDomain, Machine, MaliMmu, PanfrostIommuDriver } from '../../../../devices/index.ts';
import { AccessFlag, TranslationRequest } from '../../../../emulator/index.ts';
import { Errno, newGather, Prot } from '../../../../formats/index.ts';
import { readRunConfig } from '../../../../traces/index.ts';

const PAGE = 4096;
const IOVA = 0x1000_0000;
const PA = 0x9000_0000;
const RW = Prot.READ | Prot.WRITE;

class Rig {
  readonly machine: Machine;
  readonly driver: PanfrostIommuDriver;
  readonly device: MaliMmu;
  readonly #request = new TranslationRequest();

  constructor(kernel: '6.12' | '7.3') {
    this.machine = new Machine(
      readRunConfig({ iommu: { model: 'mali', driver: `panfrost-${kernel}` }, mali: { asPresent: 3 } }),
    );
    const { driver, device } = this.machine;
    if (!(driver instanceof PanfrostIommuDriver && device instanceof MaliMmu)) throw new Error('not panfrost');
    this.driver = driver;
    this.device = device;
  }

  domain(): IommuDomain {
    const domain = this.machine.createDomain();
    if (domain === null) throw new Error('no memory');
    return domain;
  }

  /** What a read through a domain reaches, or null. */
  reach(domain: IommuDomain, iova: number): number | null {
    const slot = this.machine.driver.activate(domain, 0);
    const reached = this.device.translate(this.#request.ask(0, slot, -1, iova, AccessFlag.READ, this.device.now));
    this.machine.driver.idle(domain);
    if (!reached) this.machine.driver.handleEvents();
    return reached ? this.#request.pa : null;
  }
}

describe.each(['6.12', '7.3'] as const)('panfrost of %s in a machine', (kernel) => {
  it('reaches what is mapped, and no longer what was unmapped', () => {
    const rig = new Rig(kernel);
    const { driver } = rig.machine;
    const domain = rig.domain();
    expect(driver.map(domain, IOVA, PA, 4 * PAGE, RW)).toBe(0);
    expect(rig.reach(domain, IOVA + PAGE + 8)).toBe(PA + PAGE + 8);
    expect(driver.unmap(domain, IOVA + PAGE, PAGE, newGather())).toBe(PAGE);
    expect(rig.reach(domain, IOVA + PAGE)).toBeNull();
    expect(rig.reach(domain, IOVA)).toBe(PA);
  });

  it('keeps clients apart though they share address spaces, and tells when a tag changes', () => {
    const rig = new Rig(kernel);
    const { driver } = rig.machine;
    const domains = [0, 1, 2, 3].map(() => rig.domain());
    for (const [at, domain] of domains.entries()) driver.map(domain, IOVA, PA + at * PAGE, PAGE, RW);
    for (let round = 0; round < 3; round++) {
      for (const [at, domain] of domains.entries()) {
        expect(rig.reach(domain, IOVA)).toBe(PA + at * PAGE);
        const holders = domains.filter(({ asid }) => asid === domain.asid);
        expect(holders).toEqual([domain]);
      }
    }
    expect(rig.machine.sanitizer.findings.filter(({ kind }) => kind.startsWith('stale'))).toEqual([]);
  });

  it('serves each fault once, and the client goes on afterwards', () => {
    const rig = new Rig(kernel);
    const { driver } = rig.machine;
    const domain = rig.domain();
    driver.map(domain, IOVA, PA, PAGE, RW);
    expect(rig.reach(domain, IOVA + PAGE)).toBeNull();
    expect(driver.counters().events).toBe(1);
    expect(rig.reach(domain, IOVA)).toBe(PA);
    expect(driver.handleEvents()).toBe(0);
  });

  it('resets the GPU when an address space is stuck, and goes on', () => {
    const rig = new Rig(kernel);
    const { driver } = rig.machine;
    const domain = rig.domain();
    driver.map(domain, IOVA, PA, PAGE, RW);
    expect(rig.reach(domain, IOVA)).toBe(PA);
    rig.device.stick(domain.asid);
    expect(driver.unmap(domain, IOVA, PAGE, newGather())).toBe(PAGE);
    expect(rig.driver.resets).toBe(1);
    driver.map(domain, IOVA, PA, PAGE, RW);
    expect(rig.reach(domain, IOVA)).toBe(PA);
  });

  it('maps nothing that is not aligned', () => {
    const rig = new Rig(kernel);
    expect(rig.machine.driver.map(rig.domain(), IOVA + 1, PA, PAGE, RW)).toBe(-Errno.EINVAL);
  });
});
