import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type AdjustedConfig, Gfp, Prot, Quirk, type SplitPolicy } from '../../../formats/index.ts';
import { ConformanceRun } from '../../../traces/index.ts';
import { V7sModel } from './model.ts';
import { gather, hex, type Rig, rigV7s } from './rig.ts';

/** Room for three supersections: small, so that operations meet one another. */
const SPACE = 3 * 0x100_0000;
const PAGE = 0x1000;

interface Op {
  readonly op: 'map' | 'unmap';
  readonly iova: number;
  readonly pa: number;
  readonly size: number;
  readonly count: number;
  readonly prot: number;
  readonly gather: 'normal' | 'null' | 'queued';
  /** The first allocation of the operation fails. */
  readonly fails: boolean;
}

interface Sequence {
  readonly quirks: number;
  readonly coherentWalk: boolean;
  readonly split: SplitPolicy;
  readonly ops: readonly Op[];
}

const MEDIATEK = Quirk.ARM_MTK_EXT | Quirk.NO_PERMS;

const operation: fc.Arbitrary<Op> = fc
  .record({
    op: fc.constantFrom('map' as const, 'map' as const, 'unmap' as const),
    size: fc.constantFrom(PAGE, PAGE, 0x1_0000, 0x10_0000, 0x100_0000),
    slot: fc.nat(SPACE / PAGE - 1),
    paSlot: fc.nat(0xffff),
    count: fc.oneof(fc.constant(1), fc.integer({ min: 0, max: 20 }), fc.integer({ min: 240, max: 300 })),
    prot: fc.integer({ min: 1, max: 63 }).map((prot) => prot | Prot.READ),
    gather: fc.constantFrom('normal' as const, 'null' as const, 'queued' as const),
    fails: fc.integer({ min: 0, max: 9 }).map((dice) => dice === 9),
  })
  .map(({ slot, paSlot, count, size, ...rest }) => {
    // Few distinct places for small pages, or operations would seldom meet.
    const place =
      size < 0x10_0000 ? ((slot * PAGE) % 0x8_0000) + Math.floor((slot * PAGE) / 0x80_0000) * 0x80_0000 : slot * PAGE;
    const iova = place - (place % size);
    return { ...rest, size, iova, pa: 0x1000_0000 + paSlot * size, count: Math.min(count, (SPACE - iova) / size) };
  });

function sequences(split: readonly SplitPolicy[]): fc.Arbitrary<Sequence> {
  return fc
    .record({
      quirks: fc.constantFrom(0, Quirk.ARM_NS, Quirk.NO_PERMS, MEDIATEK),
      coherentWalk: fc.boolean(),
      split: fc.constantFrom(...split),
      ops: fc.array(operation, { minLength: 1, maxLength: 24 }),
    })
    .map((sequence) => {
      const mediatek = (sequence.quirks & Quirk.ARM_MTK_EXT) !== 0;
      const range = mediatek ? 2 ** 35 : 2 ** 32;
      const ops = sequence.ops.map((op) => ({ ...op, pa: op.pa % (range - op.size * (op.count + 1)) }));
      const aligned = ops.map((op) => ({ ...op, pa: op.pa - (op.pa % op.size) }));
      const drawn: Sequence = { ...sequence, ops: aligned };
      // A counterexample is shown as a case that `tablewalk conform` runs.
      return Object.assign(drawn, { [fc.toStringMethod]: () => conformanceCase(drawn) });
    });
}

function rigFor(sequence: Sequence): Rig {
  const mediatek = (sequence.quirks & Quirk.ARM_MTK_EXT) !== 0;
  const { quirks, coherentWalk, split } = sequence;
  return rigV7s({ config: { quirks, coherentWalk, split, oas: mediatek ? 35 : 32 } });
}

/** Does one operation on the table; what it returned. */
function perform(rig: Rig, op: Op): { ret: number; bytes: number } {
  rig.failAllocation(op.fails ? 1 : 0);
  if (op.op === 'map') {
    const ret = rig.table.mapPages(op.iova, op.pa, op.size, op.count, op.prot, Gfp.KERNEL);
    return { ret, bytes: rig.table.mapped };
  }
  const into = op.gather === 'null' ? null : gather(op.gather === 'queued');
  return { ret: 0, bytes: rig.table.unmapPages(op.iova, op.size, op.count, into) };
}

