import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PRESETS } from '../../../emulator/index.ts';
import { ConfigError } from '../../../formats/index.ts';
import {
  InputError,
  loadImage,
  parseMapSpec,
  readAddressList,
  runConfig,
  runOnImage,
  runOnMap,
  type StreamOptions,
} from '../../../traces/index.ts';

const folder = mkdtempSync(join(tmpdir(), 'address-list-'));
function file(name: string, content: Uint8Array | string): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}
const words = (...addresses: bigint[]): Uint8Array => new Uint8Array(BigUint64Array.from(addresses).buffer);

describe('an address list', () => {
  it('reads the same from words, gzipped words and text', () => {
    const expected = [0x7f00_0000_0040, 4096, 2 ** 51];
    const raw = words(...expected.map(BigInt));
    for (const path of [
      file('raw.u64', raw),
      file('raw.u64.gz', gzipSync(raw)),
      file('list.txt', '# three\n0x7f0000000040\n\n4096\n2251799813685248\n'),
    ]) {
      expect([...readAddressList(path).addresses]).toEqual(expected);
    }
  });

  it('keeps the upper half apart', () => {
    const { addresses, upper } = readAddressList(file('upper.u64', words(0xffff_8000_0000_1000n, 0x1000n)));
    expect([...addresses]).toEqual([0x8000_0000_1000, 0x1000]);
    expect([...(upper ?? [])]).toEqual([1, 0]);
  });

  it.each([
    ['empty.u64', '', 'no addresses'],
    ['odd.u64', new Uint8Array(12), '12 bytes'],
    ['cut.u64.gz', gzipSync(words(1n, 2n, 3n)).subarray(0, 15), 'damaged gzip'],
    ['words.txt', '0x1000\nhello\n', 'hello'],
    ['wide.u64', words(2n ** 60n), '0x1000000000000000'],
  ] as const)('%s is refused, saying what was found', (name, content, found) => {
    expect(() => readAddressList(file(name, content))).toThrow(InputError);
    expect(() => readAddressList(file(name, content))).toThrow(found);
  });

  it('that is missing or a directory is refused', () => {
    expect(() => readAddressList(join(folder, 'nowhere'))).toThrow(/no such file/);
    expect(() => readAddressList(folder)).toThrow(/a directory/);
  });
});

describe('a map specification', () => {
  it('names page sizes and ranges', () => {
    expect(parseMapSpec('touched')).toEqual({ touched: 4096 });
    expect(parseMapSpec('touched:2m')).toEqual({ touched: 2 ** 21 });
    expect(parseMapSpec('0x1000:64k:0x8000,0x200000:2m:0x400000')).toEqual({
      ranges: [
        { iova: 0x1000, size: 0x1_0000, pa: 0x8000 },
        { iova: 0x20_0000, size: 0x20_0000, pa: 0x40_0000 },
      ],
    });
  });

  it.each(['', 'all', 'touched:x', '0x1000:4k', '0x1000:4k:0:0', '0x1000:4q:0'])('"%s" is refused', (text) => {
    expect(() => parseMapSpec(text)).toThrow(ConfigError);
  });
});

const options = (addresses: number[], over: Partial<StreamOptions> = {}): StreamOptions => ({
  list: { addresses: Float64Array.from(addresses), upper: null },
  streamId: 0,
  flags: 0,
  size: 64,
  outstanding: 1,
  ids: 1,
  gap: 1,
  ...over,
});

describe('a list through a machine of our own', () => {
  it('has every request answered, and walks each page once', () => {
    const pages = Array.from({ length: 100 }, (_, at) => 0x1_0000_0000 + (at % 10) * 4096);
    const report = runOnMap(runConfig(), parseMapSpec('touched'), options(pages));
    expect(report).toMatchObject({ requests: 100, faults: 0, walks: 10 });
    expect(report.microTlb).toEqual({ lookups: 100, misses: 10 });
    const counted = Object.values(report.latency.histogram).reduce((sum, count) => sum + count, 0);
    expect(counted).toBe(100);
  });

  it('faults where nothing is mapped', () => {
    const report = runOnMap(runConfig(), parseMapSpec('0x1000:4k:0x1000'), options([0x1000, 0x2000, 0x1ff0]));
    expect(report).toMatchObject({ requests: 3, faults: 1 });
  });

  it('maps blocks where asked, so that walks end a level earlier', () => {
    const scattered = Array.from({ length: 64 }, (_, at) => at * 2 ** 21);
    const reads = (spec: string): number =>
      runOnMap(runConfig({ mmu: { walkCache: { enabled: false } } }), parseMapSpec(spec), options(scattered))
        .descriptorReads;
    expect(reads('touched')).toBe(4 * 64);
    expect(reads('touched:2m')).toBe(3 * 64);
  });

  it('answers the same requests with many in flight, in less time', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(200), { minLength: 50, maxLength: 100 }), (pages) => {
        const list = pages.map((page) => page * 4096);
        const alone = runOnMap(runConfig(), parseMapSpec('touched'), options(list));
        const many = runOnMap(runConfig(), parseMapSpec('touched'), options(list, { outstanding: 16, ids: 16 }));
        expect([many.requests, many.faults]).toEqual([alone.requests, 0]);
        expect(many.totalCycles).toBeLessThan(alone.totalCycles);
      }),
      { numRuns: 10 },
    );
  });

  it('refuses a stream that the machine does not have', () => {
    expect(() => runOnMap(runConfig(), parseMapSpec('touched'), options([0], { streamId: 2 ** 33 }))).toThrow(
      ConfigError,
    );
  });
});

describe('a list through an image', () => {
  it('uses the stream table and tables of the image', () => {
    const image = loadImage(join(import.meta.dirname, '..', '..', 'vectors', 'gem5', 'image'));
    // PRIVILEGED: the image's pages are for EL1.
    const report = runOnImage(PRESETS.qemu, image, options([0x7f00_0000_0000, 0x7f00_0400_0000], { flags: 2 }));
    expect(report).toMatchObject({ requests: 2, faults: 1, configurationReads: 2 });
  });
});
