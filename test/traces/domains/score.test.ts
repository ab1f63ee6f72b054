import { afterAll, describe, expect, it } from 'vitest';
import { AS_RECORDED, HELD_OUT } from '../../../bench/domains/forms.ts';
import { findDomains, type KnownCapture, readKnown, scoreOf } from '../../../bench/domains/score.ts';
import { CALLS_RIGHT } from '../../../traces/index.ts';

/** What the confidence has to tell apart. */
const POORER = ['one task for all', 'last third lost', 'every 10th line lost'];
const DUMP = 'traces/samples/dma-dump.ftrace.txt.gz';
const known = new Map<string, Promise<KnownCapture>>();

/** A capture and its truth, read once. */
function knownOf(path: string): Promise<KnownCapture> {
  const read = known.get(path) ?? readKnown(path);
  known.set(path, read);
  return read;
}

afterAll(() => known.clear());

describe('domains of real captures whose truth is known, with the names hidden', () => {
  it.each([
    [DUMP, 6],
    ['traces/samples/vfio-dump.ftrace.txt.gz', 8],
    ['test/vectors/domains/medium-dma-events.txt.gz', 6],
  ])('%s: all are found, nothing contradictory is played, calls and live leaves are right', async (path, domains) => {
    const known = await knownOf(path);
    expect(known.domains).toBe(domains);
    const { tracker, found } = findDomains(known, AS_RECORDED);
    const score = scoreOf(known, found);
    expect(score).toMatchObject({ domains, contradictions: 0 });
    expect(score.calls).toBeGreaterThan(0.95);
    expect(score.leaves).toBeGreaterThan(0.95);
    expect(tracker.confidence).toBe('high');
  });

  it('the confidence holds what it says in poorer forms of a capture too', async () => {
    const known = await knownOf(DUMP);
    const said = new Set<string>();
    for (const form of HELD_OUT.filter(({ name }) => POORER.includes(name))) {
      const { tracker, found } = findDomains(known, form);
      const { confidence } = tracker;
      said.add(confidence);
      const score = scoreOf(known, found);
      expect(score.contradictions).toBe(0);
      expect(score.calls).toBeGreaterThanOrEqual(confidence === 'named' ? 1 : CALLS_RIGHT[confidence]);
    }
    expect([...said].sort()).toEqual(['high', 'low', 'medium']);
  });
});
