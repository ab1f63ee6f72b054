import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import * as spec from '../../../../devices/mali/spec/index.ts';
import type { DescriptorLayout } from '../../../../formats/index.ts';

type Names = Readonly<Record<string, string>>;
const headers = JSON.parse(readFileSync('test/vectors/mmio/registers.json', 'utf8')) as Record<string, Names>;
const ofPanthor = headers['panthor'] ?? {};
const ofPanfrost = { ...headers['panfrost-7.3'], ...headers['panfrost'] };

function value(names: Names, name: string): bigint | undefined {
  const found = names[name];
  return found === undefined ? undefined : BigInt(found);
}

/** The field of `layout` with all its bits set. */
function mask(layout: DescriptorLayout, name: string): bigint {
  const field = layout.fields[name];
  if (field === undefined) throw new Error(name);
  return ((1n << BigInt(field.width)) - 1n) << BigInt(field.lsb);
}

describe.each([
  ['panthor', ofPanthor],
  ['panfrost', ofPanfrost],
])('the register map against the header of %s', (_driver, names) => {
  it('has the offsets of the global registers', () => {
    let compared = 0;
    for (const [name, register] of Object.entries({ ...spec.GPU_CONTROL, ...spec.MMU_CONTROL })) {
      const offset = value(names, name);
      if (offset === undefined) continue;
      expect(BigInt(register.offset), name).toBe(offset);
      compared++;
    }
    expect(compared).toBeGreaterThanOrEqual(6);
  });

  it('has the offsets of every address space', () => {
    for (const [name, register] of Object.entries(spec.ADDRESS_SPACE)) {
      for (const as of [0, 1]) {
        const offset = value(names, `${name}${register.width === 64 ? '_LO' : ''}(${as})`);
        expect(BigInt(spec.addressSpaceBase(as) + register.offset), name).toBe(offset);
      }
    }
  });

  it('has the commands', () => {
    for (const [name, command] of Object.entries(spec.AsCommand)) {
      expect(BigInt(command), name).toBe(value(names, `AS_COMMAND_${name}`));
    }
  });

  it('has the kinds of access', () => {
    expect(mask(spec.AS_FAULTSTATUS, 'ACCESS')).toBe(value(names, 'AS_FAULTSTATUS_ACCESS_TYPE_MASK'));
    const names4 = { ATOMIC: 'ATOMIC', EXECUTE: 'EX', READ: 'READ', WRITE: 'WRITE' } as const;
    for (const [name, header] of Object.entries(names4)) {
      const access = spec.FaultAccess[name as keyof typeof names4];
      expect(BigInt(spec.faultStatus(0, access, 0))).toBe(value(names, `AS_FAULTSTATUS_ACCESS_TYPE_${header}`));
    }
  });
});

describe('the fields against the headers', () => {
  it('has those of AS_TRANSCFG', () => {
    for (const [name, mode] of Object.entries(spec.AddressMode)) {
      expect(BigInt(mode), name).toBe(value(ofPanfrost, `AS_TRANSCFG_ADRMODE_${name}`));
    }
    for (const name of ['SL_CONCAT', 'PTW_RA', 'DISABLE_HIER_AP', 'DISABLE_AF_FAULT', 'WXN', 'XREADABLE']) {
      expect(mask(spec.AS_TRANSCFG, name), name).toBe(value(ofPanthor, `AS_TRANSCFG_${name}`));
    }
    const one = (name: 'INA_BITS' | 'OUTA_BITS') => 1n << BigInt(spec.AS_TRANSCFG.fields[name].lsb);
    expect(one('INA_BITS')).toBe(value(ofPanthor, 'AS_TRANSCFG_INA_BITS(1)'));
    expect(one('OUTA_BITS')).toBe(value(ofPanthor, 'AS_TRANSCFG_OUTA_BITS(1)'));
    expect(BigInt(spec.WalkMemory.WRITE_BACK << 24)).toBe(value(ofPanthor, 'AS_TRANSCFG_PTW_MEMATTR_WB'));
    expect(BigInt(spec.WalkShareability.INNER << 28)).toBe(value(ofPanthor, 'AS_TRANSCFG_PTW_SH_IS'));
  });

  it('has those of the legacy AS_TRANSTAB', () => {
    expect(mask(spec.AS_TRANSTAB_LPAE, 'ADRMODE')).toBe(value(ofPanfrost, 'AS_TRANSTAB_LPAE_ADRMODE_MASK'));
    expect(mask(spec.AS_TRANSTAB_LPAE, 'READ_INNER')).toBe(value(ofPanfrost, 'AS_TRANSTAB_LPAE_READ_INNER'));
    expect(mask(spec.AS_TRANSTAB_LPAE, 'SHARE_OUTER')).toBe(value(ofPanfrost, 'AS_TRANSTAB_LPAE_SHARE_OUTER'));
    expect(BigInt(spec.LegacyMode.TABLE)).toBe(value(ofPanfrost, 'AS_TRANSTAB_LPAE_ADRMODE_TABLE'));
    expect(BigInt(spec.LegacyMode.IDENTITY)).toBe(value(ofPanfrost, 'AS_TRANSTAB_LPAE_ADRMODE_IDENTITY'));
  });

  it('has those of AS_MEMATTR', () => {
    const { memattrByte, MemattrCache: cache, MemattrShareability: sh } = spec;
    expect(BigInt(memattrByte(cache.WRITE_BACK, 0, 0, 0))).toBe(value(ofPanthor, 'AS_MEMATTR_AARCH64_INNER_OUTER_WB'));
    expect(BigInt(memattrByte(cache.FAULT, 0, 0, 0))).toBe(value(ofPanthor, 'AS_MEMATTR_AARCH64_FAULT'));
    expect(BigInt(memattrByte(0, sh.CPU_INNER, 0, 0))).toBe(value(ofPanthor, 'AS_MEMATTR_AARCH64_SH_CPU_INNER'));
    expect(BigInt(memattrByte(0, 0, spec.MemattrAllocation.IMPLEMENTATION, 0))).toBe(
      value(ofPanthor, 'AS_MEMATTR_AARCH64_INNER_ALLOC_IMPL'),
    );
  });

  it('has the interrupts of GPU control', () => {
    expect(BigInt(spec.GpuInterrupt.CLEAN_CACHES_COMPLETED)).toBe(value(ofPanthor, 'GPU_IRQ_CLEAN_CACHES_COMPLETED'));
    expect(BigInt(spec.GpuInterrupt.RESET_COMPLETED)).toBe(value(ofPanthor, 'GPU_IRQ_RESET_COMPLETED'));
  });

  it("builds the cache flush of panthor's newer kernels", () => {
    expect(spec.flushCachesCommand(3, 3, 2)).toBe(0x23304);
  });
});
