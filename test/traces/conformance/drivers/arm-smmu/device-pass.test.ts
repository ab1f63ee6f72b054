import { fileURLToPath } from 'node:url';
import * as v from 'valibot';
import { expect, test } from 'vitest';
import { ArmSmmuScenarioSchema, performOnDevice } from '../../../../../traces/conformance/drivers/arm-smmu/index.ts';
import { openVectors } from '../../../../../traces/index.ts';

const VECTORS = fileURLToPath(new URL('../../../../vectors/mmio/arm-smmu', import.meta.url));
/** Every how many-th scenario is performed; `npm run soak` performs all. */
const STEP = process.env['npm_lifecycle_event'] === 'soak' ? 1 : 4;

test.each(['linux-6.12', 'linux-7.3'])(
  'the scenarios of %s leave our device as the real driver left the real one',
  async (kernel) => {
    let number = 0;
    let registers = 0;
    let accesses = 0;
    for await (const line of openVectors(`${VECTORS}/scenarios.${kernel}.jsonl.gz`)) {
      if (number++ % STEP !== 0) continue;
      const scenario = v.parse(ArmSmmuScenarioSchema, JSON.parse(line));
      const pass = performOnDevice(scenario);
      expect(pass.differences, `scenario ${number} of ${scenario.profile}`).toEqual([]);
      registers += pass.registers;
      accesses += pass.accesses;
    }
    expect(registers).toBeGreaterThan(1000);
    expect(accesses).toBeGreaterThan(100);
  },
);
