import { describe, expect, it } from 'vitest';
import { compareFigures, InputError, machineOf, runExperiment, type TranslationRecord } from '../../../traces/index.ts';
import { experimentOf, image, listOf } from './vectors.ts';

describe('what gem5 does wrong, as its users measured it', () => {
  const run = (name: string, config: object, onRecord: ((record: TranslationRecord) => void) | null = null) => {
    const experiment = experimentOf('t_same.mo1');
    const changed = { ...experiment, config: { ...experiment.config, list: name, ...config } };
    const { figures } = runExperiment(changed, image, listOf(name), onRecord);
    return figures as { stats: Record<string, number>; latency_histogram_top40: Record<string, number> };
  };
  const blockOf = (iova: number): number => Math.floor((iova - 0x7e00_0000_0000) / 2 ** 21);

  it('a stage-1 block over a stage 2 gives the IPA for the PA in 172,845 of 262,144 random accesses', () => {
    let wrong = 0;
    run('d_rand2m_1g', { sid: 2 }, ({ iova, pa }) => {
      const ipa = 0x4000_0000 + ((5 * blockOf(iova) + 3) % 512) * 2 ** 21 + (iova % 2 ** 21);
      if (pa === ipa) wrong++;
    });
    expect(wrong).toBe(172_845);
  });

  it('with leaves of level 3 in the walk cache, 999 of 1000 accesses to one page are wrong', () => {
    const pas = new Map<number, number>();
    const config = { sid: 1, smmu: { wc_s1_levels: 15 }, ifc: { utlb_enable: false, tlb_enable: false } };
    run('t_same', config, ({ pa }) => pas.set(pa, (pas.get(pa) ?? 0) + 1));
    expect([...pas.values()].sort((a, b) => a - b)).toEqual([1, 999]);
  });

  it('CFGI_CD empties the micro-TLB, but drops one page of sixteen from the main TLB', () => {
    const { stats } = run('t_inval', { invalidateAt: 32, command: Uint32Array.of(0x05, 0, 0, 0) });
    // 16 compulsory misses, then 16 pages that the micro-TLB has lost, of which the main TLB has 15.
    expect(stats['ifc.utlb.totalMisses']).toBe(32);
    expect(stats['ifc.maintlb.totalMisses']).toBe(17);
  });
});

describe('a changed figure', () => {
  it('is found, by name and by how much', () => {
    const experiment = experimentOf('t_same.mo1');
    const expected = structuredClone(experiment.expected) as { walks: number; stats: Record<string, number> };
    expected.walks = 2;
    expected.stats['ifc.utlb.totalMisses'] = 4;
    const { figures } = runExperiment(experiment, image, listOf('t_same'));
    const differences = compareFigures(
      expected,
      figures,
      new Map([
        [2, 999],
        [647, 1],
      ]),
    );
    expect(differences).toEqual([
      { figure: 'walks', expected: 2, found: 1, relative: -0.5 },
      { figure: 'stats.ifc.utlb.totalMisses', expected: 4, found: 1, relative: -0.75 },
    ]);
  });

  it('is found in a latency histogram, listed or not', () => {
    const latencies = new Map([
      [2, 998],
      [3, 1],
      [647, 1],
    ]);
    const differences = compareFigures({ latency_histogram_top40: { '2.0': 999, '647.0': 1 } }, {}, latencies);
    expect(differences.map(({ figure }) => figure)).toEqual([
      'latency_histogram_top40.2.0',
      'latency_histogram_top40.3',
    ]);
  });
});

describe('an experiment', () => {
  it('sets the machine by gem5 names', () => {
    const experiment = experimentOf('c_stride4k.mo1.stlb');
    expect(machineOf(experiment)).toMatchObject({ tlb: { enabled: true }, memory: { latency: 100 } });
  });

  it('with an unknown parameter is refused by name', () => {
    const experiment = experimentOf('t_same.mo1');
    const unknown = { ...experiment, config: { ...experiment.config, smmu: { tlb_colour: 3 } } };
    expect(() => machineOf(unknown)).toThrow(InputError);
    expect(() => machineOf(unknown)).toThrow(/config\.smmu\.tlb_colour/);
  });

  it('on a stream that does not exist is refused with the reason', () => {
    const experiment = experimentOf('t_same.mo1');
    const nowhere = { ...experiment, config: { ...experiment.config, sid: 99 } };
    expect(() => runExperiment(nowhere, image, listOf('t_same'))).toThrow(/configuration fault 2/);
  });
});