/** The same in the model: what should be returned. */
function predict(model: V7sModel, op: Op): { ret: number; bytes: number } {
  model.failing = op.fails;
  if (op.op === 'unmap') return { ret: 0, bytes: model.unmap(op.iova, op.size, op.count) };
  const { ret, mapped } = model.map(op.iova, op.pa, op.size, op.count);
  return { ret, bytes: mapped };
}

/** Every leaf, cut into what one entry maps: start, address, whether it is one of sixteen. */
function leavesOf(rig: Rig): string[] {
  const found: string[] = [];
  rig.table.visitLeaves((iova, pa, size, level) => {
    const entry = level === 1 ? 0x10_0000 : PAGE;
    for (let at = 0; at < size; at += entry) found.push(`${hex(iova + at)} ${hex(pa + at)} ${size > entry}`);
  });
  return found;
}

function leavesIn(model: V7sModel): string[] {
  const all = [
    ...[...model.sections].map(([mib, leaf]) => ({ iova: mib * 0x10_0000, ...leaf })),
    ...[...model.pages].map(([page, leaf]) => ({ iova: page * PAGE, ...leaf })),
  ];
  return all.sort((a, b) => a.iova - b.iova).map((leaf) => `${hex(leaf.iova)} ${hex(leaf.pa)} ${leaf.sixteenfold}`);
}

function tablesOf(rig: Rig): { pa: number; size: number; start: number; level: number }[] {
  const found: { pa: number; size: number; start: number; level: number }[] = [];
  rig.table.visitTables((pa, level, size, start) => found.push({ pa, size, start, level }));
  return found;
}

/** A sequence with what the model expects and what our code did on the way, as one line of a conformance file. */
function conformanceCase(sequence: Sequence): string {
  const rig = rigFor(sequence);
  const model = new V7sModel(sequence.split);
  const ops = sequence.ops.map((op) => {
    rig.record.length = 0;
    const { ret, bytes } = predict(model, op);
    perform(rig, op);
    const common = { iova: hex(op.iova), pgsize: hex(op.size), pgcount: hex(op.count), ev: [...rig.record] };
    const inj = op.fails ? { inj: { alloc: 1 } } : {};
    if (op.op === 'unmap') return { op: 'unmap', ...common, ...inj, gather: op.gather, unmapped: hex(bytes) };
    return { op: 'map', ...common, ...inj, paddr: hex(op.pa), prot: op.prot, gfp: 'K', ret, mapped: hex(bytes) };
  });
  const lookups = Array.from({ length: SPACE / 0x1_0000 }, (_, i) => {
    const iova = i * 0x1_0000 + 0x123;
    return { op: 'iova_to_phys', iova: hex(iova), phys: hex(model.phys(iova)) };
  });
  rig.record.length = 0;
  const registers = rig.table.registers;
  rig.table.free();
  const config: AdjustedConfig = rig.table.config;
  const { ias, oas } = config;
  const sizes = { pgsize_bitmap: hex(config.pageSizes), ias, oas, quirks: hex(config.quirks) };
  const base = 0x8000_0000;
  const alloc = [['A', hex(base), '0x4000', '0']];
  if (!sequence.coherentWalk) alloc.push(['M', hex(base), '0x4000']);
  const ttbr = registers.kind === 'short' ? hex(registers.ttbr) : '';
  return JSON.stringify({
    name: `property/v7s/${sequence.split}`,
    kernel: '6.12',
    cfg: {
      fmt: 'ARM_V7S',
      ...sizes,
      coherent_walk: sequence.coherentWalk ? 1 : 0,
      custom_alloc: 0,
      tlb: 1,
      phys_base: hex(base),
    },
    alloc: { ev: alloc, ok: true, live: 1, out: { ...sizes, ttbr } },
    ops: [...ops, ...lookups],
    free: { ev: [...rig.record], live: 0 },
  });
}

const ALL: readonly SplitPolicy[] = ['in-place', 'refuse', 'unmap-and-remap'];

