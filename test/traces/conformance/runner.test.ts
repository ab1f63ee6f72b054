/** The conformance runner itself: it finds what differs, and says so in terms of operations, entries and bit fields. */
import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { Prot } from '../../../formats/index.ts';
import { ConformanceRun, describeMismatch, InputError, openVectors, parseVector } from '../../../traces/index.ts';
import { type CaseCall, writeCase } from './write-case.ts';

const GOLDEN = new URL('../../vectors/golden/', import.meta.url);

function lines(file: string): string[] {
  return gunzipSync(readFileSync(new URL(file, GOLDEN)))
    .toString()
    .trim()
    .split('\n');
}

/** What the runner says about one case. */
async function report(line: string): Promise<string> {
  const run = new ConformanceRun();
  const result = await run.runLines('changed', [line]);
  expect(run.total()).toMatchObject({ cases: 1, mismatches: result.mismatches, files: [{ file: 'changed' }] });
  return result.shown.flatMap((mismatch) => describeMismatch(mismatch)).join('\n');
}

describe('a vector that says otherwise', () => {
  const case1 = lines('s1_64.jsonl.gz')[0] ?? '';

  it('about a return value is found at its operation', async () => {
    expect(await report(case1.replace('"ret":-22', '"ret":-12'))).toMatch(
      /operation 4: map iova 0xf000.*\n {2}ret: vector -12\n {7}found {2}-22/,
    );
  });

  it('about one bit of a table is found at its entry, with the field named', async () => {
    const text = await report(case1.replace('0x600000e8edce43', '0x600000e8edcec3'));
    expect(text).toContain('table 0x80001000 level 3 entry 3');
    expect(text).toContain('apReadOnly (bit 7): expected 0x1 (read only), found 0x0 (read and write)');
  });

  it('about an event, its order, or its number is found', async () => {
    expect(await report(case1.replace('["W","0x0","0x40000000","0x1000"],', ''))).toMatch(
      /event 0: vector F .*\n.*found {2}W/,
    );
    expect(await report(case1.replace('["Pr","0xf000","0x1000",4]', '["Pr","0xf000","0x1000",5]'))).toMatch(
      /vector P 0x13000 0x1000\n.*found {2}nothing more/,
    );
    expect(await report(case1.replace('["Pr","0xf000","0x1000",4]', '["Pr","0xf000","0x1000",3]'))).toMatch(
      /vector nothing more\n.*found {2}P 0x12000/,
    );
    expect(await report(case1.replace('["A","0x80000000","0x1000","K"]', '["A","0x80000000","0x1000","A"]'))).toMatch(
      /creation/,
    );
  });

  it('about a register, the geometry, or a narrowed size is found', async () => {
    expect(await report(case1.replace('"tsz":32', '"tsz":31'))).toMatch(/tcr: vector/);
    expect(await report(case1.replace('"pgd_bits":2', '"pgd_bits":3'))).toMatch(/geom: vector/);
    expect(
      await report(case1.replace('"out":{"pgsize_bitmap":"0x40201000"', '"out":{"pgsize_bitmap":"0x1000"')),
    ).toMatch(/pgsize_bitmap/);
  });

  it('about acceptance is found', async () => {
    const refused = lines('illegal.jsonl.gz').find((line) => line.includes('free_only')) ?? '';
    expect(await report(refused.replace('"ok":false', '"ok":true'))).toMatch(/accepted: vector true\n.*found {2}false/);
  });

  it('ends its case: what follows a difference is not compared', async () => {
    const run = new ConformanceRun();
    const { ops, mismatches } = await run.runLines('changed', [case1.replace('"ret":-22', '"ret":-12')]);
    expect([ops, mismatches]).toEqual([5, 1]);
  });

  it('with two texts for one warning, or one text for two, does not match', async () => {
    const warned = (
      await report(case1.replace('"__arm_lpae_unmap","!pte"', '"arm_lpae_init_pte","!selftest_running"'))
    ).split('\n');
    expect(warned.join()).toMatch(/event 0: vector warn arm_lpae_init_pte/);
    const two = case1.replace('"arm_lpae_init_pte","!selftest_running"', '"another","site"');
    expect(await report(two)).toMatch(/found {2}warn leaf-exists/);
  });
});

