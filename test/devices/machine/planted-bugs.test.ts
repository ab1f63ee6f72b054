import { describe, expect, it } from 'vitest';
import { Machine, parsePlantedBugs } from '../../../devices/index.ts';
import { ReplayRun, type Report, readRunConfig } from '../../../traces/index.ts';

const SAMPLES = ['small-strict', 'medium-strict', 'vfio-dump', 'dma-dump'];
const capture = (name: string): string => `traces/samples/${name}.ftrace.txt.gz`;

/** As `check` has it. */
const VERIFIED = { pattern: 'probe', verify: true };

/** A replay with planted bugs, of a device that probes. */
function check(name: string, breaks = '', config: Record<string, unknown> = {}, limit = 9000): Promise<Report> {
  const { plantedBugs = {}, ...rest } = config;
  const planted = { ...(plantedBugs as object), ...(breaks === '' ? {} : parsePlantedBugs(breaks)) };
  const input = { access: { pattern: 'probe' }, ...rest, plantedBugs: planted };
  return new ReplayRun([capture(name)], readRunConfig(input), { limit }).run();
}

describe('a correct driver', () => {
  it.each(SAMPLES.flatMap((name) => [[name, 'coherent', '6.1'] as const, [name, 'non-coherent', '6.12'] as const]))(
    'raises nothing: %s, %s walk, Linux %s',
    async (name, walk, linux) => {
      // Tables of vfio-dump go away late.
      const limit = name === 'vfio-dump' ? 9000 : 4000;
      const { sanitizer, capture: read } = await check(name, '', { table: { walk, linux }, access: VERIFIED }, limit);
      expect(sanitizer.byKind).toEqual({});
      expect(read.refused).toBe(0);
    },
  );

  it.each([
    ['no range invalidation', { smmu: { rangeInvalidation: false } }],
    ['no break-before-make level', { smmu: { breakBeforeMakeLevel: 0 } }],
    ['a pool of tables', { table: { allocator: 'pool' } }],
    ['tables reserved before each operation', { table: { allocator: 'reserve' } }],
    ['a stage 2', { table: { format: 'arm-64-lpae-s2' } }],
    ['unmap and remap', { table: { split: 'unmap-and-remap' } }],
    ["gem5's MMU", { preset: 'gem5' }],
  ])('raises nothing with %s', async (_, config) => {
    const input = { ...config, access: { pattern: 'touch' } };
    expect((await check('vfio-dump', '', input)).sanitizer.byKind).toEqual({});
  });

  it('of the real lazy kernel holds IOVAs back, so that windows are all there is', async () => {
    const { sanitizer } = await check('small-lazy', '', { invalidation: { mode: 'lazy' } });
    expect(sanitizer.staleWindows).toBeGreaterThan(0);
    expect(sanitizer.byKind['missing-invalidation']).toBeUndefined();
    expect(sanitizer.byKind['wide-invalidation']).toBeUndefined();
    // One domain of the capture has to be guessed, and one map of it comes too early for that guess.
    expect(sanitizer.byKind['break-before-make'] ?? 0).toBe(sanitizer.reusedBeforeFlush);
  });
});

describe('what the device reaches', () => {
  it.each(['smmuv3', 'smmuv2', 'mali', 'ipmmu-vmsa'])('is what a correct driver maps: %s', async (model) => {
    for (const mode of ['strict', 'lazy']) {
      const config = { iommu: { model }, access: VERIFIED, invalidation: { mode } };
      const { sanitizer } = await check('small-lazy', '', config, 3000);
      const named = ['stale-window', 'stale-tlb-hit', 'break-before-make', 'locked-out'];
      expect(Object.keys(sanitizer.byKind).filter((kind) => !named.includes(kind))).toEqual([]);
    }
  });

  it.each(
    ['smmuv3', 'smmuv2', 'mali', 'ipmmu-vmsa'].flatMap((model) => [
      [model, 'wrong-address=0.05', ['wrong-translation']] as const,
      [model, 'lost-read=0.05', ['lost-permission']] as const,
      [model, 'lost-page=0.05', ['lost-mapping', 'refused-operation']] as const,
      [model, 'dirty-table=0.5', ['dirty-table']] as const,
    ]),
  )('is held against the capture: %s with %s', async (model, breaks, kinds) => {
    const { sanitizer } = await check('small-strict', breaks, { iommu: { model }, access: VERIFIED });
    for (const kind of kinds) {
      expect(sanitizer.byKind[kind]).toBeGreaterThan(0);
      const finding = sanitizer.findings.find((one) => one.kind === kind);
      expect(finding?.operation).toBeGreaterThan(0);
      expect(finding?.line).toBeGreaterThan(0);
      expect(finding?.iova).toMatch(/^0x[0-9a-f]+$/);
      if (kind !== 'refused-operation' && kind !== 'dirty-table') expect(finding?.level).toBe(3);
    }
    expect(Object.keys(sanitizer.byKind)).toEqual(expect.arrayContaining([...kinds]));
  });
});

