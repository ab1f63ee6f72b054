import { describe, expect, it } from 'vitest';
import { parseMmuConfig } from '../../../../emulator/index.ts';
import { WalkCaches } from '../../../../emulator/mmu/tlb/walk-caches.ts';

const SECTIONS = [0, 1, 2, 3, 4, 5, 6, 7];
const levels = [0, 1, 2, 3];

/** log2 of what an entry of each section covers, 4K granule. */
const shiftOf = (section: number): number => 12 + (3 - (section % 4)) * 9;

describe('a unified walk cache', () => {
  const unified = (unifiedEntries: number, ways: number): WalkCaches =>
    new WalkCaches(parseMmuConfig({ walkCache: { unifiedEntries, ways, stage1Levels: levels, stage2Levels: levels } }));

  it('spreads the levels of one address over its sets: with one way each they do not drive each other out', () => {
    const caches = unified(8, 1);
    for (const section of SECTIONS) caches.keep(section, shiftOf(section), 0, 0, section, 0, 0);
    expect(SECTIONS.map((section) => caches.lookup(section, shiftOf(section), 0, 0) >= 0)).not.toContain(false);
  });

  it('tells levels and stages apart', () => {
    const caches = unified(64, 4);
    caches.keep(2, shiftOf(2), 0x200, 0, 0x1000, 0, 0);
    for (const section of SECTIONS) {
      expect(caches.lookup(section, shiftOf(section), 0x200, 0) >= 0).toBe(section === 2);
    }
  });

  it('counts each level by itself', () => {
    const caches = unified(64, 4);
    caches.keep(1, shiftOf(1), 0, 0, 0x1000, 0, 0);
    caches.lookup(1, shiftOf(1), 0, 0);
    caches.lookup(2, shiftOf(2), 0, 0);
    expect(caches.countersOf(1)).toEqual({ lookups: 1, misses: 0, updates: 1, insertions: 1 });
    expect(caches.countersOf(2)).toEqual({ lookups: 1, misses: 1, updates: 0, insertions: 0 });
    caches.resetCounters();
    expect(caches.countersOf(1)).toEqual({ lookups: 0, misses: 0, updates: 0, insertions: 0 });
  });
});

describe('separate walk caches', () => {
  it('keep only the levels that have entries and are named', () => {
    const caches = new WalkCaches(
      parseMmuConfig({ walkCache: { stage1: [4, 0, 4, 4], stage1Levels: [0, 1, 2], stage2Levels: [] } }),
    );
    for (const section of SECTIONS) caches.keep(section, shiftOf(section), 0, 0, section, 0, 0);
    expect(SECTIONS.filter((section) => caches.lookup(section, shiftOf(section), 0, 0) >= 0)).toEqual([0, 2]);
  });
});
