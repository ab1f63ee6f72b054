import { crc32, deflateRawSync, gzipSync } from 'node:zlib';
import { expect, it } from 'vitest';
import { Prng } from '../../../formats/index.ts';
import { gunzip } from '../../../traces/files/gunzip.ts';

const TEXT = Array.from({ length: 3000 }, (_, at) => `line ${at * 7919}\n`).join('');

async function unpacked(bytes: Uint8Array, size = bytes.length): Promise<[text: string, damage: string]> {
  async function* cut(): AsyncGenerator<Uint8Array> {
    for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
  }
  const parts: Uint8Array[] = [];
  let damage = '';
  for await (const block of gunzip(cut())) {
    parts.push(block.bytes.slice());
    damage += block.damage;
  }
  return [Buffer.concat(parts).toString(), damage];
}

/** A member whose header has every optional part, RFC 1952 section 2.3. */
function dressed(text: string): Uint8Array {
  const data = Buffer.from(text);
  const words = Buffer.alloc(8);
  words.writeUInt32LE(crc32(data), 0);
  words.writeUInt32LE(data.length, 4);
  const head = [0x1f, 0x8b, 8, 2 | 4 | 8 | 16, 0, 0, 0, 0, 0, 3];
  const parts = [3, 0, 1, 0, 0, ...Buffer.from('name\0a remark\0'), 0x12, 0];
  return Buffer.concat([Buffer.from([...head, ...parts]), deflateRawSync(data), words]);
}

it('gives all of several members, padded or not, however they are cut', async () => {
  const all = Buffer.concat([gzipSync(TEXT), dressed('second\n'), Buffer.alloc(700), gzipSync('third\n')]);
  for (const size of [all.length, 8192, 8191, 100, 1]) {
    expect(await unpacked(all, size)).toEqual([`${TEXT}second\nthird\n`, '']);
  }
});

it('gives all that is before bytes which are no member, and says that there are such', async () => {
  const random = new Prng(1);
  for (const junk of [Buffer.from('junk'), Buffer.from([0, 0, 1]), Buffer.from([0x1f, 0x8b, 7])]) {
    const bytes = Buffer.concat([gzipSync(TEXT), junk]);
    const whole = await unpacked(bytes);
    expect(whole).toEqual([TEXT, 'bytes behind the gzip data that are none']);
    expect(await unpacked(bytes, 1 + random.below(300))).toEqual(whole);
  }
});

it.each([
  ['cut in its check sum', (bytes: Buffer) => bytes.subarray(0, -3), 'the gzip data ends early'],
  ['cut in its data', (bytes: Buffer) => bytes.subarray(0, -3000), 'the gzip data ends early'],
  ['cut in its header', (bytes: Buffer) => bytes.subarray(0, 5), 'the gzip data ends early'],
  [
    'with another check sum',
    (bytes: Buffer) => flip(bytes, bytes.length - 6),
    'damaged gzip data (incorrect data check)',
  ],
  [
    'with another length',
    (bytes: Buffer) => flip(bytes, bytes.length - 1),
    'damaged gzip data (incorrect length check)',
  ],
  ['with flags that there are not', (bytes: Buffer) => flip(bytes, 3), 'damaged gzip data (incorrect header check)'],
] as const)('a member %s gives what came before and says what is wrong', async (_, change, damage) => {
  const [text, found] = await unpacked(change(gzipSync(TEXT)), 1000);
  expect([TEXT.startsWith(text), found]).toEqual([true, damage]);
});

function flip(bytes: Buffer, at: number): Buffer {
  const changed = Buffer.from(bytes);
  changed[at] = (changed[at] as number) ^ 0xff;
  return changed;
}
