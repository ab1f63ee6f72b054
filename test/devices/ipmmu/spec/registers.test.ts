/** Offsets and bits of the IPMMU's registers are those that the drivers of Linux and Xen name. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import {
  CONTEXT,
  type ContextRegister,
  contextBase,
  ErrorCode,
  IMSAUXCTLR_S2PTE,
  IMSCTLR_DISCACHE,
  IMSTR,
  IMUCTR,
  Imbuscr,
  Imctr,
  Imstr,
  Imuctr,
  IPMMU_GENERATIONS,
  LONG_IMTTBCR,
  MICRO_TLB,
  microTlbBase,
  SHORT_IMTTBCR,
  SYSTEM,
  tableControl,
  XEN_IMMAIR0,
} from '../../../../devices/ipmmu/spec/index.ts';
import { masksOf } from '../../../../devices/registers/index.ts';

type Names = Readonly<Record<string, string>>;
const headers = JSON.parse(readFileSync('test/vectors/mmio/registers.json', 'utf8')) as Record<string, Names>;
const linux = headers['ipmmu'] ?? {};
const xen = headers['ipmmu-xen'] ?? {};
const value = (names: Names, name: string): number => Number(names[name]);
const { gen2, gen3, gen4 } = IPMMU_GENERATIONS;

describe('IPMMU registers', () => {
  it('lie where the drivers have them', () => {
    for (const name of Object.keys(CONTEXT) as ContextRegister[]) {
      const theirs = linux[name] ?? xen[name === 'IMELAR' ? 'IMEAR' : name];
      expect(Number(theirs), name).toBe(CONTEXT[name].offset);
    }
    for (const name of ['IMSCTLR', 'IMSAUXCTLR'] as const) expect(value(xen, name)).toBe(SYSTEM[name].offset);
    for (const utlb of [0, 1]) {
      expect(value(linux, `IMUCTR(${utlb})`)).toBe(microTlbBase(gen3, utlb) + MICRO_TLB.IMUCTR.offset);
      expect(value(linux, `IMUASID(${utlb})`)).toBe(microTlbBase(gen3, utlb) + MICRO_TLB.IMUASID.offset);
    }
  });

  it('have the bits that the drivers name', () => {
    for (const bit of ['MMUEN', 'FLUSH', 'INTEN', 'TREN', 'AFE', 'TRE', 'VA64'] as const) {
      expect(value(xen, `IMCTR_${bit}`), bit).toBe(Imctr[bit]);
    }
    for (const bit of ['TF', 'PF', 'ABORT', 'MHIT'] as const)
      expect(value(linux, `IMSTR_${bit}`), bit).toBe(Imstr[bit]);
    expect(value(xen, 'IMSTR_ERRLVL_MASK')).toBe(Imstr.ERRLVL);
    expect(value(xen, 'IMSTR_ERRCODE_MASK')).toBe(Imstr.ERRCODE);
    expect(value(xen, 'IMSTR_ERRCODE_TLB_FORMAT')).toBe(ErrorCode.FORMAT << IMSTR.ERRCODE.lsb);
    expect(value(xen, 'IMSTR_ERRCODE_ACCESS_PERM')).toBe(ErrorCode.PERMISSION << IMSTR.ERRCODE.lsb);
    expect(value(xen, 'IMSTR_ERRCODE_SECURE_ACCESS')).toBe(ErrorCode.SECURE << IMSTR.ERRCODE.lsb);
    expect(value(xen, 'IMUCTR_TTSEL_MASK')).toBe(Imuctr.TTSEL);
    expect(value(xen, 'IMUCTR_TTSEL_MMU(1)')).toBe(1 << IMUCTR.TTSEL.lsb);
    expect(value(xen, 'IMUCTR_FIXADD_MASK')).toBe(Imuctr.FIXADD);
    expect(value(linux, 'IMBUSCR_DVM')).toBe(Imbuscr.DVM);
    expect(value(linux, 'IMBUSCR_BUSSEL_MASK')).toBe(Imbuscr.BUSSEL);
    expect(value(xen, 'IMSCTLR_DISCACHE')).toBe(IMSCTLR_DISCACHE);
    expect(value(xen, 'IMSAUXCTLR_S2PTE')).toBe(IMSAUXCTLR_S2PTE);
  });

  it('put the fields of IMTTBCR where the drivers do', () => {
    const long = masksOf(LONG_IMTTBCR);
    for (const field of ['EAE', 'PMB'] as const) expect(value(xen, `IMTTBCR_${field}`)).toBe(long[field]);
    for (const field of ['SH0', 'ORGN0', 'IRGN0', 'SH1', 'ORGN1', 'IRGN1'] as const) {
      expect(value(xen, `IMTTBCR_${field}_MASK`), field).toBe(long[field]);
    }
    expect(value(linux, 'IMTTBCR_SL0_TWOBIT_LVL_1')).toBe(tableControl(gen3, {}) - long.EAE);
    expect(value(linux, 'IMTTBCR_SL0_LVL_1')).toBe(tableControl(gen2, {}) - long.EAE);
    expect(value(xen, 'IMTTBCR_TSZ0_MASK')).toBe(masksOf(SHORT_IMTTBCR).TSZ0);
    expect(value(xen, 'IMTTBCR_TSZ1_MASK')).toBe(masksOf(SHORT_IMTTBCR).TSZ1);
  });

  it('give Xen its memory attributes by index', () => {
    const at = (index: string): number => 8 * value(xen, `IMMAIR_ATTR_IDX_${index}`);
    const bytes =
      (value(xen, 'IMMAIR_ATTR_NC') << at('NC')) |
      (value(xen, 'IMMAIR_ATTR_WBRWA') << at('WBRWA')) |
      (value(xen, 'IMMAIR_ATTR_DEVICE') << at('DEV'));
    expect(bytes).toBe(XEN_IMMAIR0);
  });

  it('never overlap within one IPMMU, and contexts from 8 on lie behind a gap', () => {
    for (const generation of [gen2, gen3, gen4]) {
      const taken = new Set<number>();
      const take = (base: number, offsets: readonly number[]): void => {
        for (const offset of offsets) {
          expect(taken.has(base + offset), `${generation.name} ${base + offset}`).toBe(false);
          taken.add(base + offset);
        }
      };
      const offsets = (map: object): number[] => Object.values(map).map(({ offset }) => offset as number);
      for (let c = 0; c < generation.contexts; c++) take(contextBase(generation, c), offsets(CONTEXT));
      for (let u = 0; u < generation.microTlbs; u++) take(microTlbBase(generation, u), offsets(MICRO_TLB));
    }
    expect(contextBase(gen4, 8)).toBe(0x18800);
    expect(contextBase(gen2, 0)).toBe(0x800);
    expect(microTlbBase(gen4, 33)).toBe(0x3610);
  });
});
