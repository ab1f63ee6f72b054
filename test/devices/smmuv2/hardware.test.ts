import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { SMMU_HARDWARE } from '../../../devices/index.ts';

test('the named SMMUs are those that were recorded', () => {
  const file = new URL('../../vectors/mmio/arm-smmu/profiles.jsonl.gz', import.meta.url);
  const lines = gunzipSync(readFileSync(file)).toString().trim().split('\n');
  const recorded = lines.map((line) => {
    const one = JSON.parse(line) as Record<string, string> & { irqs: number; actlr_stuck: boolean };
    const registers = ['ID0', 'ID1', 'ID2', 'ID7', 'sCR0', 'sACR', 'ACTLR'].map((name) => [name, Number(one[name])]);
    return [
      one['profile'],
      {
        compatible: one['compatible'],
        ...Object.fromEntries(registers),
        matchBits: Number(one['smr_bits']),
        contextInterrupts: one.irqs - 1,
        actlrLocked: one.actlr_stuck,
      },
    ];
  });
  expect(Object.fromEntries(recorded)).toEqual(SMMU_HARDWARE);
});
