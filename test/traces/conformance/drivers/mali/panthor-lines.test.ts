/** Lines that are not what they should be: one clear error, or a mismatch, and never anything else. */
import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ConformanceRun, InputError } from '../../../../../traces/index.ts';

const FILES = [
  'as_ops',
  'as_slots',
  'gpuvm',
  'irq',
  'lock_region',
  'map_pages',
  'memattr',
  'reserve',
  'va_split',
  'vm_active',
  'vm_bind',
] as const;
const LINES = FILES.flatMap((name) =>
  ['6.12', '7.3'].map((kernel) => {
    const packed = readFileSync(`test/vectors/mmio/panthor/${name}.linux-${kernel}.jsonl.gz`);
    return gunzipSync(packed).toString().split('\n')[0] ?? '';
  }),
);

async function run(line: string): Promise<{ mismatches: number } | InputError> {
  try {
    return await new ConformanceRun().runLines('lines.jsonl', [line]);
  } catch (error) {
    if (error instanceof InputError) return error;
    throw error;
  }
}

describe('a line of a panthor file', () => {
  it.each([
    [
      'of no known kind',
      '{"id":1,"kernel":"linux-6.12"}',
      /line 1: found a case of no known driver, allowed: one of .*panthor/,
    ],
    ['of an unknown kernel', '{"id":1,"kernel":"linux-5.0","mair":"0x0","memattr":"0x0"}', /line 1, kernel: /],
    ['with a number that is none', '{"id":1,"kernel":"linux-6.12","mair":"zero","memattr":"0x0"}', /line 1, mair: /],
    [
      'with an event that is none',
      '{"id":1,"kernel":"linux-6.12","as":0,"start":"0x0","size":"0x1000","ev":[["w32","0x0"]]}',
      /line 1, ev: .* allowed: a list of events/,
    ],
  ])('%s is refused with its place', async (_what, line, message) => {
    const result = await run(line);
    expect(result).toBeInstanceOf(InputError);
    expect(String(result)).toMatch(message);
  });

  it('that says otherwise than the driver does is a mismatch, with the place in it', async () => {
    const result = await new ConformanceRun().runLines('panthor/lines.jsonl', [
      '{"id":7,"kernel":"linux-6.12","as":0,"start":"0x0","size":"0x1000","ev":[["w32","0x2410","0xf"]]}',
    ]);
    const [mismatch] = result.shown;
    expect(mismatch).toMatchObject({ caseName: 'panthor/lock_region linux-6.12 id 7', what: 'event 0' });
    expect(mismatch?.expected).toBe('w32 0x2410 0xf');
    expect(mismatch?.actual).toBe('w32 0x2410 0xe');
  });

  it('that is damaged anywhere ends in an error with its place, a mismatch, or a match', async () => {
    const values = fc.constantFrom('null', '-1', '1e99', '"0x"', '"0xffffffffffffffff"', '[]', '{}', '7', 'true', '""');
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...LINES), fc.nat(), values, async (line, at, value) => {
        // One value of the line, strings and numbers alike, becomes another.
        const places = [...line.matchAll(/"0x[0-9a-f]+"|(?<=[:,[])-?\d+(?=[,\]}])/g)];
        const place = places[at % places.length];
        if (place === undefined) return;
        const damaged = line.slice(0, place.index) + value + line.slice(place.index + place[0].length);
        const result = await run(damaged);
        expect(result instanceof InputError || result.mismatches >= 0).toBe(true);
      }),
      { numRuns: 400 },
    );
  });
});
