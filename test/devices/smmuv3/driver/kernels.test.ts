import { describe, expect, it } from 'vitest';
import { type Command, decodeCommand, type Smmuv3Driver } from '../../../../devices/index.ts';
import { AccessFlag } from '../../../../emulator/index.ts';
import { newGather, Prot } from '../../../../formats/index.ts';
import { translates } from '../../access.ts';
import { machineWith } from '../machine.ts';

const RW = Prot.READ | Prot.WRITE;
const STREAM = 0x40;

function started(
  config: NonNullable<ConstructorParameters<typeof Smmuv3Driver>[0]['config']>,
  asked: Parameters<typeof machineWith>[0] = {},
) {
  const parts = machineWith(asked, { driver: config });
  const driver = parts.makeDriver();
  const { smmu, memory } = parts;
  const sent: Command[] = [];
  const execute = smmu.commands.execute.bind(smmu.commands);
  smmu.commands.execute = (pa) => {
    const command = decodeCommand(memory.words, memory.index(pa));
    if (command !== null) sent.push(command);
    return execute(pa);
  };
  /** Names of the commands that `act` sends. */
  const names = (act: () => void): string[] => {
    sent.length = 0;
    act();
    return sent.map(({ name }) => name);
  };
  const unmap = (domain: Parameters<typeof driver.unmap>[0], iova: number, size: number): void => {
    const gather = newGather();
    driver.unmap(domain, iova, size, gather);
    driver.iotlbSync(domain, gather);
  };
  return { ...parts, driver, sent, names, unmap };
}

describe("Linux 7.3's driver", () => {
  it('invalidates nothing while nothing is attached, and flushes the tag when the last user leaves', () => {
    const { driver, names, unmap } = started({ kernel: '7.3' });
    const domain = driver.createDomain();
    driver.map(domain, 0x1000, 0x4000_0000, 0x2000, RW);
    expect(names(() => unmap(domain, 0x1000, 4096))).toEqual([]);
    driver.attach(domain, STREAM);
    driver.attach(domain, STREAM + 1);
    expect(names(() => unmap(domain, 0x2000, 4096))).toEqual(['TLBI_NH_VA', 'SYNC']);
    expect(names(() => driver.detach(domain, STREAM))).not.toContain('TLBI_NH_ASID');
    expect(names(() => driver.detach(domain, STREAM + 1))).toContain('TLBI_NH_ASID');
    expect(names(() => driver.freeDomain(domain))).toEqual([]);
  });

  it('is asked for by a text or by the number that a command line makes of it, and no other kernel is', () => {
    for (const kernel of ['7.3', 7.3]) {
      const { driver, names } = started({ kernel });
      expect(names(() => driver.flushDomain(driver.createDomain()))).toEqual([]);
    }
    expect(() => started({ kernel: '6.1' })).toThrow(/driver.kernel/);
  });

  it('leaves no translation behind for whoever gets the tag next', () => {
    for (const kernel of ['6.12', '7.3'] as const) {
      const { smmu, driver } = started({ kernel });
      const first = driver.createDomain();
      driver.attach(first, STREAM);
      driver.map(first, 0x1000, 0x4000_0000, 4096, RW);
      expect(translates(smmu, STREAM, -1, 0x1000, AccessFlag.READ)).toBe(true);
      driver.detach(first, STREAM);
      driver.freeDomain(first);
      const second = driver.createDomain();
      expect(second.tag).toBe(first.tag);
      driver.attach(second, STREAM);
      expect(translates(smmu, STREAM, -1, 0x1000, AccessFlag.READ), kernel).toBe(false);
    }
  });

  it('turns a large range into one command for the tag where the SMMU has no ranges', () => {
    const count = (kernel: '6.12' | '7.3', pages: number): number => {
      const { driver, names, unmap } = started({ kernel }, { rangeInvalidation: false });
      const domain = driver.createDomain({ pageSizes: 4096 });
      driver.attach(domain, STREAM);
      driver.map(domain, 0, 0x4000_0000, 4096 * pages, RW);
      return names(() => unmap(domain, 0, 4096 * pages)).length - 1;
    };
    expect([count('6.12', 511), count('7.3', 511)]).toEqual([511, 511]);
    expect([count('6.12', 512), count('7.3', 512)]).toEqual([512, 1]);
  });

  it('makes parents of nested domains only where both stages work together', () => {
    const { driver } = started({ kernel: '7.3' });
    const parent = driver.createDomain({ format: 'ARM_64_LPAE_S2', ias: 40 }, { nestParent: true });
    expect(parent.nestParent).toBe(true);
    const old = started({ kernel: '6.12' });
    expect(() => old.driver.createDomain({ format: 'ARM_64_LPAE_S2' }, { nestParent: true })).toThrow(/nestParent/);
    const single = started({ kernel: '7.3' }, { stage1: false });
    expect(() => single.driver.createDomain({}, { nestParent: true })).toThrow(/nestParent/);
  });
});

