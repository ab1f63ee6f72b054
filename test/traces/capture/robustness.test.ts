import { spawnSync } from 'node:child_process';
import { appendFileSync, createWriteStream, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { MAX_LINE } from '../../../traces/capture/readers/text-lines.ts';
import {
  BlobSource,
  EventKind,
  NameTable,
  openCaptures,
  openSources,
  remarks,
  type TraceEvent,
} from '../../../traces/index.ts';
import { chunksOf, copyOf, readCaptures, readText } from './read-events.ts';

const folder = mkdtempSync(join(tmpdir(), 'tablewalk-robust-'));
afterAll(() => rmSync(folder, { recursive: true }));

const line = (time: string, more = ''): string =>
  `              dd-308     [000] .....    ${time}: map: IOMMU: iova=0x00000000fffdf000 - 0x00000000fffe0000 paddr=0x0000000042852000 size=4096${more}\n`;
const TEXTS = [
  'clock_boot',
  'option_latency-format',
  'option_latency-format+verbose',
  'option_fields',
  'perf_trace',
  'r7inst.report',
  'overrun_trace_pipe',
  'mixed_dma_iommu',
].map((name) => gunzipSync(readFileSync(`test/vectors/captures/${name}.txt.gz`)).subarray(0, 6000));

describe('what a capture is', () => {
  const LOG =
    '14467@1795245992.366139:smmu_get_pte baseaddr=0x561e5000 index=0xba, pteaddr=0x561e55d0, pte=0x5608afc7\n';

  it.each([
    ['in sight', 20_000, 1],
    ['too far behind other output', 70_000, 0],
  ])('does not depend on how its bytes are cut: a log %s', async (_, before, expected) => {
    const bytes = Buffer.from(`${'other output of QEMU\n'.repeat(before / 20)}${LOG}`);
    for (const cut of [1, 4096, 65_537, bytes.length]) {
      const stdin = chunksOf(bytes.subarray(0, cut), bytes.subarray(cut));
      const read = await readCaptures(['-'], { stdin }).catch((error: Error) => error.message);
      if (expected === 0) expect(read).toMatch(/^-: found text without a single trace event/);
      else expect(read).toMatchObject({ events: [{ kind: EventKind.OTHER }] });
    }
  });
});

describe('damage invents nothing', () => {
  it('a text that is cut anywhere holds no event that the whole does not hold', () => {
    for (const text of TEXTS) {
      const whole = readText(text).events;
      for (let length = 1; length < text.length; length += 61) {
        const { events } = readText(text.subarray(0, length));
        // An event of another kind may be cut in its own text, which nobody reads.
        const essence = ({ kind, ...one }: TraceEvent): string =>
          JSON.stringify(kind === EventKind.OTHER ? kind : { ...one, runEnd: 0 });
        expect(events.map(essence)).toEqual(whole.slice(0, events.length).map(essence));
      }
    }
  });

  it('what was read before does not fill in what a line lacks', () => {
    // The first line leaves its time, fields and colon behind in the buffer of cut lines.
    const { events, stats } = readText(`${line('9.862381')}              dd-308     [000] .....    9.86238`, [40]);
    expect(events).toHaveLength(1);
    expect(stats.damaged + stats.ignored).toBe(1);
    const verbose =
      '    dd     393   0 0 00000000 00000000 [0312dd17] 17.932ms (+0.522ms): map: IOMMU: iova=0x1000 - 0x2000 paddr=0x0 size=4096\n';
    expect(readText(verbose).events[0]).toMatchObject({ pid: 393, cpu: 0 });
    for (const missing of ['    dd     393   0 0 ', '    dd     393   0 ']) {
      expect(readText(`7 7 7 7 7\n${verbose.slice(missing.length)}`).events).toEqual([]);
    }
  });

  it('lines in any order and state count the same, wherever the text is cut into chunks', () => {
    const lines = TEXTS.flatMap((text) => text.toString('latin1').split('\n').slice(0, 40));
    const nasty = fc.oneof(
      fc.constantFrom(
        ...lines,
        '',
        '\r',
        '\0',
        ' ',
        'x'.repeat(MAX_LINE),
        'y'.repeat(MAX_LINE + 1),
        'map:',
        'unmap: IOMMU: ',
        'CPU:',
      ),
      fc
        .tuple(fc.constantFrom(...lines), fc.nat(160), fc.constantFrom('', '\0', '9', '=', ' ', ':', '[', '.'))
        .map(([one, at, what]) => one.slice(0, at) + what + one.slice(at + 1)),
    );
    fc.assert(
      fc.property(
        fc.array(nasty, { minLength: 1, maxLength: 12 }),
        fc.constantFrom('', '', '', 'x'.repeat(MAX_LINE), 'y'.repeat(MAX_LINE + 1)),
        fc.array(fc.oneof(fc.integer({ min: 1, max: 900 }), fc.constantFrom(65_536, 65_537)), {
          minLength: 1,
          maxLength: 9,
        }),
        fc.boolean(),
        (all, long, chunks, terminated) => {
          const text = [...all, long, ...all].join('\n') + (terminated ? '\n' : '');
          const whole = readText(text, [1_000_000]);
          const cut = readText(text, chunks);
          expect(cut.events).toEqual(whole.events);
          expect({ ...cut.stats }).toEqual({ ...whole.stats });
          const lost = whole.stats.byKind[EventKind.LOST] ?? 0;
          expect(lost).toBe(0); // counted by the CaptureReader
          const losses = whole.events.filter(({ kind }) => kind === EventKind.LOST).length;
          const { lines: count, damaged, ignored } = whole.stats;
          expect(count).toBe(whole.events.length - losses + damaged + ignored + losses);
        },
      ),
      { numRuns: 60, seed: 9 },
    );
  });

  it('a line over 64 KiB is damage, whether or not a chunk ends in it', () => {
    for (const chunks of [[10_000_000], [1000], [MAX_LINE], [70_000]]) {
      const { events, stats } = readText(
        line('1.000000') + line('2.000000', ' '.repeat(MAX_LINE)) + line('3.000000'),
        chunks,
      );
      expect(events.map(({ time, line: at }) => [time, at])).toEqual([
        [1, 1],
        [3, 3],
      ]);
      expect(stats.damage).toMatchObject([{ line: 2, reason: `a line longer than ${MAX_LINE} bytes` }]);
    }
  });
});

it('a line over 64 KiB at the end of a chunk is counted behind the lines before it', () => {
  const text = line('1.000000') + line('2.000000') + 'x'.repeat(MAX_LINE + 1);
  for (const chunks of [[1_000_000], [40], [1000]]) {
    const { events, stats } = readText(text, chunks);
    expect(events.map((event) => event.line)).toEqual([1, 2]);
    expect(stats.damage).toMatchObject([{ line: 3 }]);
    expect(stats.lines).toBe(3);
  }
});

describe('times', () => {
  it.each([
    ['309 digits', '9'.repeat(309)],
    ['309 digits and a fraction', `${'9'.repeat(309)}.5`],
    ['309 digits of fraction', `1.${'0'.repeat(309)}`],
    ['ten digits of fraction', '1.0000000001'],
  ])('of %s are damage', (_, time) => {
    const { events, stats } = readText(line(time) + line('2.000000'));
    expect(events.map((event) => event.time)).toEqual([2]);
    expect(stats.damaged).toBe(1);
  });

  it('that run backwards are counted and said, and first and last are the least and the greatest', async () => {
    const stdin = chunksOf(line('5.000000') + line('9.000000') + line('2.500000') + line('6.000000'));
    const { stats } = await readCaptures(['-'], { stdin });
    expect(stats).toMatchObject({ backwards: 1, backwardsBy: 6.5, firstTime: 2.5, lastTime: 9 });
    expect(remarks(stats)).toEqual(['Time runs backwards 1 time, by 6.5 s at most.']);
  });
});

describe('sizes that no machine has', () => {
  const call = (size: string, paddr = '0x5000'): string =>
    `  a-1 [000] d.... 1.000000: dom_map: (f+0x0/0x1) domain=0xffff000000000001 iova=0x1000 paddr=${paddr} size=${size} prot=0x3\n`;

  it.each([
    ['2^44, a size with a digit too many', call('0xffffffff000'), /more than 4194304 leaf entries/],
    [
      '2^44, of an unmap',
      call('0xffffffff000').replace('dom_map', 'dom_unmap').replace('paddr=0x5000 ', ''),
      /more than 16777216 pages/,
    ],
    ['2^47', call('0x800000000000'), /more than 4194304 leaf entries/],
    ['2^52', call('0x10000000000000'), /beyond 52 bits/],
  ])('%s are damage', (_, text, reason) => {
    const { stats } = readText(text);
    expect(stats.damage.map((one) => one.reason).join()).toMatch(reason);
  });

  it('large maps that a table of blocks holds are none', () => {
    expect(readText(call('0x10000000000', '0x1000')).events).toHaveLength(1);
    expect(readText(call('0x1000000000', '0x200001000')).events).toHaveLength(1);
  });
});

describe('files', () => {
  const events = async (path: string): Promise<number> => (await readCaptures([path])).events.length;

  it('of gzip members with zero bytes between and behind them are read to the end', async () => {
    const path = join(folder, 'padded.gz');
    const zeros = Buffer.alloc(512);
    writeFileSync(
      path,
      Buffer.concat([gzipSync(line('1.0')), zeros, gzipSync(line('2.0')), gzipSync(line('3.0')), zeros]),
    );
    expect(await events(path)).toBe(3);
    const bytes = readFileSync(path);
    const chunks = Array.from({ length: Math.ceil(bytes.length / 7) }, (_, i) => bytes.subarray(i * 7, i * 7 + 7));
    expect((await readCaptures(['-'], { stdin: chunksOf(...chunks) })).events).toHaveLength(3);
    writeFileSync(path, Buffer.concat([gzipSync(line('1.0')), zeros, Buffer.from('rubbish')]));
    const { stats } = await readCaptures([path]);
    expect(stats).toMatchObject({ events: 1, damaged: 1 });
  });

  it('compressed twice, and with zstd, are seen through', async () => {
    const path = join(folder, 'twice.gz');
    writeFileSync(path, gzipSync(gzipSync(line('1.0') + line('2.0'))));
    expect(await events(path)).toBe(2);
    const frame = (text: string): Buffer => {
      const header = Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0, 0x50]);
      const block = Buffer.alloc(3);
      block.writeUIntLE(text.length * 8 + 1, 0, 3);
      return Buffer.concat([header, block, Buffer.from(text)]);
    };
    const zst = join(folder, 'text.zst');
    writeFileSync(zst, Buffer.concat([frame(line('1.0')), frame(line('2.0'))]));
    expect(await events(zst)).toBe(2);
    const cut = readFileSync(zst);
    writeFileSync(zst, cut.subarray(0, cut.length - 10));
    expect((await readCaptures([zst])).stats.damage.map(({ reason }) => reason)).toContain('the zstd data ends early');
  });

  it('whose size is said to be 0, as in tracefs and procfs, are read all the same', async () => {
    await expect(events('/proc/version')).rejects.toThrow('text without a single trace event');
    const reader = await openCaptures(['/proc/version']);
    expect(reader.progress.total).toBe(0);
  });

  it('that are a FIFO', async () => {
    const path = join(folder, 'fifo');
    expect(spawnSync('mkfifo', [path]).status).toBe(0);
    const writer = createWriteStream(path);
    writer.write(line('1.0'));
    setTimeout(() => writer.end(line('2.0')), 30);
    expect(await events(path)).toBe(2);
  });

  it('that grow while they are read', async () => {
    const path = join(folder, 'grows.txt');
    writeFileSync(path, line('1.000000').repeat(3000));
    const reader = await openCaptures([path]);
    await reader.fill();
    appendFileSync(path, line('2.000000').repeat(3000));
    let count = 0;
    do while (reader.next()) count++;
    while (await reader.fill());
    expect(count).toBe(6000);
  });

  it('in a browser: gzip of the web platform, the same events', async () => {
    const bytes = readFileSync('traces/samples/small-strict.ftrace.txt.gz');
    const reader = await openSources([new BlobSource('dropped.gz', new Blob([bytes]))]);
    const found: TraceEvent[] = [];
    while (await reader.fill()) while (reader.next()) found.push(copyOf(reader.event));
    expect(found).toEqual((await readCaptures(['traces/samples/small-strict.ftrace.txt.gz'])).events);
    expect(reader.progress.read).toBe(bytes.length);
  });
});

it('twenty thousand device names are numbered in order', () => {
  const table = new NameTable();
  const names = Array.from({ length: 20_000 }, (_, index) => Buffer.from(`device-${index}`));
  for (const [index, name] of names.entries()) expect(table.intern(name, 0, name.length)).toBe(index);
  for (const [index, name] of names.entries()) expect(table.find(name, 0, name.length)).toBe(index);
});
