import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { SMMU_HARDWARE, type SmmuHardwareName, Smmuv2, smmuv2Spec as spec } from '../../../devices/index.ts';
import { Bus, BusView, Outcome, PhysicalMemory, TranslationRequest, type WalkMemory } from '../../../emulator/index.ts';
import { decodeField } from '../../../formats/index.ts';

const BASE = 0x8000_0000;
const SIZE = 2 ** 20;
const NAMES = Object.keys(SMMU_HARDWARE) as SmmuHardwareName[];
const { GR0, SCR0, SMR, S2CR, SGFSR, STREAM_GROUP, StreamType } = spec;

/** What a program of random register writes may do next. */
type Step =
  | { readonly kind: 'write'; readonly where: number; readonly value: number }
  | { readonly kind: 'write64'; readonly where: number; readonly low: number; readonly high: number }
  | { readonly kind: 'read'; readonly where: number }
  | {
      readonly kind: 'group';
      readonly group: number;
      readonly id: number;
      readonly mask: number;
      readonly target: number;
    }
  | { readonly kind: 'table'; readonly bank: number; readonly at: number }
  | { readonly kind: 'access'; readonly stream: number; readonly iova: number; readonly flags: number };

const word = fc.oneof(
  fc.integer({ min: 0, max: 0xffff_ffff }),
  fc.constantFrom(0, 1, 0x1067, 0x67, 0x8000_0000, 0xffff_ffff, BASE),
);
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ kind: fc.constant('write' as const), where: fc.nat(), value: word }),
  fc.record({ kind: fc.constant('write64' as const), where: fc.nat(), low: word, high: word }),
  fc.record({ kind: fc.constant('read' as const), where: fc.nat() }),
  fc.record({
    kind: fc.constant('group' as const),
    group: fc.nat({ max: 7 }),
    id: fc.nat({ max: 7 }),
    mask: fc.nat({ max: 3 }),
    target: fc.constantFrom(0, 1, 2, 0x10000, 0x20000, 0x30000, 0x400, 0x401, 200),
  }),
  fc.record({ kind: fc.constant('table' as const), bank: fc.nat({ max: 3 }), at: fc.nat({ max: SIZE / 4096 - 1 }) }),
  fc.record({
    kind: fc.constant('access' as const),
    stream: fc.nat({ max: 9 }),
    iova: fc.oneof(
      fc.nat({ max: 0xffff_ffff }),
      fc.maxSafeNat().map((address) => address % 2 ** 48),
    ),
    flags: fc.nat({ max: 15 }),
  }),
);

/** Where a stream goes, by the registers alone: a second, slower reading of section 2.4 of the manual. */
function route(smmu: Smmuv2, stream: number): 'passes' | 'refused' | number {
  const control = smmu.read32(GR0.sCR0.offset);
  if ((control & SCR0.CLIENTPD.lowMask) !== 0) return 'passes';
  const extended = (control & SCR0.EXIDENABLE.lowMask) !== 0;
  const groups = smmu.registers.registers.filter(({ register }) => register === STREAM_GROUP.S2CR).length;
  const keeps = smmu.hardware.matchBits & (extended ? 0xffff : 0x7fff);
  const targets: number[] = [];
  for (let group = 0; group < groups; group++) {
    const target = smmu.read32(STREAM_GROUP.S2CR.offset + 4 * group);
    const match = smmu.read32(STREAM_GROUP.SMR.offset + 4 * group);
    if (!smmu.matchesStreams) {
      if (group === stream) targets.push(target);
      continue;
    }
    const valid = extended ? (target & S2CR.EXIDVALID.lowMask) !== 0 : (match & SMR.VALID.lowMask) !== 0;
    if (valid && ((match ^ stream) & keeps & ~(match >>> 16)) === 0) targets.push(target);
  }
  const [target] = targets;
  if (target === undefined) return (control & SCR0.USFCFG.lowMask) !== 0 ? 'refused' : 'passes';
  if (targets.length > 1 && (control & SCR0.SMCFCFG.lowMask) !== 0) return 'refused';
  const type = decodeField(S2CR.TYPE, target, 0);
  if (type === StreamType.BYPASS) return 'passes';
  return type === StreamType.TRANSLATION ? decodeField(S2CR.CBNDX, target, 0) : 'refused';
}

/** Memory that remembers what the walker read outside of it. */
class Fenced implements WalkMemory {
  low = 0;
  high = 0;
  readonly #inner: WalkMemory;

  constructor(inner: WalkMemory) {
    this.#inner = inner;
  }

  read(pa: number, bytes: number): boolean {
    expect(Number.isSafeInteger(pa) && pa >= 0 && pa < 2 ** 52 && pa % bytes === 0).toBe(true);
    const done = this.#inner.read(pa, bytes);
    this.low = this.#inner.low;
    this.high = this.#inner.high;
    return done;
  }

