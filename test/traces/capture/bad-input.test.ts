import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { deflateSync, gunzipSync, gzipSync } from 'node:zlib';
import { afterAll, describe, expect, it } from 'vitest';
import { MAX_LINE } from '../../../traces/capture/readers/text-lines.ts';
import { DAMAGE_KEPT, EventKind, InputError, openCaptures } from '../../../traces/index.ts';
import { chunksOf, type ReadBack, readCaptures, readText } from './read-events.ts';

const SAMPLE = 'traces/samples/small-strict.ftrace.txt.gz';
const LINE =
  '              dd-308     [000] .....    42.747373: map: IOMMU: iova=0x00000000fffdf000 - 0x00000000fffe0000 paddr=0x0000000042852000 size=4096\n';
const UNMAP =
  '          <idle>-0       [000] d.h..    42.747872: unmap: IOMMU: iova=0x00000000fffdf000 - 0x00000000fffe0000 size=4096 unmapped_size=4096\n';

const folder = mkdtempSync(join(tmpdir(), 'tablewalk-input-'));
afterAll(() => rm(folder, { recursive: true }));

function file(name: string, content: string | Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

async function refusal(
  paths: readonly string[],
  options: Parameters<typeof openCaptures>[1] = {},
): Promise<InputError> {
  const error: unknown = await readCaptures(paths, options).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof InputError)) throw new Error(`no InputError but ${String(error)}`);
  expect(error.message).not.toContain('\n');
  return error;
}

describe('a file that is no capture is refused in one line that names it', () => {
  it.each([
    ['a missing file', () => join(folder, 'missing.txt'), 'no such file'],
    ['a path through a file', () => join(file('plain.txt', LINE), 'below.txt'), 'no such file'],
    ['a directory', () => folder, 'a directory'],
    ['an empty file', () => file('empty.txt', ''), 'an empty file'],
    ['an empty gzip', () => file('empty.gz', gzipSync('')), 'text without a single trace event'],
    ['cut zstd data', () => file('x.zst', Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, 0, 0)), 'the zstd data ends early'],
    ['xz data', () => file('x.xz', Uint8Array.of(0xfd, 0x37, 0x7a, 0x58, 0x5a, 0)), 'xz -d'],
    ['zlib data', () => file('x.z', deflateSync('a'.repeat(100))), 'zlib-compressed data'],
    ['atrace -z', () => file('x.atrace', Buffer.from('TRACE:\nx\u009cabc', 'latin1')), 'record it without -z'],
    [
      'noise without control characters',
      () => file('noise', Buffer.alloc(4096, '\u00e4\u00f6\u00fc', 'latin1')),
      'binary data',
    ],
    ['UTF-16 text', () => file('utf16.txt', Buffer.from(`\ufeff${LINE}`, 'utf16le')), 'UTF-16'],
    [
      'other binary data',
      () =>
        file(
          'noise.bin',
          Uint8Array.from({ length: 4096 }, (_, index) => index % 7),
        ),
      'binary data',
    ],
    [
      'text that is no trace',
      () => file('poem.txt', 'Shall I compare thee\nto a summer day?\n'),
      'text without a single trace event',
    ],
  ])('%s', async (_, path, found) => {
    const error = await refusal([path()]);
    expect(error.file).toBe(path());
    expect(error.found).toContain(found);
    expect(error.message.startsWith(`${error.file}: found `)).toBe(true);
  });

  it('standard input without a byte', async () => {
    expect((await refusal(['-'], { stdin: chunksOf() })).message).toMatch(/^-: found nothing on standard input/);
  });

  it('the second of two captures, before anything is read of the first', async () => {
    await expect(openCaptures([SAMPLE, join(folder, 'missing.txt')])).rejects.toThrow(InputError);
  });
});

describe('what can be read is read', () => {
  it('a capture with a header but no events is empty, not wrong', async () => {
    const { stats } = await readCaptures([file('quiet.txt', '# tracer: nop\n#\n')]);
    expect(stats).toMatchObject({ events: 0, damaged: 0 });
  });

  it('a capture of other events only has no maps', async () => {
    const other =
      '              dd-1     [000] .....     1.000000: block_rq_issue: 259,0 RS 4096 () 0 + 8 be,0,4 [dd]\n';
    const { stats } = await readCaptures([file('other.txt', other.repeat(3))]);
    expect(stats).toMatchObject({ events: 3, maps: 0, unmaps: 0, other: 3, damaged: 0 });
  });

  it('gzip is recognised by its bytes, from a file of any name and from standard input, in several members', async () => {
    const two = Buffer.concat([gzipSync(LINE), gzipSync(UNMAP)]);
    expect((await readCaptures([file('odd-name.txt', two)])).events).toHaveLength(2);
    const { events } = await readCaptures(['-'], { stdin: chunksOf(two.subarray(0, 30), two.subarray(30)) });
    expect(events.map((event) => event.kind)).toEqual([EventKind.MAP, EventKind.UNMAP]);
  });

  it('Windows line ends', async () => {
    const { events, stats } = readText((LINE + UNMAP).replaceAll('\n', '\r\n'));
    expect(events).toHaveLength(2);
    expect(stats.damaged).toBe(0);
  });

  it('progress counts the bytes of the file as it is stored', async () => {
    const reader = await openCaptures([SAMPLE]);
    const { size } = { size: readFileSync(SAMPLE).length };
    expect(reader.progress).toEqual({ read: 0, total: size });
    while (await reader.fill()) while (reader.next());
    expect(reader.progress.read).toBe(size);
  });

  it('close ends the reading early', async () => {
    const reader = await openCaptures([SAMPLE]);
    await reader.fill();
    await reader.close();
    expect(await reader.fill()).toBe(false);
    expect(reader.next()).toBe(false);
  });
});

