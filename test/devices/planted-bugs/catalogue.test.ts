import { describe, expect, it } from 'vitest';
import {
  findsOf,
  Machine,
  MMUS,
  type MmuName,
  PLANTED_BUGS,
  type PlantedBug,
  parsePlantedBugs,
  settingsFor,
  whyNotPlanted,
} from '../../../devices/index.ts';
import { ReplayRun, type Report, readRunConfig } from '../../../traces/index.ts';
import { capture } from './capture.ts';

const LINES = capture().split('\n');
const BYTES = new TextEncoder().encode(capture());
/** Little memory, short queues and few banks are made quickly. */
const SMALL = {
  memory: { banks: [{ base: 0x8000_0000, size: 0x400_0000 }] },
  driver: { commandQueueBits: 8, eventQueueBits: 8 },
  smmuv2: { contextBanks: 8, groups: 8 },
};
/** As `check` has it. */
const ACCESS = { pattern: 'probe', verify: true };
const BUGS: readonly PlantedBug[] = PLANTED_BUGS;
const MMU_NAMES = Object.keys(MMUS) as MmuName[];

/** Share of the calls that go wrong: often enough to show in so few. */
const SHARE = 0.6;

function groundOf(mmu: MmuName) {
  const { drivers, formats } = MMUS[mmu];
  return { mmu, driver: drivers[0] ?? '', format: formats[0] ?? 'arm-64-lpae-s1' };
}

function check(input: Record<string, unknown>, bytes: Uint8Array = BYTES): Promise<Report> {
  const stdin = (async function* () {
    yield bytes;
  })();
  const config = readRunConfig({ ...SMALL, access: ACCESS, ...input });
  return new ReplayRun(['-'], config, { stdin }).run();
}

/** A replay with one bug, on the machine that it needs. */
function withBug(mmu: MmuName, { field, value }: PlantedBug, seed = 1): Promise<Report> {
  const plantedBugs = { [field]: value === true ? true : SHARE, seed };
  return check(configWith(mmu, plantedBugs));
}

function configWith(mmu: MmuName, plantedBugs: Record<string, unknown>) {
  const needs = settingsFor(plantedBugs);
  return {
    iommu: { model: mmu },
    plantedBugs,
    ...(needs.includes('table.walk=non-coherent') ? { table: { walk: 'non-coherent' } } : {}),
    ...(needs.includes('invalidation.mode=lazy') ? { invalidation: { mode: 'lazy' } } : {}),
  };
}

describe('the catalogue of planted bugs', () => {
  it('has at least 55, each with what must be found, and at least 40 for every MMU', () => {
    expect(BUGS.length).toBeGreaterThanOrEqual(55);
    for (const { name, finds, about } of BUGS) {
      expect(name).toMatch(/^[a-z]+(-[a-z]+)*$/);
      expect(finds.length).toBeGreaterThan(0);
      expect(about.length).toBeGreaterThan(20);
    }
    for (const names of [BUGS.map(({ name }) => name), BUGS.map(({ field }) => field)]) {
      expect(new Set(names).size).toBe(names.length);
    }
    for (const mmu of MMU_NAMES) {
      const here = BUGS.filter((bug) => whyNotPlanted(bug, groundOf(mmu)) === null);
      expect(here.length).toBeGreaterThanOrEqual(40);
    }
  });
});

describe.each(MMU_NAMES)('on %s', (mmu) => {
  const ground = groundOf(mmu);
  const here = BUGS.filter((bug) => whyNotPlanted(bug, ground) === null);

  it.each(['strict', 'lazy'])('software without a bug raises nothing: %s', async (mode) => {
    const { sanitizer, capture: read } = await check({ iommu: { model: mmu }, invalidation: { mode } });
    // In lazy mode a window is what the mode means.
    const named = mode === 'lazy' ? ['stale-window', 'stale-tlb-hit'] : [];
    expect(Object.keys(sanitizer.byKind).filter((kind) => !named.includes(kind))).toEqual([]);
    expect(read.refused).toBe(0);
  });

  it.each(here.map((bug) => [bug.name, bug] as const))('%s is found, and named with its place', async (_, bug) => {
    const { sanitizer, capture: read } = await withBug(mmu, bug);
    for (const kind of findsOf(bug, mmu, ground.driver)) {
      expect(sanitizer.byKind).toHaveProperty(kind);
      const finding = sanitizer.findings.find((one) => one.kind === kind);
      expect(finding?.operation).toBeGreaterThan(0);
      expect(finding?.operation).toBeLessThanOrEqual(read.maps + read.unmaps);
      expect(LINES[(finding?.line ?? 0) - 1]).toMatch(/dom_(un)?map/);
      expect([0, 1]).toContain(finding?.domain);
      expect(finding?.iova).toMatch(/^0x[0-9a-f]+$/);
      expect(finding?.detail.length).toBeGreaterThan(20);
    }
  });

  const elsewhere = BUGS.map((bug) => [bug.name, bug, whyNotPlanted(bug, ground)] as const);
  it.each(elsewhere.filter(([, , why]) => why !== null))('%s is refused with a reason', (_, { field, value }, why) => {
    const planted = configWith(mmu, { [field]: value === true ? true : SHARE });
    expect(() => new Machine(readRunConfig({ ...SMALL, ...planted }))).toThrow(`nothing, since ${why}`);
  });
});

