import { existsSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { afterAll, describe, expect, it } from 'vitest';
import { openCaptures } from '../../../traces/index.ts';

const folder = mkdtempSync(join(tmpdir(), 'tablewalk-closed-'));
afterAll(() => rmSync(folder, { recursive: true }));

const OPEN = '/proc/self/fd';
const MAP = 'a-1 [000] ..... 1.000000: map: IOMMU: iova=0x1000 - 0x2000 paddr=0x80000000 size=4096\n';
const traceDat = gunzipSync(readFileSync('test/vectors/captures/r6.trace.dat.gz'));

/** Files of the folder that this process has open. */
function openFiles(): string[] {
  return readdirSync(OPEN).flatMap((fd) => {
    try {
      const file = readlinkSync(join(OPEN, fd));
      return file.startsWith(folder) ? [file] : [];
    } catch {
      // The listing itself, which is closed by now.
      return [];
    }
  });
}

describe.skipIf(!existsSync(OPEN))('a capture that is refused is closed', () => {
  it.each<[string, string | Uint8Array, RegExp]>([
    ['an empty file', '', /an empty file/],
    ['text without events', 'nothing\n'.repeat(100_000), /without a single trace event/],
    ['something else', '\x7fELF'.repeat(100_000), /allowed/],
    ['gzip in gzip', [1, 2, 3, 4, 5, 6].reduce((bytes: Uint8Array) => gzipSync(bytes), Buffer.from(MAP)), /times over/],
    ['a damaged line, in strict mode', `${MAP}${MAP.replace('4096', 'four')}${MAP.repeat(10_000)}`, /line 2/],
    ['a damaged line, packed', gzipSync(`${MAP}${MAP.replace('4096', 'four')}${MAP.repeat(100_000)}`), /line 2/],
    ['a trace.dat that ends early, in strict mode', traceDat.subarray(0, traceDat.length - 30_000), /./],
  ])('%s', async (name, content, message) => {
    const file = join(folder, name.replaceAll(/\W/g, '-'));
    writeFileSync(file, content);
    const read = async (): Promise<void> => {
      const reader = await openCaptures([file], { strict: true });
      while (await reader.fill()) while (reader.next());
    };
    await expect(read()).rejects.toThrow(message);
    // What a refusal in the middle of a block began to close takes a turn.
    await expect.poll(openFiles).toEqual([]);
  });

  it('and so is one that is read to its end', async () => {
    const file = join(folder, 'whole');
    writeFileSync(file, gzipSync(MAP.repeat(100)));
    const reader = await openCaptures([file]);
    while (await reader.fill()) while (reader.next());
    expect(openFiles()).toEqual([]);
  });
});
