import { describe, expect, it } from 'vitest';
import { ConfigError } from '../../../formats/index.ts';
import { readRunConfig, runConfig, setField } from '../../../traces/index.ts';

function refusal(input: unknown): ConfigError {
  try {
    readRunConfig(input);
  } catch (error) {
    if (error instanceof ConfigError) return error;
    throw error;
  }
  throw new Error('not refused');
}

describe('runConfig', () => {
  it('fills in a whole machine from nothing, and gives it back unchanged', () => {
    const whole = runConfig({});
    expect(whole.table.format).toBe('arm-64-lpae-s1');
    expect(whole.invalidation.flushQueue).toEqual({ entries: 256, timeout: 0.01, hz: 250 });
    expect(runConfig(JSON.parse(JSON.stringify(whole)))).toEqual(whole);
  });

  it('takes a kernel version as a number too, as the command line reads one', () => {
    expect(runConfig({ table: { linux: 6.1 } }).table.linux).toBe('6.1');
    expect(runConfig({ table: { linux: '6.12' } }).table.linux).toBe('6.12');
  });

  it('splits blocks or refuses to as the kernel does, unless told otherwise', () => {
    expect(runConfig().table.split).toBe('in-place');
    expect(runConfig({ table: { linux: '7.3' } }).table.split).toBe('refuse');
    expect(runConfig({ table: { linux: '7.3', split: 'in-place' } }).table.split).toBe('in-place');
  });

  it('refuses an allocator that there is not, before any machine is built', () => {
    expect(() => runConfig({ table: { allocator: 'puddle' } })).toThrow(/allocator/);
  });

  it('has one place for each price', () => {
    const { allocatorCosts, bind, pages, editCosts } = runConfig();
    expect(Object.keys(allocatorCosts)).toEqual([
      'cachePop',
      'cachePush',
      'account',
      'hypervisorAssign',
      'hypervisorTakeBack',
    ]);
    expect(Object.keys(bind)).not.toContain('mapCyclesPerDescriptor');
    expect([pages.zeroPageCycles, editCosts.writeDescriptor]).toEqual([256, 1.25]);
  });

  it('names a misspelt field, deep down, and the fields that are there', () => {
    const error = refusal({ mmu: { tbu: { mainTlb: { entrys: 5 } } } });
    expect(error.field).toBe('mmu.tbu.mainTlb.entrys');
    expect(error.allowed).toContain('entries, ways');
  });

  it.each([
    ['{"table":[]}', 'table', /^table: found \[\], allowed: an object$/],
    ['{"mmu":null}', 'mmu', /an object$/],
    ['{"mmu":{"tbu":[1]}}', 'mmu.tbu', /an object/],
    ['{"table":"4k"}', 'table', /an object/],
    ['[]', 'configuration', /an object/],
    ['null', 'configuration', /an object/],
    [
      '{"__proto__":{"table":{"walk":"non-coherent"}}}',
      '__proto__',
      /no such field; the fields here are seed, iommu, /,
    ],
    [
      '{"table":{"__proto__":{"walk":"non-coherent"}}}',
      'table.__proto__',
      /no such field; the fields here are format, /,
    ],
    ['{"memory":{"banks":[{"__proto__":{"base":0}}]}}', 'memory.banks.0.__proto__', /no such field/],
    ['{"toString":1,"constructor":2}', 'toString', /no such field/],
    ['{"dma":{"mapCycles":1e308}}', 'dma.mapCycles', /found 1e\+308, allowed: a number up to 2\^53/],
    ['{"pages":{"zeroPageCycles":-1e300}}', 'pages.zeroPageCycles', /a number up to 2\^53/],
    ['{"bind":{"mode":"async","delay":1e300}}', 'bind.delay', /a number up to 2\^53/],
    ['{"pages":{"zeroPageCycles":1e999}}', 'pages.zeroPageCycles', /found Infinity/],
  ])('refuses what only looks like a configuration: %s', (json, field, said) => {
    const error = refusal(JSON.parse(json));
    expect(error.field).toBe(field);
    expect(error.message).toMatch(said);
    expect(Object.keys(Object.prototype)).toEqual([]);
  });

  it('names the field that took the place of an old one', () => {
    const error = refusal({ mmu: { interface: { slots: 4 } } });
    expect(error.field).toBe('mmu.interface');
    expect(error.allowed).toContain('perhaps mmu.tbu is meant');
  });

  it('refuses a TLB whose entries do not fill its ways', () => {
    const error = refusal({ mmu: { tbu: { mainTlb: { entries: 100, ways: 3 } } } });
    expect(error.field).toBe('mmu.tbu.mainTlb');
    expect(error.allowed).toBe('entries must be a multiple of ways');
  });

  it.each([
    [{ seed: -1 }, 'seed', 'at least 0'],
    [{ seed: 1.5 }, 'seed', 'a whole number'],
    [{ table: { granule: '8k' } }, 'table.granule', '4k, 16k, 64k'],
    [{ table: 5 }, 'table', 'an object'],
    [{ table: { allocator: 5 } }, 'table.allocator', 'text'],
    [{ table: { allocator: '' } }, 'table.allocator', 'anything but nothing'],
    [{ memory: { banks: [] } }, 'memory.banks', 'anything but nothing'],
    [{ table: { linux: 6.2 } }, 'table.linux', '6.1, 6.12, 7.3'],
    [{ bind: { mode: 'later' } }, 'bind.mode', 'direct, async'],
    [{ bind: { runDelay: -1 } }, 'bind.runDelay', 'at least 0'],
    [[], 'configuration', 'an object'],
  ])('says what is allowed instead of %j', (input, field, allowed) => {
    const error = refusal(input);
    expect([error.field, error.allowed]).toEqual([field, allowed]);
  });
});

describe('setField', () => {
  it('sets numbers, booleans, lists and plain strings at any depth', () => {
    const config: Record<string, unknown> = { mmu: { slots: 1 } };
    setField(config, 'mmu.walkCache.enabled=false');
    setField(config, 'mmu.slots=32');
    setField(config, 'table.granule=16k');
    setField(config, 'dma.mapErrorAt=[1,2]');
    expect(config).toEqual({
      mmu: { slots: 32, walkCache: { enabled: false } },
      table: { granule: '16k' },
      dma: { mapErrorAt: [1, 2] },
    });
  });

  it.each(['seed', '=5', '__proto__.polluted=1', 'a.__proto__.polluted=1'])('refuses %s', (assignment) => {
    expect(() => setField({}, assignment)).toThrow(ConfigError);
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
  });

  it('refuses to go through a number', () => {
    expect(() => setField({ seed: 1 }, 'seed.x=2')).toThrow('seed: found 1');
  });
});
