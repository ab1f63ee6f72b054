import { describe, expect, it } from 'vitest';
import {
  forEachStreamLeaf,
  LeafComparison,
  type LeafRecord,
  ReplayRun,
  type RunConfigInput,
  readLeafList,
  runConfig,
} from '../../../traces/index.ts';

/** Captures of a real kernel, stopped at the time at which its memory was saved. */
const STOPPED = [
  ['vfio', 'traces/samples/vfio-dump.ftrace.txt.gz', 23.942338, 5627],
  ['dma', 'traces/samples/dma-dump.ftrace.txt.gz', 19.877514, 3324],
] as const;

/** The leaves of every stream when the replay stops. */
async function leavesOf(capture: string, until: number, config: RunConfigInput): Promise<LeafRecord[]> {
  const leaves: LeafRecord[] = [];
  const beforeReport = (replayer: Parameters<typeof forEachStreamLeaf>[0]): void => {
    forEachStreamLeaf(replayer, (leaf) => leaves.push(leaf));
  };
  await new ReplayRun([capture], runConfig(config), { until, beforeReport }).run();
  return leaves;
}

describe('the tables that a replay leaves', () => {
  it.each(
    STOPPED.flatMap(([name, capture, until, count]) => [
      [name, 'strict', 'coherent', capture, until, count] as const,
      [name, 'lazy', 'coherent', capture, until, count] as const,
      [name, 'strict', 'non-coherent', capture, until, count] as const,
    ]),
  )('are leaf by leaf those of the real kernel: %s, %s, %s', async (name, mode, walk, capture, until, count) => {
    const leaves = await leavesOf(capture, until, {
      invalidation: { mode },
      table: { walk },
      access: { pattern: 'none' },
    });
    // ASIDs are given out in the order of attachment, which is ours; everything else is the kernel's.
    const expected = readLeafList(`test/vectors/images/${name}/pt.leaves.jsonl.gz`).map(({ asid: _, ...leaf }) => leaf);
    const comparison = new LeafComparison(expected);
    for (const leaf of leaves) comparison.found(leaf);
    expect(comparison.finish()).toBe(0);
    expect(comparison.equal).toBe(count);
  });

  it('belong to each stream of a domain, by rising StreamID and address', async () => {
    const leaves = await leavesOf(STOPPED[1][1], STOPPED[1][2], { access: { pattern: 'none' } });
    const of = (sid: number) => leaves.filter((leaf) => leaf.sid === sid).map(({ iova, pa }) => [iova, pa]);
    // An nvme and the root port that it is behind.
    expect(of(0x100)).toEqual(of(0x10));
    const order = leaves.map(({ sid }) => sid);
    expect([...order].sort((a, b) => a - b)).toEqual(order);
  });

  it('say of whose domain the capture does not name that it was inferred, which a comparison leaves out', async () => {
    const named = await leavesOf(STOPPED[1][1], STOPPED[1][2], { access: { pattern: 'none' } });
    expect(named.some(({ inferred }) => inferred)).toBe(false);
    const leaves = await leavesOf('traces/samples/small-strict.ftrace.txt.gz', 13, { access: { pattern: 'none' } });
    expect(new Set(leaves.map(({ inferred }) => inferred))).toEqual(new Set([true]));
    const comparison = new LeafComparison(leaves.map((leaf) => ({ ...leaf })));
    for (const { inferred: _, ...leaf } of leaves) comparison.found(leaf);
    expect(comparison.finish()).toBe(0);
  });

  it('differ when the replay stops a little earlier', async () => {
    const [, capture, until, count] = STOPPED[1];
    expect((await leavesOf(capture, until - 0.01, { access: { pattern: 'none' } })).length).not.toBe(count);
  });
});
