import { describe, expect, it } from 'vitest';
import { CPU_PROFILES, type CpuName, pricesOf, readRunConfig, runConfig } from '../../../traces/index.ts';

/** The value of a dotted field. */
function fieldOf(config: unknown, field: string): unknown {
  return field.split('.').reduce((here, key) => (here as Record<string, unknown>)[key], config);
}

const CPUS = Object.keys(CPU_PROFILES) as CpuName[];

describe('CPU profiles', () => {
  it('name a source of each price, or say that it is assumed', () => {
    expect(CPUS).toEqual(['assumed-1ghz', 'hi1620', 'kunpeng920', 'sm8150', 'morello', 'grace-guest']);
    for (const cpu of CPUS) for (const { source } of Object.values(pricesOf(cpu))) expect(source).not.toBe('');
  });

  it.each(CPUS)('%s has every price in its field, in cycles of 1 GHz', (cpu) => {
    const config = runConfig({ cpu });
    expect(config.cpu).toBe(cpu);
    for (const [field, { ns }] of Object.entries(pricesOf(cpu))) expect(fieldOf(config, field), field).toBe(ns);
  });

  it.each([500, 2000])('at %i MHz a nanosecond is another number of cycles', (clockMHz) => {
    const config = runConfig({ clockMHz });
    for (const [field, { ns }] of Object.entries(pricesOf('assumed-1ghz'))) {
      expect(fieldOf(config, field), field).toBeCloseTo((ns * clockMHz) / 1000);
    }
  });

  it('stand below what is given, and below a preset’s own', () => {
    const config = runConfig({ cpu: 'kunpeng920', editCosts: { mapCall: 7 }, mmu: { invalidation: { sync: 1 } } });
    expect(config.editCosts).toMatchObject({ mapCall: 7, unmapCall: 135.7 });
    expect(config.mmu.invalidation).toMatchObject({ sync: 1, issue: 42.25 });
    expect(runConfig({ preset: 'mmu-500-agilex7' }).mmu.invalidation.commandsPerRead).toBe(64);
  });

  it('leave a clock or a CPU that is none to the schema', () => {
    expect(() => readRunConfig({ clockMHz: 'fast' })).toThrow(/clockMHz/);
    expect(() => readRunConfig({ cpu: 'z80' })).toThrow(/cpu.*kunpeng920/);
  });
});
