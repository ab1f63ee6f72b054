import { describe, expect, it } from 'vitest';
import { REGISTERS } from '../../../devices/index.ts';
import {
  captureImage,
  drawTables,
  forEachLeafRecord,
  forEachStreamLeaf,
  ImageStreams,
  type LeafRecord,
  MemoryImage,
  newLeafScan,
  ReplayRun,
  type RunConfigInput,
  runConfig,
} from '../../../traces/index.ts';

const CAPTURE = 'traces/samples/small-strict.ftrace.txt.gz';
const UNTIL = 13;

/** Replays a capture to a time. @returns its image as the two files would give it back, and the leaves that the machine itself has */
async function imageAndLeaves(
  config: RunConfigInput,
): Promise<{ image: MemoryImage; leaves: LeafRecord[]; pages: number }> {
  const leaves: LeafRecord[] = [];
  let image: MemoryImage | null = null;
  let pages = 0;
  await new ReplayRun([CAPTURE], runConfig(config), {
    until: UNTIL,
    beforeReport: (replayer) => {
      forEachStreamLeaf(replayer, ({ inferred: _, ...leaf }) => leaves.push(leaf));
      const { device, memory } = replayer.machine;
      const captured = captureImage(device, REGISTERS, memory);
      const bytes = Buffer.concat(Array.from(captured.pages, (page) => Buffer.from(page)));
      pages = captured.pageCount;
      expect(bytes.length).toBe(4096 * pages);
      image = MemoryImage.parse('captured', captured.description, bytes);
    },
  }).run();
  if (image === null) throw new Error('the replay ended without its tables');
  return { image, leaves, pages };
}

describe('the image of a machine', () => {
  it.each([
    ['4k, coherent', {}],
    ['4k, non-coherent', { table: { walk: 'non-coherent' } }],
    ['stage 2', { table: { format: 'arm-64-lpae-s2', ias: 40 } }],
  ] as const)('gives every leaf of every stream back: %s', async (_name, config) => {
    const { image, leaves, pages } = await imageAndLeaves(config);
    const found: LeafRecord[] = [];
    for (const owner of new ImageStreams(image).translated()) {
      forEachLeafRecord(image, owner, newLeafScan(), (leaf) => found.push(leaf));
    }
    expect(leaves.length).toBeGreaterThan(10);
    expect(found).toEqual(leaves);
    expect(pages).toBeGreaterThan(8);
  });

  it('is drawn with every entry of every table once, and each leaf in the table that holds it', async () => {
    const { image, leaves } = await imageAndLeaves({});
    for (const { sid, regime } of new ImageStreams(image).translated()) {
      const { tables, mappedBytes, tableBytes } = drawTables(image, regime);
      expect(tableBytes).toBe(4096 * tables.length);
      for (const { level, runs, iova } of tables) {
        let next = 0;
        for (const run of runs) {
          expect(run.first).toBe(next);
          expect(run.iova).toBe(iova + run.first * 2 ** (39 - 9 * level));
          next += run.count;
        }
        expect(next).toBe(512);
      }
      const own = leaves.filter((leaf) => leaf.sid === sid);
      expect(mappedBytes).toBe(own.reduce((sum, { size }) => sum + size, 0));
      const drawn = tables.flatMap(({ runs }) => runs).filter(({ kind }) => kind === 'leaf');
      expect(drawn.reduce((sum, { count }) => sum + count, 0)).toBe(own.length);
      for (const { iova, pa, value } of drawn) {
        expect(own).toContainEqual(
          expect.objectContaining({ iova: `0x${iova.toString(16)}`, pa: `0x${pa.toString(16)}`, pte: value }),
        );
      }
      for (const { runs } of tables) {
        for (const { kind, pa } of runs)
          if (kind === 'table') expect(tables.some((table) => table.pa === pa)).toBe(true);
      }
    }
  });
});