describe('random sequences on a short-descriptor table', () => {
  it('return, map and look up what a map of pages says, the lost section addresses of Linux included', () => {
    fc.assert(
      fc.property(sequences(ALL), (sequence) => {
        const rig = rigFor(sequence);
        const model = new V7sModel(sequence.split);
        for (const op of sequence.ops) {
          expect(perform(rig, op)).toEqual(predict(model, op));
          // The ends of what the operation was about, and their neighbours.
          for (const at of [-PAGE, 0, op.size * op.count - PAGE, op.size * op.count]) {
            const iova = op.iova + at + 0x123;
            if (iova >= 0 && iova < SPACE) expect(rig.table.iovaToPhys(iova)).toBe(model.phys(iova));
          }
        }
        expect(leavesOf(rig)).toEqual(leavesIn(model));
        for (let iova = 0x123; iova < SPACE; iova += PAGE) {
          if (rig.table.iovaToPhys(iova) !== model.phys(iova)) expect.fail(`iova ${hex(iova)}`);
        }
      }),
      { seed: 1, numRuns: 120 },
    );
  });

  it('keep every live table reachable exactly once, and leave nothing behind', () => {
    fc.assert(
      fc.property(sequences(ALL), fc.integer({ min: 1, max: 5 }), (sequence, budget) => {
        const rig = rigFor(sequence);
        const model = new V7sModel(sequence.split);
        for (const op of sequence.ops) {
          perform(rig, op);
          predict(model, op);
          const tables = tablesOf(rig);
          expect(new Map(tables.map(({ pa, size }) => [pa, size]))).toEqual(rig.live);
          expect(tables).toHaveLength(rig.live.size);
          expect(tables.filter(({ level }) => level === 2).map(({ start }) => start / 0x10_0000)).toEqual(
            [...model.tables].sort((a, b) => a - b),
          );
          expect(rig.table.liveTables).toBe(rig.live.size);
        }
        let steps = 0;
        const tables = rig.live.size;
        while (!rig.table.teardown(budget)) steps++;
        expect(rig.live.size).toBe(0);
        expect(steps).toBeLessThanOrEqual(Math.ceil(tables / budget));
      }),
      { seed: 2, numRuns: 80 },
    );
  });

  it('leave no descriptor unsynced where walks do not snoop the cache', () => {
    fc.assert(
      fc.property(sequences(ALL), (sequence) => {
        const rig = rigFor({ ...sequence, coherentWalk: false });
        for (const op of sequence.ops) {
          perform(rig, op);
          for (const { pa, size } of tablesOf(rig)) {
            for (let i = 0; i < size / 4; i++) {
              if (rig.deviceWord(pa, i) !== rig.word(pa, i)) expect.fail(`entry ${i} of the table at ${hex(pa)}`);
            }
          }
        }
      }),
      { seed: 3, numRuns: 50 },
    );
  });

  it('do the same to the tables and the TLB with coherent walks as without', () => {
    fc.assert(
      fc.property(sequences(ALL), (sequence) => {
        const coherent = rigFor({ ...sequence, coherentWalk: true });
        const other = rigFor({ ...sequence, coherentWalk: false });
        for (const op of sequence.ops) expect(perform(coherent, op)).toEqual(perform(other, op));
        const invalidations = (rig: Rig): string[] => rig.events.filter((event) => /^(walk|page)/.test(event));
        expect(invalidations(other)).toEqual(invalidations(coherent));
        const tables = tablesOf(coherent);
        expect(tablesOf(other)).toEqual(tables);
        for (const { pa, size } of tables) {
          for (let i = 0; i < size / 4; i++)
            if (coherent.word(pa, i) !== other.word(pa, i)) expect.fail(hex(pa + 4 * i));
        }
        const { syncs: _, bytesSynced: __, ...counted } = coherent.table.stats;
        expect(other.table.stats).toMatchObject(counted);
      }),
      { seed: 4, numRuns: 50 },
    );
  });

  it('are shown as cases that the conformance runner reads and finds as described', async () => {
    await fc.assert(
      fc.asyncProperty(sequences(['in-place']), async (sequence) => {
        const result = await new ConformanceRun().runLines('counterexample', [fc.stringify(sequence)]);
        expect(result.shown).toEqual([]);
        expect(result.cases).toBe(1);
      }),
      { seed: 5, numRuns: 30 },
    );
  });
});