  replace(): boolean {
    throw new Error('an SMMUv2 writes no descriptors');
  }
}

describe('random register programs', () => {
  test('never let an access out that the registers do not let out, whatever is written', () => {
    fc.assert(
      fc.property(fc.constantFrom(...NAMES), fc.array(step, { minLength: 1, maxLength: 60 }), (name, program) => {
        const memory = new PhysicalMemory({ banks: [{ base: BASE, size: SIZE, node: 0 }] });
        // Tables of garbage: entries that point to each other, to blocks, and outside.
        for (let pa = BASE; pa < BASE + SIZE; pa += 8) {
          if ((pa / 8) % 7 !== 0) continue;
          const at = memory.index(pa);
          memory.words[at] = (BASE + ((pa * 4096) % SIZE)) | 0x403 | ((pa >>> 4) & 0xc0);
        }
        const smmu = new Smmuv2({
          hardware: SMMU_HARDWARE[name],
          memory: new Fenced(new Bus(memory, null).port('smmu', BusView.COHERENT)),
        });
        const outputs = 2 ** 48;
        const places = smmu.registers.registers.map(({ offset }) => offset);
        const request = new TranslationRequest();
        const halves = new Uint32Array(2);
        const ended: Outcome[] = [];
        smmu.onStallEnd = (_, outcome) => ended.push(outcome);
        for (const one of program) {
          const offset = 'where' in one ? (places[one.where % places.length] as number) : 0;
          if (one.kind === 'write') smmu.write32(offset, one.value);
          else if (one.kind === 'write64') smmu.write64(offset & ~7, one.low, one.high);
          else if (one.kind === 'read') {
            expect(smmu.read32(offset)).toBe(smmu.read32(offset) >>> 0);
            smmu.read64(offset & ~7, halves);
          } else if (one.kind === 'group') {
            smmu.write32(STREAM_GROUP.SMR.offset + 4 * one.group, (0x8000_0000 | (one.mask << 16) | one.id) >>> 0);
            smmu.write32(STREAM_GROUP.S2CR.offset + 4 * one.group, one.target);
            smmu.write32(GR0.sCR0.offset, 0x0020_0436);
          } else if (one.kind === 'table') {
            const bank = smmu.pages.bank(one.bank);
            smmu.write64(bank + spec.BANK.TTBR0.offset, BASE + 4096 * one.at, 0);
            smmu.write32(bank + spec.BANK.TCR.offset, 0x8080_3510);
            smmu.write32(smmu.pages.global1 + spec.GR1.CBA2R.offset + 4 * one.bank, 1);
            smmu.write32(smmu.pages.global1 + spec.GR1.CBAR.offset + 4 * one.bank, 0x1f300);
            smmu.write32(bank + spec.BANK.TCR2.offset, 0x38015);
            smmu.write32(bank + spec.BANK.SCTLR.offset, 0x1067);
          } else {
            const where = route(smmu, one.stream);
            const globalBefore = smmu.faults.globalFaults;
            const heldBefore = smmu.read32(GR0.sGFSR.offset);
            const passed = smmu.translate(request.ask(0, one.stream, -1, one.iova, one.flags, smmu.now));
            if (where === 'refused') {
              expect(passed).toBe(false);
              expect(smmu.faults.globalFaults).toBe(globalBefore + 1);
              // A fault behind one that is still held, or was written back, shows in MULTI alone.
              const held = smmu.read32(GR0.sGFSR.offset);
              expect(held & (heldBefore === 0 ? ~SGFSR.MULTI.lowMask : SGFSR.MULTI.lowMask)).not.toBe(0);
            } else if (where === 'passes') {
              const reachable = one.iova < 2 ** outputBits(smmu) || !smmu.mmu.enabled;
              if (passed) expect(request.pa).toBe(one.iova);
              else expect(reachable).toBe(false);
            } else if (passed) {
              expect(Number.isSafeInteger(request.pa) && request.pa >= 0 && request.pa < outputs).toBe(true);
            }
            expect(passed).toBe(request.outcome === Outcome.OK);
            if (!passed) expect(request.pa).toBe(0);
          }
        }
        // What stalls is told how it ended when power goes.
        const waiting = smmu.stalled.live;
        const before = ended.length;
        smmu.reset();
        expect(ended.length).toBe(before + waiting);
        expect(smmu.stalled.live).toBe(0);
      }),
      { numRuns: 150 },
    );
  });
});

function outputBits(smmu: Smmuv2): number {
  return spec.ADDRESS_SIZES[decodeField(spec.ID2.OAS, smmu.hardware.ID2, 0)] ?? 48;
}
