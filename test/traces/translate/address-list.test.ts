import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeAddressList, readAddressList } from '../../../traces/index.ts';

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);

/** What a list of these words is. */
function listOf(words: readonly bigint[]): { addresses: number[]; upper: number[] | null } {
  const isUpper = words.map((word) => Number(word >= 2n ** 63n));
  const addresses = words.map((word, at) => Number(isUpper[at] === 1 ? BigInt.asUintN(48, word) : word));
  return { addresses, upper: isUpper.includes(1) ? isUpper : null };
}

function read(bytes: Uint8Array): { addresses: number[]; upper: number[] | null } {
  const { addresses, upper } = decodeAddressList('list', bytes, null);
  return { addresses: [...addresses], upper: upper === null ? null : [...upper] };
}

const word = fc.oneof(
  fc.bigInt({ min: 0n, max: 2n ** 52n - 1n }),
  fc.bigInt({ min: 2n ** 63n, max: 2n ** 64n - 1n }),
  fc.constantFrom(0n, 2n ** 32n, 2n ** 32n - 1n, 2n ** 52n - 1n, 2n ** 63n, 2n ** 64n - 1n),
);

describe('an address list', () => {
  it('is the same as words and as lines of text, hexadecimal or decimal, among spaces, comments and empty lines', () => {
    const ways = fc.constantFrom(
      (one: bigint) => `0x${one.toString(16)}`,
      (one: bigint) => `  0x000${one.toString(16).toUpperCase()}\t`,
      (one: bigint) => `${one}\r`,
      (one: bigint) => `# none\n\n00${one}`,
    );
    fc.assert(
      fc.property(fc.array(fc.tuple(word, ways), { minLength: 1, maxLength: 40 }), fc.boolean(), (all, ends) => {
        const words = all.map(([one]) => one);
        const text = all.map(([one, way]) => way(one)).join('\n') + (ends ? '\n' : '');
        expect(read(bytesOf(text))).toEqual(listOf(words));
        const raw = new Uint8Array(BigUint64Array.from(words).buffer);
        // Words that look like text are taken for text.
        if (raw.some((byte) => byte < 9)) expect(read(raw)).toEqual(listOf(words));
      }),
    );
  });

  it.each([
    ['0x1000\n0x10000000000000\n', /line 2: found 0x10000000000000, allowed: at most 52 bits/],
    ['0x7fffffffffffffff', /line 1: found 0x7fffffffffffffff, allowed: at most 52 bits/],
    ['0x1ffffffffffffffff', /line 1: found "0x1ffffffffffffffff", allowed: an address, .* of at most 64 bits/],
    ['18446744073709551616', /line 1: found "18446744073709551616"/],
    ['0x', /line 1: found "0x"/],
    ['1\n0xg', /line 2: found "0xg"/],
    ['12a', /line 1: found "12a"/],
    ['-1', /line 1: found "-1"/],
    ['# nothing\n\n', /no addresses/],
    [`1\n${'x'.repeat(1000)}`, /line 2: found "x{40}"/],
  ])('is refused with the line of what is wrong: %j', (text, said) => {
    expect(() => decodeAddressList('list', bytesOf(text), null)).toThrow(said);
  });

  it('is read from a compressed file', () => {
    const folder = mkdtempSync(join(tmpdir(), 'tablewalk-address-list-'));
    try {
      const file = join(folder, 'list.gz');
      writeFileSync(file, gzipSync(Buffer.alloc(7 * 300_000, '0x1000\n'), { level: 1 }));
      const { addresses, upper } = readAddressList(file);
      expect([addresses.length, addresses.at(-1), upper]).toEqual([300_000, 0x1000, null]);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
