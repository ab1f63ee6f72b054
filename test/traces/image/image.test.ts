import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { FaultClass, Permission, type TranslationRegime, Walker } from '../../../emulator/index.ts';
import {
  forEachLeafRecord,
  ImageStreams,
  InputError,
  LeafComparison,
  type LeafRecord,
  loadImage,
  MemoryImage,
  narrateWalk,
  newLeafScan,
  readLeafList,
  refusalText,
  summarise,
  walkLines,
} from '../../../traces/index.ts';

const VECTORS = join(import.meta.dirname, '../../vectors/images');
const DUMPS = ['vfio', 'dma'] as const;
const folderOf = (dump: string): string => join(VECTORS, dump);
const listOf = (dump: string): string => join(VECTORS, dump, 'pt.leaves.jsonl.gz');

function leavesOf(dump: string): LeafRecord[] {
  const image = loadImage(folderOf(dump));
  const leaves: LeafRecord[] = [];
  const scan = newLeafScan();
  for (const stream of new ImageStreams(image).translated()) {
    forEachLeafRecord(image, stream, scan, (leaf) => leaves.push(leaf));
  }
  return leaves;
}

describe('the page tables of a real Linux, dumped from its memory', () => {
  it.each(DUMPS)('%s: every leaf of every stream is as the reference list has it', (dump) => {
    const comparison = new LeafComparison(readLeafList(listOf(dump)));
    for (const leaf of leavesOf(dump)) comparison.found(leaf);
    expect(comparison.finish()).toBe(0);
    expect(comparison.equal).toBe(dump === 'vfio' ? 5627 : 3324);
  });

  it.each(DUMPS)('%s: the tables found are those of the reference, by level', (dump) => {
    const image = loadImage(folderOf(dump));
    const summary = summarise(image, new ImageStreams(image).translated());
    expect(summary.tablesByLevel).toEqual(dump === 'vfio' ? [9, 12, 79, 176] : [8, 8, 8, 20]);
    expect([summary.unreadableTables, summary.repeatedTables]).toEqual([0, 0]);
    // Two streams of one group share their tables.
    expect([summary.streams, summary.spaces]).toEqual(dump === 'vfio' ? [9, 7] : [8, 6]);
  });

  it.each(DUMPS)(
    '%s: each page translates as its leaf says, with its permission, and what is next to it faults',
    (dump) => {
      const image = loadImage(folderOf(dump));
      const streams = new ImageStreams(image);
      const walker = new Walker(image);
      const leaves = leavesOf(dump);
      const starts = new Set(leaves.map((leaf) => `${leaf.sid}:${leaf.iova}`));
      let faults = 0;
      for (const leaf of leaves) {
        const stream = streams.stream(leaf.sid);
        if ('event' in stream) throw new Error(refusalText(stream));
        const iova = Number(leaf.iova);
        const pa = Number(leaf.pa);
        for (const offset of [0, leaf.size - 1]) {
          expect(walker.translate(stream.regime, iova + offset, false, Permission.READ)).toBe(true);
          expect(walker.outputAddress).toBe(pa + offset);
        }
        expect(walker.translate(stream.regime, iova, false, Permission.WRITE)).toBe(leaf.perm === 'rw');
        const end = iova + leaf.size;
        if (end < 2 ** 48 && !starts.has(`${leaf.sid}:0x${end.toString(16)}`)) {
          faults++;
          expect(walker.translate(stream.regime, end)).toBe(false);
          expect(walker.faultStage).toBe(1);
        }
      }
      expect(faults).toBeGreaterThan(10);
    },
  );

  it('a stream that is set to abort says so, and one beyond the table does not exist', () => {
    const streams = new ImageStreams(loadImage(folderOf('vfio')));
    const aborted = streams.stream(0);
    expect('event' in aborted ? refusalText(aborted) : 'translated').toMatch(/aborts all traffic/);
    const beyond = streams.stream(0x300);
    expect('event' in beyond ? refusalText(beyond) : 'translated').toMatch(/C_BAD_STREAMID/);
  });
});