describe('several captures in one run', () => {
  it('are read one after the other, with domains of their own and line numbers of their own', async () => {
    const named =
      'a-1 [000] d.... 1.000000: dom_map: (f+0x0/0x1) domain=0xffff000000000001 iova=0x1000 paddr=0x2000 size=0x1000 prot=0x3\n';
    const paths = [file('one.txt', named), file('two.txt', `# tracer: nop\n${named}${named}`)];
    const { events, stats } = await readCaptures(paths);
    expect(events.map(({ capture, domain, line, prot }) => [capture, domain, line, prot])).toEqual([
      [0, 0, 1, 3],
      [1, 1, 2, 3],
      [1, 1, 3, 3],
    ]);
    expect(stats).toMatchObject({ maps: 3, lines: 4 });
  });
});

describe('damage is counted with its place and reason, and refused with strict', () => {
  const damagedLines: readonly (readonly [string, string, RegExp])[] = [
    ['size 0', LINE.replace('size=4096', 'size=0').replace('fffe0000', 'fffdf000'), /size is 0/],
    ['an end that is not iova + size', LINE.replace('size=4096', 'size=8192'), /end of the range is not iova/],
    [
      'an address beyond 52 bits',
      LINE.replace('0x00000000fffdf000', '0xffffffffffffe000'),
      /beyond 52 bits|end of the range/,
    ],
    [
      'a number of more than 64 bits',
      LINE.replace('0x00000000fffdf000', '0x1000000000000fffdf000'),
      /iova is no number/,
    ],
    [
      'a physical address beyond 52 bits',
      LINE.replace('0x0000000042852000', '0xfffffffff2852000'),
      /paddr reaches beyond/,
    ],
    ['a missing iova', LINE.replace(/iova=\S+ - \S+ /, ''), /no iova/],
    ['a missing paddr', LINE.replace(/paddr=\S+ /, ''), /no paddr/],
    ['a missing size', UNMAP.replace(/ size=\S+/, ''), /no size/],
    ['a letter in a number', LINE.replace('size=4096', 'size=40g6'), /rubbish/],
    ['a NUL in a number', LINE.replace('size=4096', 'size=\u00004096'), /size is no number/],
    ['no number', LINE.replace('size=4096', 'size='), /size is no number/],
    ['two lines torn into one', LINE.slice(40, 100) + UNMAP.slice(20), /no event name and time|no /],
    ['a group event without device', ' a-1 [000] ..... 1.000000: attach_device_to_domain: IOMMU: \n', /no device/],
    [
      'a dom_map without domain',
      ' a-1 [000] ..... 1.000000: dom_map: iova=0x1000 paddr=0x1000 size=0x1000\n',
      /no domain/,
    ],
    ['a dma event without device', ' a-1 [000] ..... 1.000000: dma_map_page: \n', /no device/],
  ];

  it.each(damagedLines)('%s', (_, line, reason) => {
    const { events, stats } = readText(`${UNMAP}${line}${UNMAP}`);
    expect(events).toHaveLength(2);
    expect(stats.damaged).toBe(1);
    expect(stats.damage).toEqual([
      { file: 'text', line: 2, offset: UNMAP.length, reason: expect.stringMatching(reason) },
    ]);
    expect(() => readText(`${UNMAP}${line}`, [65_536], true)).toThrow(InputError);
    expect(() => readText(`${UNMAP}${line}`, [65_536], true)).toThrow(`text: line 2, byte ${UNMAP.length}: found `);
  });

  it('the first hundred are kept, all are counted', () => {
    const { stats } = readText(LINE.replace('size=4096', 'size=0').repeat(DAMAGE_KEPT + 50));
    expect(stats.damaged).toBe(DAMAGE_KEPT + 50);
    expect(stats.damage).toHaveLength(DAMAGE_KEPT);
  });

  it('a last line cut anywhere is never taken for a shorter event', () => {
    const perfTrace = '   327.185 dd/474 iommu:map(iova: 4294815744, paddr: 0x5a007000, size: 4096)\n';
    for (const line of [LINE, UNMAP, perfTrace]) {
      const bare = line.trimEnd();
      for (let length = 1; length < bare.length; length++) {
        const { events } = readText(UNMAP + bare.slice(0, length));
        expect(
          events.slice(1).filter((event) => event.kind !== EventKind.OTHER),
          bare.slice(0, length),
        ).toEqual([]);
      }
      expect(readText(UNMAP + bare).events, 'whole, only the line feed is missing').toHaveLength(2);
    }
  });

  it('a last line without line feed that does not prove its last digit is damage, and counted', () => {
    const front = '              dd-308     [000] d....     9.862381: ';
    for (const line of [
      'map: IOMMU: iova=0x00000000fffdf000 paddr=0x0000000042852000 size=0x1000',
      'unmap: IOMMU: iova=0x00000000fffdf000 size=8192 unmapped_size=4096',
      'attach_device_to_domain: IOMMU: device=0000:00:02.0',
      'dom_map: (iommu_map+0x0/0x60) domain=0xffff00000325f830 iova=0xfffdf000 paddr=0x42852000 size=4096',
      'dma_map_page: 0000:00:02.0 dir=TO_DEVICE dma_addr=fff20000 size=4096 phys_addr=10ff20000 attrs=',
    ]) {
      expect(readText(`${UNMAP}${front}${line}\n`).stats, line).toMatchObject({ lines: 2, damaged: 0 });
      const { events, stats } = readText(`${UNMAP}${front}${line}`);
      expect(events, line).toHaveLength(1);
      expect(stats, line).toMatchObject({ lines: 2, damaged: 1, ignored: 0 });
      expect(stats.damage[0]).toMatchObject({ line: 2, reason: 'the last line has no line feed and may be cut' });
    }
  });

  it('a number in a comment that the end of the text may have cut is not believed', () => {
    for (const comment of ['# entries-in-buffer/entries-written: 140/2852', '# HZ: 250']) {
      const { events, stats } = readText(UNMAP + comment);
      expect(events).toHaveLength(1);
      expect(stats).toMatchObject({ hz: 0, damaged: 0, ignored: 1 });
    }
  });

  it('a line cut in its fields at the end of the text is damage', () => {
    const { stats } = readText(LINE + UNMAP.slice(0, -10));
    expect(stats).toMatchObject({ maps: 0, damaged: 1 });
    expect(stats.damage[0]).toMatchObject({ line: 2, offset: LINE.length });
  });

  it('a very long line is damage, and the lines around it are read', () => {
    for (const chunk of [1000, MAX_LINE, 10 * MAX_LINE]) {
      const { events, stats } = readText(`${LINE}${'x'.repeat(3 * MAX_LINE)}\n${UNMAP}`, [chunk]);
      expect(events.map((event) => [event.kind, event.line])).toEqual([
        [EventKind.MAP, 1],
        [EventKind.UNMAP, 3],
      ]);
      if (chunk <= MAX_LINE) expect(stats.damage).toMatchObject([{ line: 2, offset: LINE.length }]);
    }
  });

  it('bytes that are no text at all do not stop the reader', () => {
    const noise = Uint8Array.from({ length: 20_000 }, (_, index) => (index * 2_654_435_761) >>> 24);
    const { events } = readText(Buffer.concat([Buffer.from(LINE), noise, Buffer.from(`\n${UNMAP}`)]), [777]);
    expect(events.map((event) => event.kind)).toEqual([EventKind.MAP, EventKind.UNMAP]);
  });

  const compressed = readFileSync('traces/samples/medium-strict.ftrace.txt.gz');
  const whole = gunzipSync(compressed).toString().trimEnd().split('\n');

  async function expectFront(result: ReadBack, reason: RegExp): Promise<void> {
    expect(result.stats.events).toBeGreaterThan(20_000);
    expect(result.stats.events).toBeLessThan(57_891);
    expect(result.stats.damage.some((damage) => reason.test(damage.reason))).toBe(true);
    const last = result.events.at(-1);
    expect(whole[(last?.line ?? 0) - 1]).toContain(`iova=0x${last?.iova.toString(16).padStart(16, '0')}`);
  }

  it('a truncated gzip gives what can be read of it, as damage', async () => {
    const path = file('cut.gz', compressed.subarray(0, Math.floor(compressed.length / 2)));
    await expectFront(await readCaptures([path]), /gzip data ends early/);
    expect((await refusal([path], { strict: true })).found).toMatch(/gzip data ends early|may be cut/);
  });

  it('a damaged gzip gives what can be read of it, as damage', async () => {
    const bytes = Buffer.from(compressed);
    const middle = Math.floor(bytes.length / 2);
    bytes.fill(0xff, middle, middle + 16);
    const { stats } = await readCaptures([file('torn.gz', bytes)]);
    expect(stats.events).toBeGreaterThan(20_000);
    expect(stats.damage.map((damage) => damage.reason)).toEqual([
      expect.stringMatching(/damaged gzip data/),
      'the last line has no line feed and may be cut',
    ]);
  });
});
