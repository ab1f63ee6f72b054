import { describe, expect, it } from 'vitest';
import { Errno, Gfp, type IoPgtableConfig, Prot, Quirk } from '../../../formats/index.ts';
import { LpaeRig } from '../lpae-rig.ts';

const PAGE = 0x1000;
const READ = Prot.READ;
const PLAIN: IoPgtableConfig = {
  ...{ format: 'ARM_64_LPAE_S1', pageSizes: 0x40201000, ias: 39, oas: 40, coherentWalk: true },
};

describe('what lies at the edge of a configuration', () => {
  it('a block of 4 TiB of 64 KiB pages and 52-bit addresses resolves every bit of the offset in it', () => {
    const table = new LpaeRig().table({ ...PLAIN, pageSizes: 2 ** 42 + 0x20010000, ias: 52, oas: 52 });
    const iova = 3 * 2 ** 42;
    const pa = 5 * 2 ** 42;
    expect(table.mapPages(iova, pa, 2 ** 42, 1, READ, Gfp.KERNEL)).toBe(0);
    for (const offset of [0, 0xffff, 2 ** 32, 2 ** 41 + 2 ** 32 + 0x12345678, 2 ** 42 - 1]) {
      expect(table.iovaToPhys(iova + offset)).toBe(pa + offset);
    }
  });

  it('output addresses end with the output size, one page at a time too', () => {
    const table = new LpaeRig().table(PLAIN);
    expect(table.mapPages(0, 2 ** 40 - PAGE, PAGE, 1, READ, Gfp.KERNEL)).toBe(0);
    expect(table.mapPages(PAGE, 2 ** 40 - 2 * PAGE, PAGE, 1, READ, Gfp.KERNEL)).toBe(0);
    expect(table.mapPages(2 * PAGE, 2 ** 40, PAGE, 1, READ, Gfp.KERNEL)).toBe(-Errno.ERANGE);
    expect([table.iovaToPhys(5), table.iovaToPhys(PAGE + 5)]).toEqual([2 ** 40 - PAGE + 5, 2 ** 40 - 2 * PAGE + 5]);
  });

  it('a page that is mapped alone is in the way of a run that is mapped over it later', () => {
    const table = new LpaeRig().table(PLAIN);
    for (const iova of [0, 8 * PAGE]) {
      expect(table.mapPages(iova, 0x10000, PAGE, 1, READ, Gfp.KERNEL)).toBe(0);
      expect(table.unmapPages(iova, PAGE, 1, null)).toBe(PAGE);
    }
    expect(table.mapPages(4 * PAGE, 0x20000, PAGE, 1, READ, Gfp.KERNEL)).toBe(0);
    expect(table.mapPages(4 * PAGE, 0x30000, PAGE, 2, READ, Gfp.KERNEL)).toBe(-Errno.EEXIST);
    expect(table.mapped).toBe(0);
    expect(table.iovaToPhys(4 * PAGE)).toBe(0x20000);
  });

  it('sizes that are none of the table are refused, whatever else they hold', () => {
    const rig = new LpaeRig();
    const table = rig.table(PLAIN);
    for (const size of [0, 0x2000, 0x3000, 0x800, 0x201800]) {
      expect([size, table.mapPages(0, 0, size, 1, READ, Gfp.KERNEL)]).toEqual([size, -Errno.EINVAL]);
      expect([size, table.unmapPages(0, size, 1, null)]).toEqual([size, 0]);
    }
    expect(rig.live.size).toBe(1);
  });
});

/** A leaf as Linux encodes it: `arm_lpae_prot_to_pte` of io-pgtable-arm.c, with the bits written out. */
function linuxLeaf(stage: 1 | 2, quirks: number, prot: number): bigint {
  const has = (flag: number): boolean => (prot & flag) !== 0;
  let leaf = 0x403n | (has(Prot.CACHE) ? 0x300n : 0x200n) | (has(Prot.NOEXEC) ? 3n << 53n : 0n);
  if (stage === 2) {
    leaf |= (has(Prot.READ) ? 0x40n : 0n) | (has(Prot.WRITE) ? 0x80n : 0n);
    const cached = (quirks & Quirk.ARM_S2FWB) !== 0 ? 0x18n : 0x3cn;
    return leaf | (has(Prot.MMIO) ? 0x4n : has(Prot.CACHE) ? cached : 0x14n);
  }
  leaf |= 0x800n | (has(Prot.PRIV) ? 0n : 0x40n) | ((quirks & Quirk.ARM_NS) !== 0 ? 0x20n : 0n);
  if (!has(Prot.WRITE) && has(Prot.READ)) leaf |= 0x80n;
  else if ((quirks & Quirk.ARM_HD) !== 0) leaf |= 1n << 51n;
  return leaf | (has(Prot.MMIO) ? 0x8n : has(Prot.CACHE) ? 0x4n : 0n);
}

describe('leaves', () => {
  it.each([
    [1, 0],
    [1, Quirk.ARM_NS],
    [1, Quirk.ARM_HD],
    [2, 0],
    [2, Quirk.ARM_S2FWB],
  ] as const)('of stage %i with quirks 0x%x are those of Linux for every protection', (stage, quirks) => {
    const table = new LpaeRig().table({
      ...PLAIN,
      linux: '7.3',
      format: stage === 1 ? 'ARM_64_LPAE_S1' : 'ARM_64_LPAE_S2',
      quirks,
    });
    const words = new Uint32Array(8);
    for (let prot = 0; prot < 64; prot++) {
      if ((prot & (Prot.READ | Prot.WRITE)) === 0) continue;
      expect(table.mapPages(prot * PAGE, 0x12345000, PAGE, 1, prot, Gfp.KERNEL)).toBe(0);
      table.pgtableWalk(prot * PAGE, words);
      const leaf = (BigInt(words[7] ?? 0) << 32n) | BigInt(words[6] ?? 0);
      expect([prot, leaf.toString(16)]).toEqual([prot, (linuxLeaf(stage, quirks, prot) | 0x12345000n).toString(16)]);
    }
  });
});