describe('a stream table that has room for 2^32 streams', () => {
  const PAGES = [0x4000_0000, 0x4123_4000];
  /** An image of two pages, in which the words at some addresses are set. */
  function imageOf(config: string, words: readonly (readonly [at: number, word: number])[]): MemoryImage {
    const pages = PAGES.map((pa, index) => ({ pa: `0x${pa.toString(16)}`, off: 4096 * index }));
    const regs = { IDR0: '0x2', IDR1: '0x20', STRTAB_BASE: '0x40000000', STRTAB_BASE_CFG: config };
    const all = new Uint32Array(2048);
    for (const [at, word] of words) all[PAGES.indexOf(at - (at % 4096)) * 1024 + (at % 4096) / 4] = word;
    return MemoryImage.parse('image', JSON.stringify({ regs, pages }), new Uint8Array(all.buffer));
  }
  /** Valid, and leads to context descriptors that are not there. */
  const STAGE_1 = 0b1011;
  const L1_OF_PAGE = (0x123_4008 / 8) * 256;

  it.each([
    // A table of that size begins at 0.
    [
      'of one level',
      '0x20',
      [[0x4123_4040, STAGE_1]],
      [0, ...[0x4000_0080, 0x4000_1000, 0x4123_4040, 0x4123_5000].map((at) => at / 64)],
    ],
    // A second level of four pages, of which the first is there: it is the page at the start.
    [
      'of two levels',
      '0x10220',
      [[0x4123_4008, 0x4000_0009]],
      [(0x1000 / 8) * 256, ...[2, 64, 128, 192].map((at) => L1_OF_PAGE + at), (0x123_5000 / 8) * 256],
    ],
  ] as const)('is surveyed where the image has pages, and each gap is told once: %s', (_, config, words, sids) => {
    const image = imageOf(config, [[0x4000_0080, STAGE_1], ...words]);
    const found = [...new ImageStreams(image).survey()];
    expect(found.map(({ sid }) => sid)).toEqual(sids);
    for (const one of found) expect('event' in one ? refusalText(one) : '').toMatch(/^F_(STE|CD)_FETCH: /);
  });
});

describe("the tables of gem5's experiments, which another program built", () => {
  const image = loadImage(join(VECTORS, '../gem5/image'));

  it('are refused as the architecture says, for reserved encodings', () => {
    const refused = [...new ImageStreams(image).survey()].map((stream) =>
      'event' in stream ? refusalText(stream) : '',
    );
    expect(refused).toHaveLength(4);
    for (const text of refused) expect(text).toMatch(/^C_BAD_(CD|STE): /);
  });

  const regimeOf = (sid: number): TranslationRegime => {
    const stream = new ImageStreams(image, true).stream(sid);
    if ('event' in stream) throw new Error(refusalText(stream));
    return stream.regime;
  };

  it('taken unchecked, every page of stage 1 is where the experiments have it', () => {
    const regime = regimeOf(0);
    const walker = new Walker(image);
    let wrong = 0;
    for (let i = 0; i < 16384; i++) {
      const translated = walker.translate(regime, 0x7f00_0000_0000 + 4096 * i + 5, false, Permission.PRIVILEGED_READ);
      if (!translated || walker.outputAddress !== 0x1000_0000 + 4096 * ((5 * i + 3) % 16384) + 5) wrong++;
    }
    for (let i = 0; i < 512; i++) {
      const translated = walker.translate(regime, 0x7e00_0000_0000 + 2 ** 21 * i + 0x12345);
      if (!translated || walker.outputAddress !== 0x4000_0000 + 2 ** 21 * ((5 * i + 3) % 512) + 0x12345) wrong++;
    }
    expect(wrong).toBe(0);
    expect(walker.translate(regime, 0x7f00_0000_0000 + 4096 * 16384)).toBe(false);
  });

  it('nested, every page is what stage 2 alone makes of what stage 1 alone makes of it', () => {
    const [stage1, nested, stage2] = [regimeOf(0), regimeOf(1), regimeOf(3)];
    const walker = new Walker(image);
    let wrong = 0;
    for (let i = 0; i < 16384; i++) {
      const iova = 0x7f00_0000_0000 + 4096 * i + 5;
      walker.translate(stage1, iova);
      const ipa = walker.outputAddress;
      walker.translate(stage2, ipa);
      const pa = walker.outputAddress;
      if (!walker.translate(nested, iova) || walker.outputAddress !== pa || walker.intermediateAddress !== ipa) wrong++;
      // Four descriptors of stage 1, each behind four of stage 2, and four more for the output.
      if (walker.descriptorReads !== 24) wrong++;
    }
    expect(wrong).toBe(0);
    // Stage 2 maps nothing behind the 1 GiB of blocks that stage 1 has.
    expect(walker.translate(nested, 0x7e00_0000_0000)).toBe(false);
    expect([walker.faultStage, walker.faultClass, walker.faultIpa]).toEqual([2, FaultClass.INPUT, 0x4060_0000]);
  });

  it('nested leaves are listed cut along the pages of stage 2, and only where both stages map', () => {
    const streams = new ImageStreams(image, true);
    const sizes = [0, 1, 2].map((sid) => {
      const stream = streams.stream(sid);
      return 'event' in stream ? {} : summarise(image, [stream]).leavesBySize;
    });
    const pages = { leaves: 32768, bytes: 2 ** 27 };
    const blocks = { leaves: 512, bytes: 2 ** 30 };
    expect(sizes[0]).toEqual({ 4096: pages, [2 ** 21]: blocks });
    expect(sizes[1]).toEqual({ 4096: pages });
    expect(sizes[2]).toEqual({ 4096: pages, [2 ** 21]: blocks });
  });
});