describe('malformed input', () => {
  const cases: readonly [what: string, line: string, message: RegExp][] = [
    [
      'no JSON',
      '{"name": "cut',
      /^f: line 2: found "\{\\"name\\": \\"cut", allowed: one conformance case as a JSON object$/,
    ],
    ['another type of value', '{"name": 7}', /^f: line 2, name: found 7, allowed: string$/],
    ['a missing field', '{"name": "x", "kernel": "6.12"}', /^f: line 2, cfg: found undefined/],
    [
      'an unknown kernel',
      '{"name": "x", "kernel": "5.4"}',
      /^f: line 2, kernel: found "5.4", allowed: \("6.1" \| "6.12" \| "7.3"\)$/,
    ],
  ];
  for (const [what, line, message] of cases) {
    it(`with ${what} is named by file and line`, async () => {
      const valid = lines('race.jsonl.gz')[0] ?? '';
      await expect(new ConformanceRun().runLines('f', [valid, line])).rejects.toThrow(message);
      expect(() => parseVector(line, 'f', 2)).toThrow(InputError);
    });
  }

  it('with an unknown operation or a bad number is named down to the field', () => {
    const valid = lines('race.jsonl.gz')[0] ?? '';
    expect(() => parseVector(valid.replace('"op":"map"', '"op":"mop"'), 'f', 3)).toThrow(/^f: line 3, ops\.0/);
    expect(() => parseVector(valid.replace('"iova":"0x200000"', '"iova":"200000"'), 'f', 3)).toThrow(
      /ops\.0\.iova: found "200000"/,
    );
  });

  it('without a single case is refused', async () => {
    await expect(new ConformanceRun().runLines('f', ['', ' '])).rejects.toThrow('f: found no case');
  });

  it('that cannot be opened is named', async () => {
    const read = async (file: string): Promise<number> => {
      let count = 0;
      for await (const _ of openVectors(file)) count++;
      return count;
    };
    await expect(read('/nowhere/x.jsonl')).rejects.toThrow('/nowhere/x.jsonl: found no such file');
    await expect(read(new URL('.', GOLDEN).pathname)).rejects.toThrow('found a directory');
    expect(await read(new URL('race.jsonl.gz', GOLDEN).pathname)).toBe(28);
  });
});

describe('selecting cases', () => {
  it('runs only those whose name contains the text', async () => {
    const run = new ConformanceRun({ filter: 'race/S2' });
    const { cases } = await run.runLines('race', lines('race.jsonl.gz'));
    expect(cases).toBe(lines('race.jsonl.gz').filter((line) => line.includes('"name":"race/S2')).length);
  });
});

describe('a written case', () => {
  const calls: CaseCall[] = [
    { op: 'map', iova: 2 ** 21, pa: 2 ** 30, pageSize: 2 ** 21, count: 2, prot: Prot.READ },
    { op: 'unmap', iova: 2 ** 21 + 4096, pageSize: 4096, count: 2, gather: 'normal' },
    { op: 'unmap', iova: 0, pageSize: 4096, count: 1, gather: 'null' },
    { op: 'iova_to_phys', iova: 2 ** 21 + 5 },
  ];

  for (const quirks of [0, 0x20]) {
    for (const coherentWalk of [true, false]) {
      it(`matches what it was written from (quirks ${quirks}, ${coherentWalk ? '' : 'not '}coherent)`, async () => {
        const config = {
          format: 'ARM_64_LPAE_S1',
          pageSizes: 4096 + 2 ** 21,
          ias: 39,
          oas: 40,
          quirks,
          coherentWalk,
          tlb: null,
        } as const;
        const vector = writeCase('mine', 'a note', config, calls);
        const line = JSON.stringify(vector);
        expect(parseVector(line, 'f', 1)).toEqual(vector);
        expect(await report(line)).toBe('');
        expect(vector.ops.map((op) => op.op)).toEqual(['map', 'unmap', 'unmap', 'iova_to_phys', 'dump']);
        expect(line).toContain('"warn","unmap-hole"');
        if (quirks !== 0) expect(line).toContain('"iova":"0xffffff8000200000"');
      });
    }
  }
});
