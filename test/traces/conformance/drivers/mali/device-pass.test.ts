/** The recorded operations of panfrost and panthor on our device: what is left in its registers is what the real drivers left. */
import { expect, it } from 'vitest';
import { CaseCheck, type CaseFields, findRunner } from '../../../../../traces/conformance/drivers/index.ts';
import { DevicePlayer } from '../../../../../traces/conformance/drivers/mali/device-pass.ts';
import { openVectors } from '../../../../../traces/index.ts';

/** Every how many-th case is performed; `npm run soak` performs all. */
const STEP = process.env['TABLEWALK_SOAK'] === undefined ? 8 : 1;

it.each([
  ['panfrost/as_ops', 'job-manager'],
  ['panfrost/lock_region', 'job-manager'],
  ['panfrost/scenarios', 'job-manager'],
  ['panthor/as_ops', 'csf'],
  ['panthor/as_slots', 'csf'],
  ['panthor/irq', 'csf'],
  ['panthor/vm_active', 'csf'],
  ['panthor/map_pages', 'csf'],
] as const)('%s, both kernels', async (kind, family) => {
  let compared = 0;
  for (const kernel of ['linux-6.12', 'linux-7.3']) {
    const file = `test/vectors/mmio/${kind}.${kernel}.jsonl.gz`;
    let number = 0;
    for await (const text of openVectors(file)) {
      if (text === '' || number++ % STEP !== 0) continue;
      const line = JSON.parse(text) as CaseFields;
      const player = new DevicePlayer(family);
      const check = new CaseCheck(String(line['id']), player);
      findRunner(line, file)?.play(line, file, `line ${number}`, check);
      expect(check.mismatch, `${kind} ${kernel} id ${String(line['id'])}`).toBeNull();
      expect(check.ops).toBeGreaterThan(0);
      compared += player.compared;
    }
  }
  expect(compared).toBeGreaterThan(50);
});