describe('one walk in words', () => {
  const image = loadImage(folderOf('vfio'));
  const stream = new ImageStreams(image).stream(16);

  it('names table, entry, descriptor, fields and the result of each step', () => {
    if ('event' in stream) throw new Error(refusalText(stream));
    const walk = narrateWalk(image, stream.regime, 0xfffe0abcn);
    expect(walk.pa).toBe('0x10cfb6abc');
    expect(walk.steps.map((step) => (step.kind === 'descriptor' ? step.outcome : step.kind))).toEqual([
      'begin',
      'table',
      'table',
      'table',
      'leaf',
    ]);
    const text = walkLines(walk).join('\n');
    expect(text).toContain('Level 3, address bits 20:12: entry 480, at 0x10ccdcf00');
    expect(text).toContain('holds 0x10cfb6f47: VMSAv8-64 / LPAE stage 1 page');
    expect(text).toMatch(/\[10\] +af +1 +accessed/);
    expect(text).toContain('0xfffe0abc is at 0x10cfb6abc in a page of 4 KiB');
  });

  it('ends with the fault, its stage and its level', () => {
    if ('event' in stream) throw new Error(refusalText(stream));
    const walk = narrateWalk(image, stream.regime, 0n);
    expect(walk.fault).toMatchObject({ stage: 1, level: 1, name: 'translation fault' });
    expect(walkLines(walk).at(-1)).toBe('0x0 is refused: translation fault, stage 1, level 1.');
  });

  it('an address above the input size faults at level 0', () => {
    if ('event' in stream) throw new Error(refusalText(stream));
    expect(narrateWalk(image, stream.regime, 1n << 60n).fault).toMatchObject({ stage: 1, level: 0 });
  });
});

describe('a leaf list', () => {
  const leaf: LeafRecord = leavesOf('vfio')[0] as LeafRecord;

  it('differs by what is missing, extra and different, and ignores fields that it does not have', () => {
    const comparison = new LeafComparison([
      { sid: leaf.sid, iova: leaf.iova, pa: '0x1000', perm: leaf.perm },
      { sid: leaf.sid, iova: '0x5000', pa: '0x6000' },
    ]);
    comparison.found(leaf);
    comparison.found({ ...leaf, iova: '0x7000' });
    expect(comparison.finish()).toBe(3);
    expect(comparison.differences.map(({ kind, iova }) => [kind, iova])).toEqual([
      ['different', leaf.iova],
      ['extra', '0x7000'],
      ['missing', '0x5000'],
    ]);
    expect(comparison.differences[0]?.what).toBe(`pa: expected 0x1000, found ${leaf.pa}`);
  });

  it('compares addresses as numbers, however they are written', () => {
    const comparison = new LeafComparison([{ sid: leaf.sid, iova: `0x0000${leaf.iova.slice(2).toUpperCase()}` }]);
    comparison.found(leaf);
    expect(comparison.differences.filter(({ kind }) => kind !== 'different')).toEqual([]);
  });
});

describe('bad input is named', () => {
  const folder = mkdtempSync(join(tmpdir(), 'tablewalk-image-'));
  const bad = (json: string) => (): MemoryImage => {
    writeFileSync(join(folder, 'pt.json'), json);
    writeFileSync(join(folder, 'pt.pages.bin'), new Uint8Array(4096));
    return loadImage(folder);
  };

  it.each([
    ['a missing folder', () => loadImage(join(folder, 'nowhere')), /nowhere: found no such folder/],
    ['a file', () => loadImage(listOf('vfio')), /found no folder/],
    ['no JSON', bad('{'), /pt.json: found no JSON/],
    ['no pages', bad('{}'), /pages: found nothing/],
    [
      'a page at an odd address',
      bad('{"pages":[{"pa":"0x1001","off":0}]}'),
      /pages\[0\].pa: found 0x1001, allowed: a multiple of 4096/,
    ],
    ['a page twice', bad('{"pages":[{"pa":"0x1000","off":0},{"pa":"0x1000","off":0}]}'), /0x1000 twice/],
    ['a page beyond the end of the file', bad('{"pages":[{"pa":"0x1000","off":4096}]}'), /found 4096 bytes/],
    ['an address that is no number', bad('{"pages":[{"pa":"rubbish","off":0}]}'), /found "rubbish"/],
    ['a register that is no number', bad('{"pages":[],"regs":{"CR0":[]}}'), /regs.CR0: found \[\]/],
  ])('%s', (_name, load, message) => {
    expect(load).toThrow(InputError);
    expect(load).toThrow(message);
  });
});