describe('an SMMUv3 driver that forgets', () => {
  it.each([
    ['skip-sync=0.05', 'missing-sync', /nothing waited for its invalidation at 0x/],
    [
      'wrong-ttl=0.05',
      'wrong-level-hint',
      /says that its leaves are at level 2, where hardware may keep those of level 3$/,
    ],
    ['wrong-asid', 'wrong-domain', /lead to ASID \d+ instead of \d+$/],
    ['shared-asid', 'wrong-domain', /lead to ASID 1 instead of 2$/],
    ['wrong-table', 'wrong-domain', /lead to the table at 0x\w+ instead of 0x\w+$/],
  ] as const)('is caught and named: %s', async (breaks, kind, said) => {
    const { sanitizer } = await check('small-strict', breaks, { access: VERIFIED });
    expect(sanitizer.byKind[kind]).toBeGreaterThan(0);
    const finding = sanitizer.findings.find((one) => one.kind === kind);
    expect(finding?.detail).toMatch(said);
    expect(finding?.line).toBeGreaterThan(0);
    if (kind === 'wrong-domain') {
      expect(sanitizer.byKind['unmapped-access']).toBeGreaterThan(0);
      // What the walker reads by way of another domain is alive.
      expect(sanitizer.byKind['use-after-free-walk']).toBeUndefined();
    } else expect(Object.keys(sanitizer.byKind)).toEqual([kind]);
  });
});

describe('a broken driver', () => {
  it.each([
    ['small-strict', 'drop-sync=0.05', {}, { 'stale-walk': ['level', 'descriptor'] }],
    ['small-strict', 'skip-dma-map=0.3', {}, { 'missing-dma-map': ['level'] }],
    [
      'small-strict',
      'skip-invalidate=0.05',
      {},
      {
        'missing-invalidation': ['level', 'descriptor'],
        'stale-window': ['level', 'descriptor'],
        'stale-tlb-hit': ['level', 'descriptor', 'age'],
        'break-before-make': ['level', 'descriptor'],
      },
    ],
    [
      'small-strict',
      'late-invalidate',
      {},
      { 'missing-invalidation': ['level', 'descriptor'], 'stale-tlb-hit': ['level', 'descriptor', 'age'] },
    ],
    [
      'vfio-dump',
      'skip-walk-flush',
      {},
      { 'early-table-free': ['level'], 'use-after-free-walk': ['level', 'descriptor'] },
    ],
    [
      'vfio-dump',
      'late-walk-flush',
      {},
      { 'early-table-free': ['level'], 'use-after-free-walk': ['level', 'descriptor'] },
    ],
    ['small-strict', 'whole-space=0.05', {}, { 'wide-invalidation': ['level'] }],
    ['small-strict', 'needless-walk-flush=0.05', {}, { 'wide-invalidation': ['level'] }],
    ['small-strict', 'bbm=0.05', {}, { 'break-before-make': ['level', 'descriptor'] }],
    ['small-strict', 'alloc-in-run=1', {}, { 'allocation-in-run': [] }],
    ['small-strict', 'alloc-in-run=1', { table: { allocator: 'reserve' } }, { 'allocation-in-run': [] }],
    ['small-strict', 'leak=0.5', {}, { 'leaked-table': ['level'] }],
    ['small-strict', 'double-free=0.5', {}, { 'double-free': ['level'] }],
    ['small-strict', 'wrong-free=0.5', {}, { 'wrong-free': ['level'] }],
  ] as const)('is caught and named: %s with %s %o', async (name, breaks, config, kinds) => {
    const walk = /^(drop-sync|skip-dma-map)/.test(breaks) ? { table: { walk: 'non-coherent' } } : {};
    const { sanitizer, capture: read } = await check(name, breaks, { ...walk, ...config });
    for (const [kind, fields] of Object.entries(kinds)) {
      expect(sanitizer.byKind[kind]).toBeGreaterThan(0);
      const finding = sanitizer.findings.find((one) => one.kind === kind);
      expect(finding?.operation).toBeGreaterThan(0);
      expect(finding?.operation).toBeLessThanOrEqual(read.maps + read.unmaps);
      expect(finding?.domain).toBeGreaterThanOrEqual(0);
      expect(finding?.iova).toMatch(/^0x[0-9a-f]+$/);
      for (const field of fields) expect(finding).toHaveProperty(field);
      expect(finding?.detail.length).toBeGreaterThan(20);
    }
  });

  it('is named with the age of the window, in cycles and in accesses', async () => {
    const { sanitizer } = await check('small-strict', 'skip-invalidate');
    const hit = sanitizer.findings.find(({ kind }) => kind === 'stale-tlb-hit');
    // The first probe comes at once: it is the first access since the unmap returned.
    expect(hit?.age?.accesses).toBe(1);
    expect(hit?.age?.cycles).toBeLessThan(10);
    expect(hit?.detail).toContain(`${hit?.age?.cycles} cycles and 1 access before`);
    expect(hit?.level).toBe(3);
  });

  it('finds as many missing invalidations as were skipped', async () => {
    const { sanitizer, capture: read } = await check('small-strict', 'skip-invalidate=1');
    expect(sanitizer.byKind['missing-invalidation']).toBe(read.unmaps);
  });

  it('is found with the same seed the same, and otherwise with another', async () => {
    const [first, again, other] = [
      await check('small-strict', 'skip-invalidate=0.05'),
      await check('small-strict', 'skip-invalidate=0.05'),
      await check('small-strict', 'skip-invalidate=0.05', { plantedBugs: { seed: 9 } }),
    ];
    expect(again.sanitizer).toEqual(first.sanitizer);
    expect(other.sanitizer.findings).not.toEqual(first.sanitizer.findings);
  });
});

