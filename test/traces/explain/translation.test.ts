import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  AccessFlag,
  cacheContents,
  FixedContexts,
  Mmu,
  PRESETS,
  type PresetName,
  probedSets,
  TranslationRequest,
} from '../../../emulator/index.ts';
import { narrateTranslation } from '../../../traces/index.ts';
import { randomTables } from '../../emulator/mmu/translation/random-tables.ts';

const RUNS = Number(process.env['TABLEWALK_RUNS'] ?? 12);

const presets = fc.constantFrom<PresetName>('gem5', 'mmu-600-agilex5', 'mmu-500-agilex7', 'mmu-700', 'qemu', 'ideal');
const kinds = fc.constantFrom<'stage 1' | 'stage 2' | 'nested'>('stage 1', 'stage 2', 'nested');

describe('the story of a translation', () => {
  it('accounts for every cycle and every descriptor, whatever the caches hold', () => {
    fc.assert(
      fc.property(fc.nat(1e6), kinds, presets, (seed, kind, preset) => {
        const { regime, memory, inputs } = randomTables(seed, kind);
        const mmu = new Mmu(PRESETS[preset], memory, new FixedContexts(regime));
        const request = new TranslationRequest();
        for (const { iova, upper } of [...inputs, ...inputs]) {
          const write = iova % 128 === 0;
          const flags = (upper ? AccessFlag.UPPER : 0) | (write ? AccessFlag.WRITE : 0);
          request.ask(0, 5, -1, iova, flags, 0);
          const before = mmu.totalDescriptorReads;
          const story = narrateTranslation(mmu, request, () => mmu.translate(request));
          expect(story.events.reduce((sum, { cycles }) => sum + cycles, 0)).toBe(story.latency);
          expect(story.events.filter((event) => event.kind === 'device')).toEqual([]);
          const reads = story.events.filter((event) => event.kind === 'read');
          expect(story.reads).toBe(mmu.totalDescriptorReads - before);
          const updated = reads.some(({ step }) => step.outcome === 'updated');
          const aborted = story.fault?.name.includes('external') === true;
          if (!updated && !aborted) expect(reads).toHaveLength(story.reads);
          if (story.fault === null) expect(story.pa).toBe(`0x${request.pa.toString(16)}`);
        }
      }),
      { numRuns: RUNS },
    );
  });

  it('says which cache served it: nothing at first, then the micro-TLB', () => {
    const { regime, memory, inputs } = randomTables(7, 'stage 1');
    const mmu = new Mmu(PRESETS['mmu-600-agilex5'], memory, new FixedContexts(regime));
    const request = new TranslationRequest();
    const stories = inputs
      .filter(({ upper }) => !upper)
      .map(({ iova }) => {
        request.ask(0, 5, -1, iova, 0, 0);
        narrateTranslation(mmu, request, () => mmu.translate(request));
        return narrateTranslation(mmu, request, () => mmu.translate(request));
      });
    const served = stories.find(({ pa }) => pa !== null);
    expect(served?.events.map(({ kind }) => kind)).toEqual(['lookup', 'port']);
    expect(served?.events[0]).toMatchObject({ cache: 'micro-TLB', hit: true });
  });
});

describe('the contents of the caches', () => {
  it('are what a translation left there, in a set that a lookup of the address probes', () => {
    fc.assert(
      fc.property(fc.nat(1e6), kinds, (seed, kind) => {
        const { regime, memory, inputs } = randomTables(seed, kind);
        const mmu = new Mmu(PRESETS['mmu-600-agilex5'], memory, new FixedContexts(regime));
        const request = new TranslationRequest();
        for (const { iova, upper } of inputs) {
          request.ask(0, 5, -1, iova, upper ? AccessFlag.UPPER : 0, 0);
          if (!mmu.translate(request)) continue;
          const contents = cacheContents(mmu.caches);
          const main = contents.find(({ role }) => role === 'main TLB');
          const held = main?.entries.find(
            (entry) => entry.upper === upper && iova >= entry.iova && iova < entry.iova + entry.size,
          );
          expect(held).toMatchObject({ asid: regime.asid, vmid: regime.vmid, stale: false });
          expect((held?.output ?? 0) + iova - (held?.iova ?? 0)).toBe(request.pa);
          const [tbu] = mmu.caches.tbus;
          if (tbu?.mainTlb) expect(probedSets(tbu.mainTlb, iova, upper)).toContain(held?.set);
          for (const { name, entries } of contents.filter(({ role }) => role === 'walk cache')) {
            for (const { stage, level } of entries) expect(name).toBe(`walk S${stage}L${level}`);
          }
        }
      }),
      { numRuns: RUNS },
    );
  });
});