describe('a planted bug', () => {
  const skip = BUGS.find(({ name }) => name === 'skip-invalidate') as PlantedBug;

  it('is found with the same seed the same, and otherwise with another', async () => {
    const [first, again, other] = [
      await withBug('smmuv3', skip),
      await withBug('smmuv3', skip),
      await withBug('smmuv3', skip, 9),
    ];
    expect(again.sanitizer).toEqual(first.sanitizer);
    expect(other.sanitizer.findings).not.toEqual(first.sanitizer.findings);
  });

  it('is found as often as it is there, and named with the age of the window in cycles and in accesses', async () => {
    const { sanitizer, capture: read } = await check({ plantedBugs: { skipInvalidation: 1 } });
    expect(sanitizer.byKind['missing-invalidation']).toBe(read.unmaps);
    const hit = sanitizer.findings.find(({ kind }) => kind === 'stale-tlb-hit');
    // The first probe comes at once: it is the first access since the unmap returned.
    expect(hit?.age?.accesses).toBe(1);
    expect(hit?.age?.cycles).toBeLessThan(10);
    expect(hit?.detail).toContain(`${hit?.age?.cycles} cycles and 1 access before`);
    expect(hit?.level).toBe(3);
  });

  it.each([
    ['skip-sync', /nothing waited for its invalidation at 0x/],
    ['wrong-ttl', /says that its leaves are at level 2, where hardware may keep those of level 3$/],
    ['wrong-asid', /lead to ASID \d+ instead of \d+$/],
    ['shared-asid', /lead to ASID 1 instead of 2$/],
    ['wrong-table', /lead to the table at 0x\w+ instead of 0x\w+$/],
    ['wrong-attributes', /the tables give it attribute 0x44 instead of 0xff \(write-back\)$/],
    ['short-unmap', /nothing is to be mapped there, but the tables lead to 0x\w+$/],
    ['table-twice', /^the table at 0x\w+, in use since operation \d+, was given out once more$/],
  ] as const)('is said in words: %s', async (name, said) => {
    const bug = BUGS.find((one) => one.name === name) as PlantedBug;
    const { sanitizer } = await withBug('smmuv3', bug);
    expect(sanitizer.findings.find(({ kind }) => kind === bug.finds[0])?.detail).toMatch(said);
  });
});

describe('--break', () => {
  it('becomes fields of the configuration, with a share of its own or the usual one', () => {
    const plantedBugs = parsePlantedBugs('drop-sync=0.05, late-invalidate,bbm,skip-walk-flush');
    expect(plantedBugs).toEqual({ dropSync: 0.05, lateInvalidation: true, skipWalkFlush: 1, breakBeforeMake: 0.01 });
    expect(settingsFor(plantedBugs)).toEqual(['table.walk=non-coherent']);
    expect(() => readRunConfig({ plantedBugs, table: { walk: 'non-coherent' } })).not.toThrow();
    // A sync that coherent walks do not need cannot be missed.
    expect(() => readRunConfig({ plantedBugs })).toThrow(/plantedBugs\.dropSync: found 0.05, .* coherent walks/);
    expect(() => readRunConfig({ plantedBugs: { skipFlush: 1 } })).toThrow(/plantedBugs\.skipFlush: .* strict mode/);
  });

  it.each([
    ['wrong-asid', { table: { format: 'arm-64-lpae-s2' } }, /wrongAsid: found true, .* stage 2/],
    ['wrong-ttl', { smmu: { rangeInvalidation: false } }, /wrongLevel: found 0\.01, allowed: 0 without range/],
    ['late-invalidate', { iommu: { model: 'mali', driver: 'panthor-7.3' } }, /panthor-7\.3 can have skip-invalidate/],
  ] as const)('%s is refused where it changes nothing: %o', (breaks, config, said) => {
    expect(() => new Machine(readRunConfig({ ...config, plantedBugs: parsePlantedBugs(breaks) }))).toThrow(said);
  });

  it.each([
    ['nonsense', /--break: found "nonsense", allowed: dirty-table, /],
    ['drop-sync=2', /a share from 0 to 1/],
    ['drop-sync=', /a share from 0 to 1/],
    ['late-invalidate=0.5', /allowed: late-invalidate/],
    ['', /allowed: dirty-table/],
  ])('refuses %o', (list, said) => {
    expect(() => parsePlantedBugs(list)).toThrow(said);
  });
});