describe('a kernel at EL2', () => {
  it('uses EL2-E2H contexts in entries and invalidations, and its streams translate', () => {
    const { smmu, driver, names, unmap } = started({ kernelAtEl2: true }, { el2: true });
    const domain = driver.createDomain();
    driver.attach(domain, STREAM);
    driver.map(domain, 0x1000, 0x4000_0000, 4096, RW);
    expect(translates(smmu, STREAM, -1, 0x1000, AccessFlag.PRIVILEGED)).toBe(true);
    expect(names(() => unmap(domain, 0x1000, 4096))).toEqual(['TLBI_EL2_VA', 'SYNC']);
    expect(translates(smmu, STREAM, -1, 0x1000, AccessFlag.PRIVILEGED)).toBe(false);
    expect(names(() => driver.flushDomain(domain))).toEqual(['TLBI_EL2_ASID', 'SYNC']);
  });
});

describe('the Tegra264 erratum', () => {
  it('sends every list of CFGI and TLBI commands twice, each with its SYNC, and nothing else', () => {
    const { driver, names, unmap } = started({ erratum: 'tegra264' });
    const domain = driver.createDomain();
    const attached = names(() => driver.attach(domain, STREAM)).join(' ');
    expect(attached).toContain('CFGI_CD SYNC CFGI_CD SYNC');
    expect(attached).toContain('CFGI_STE SYNC CFGI_STE SYNC PREFETCH_CONFIG');
    driver.map(domain, 0x1000, 0x4000_0000, 4096, RW);
    expect(names(() => unmap(domain, 0x1000, 4096))).toEqual(['TLBI_NH_VA', 'SYNC', 'TLBI_NH_VA', 'SYNC']);
    expect(names(() => driver.queue.sync())).toEqual(['SYNC']);
  });
});

describe('the covering range policy', () => {
  it('takes one command for any range, which reaches beyond its end by less than a unit', () => {
    for (const pages of [1, 31, 32, 33, 1000, 4097]) {
      const { smmu, driver, names, sent, unmap } = started({ rangePolicy: 'covering' });
      const domain = driver.createDomain({ pageSizes: 4096 });
      driver.attach(domain, STREAM);
      driver.map(domain, 0x10_0000, 0x4000_0000, 4096 * pages, RW);
      const last = 0x10_0000 + 4096 * (pages - 1);
      expect(translates(smmu, STREAM, -1, last, AccessFlag.READ)).toBe(true);
      expect(names(() => unmap(domain, 0x10_0000, 4096 * pages))).toEqual(['TLBI_NH_VA', 'SYNC']);
      const { NUM = 0, SCALE = 0 } = sent[0]?.fields ?? {};
      const covered = (NUM + 1) * 2 ** SCALE;
      expect(covered).toBeGreaterThanOrEqual(pages);
      expect(covered - pages).toBeLessThan(2 ** SCALE);
      expect(translates(smmu, STREAM, -1, last, AccessFlag.READ)).toBe(false);
    }
  });
});