describe('--break', () => {
  it('becomes fields of the configuration, with a share of its own or the usual one', () => {
    const plantedBugs = parsePlantedBugs('drop-sync=0.05, late-invalidate,bbm,skip-walk-flush');
    expect(plantedBugs).toEqual({ dropSync: 0.05, lateInvalidation: true, skipWalkFlush: 1, breakBeforeMake: 0.01 });
    expect(() => readRunConfig({ plantedBugs, table: { walk: 'non-coherent' } })).not.toThrow();
    // A sync that coherent walks do not need cannot be missed.
    expect(() => readRunConfig({ plantedBugs })).toThrow(/plantedBugs\.dropSync/);
    expect(() => readRunConfig({ plantedBugs: { skipDmaMap: 1 } })).toThrow(/plantedBugs\.skipDmaMap/);
  });

  it.each([
    [
      'skip-sync',
      { iommu: { model: 'smmuv2' } },
      /skipSync: found 0\.01, allowed: nothing: .* arm-smmu can have skip-invalidate/,
    ],
    [
      'whole-space',
      { iommu: { model: 'ipmmu-vmsa' } },
      /wholeSpace: .* ipmmu can have skip-invalidate, late-invalidate, /,
    ],
    ['skip-walk-flush', { iommu: { model: 'mali' } }, /panfrost-6\.12 can have skip-invalidate, whole-space$/],
    ['late-invalidate', { iommu: { model: 'mali', driver: 'panthor-7.3' } }, /panthor-7\.3 can have skip-invalidate, /],
    ['wrong-asid', { table: { format: 'arm-64-lpae-s2' } }, /wrongAsid: found true, allowed: false with a stage 2/],
    ['wrong-ttl', { smmu: { rangeInvalidation: false } }, /wrongLevel: found 0\.01, allowed: 0 without range/],
  ] as const)('%s is refused where the driver cannot have it: %o', (breaks, config, said) => {
    expect(() => new Machine(readRunConfig({ ...config, plantedBugs: parsePlantedBugs(breaks) }))).toThrow(said);
  });

  it.each([
    ['nonsense', /--break: found "nonsense", allowed: drop-sync, skip-dma-map, skip-invalidate, /],
    ['drop-sync=2', /a share from 0 to 1/],
    ['drop-sync=', /a share from 0 to 1/],
    ['late-invalidate=0.5', /allowed: late-invalidate/],
    ['', /allowed: drop-sync/],
  ])('refuses %o', (list, said) => {
    expect(() => parsePlantedBugs(list)).toThrow(said);
  });
});
