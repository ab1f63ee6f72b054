import { describe, expect, it } from 'vitest';
import { type CallCounts, confidenceOf, missingOf } from '../../../traces/domains/confidence.ts';

const WHOLE: CallCounts = {
  calls: 100_000,
  inferred: true,
  ambiguous: 1000,
  contradictions: 0,
  unmatchedUnmaps: 0,
  replacedMaps: 0,
  firstUnmatched: Number.POSITIVE_INFINITY,
  firstContradiction: Number.POSITIVE_INFINITY,
  oneTask: false,
  lost: false,
  holes: 0,
};

describe('what a capture lacks', () => {
  it.each<[string, Partial<CallCounts>, string, string]>([
    ['a whole one', {}, 'nothing', 'high'],
    ['a named one', { inferred: false }, 'nothing', 'named'],
    ['one with some contradictions', { contradictions: 60, firstContradiction: 9 }, 'nothing', 'medium'],
    ['one that tells no threads apart', { oneTask: true }, 'nothing', 'medium'],
    ['one with many choices', { ambiguous: 15_000 }, 'nothing', 'medium'],
    [
      'the tail of a ring buffer',
      { unmatchedUnmaps: 6, firstUnmatched: 2, contradictions: 2, firstContradiction: 5000 },
      'start',
      'low',
    ],
    ['one without most unmaps', { contradictions: 9000, firstContradiction: 100 }, 'calls', 'low'],
    ['one that says it lost events', { lost: true }, 'calls', 'low'],
    ['one with a hole', { holes: 1, contradictions: 3 }, 'calls', 'low'],
    ['a named one that maps over itself', { inferred: false, replacedMaps: 1 }, 'calls', 'named'],
    [
      'one whose domains are guessed wrongly late',
      { contradictions: 50, firstContradiction: 70_000, unmatchedUnmaps: 9, firstUnmatched: 71_000 },
      'nothing',
      'high',
    ],
  ])('%s', (_, counts, missing, confidence) => {
    const all = { ...WHOLE, ...counts };
    expect(missingOf(all)).toBe(missing);
    expect(confidenceOf(all)).toBe(confidence);
  });
});
