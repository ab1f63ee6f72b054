import { describe, expect, it } from 'vitest';
import { LeafEnumerator, type WalkMemory } from '../../../emulator/index.ts';
import { ConfigError } from '../../../formats/index.ts';
import { type BareTable, bareRegime, narrateWalk, splitAddress, wholeAddress } from '../../../traces/index.ts';

const bare = (fields: Partial<BareTable>): BareTable => ({
  format: 'arm-64-lpae-s1',
  ttb0: 0n,
  ttb1: null,
  tcr: 0n,
  mair: 0n,
  ...fields,
});

/** T0SZ 16, T1SZ 25, TG0 4K, TG1 64K, IPS 48 bits. */
const BOTH_HALVES = 16n | (25n << 16n) | (3n << 30n) | (5n << 32n);

describe('translation registers', () => {
  it('TCR_EL1 describes both halves', () => {
    const { stage1 } = bareRegime(bare({ ttb0: 0x8000_0000n, ttb1: 0x9000_0000n, tcr: BOTH_HALVES, mair: 0x04_44ffn }));
    expect(stage1?.root0).toMatchObject({ base: 0x8000_0000, granuleShift: 12, inputBits: 48, startLevel: 0 });
    expect(stage1?.root1).toMatchObject({ base: 0x9000_0000, granuleShift: 16, inputBits: 39, startLevel: 2 });
    expect([stage1?.outputBits, stage1?.memoryAttributes.slice(0, 3)]).toEqual([48, [0xff, 0x44, 0x04]]);
  });

  it('EPD0 and EPD1 switch a half off', () => {
    const { stage1 } = bareRegime(bare({ ttb1: 0n, tcr: BOTH_HALVES | (1n << 7n) | (1n << 23n) }));
    expect([stage1?.root0, stage1?.root1]).toEqual([null, null]);
  });

  it('an ASID and CnP in a TTBR are no address', () => {
    const { stage1 } = bareRegime(bare({ ttb0: 0x1234_0000_8000_0001n, tcr: BOTH_HALVES }));
    expect(stage1?.root0?.base).toBe(0x8000_0000);
  });

  it('with 52-bit output and the 64K granule, address bits 51:48 stand in bits 5:2 of a TTBR', () => {
    const tcr = 12n | (1n << 14n) | (6n << 32n);
    const { stage1 } = bareRegime(bare({ ttb0: 0x8000_0000n | (0xan << 2n), tcr }));
    expect(stage1?.root0).toMatchObject({ base: 0xa_0000_8000_0000, inputBits: 52, startLevel: 1 });
  });

  it('VTCR_EL2 gives the first level by SL0', () => {
    const { stage2 } = bareRegime(
      bare({ format: 'arm-64-lpae-s2', ttb0: 0x8000_0000n, tcr: 24n | (1n << 6n) | (2n << 16n) }),
    );
    expect(stage2?.root0).toMatchObject({ inputBits: 40, startLevel: 1 });
    expect(stage2?.outputBits).toBe(40);
  });

  it('TTBCR.N splits short-descriptor tables', () => {
    const { stage1 } = bareRegime(bare({ format: 'arm-v7s', ttb0: 0x8000_0000n, ttb1: 0x8000_4000n, tcr: 2n }));
    expect([stage1?.root0?.inputBits, stage1?.root1?.inputBits]).toEqual([30, 32]);
  });

  it.each([
    ['TG0', { tcr: 16n | (3n << 14n) }],
    ['TG1', { tcr: 16n, ttb1: 0n }],
    ['SL0', { format: 'arm-64-lpae-s2', tcr: 16n | (3n << 6n) | (1n << 14n) }],
    ['TxSZ', { tcr: 60n }],
  ] as const)('a reserved %s is refused', (_name, fields) => {
    expect(() => bareRegime(bare(fields))).toThrow(ConfigError);
  });
});

describe('the upper half', () => {
  const regime = bareRegime(bare({ ttb0: 0x8000_0000n, ttb1: 0x9000_0000n, tcr: BOTH_HALVES }));

  it('has the addresses whose upper bits are all ones', () => {
    expect(splitAddress(regime, 0xffff_ff80_0000_1234n)).toEqual({ upper: true, address: 0x1234 });
    expect(splitAddress(regime, 0x1234n)).toEqual({ upper: false, address: 0x1234 });
    if (regime.stage1 !== null) expect(wholeAddress(0x1234, true, regime.stage1)).toBe('0xffffff8000001234');
  });

  it('between the halves there is nothing: a translation fault at level 0', () => {
    const nothing: WalkMemory = { low: 0, high: 0, read: () => true, replace: () => true };
    for (const iova of [0xffff_ff7f_ffff_ffffn, 1n << 52n, 1n << 48n]) {
      expect(narrateWalk(nothing, regime, iova).fault).toMatchObject({ name: 'translation fault', level: 0 });
    }
  });

  it('is walked from TTBR1 and printed with whole addresses', () => {
    // Every descriptor of the table at TTBR1 is a 512 MiB block at its own place.
    const memory: WalkMemory = {
      low: 0,
      high: 0,
      read(pa) {
        const entry = (pa - 0x9000_0000) / 8;
        Object.assign(this, { low: ((entry % 8) * 0x2000_0000 + 0x441) >>> 0, high: Math.floor(entry / 8) });
        return true;
      },
      replace: () => false,
    };
    const walk = narrateWalk(memory, regime, 0xffff_ff80_2000_0007n);
    expect(walk.pa).toBe('0x20000007');
    expect(walk.steps[0]).toMatchObject({ address: '0xffffff8020000007', startLevel: 2 });
    let leaves = 0;
    new LeafEnumerator(memory).forEachLeaf(regime, true, { leaf: () => leaves++ });
    expect(leaves).toBe(1024);
  });

  it('has its own granule: with 64 KiB, address bits 51:48 stand in bits 15:12 of a descriptor', () => {
    // A table at TTBR1 whose entry points to a table at 0x3_0000_5432_0000, which is no memory.
    const memory: WalkMemory = {
      low: 0x5432_3003,
      high: 0,
      read: (pa) => pa < 0xa000_0000,
      replace: () => false,
    };
    const walk = narrateWalk(memory, regime, 0xffff_ff80_2000_0007n);
    const step = walk.steps.find((each) => each.kind === 'descriptor');
    const fields = step?.kind === 'descriptor' ? step.fields : [];
    expect(
      fields.filter(({ lsb }) => lsb >= 12 && lsb < 48).map(({ lsb, width, value }) => [lsb, width, value]),
    ).toEqual([
      [12, 4, 3],
      [16, 32, 0x5432_0000],
    ]);
  });

  it('of short descriptors is everything above what TTBR0 has', () => {
    const short = bareRegime(bare({ format: 'arm-v7s', ttb0: 0x8000_0000n, ttb1: 0x8000_4000n, tcr: 2n }));
    expect(splitAddress(short, 0x4000_0000n)).toEqual({ upper: true, address: 0x4000_0000 });
    expect(splitAddress(short, 0x3fff_ffffn)).toEqual({ upper: false, address: 0x3fff_ffff });
  });
});
