import { fileURLToPath } from 'node:url';
import * as v from 'valibot';
import { expect, test } from 'vitest';
import {
  ArmSmmuV3ScenarioSchema,
  performOnDevice,
} from '../../../../../traces/conformance/drivers/arm-smmu-v3/index.ts';
import { openVectors } from '../../../../../traces/index.ts';

const VECTORS = fileURLToPath(new URL('../../../../vectors/mmio/arm-smmu-v3', import.meta.url));
/** Every how many-th scenario is performed; `npm run soak` performs all. */
const STEP = process.env['TABLEWALK_SOAK'] === undefined ? 12 : 1;

test.each(['linux-6.12', 'linux-7.3'])(
  'the scenarios of %s leave our SMMU with the recorded entries, which translate what is mapped and nothing else',
  async (kernel) => {
    let number = 0;
    let accesses = 0;
    for await (const line of openVectors(`${VECTORS}/scenarios.${kernel}.jsonl.gz`)) {
      if (number++ % STEP !== 0) continue;
      const scenario = v.parse(ArmSmmuV3ScenarioSchema, JSON.parse(line));
      const pass = performOnDevice(scenario);
      expect(pass.mismatch, `scenario ${scenario.id} of ${scenario.profile}`).toBeNull();
      accesses += pass.accesses;
    }
    expect(accesses).toBeGreaterThan(1000);
  },
);
