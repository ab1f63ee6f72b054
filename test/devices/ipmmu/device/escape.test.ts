/** Whatever is written to the registers, the IPMMU goes on: no access leaves its 40 bits, no exception, every flush ends. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CONTEXT, contextBase, Imctr, MICRO_TLB, microTlbBase } from '../../../../devices/ipmmu/spec/index.ts';
import { TranslationRequest } from '../../../../emulator/index.ts';
import { ipmmuMachine, RAM_BASE } from '../machine.ts';

const LEAF = 0x100_0000;

describe.each(['gen2', 'gen3', 'gen4'] as const)('an IPMMU of %s', (generation) => {
  it('survives random writes and accesses', () => {
    const { contexts, hasLeaves } = ipmmuMachine({ generation }).device.generation;
    const context = fc.nat({ max: Math.min(contexts, 3) - 1 });
    const microTlb = fc.nat({ max: 3 });
    const leafOrRoot = fc.constantFrom(...(hasLeaves ? [0, LEAF] : [0]));
    const interesting = fc.oneof(
      fc.constantFrom(0, 1, 3, 7, 0x2000_0007, 0x13, 0xffff_ffff, 0x8000_0080, 0xb519_3599, 0xc000_3598, RAM_BASE),
      fc.nat({ max: 0xffff_ffff }),
    );
    const step = fc.oneof(
      fc.record({
        kind: fc.constant('context' as const),
        unit: leafOrRoot,
        context,
        register: fc.constantFrom(...Object.values(CONTEXT).map(({ offset }) => offset)),
        value: interesting,
      }),
      fc.record({ kind: fc.constant('micro' as const), unit: leafOrRoot, microTlb, value: interesting }),
      fc.record({
        kind: fc.constant('any' as const),
        offset: fc.nat({ max: 0x6_0000 }).map((n) => 4 * n),
        value: interesting,
      }),
      fc.record({
        kind: fc.constant('access' as const),
        microTlb,
        iova: fc.oneof(fc.nat({ max: 0xffff_ffff }), fc.constantFrom(0, 2 ** 32, 2 ** 39, 2 ** 51)),
        flags: fc.nat({ max: 15 }),
      }),
    );
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 60 }), (steps) => {
        const { device, memory } = ipmmuMachine({ generation });
        const { generation: shape } = device;
        // Whatever is taken for a table: entries that point everywhere.
        for (let i = 0; i < 4096; i += 2) {
          const at = memory.index(RAM_BASE + 4 * i);
          memory.words[at] = (RAM_BASE + 4096 * i) | (i % 4);
          memory.words[at + 1] = i % 7 === 0 ? 0xffff_ffff : 0;
        }
        const request = new TranslationRequest();
        for (const each of steps) {
          if (each.kind === 'context') {
            device.write32(each.unit + contextBase(shape, each.context) + each.register, each.value);
          } else if (each.kind === 'micro') {
            device.write32(each.unit + microTlbBase(shape, each.microTlb) + MICRO_TLB.IMUCTR.offset, each.value);
          } else if (each.kind === 'any') device.write32(each.offset, each.value);
          else if (device.translate(request.ask(0, each.microTlb, -1, each.iova, each.flags, device.now))) {
            const unchanged = request.pa === each.iova;
            expect(unchanged || (request.pa >= 0 && request.pa < 2 ** 40)).toBe(true);
          }
        }
        device.delay(1000);
        for (let c = 0; c < shape.contexts; c++) {
          expect(device.read32(contextBase(shape, c)) & Imctr.FLUSH).toBe(0);
        }
      }),
      { numRuns: 80 },
    );
  });
});
