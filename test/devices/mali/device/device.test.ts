import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  ADDRESS_SPACE,
  AsCommand,
  addressSpaceBase,
  flushCachesCommand,
  GPU_CONTROL,
  GpuInterrupt,
  MMU_CONTROL,
  MMU_END,
  WHOLE_SPACE,
} from '../../../../devices/mali/spec/index.ts';
import { AccessFlag, Outcome } from '../../../../emulator/index.ts';
import { Prot } from '../../../../formats/index.ts';
import { MaliRig, transtabOf } from './mali-rig.ts';

const IOVA = 0x200_1000;
const PA = 0x1_2345_6000;
const AARCH64_4K = 0x6n | (7n << 6n);
/** Write-back and non-cacheable types as the drivers translate Linux's MAIR. */
const MEMATTR = 0x9f9f9f9f9c4c9f4cn;

function legacy(rig: MaliRig, as = 0): ReturnType<MaliRig['table']> {
  const table = rig.table();
  rig.map(table, IOVA, PA);
  rig.enable(as, transtabOf(table));
  return table;
}

function aarch64(rig: MaliRig, prot: number, transcfg = AARCH64_4K, memattr = MEMATTR): void {
  const table = rig.table({ format: 'ARM_64_LPAE_S1', oas: 48 });
  rig.map(table, IOVA, PA, prot);
  const { registers } = table;
  if (registers.kind !== 'stage-1') throw new Error('stage 1');
  rig.enable(0, BigInt(registers.ttbr), transcfg, memattr);
}

describe('a Mali address space translates', () => {
  it('with legacy tables', () => {
    const rig = new MaliRig();
    legacy(rig);
    expect(rig.access(0, IOVA + 0x123)).toBe(true);
    expect(rig.request.pa).toBe(PA + 0x123);
  });

  it('with AArch64 tables of 4 KiB pages', () => {
    const rig = new MaliRig({ paBits: 48 });
    aarch64(rig, Prot.READ | Prot.WRITE | Prot.CACHE);
    expect(rig.access(0, IOVA, AccessFlag.WRITE)).toBe(true);
    expect(rig.request.pa).toBe(PA);
    expect(rig.request.memoryAttribute).toBe(0x9f);
  });

  it('with AArch64 tables of 64 KiB pages', () => {
    const rig = new MaliRig({ paBits: 48 });
    const table = rig.table({ format: 'ARM_64_LPAE_S1', oas: 48, pageSizes: 2 ** 16 });
    rig.map(table, 0x20_0000, 0x1_0001_0000, Prot.READ, 2 ** 16);
    const { registers } = table;
    if (registers.kind !== 'stage-1') throw new Error('stage 1');
    rig.enable(0, BigInt(registers.ttbr), 0x8n | (7n << 6n), MEMATTR);
    expect(rig.access(0, 0x20_1234)).toBe(true);
    expect(rig.request.pa).toBe(0x1_0001_1234);
  });

  it('to the same address in either identity mode', () => {
    const rig = new MaliRig();
    rig.enable(1, 2n);
    expect(rig.access(1, 0x5000)).toBe(true);
    expect(rig.request.pa).toBe(0x5000);
    rig.enable(2, 0n, 2n);
    expect(rig.access(2, 0x6000)).toBe(true);
    expect(rig.request.pa).toBe(0x6000);
  });

  it('nothing while it is unmapped: accesses are aborted, and the fault is told', () => {
    const rig = new MaliRig();
    rig.enable(3, 0n, 1n);
    expect(rig.access(3, 0x5000)).toBe(false);
    expect(rig.request.outcome).toBe(Outcome.ABORTED);
    expect(rig.device.read32(rig.register(3, 'AS_FAULTSTATUS')) & 0xff).toBe(0xc0);
  });

  it('with what UPDATE took over, not with what stands in the registers', () => {
    const rig = new MaliRig();
    legacy(rig);
    rig.write64(0, 'AS_TRANSTAB', 0n);
    rig.flush(0, 0, WHOLE_SPACE);
    expect(rig.access(0, IOVA)).toBe(true);
    rig.command(0, AsCommand.UPDATE);
    rig.flush(0, 0, WHOLE_SPACE);
    expect(rig.access(0, IOVA)).toBe(false);
  });

  it('only where it exists', () => {
    const rig = new MaliRig({ asPresent: 0b101 });
    expect(rig.device.spaces.size).toBe(2);
    rig.device.write32(rig.register(1, 'AS_TRANSTAB'), 0xffff_ffff);
    expect(rig.device.read32(rig.register(1, 'AS_TRANSTAB'))).toBe(0);
    expect(rig.access(1, IOVA)).toBe(false);
  });
});

describe('commands', () => {
  it('show AS_ACTIVE while they are carried out, and are not taken meanwhile', () => {
    const rig = new MaliRig();
    const { device } = rig;
    device.write32(rig.register(0, 'AS_COMMAND'), AsCommand.FLUSH_MEM);
    expect(device.read32(rig.register(0, 'AS_STATUS'))).toBe(1);
    device.write32(rig.register(0, 'AS_COMMAND'), AsCommand.UPDATE);
    const space = device.spaces.get(0);
    expect(space?.commandsWhileActive).toBe(1);
    expect(space?.commands[AsCommand.UPDATE]).toBe(0);
    rig.idle(0);
    expect(device.now).toBeGreaterThanOrEqual(space?.activeUntil ?? 0);
  });

  it('that never end are ended by a reset', () => {
    const rig = new MaliRig();
    rig.device.stick(0);
    rig.device.delay(1e6);
    expect(rig.device.read32(rig.register(0, 'AS_STATUS'))).toBe(1);
    rig.device.write32(GPU_CONTROL.GPU_CMD.offset, 1);
    expect(rig.device.read32(rig.register(0, 'AS_STATUS'))).toBe(0);
    rig.device.delay(1000);
    expect(rig.device.read32(GPU_CONTROL.GPU_INT_RAWSTAT.offset)).toBe(GpuInterrupt.RESET_COMPLETED);
  });

  it('FLUSH_PT takes longer when the L2 cache has something to write back', () => {
    const cost = (dirty: number): number => {
      const rig = new MaliRig();
      for (let line = 0; line < dirty; line++) rig.device.l2.access(line * 64, true);
      rig.flush(0, 0, 0x8000);
      return rig.device.spaces.get(0)?.activeCycles ?? 0;
    };
    expect(cost(1000) - cost(0)).toBe(4000);
  });

  it('FLUSH_PT drops translations of its region and no others', () => {
    const rig = new MaliRig();
    const table = rig.table();
    rig.map(table, IOVA, PA);
    rig.map(table, 0x800_0000, 0x1_0000_0000);
    rig.enable(0, transtabOf(table));
    rig.access(0, IOVA);
    rig.access(0, 0x800_0000);
    table.unmapPages(IOVA, 4096, 1, null);
    table.unmapPages(0x800_0000, 4096, 1, null);
    rig.flush(0, IOVA, 4096);
    expect(rig.access(0, 0x800_0000)).toBe(true);
    expect(rig.access(0, IOVA)).toBe(false);
  });

  it('of one address space leave the translations of another alone', () => {
    const rig = new MaliRig();
    const [first, second] = [legacy(rig, 0), legacy(rig, 1)];
    rig.access(0, IOVA);
    rig.access(1, IOVA);
    for (const table of [first, second]) table.unmapPages(IOVA, 4096, 1, null);
    rig.flush(0, 0, WHOLE_SPACE, AsCommand.FLUSH_MEM);
    expect(rig.access(1, IOVA)).toBe(true);
    expect(rig.access(0, IOVA)).toBe(false);
  });

  it('UPDATE to other tables without a flush before is counted; the old translations go all the same', () => {
    const rig = new MaliRig();
    legacy(rig);
    rig.access(0, IOVA);
    rig.write64(0, 'AS_TRANSTAB', transtabOf(rig.table()));
    rig.command(0, AsCommand.UPDATE);
    expect(rig.device.spaces.get(0)?.reusedBeforeFlush).toBe(1);
    expect(rig.access(0, IOVA)).toBe(false);
  });
});

describe('a locked region', () => {
  it('holds accesses up until the lock ends, and counts how long', () => {
    const rig = new MaliRig();
    legacy(rig);
    const space = rig.device.spaces.get(0);
    const before = rig.device.now;
    rig.flush(0, IOVA, 4096);
    const end = space?.activeUntil ?? 0;
    expect(rig.access(0, IOVA, AccessFlag.READ, before + 200)).toBe(true);
    expect(rig.request.completion).toBeGreaterThan(end);
    expect(space?.lockWaits).toBe(1);
    expect(space?.lockWaitCycles).toBe(end - before - 200);
  });

  it('does not hold up accesses elsewhere, or of other address spaces', () => {
    const rig = new MaliRig();
    const table = legacy(rig, 0);
    legacy(rig, 1);
    rig.map(table, 0x800_0000, PA);
    const before = rig.device.now;
    rig.flush(0, IOVA, 4096);
    rig.access(0, 0x800_0000, AccessFlag.READ, before + 200);
    rig.access(1, IOVA, AccessFlag.READ, before + 200);
    expect(rig.device.spaces.get(0)?.lockWaits).toBe(0);
    expect(rig.device.spaces.get(1)?.lockWaits).toBe(0);
  });

  it('that nobody unlocks locks accesses out until somebody does', () => {
    const rig = new MaliRig();
    legacy(rig);
    rig.region(0, IOVA, 4096);
    rig.command(0, AsCommand.LOCK);
    rig.idle(0);
    expect(rig.access(0, IOVA)).toBe(false);
    expect(rig.request.outcome).toBe(Outcome.STALLED);
    expect(rig.device.spaces.get(0)?.lockedOut).toBe(1);
    const restarts: number[] = [];
    rig.device.onRestart = (as) => restarts.push(as);
    rig.command(0, AsCommand.UNLOCK);
    rig.idle(0);
    expect(restarts).toEqual([0]);
    expect(rig.access(0, IOVA)).toBe(true);
  });
});

describe('a fault', () => {
  it('is told once, stops the address space, and is over when it was cleared and flushed', () => {
    const rig = new MaliRig();
    const table = legacy(rig);
    const raised: number[] = [];
    rig.device.mmuInterrupt.onRaised = () => raised.push(rig.device.mmuInterrupt.raw);
    expect(rig.access(0, 0x300_0123, AccessFlag.WRITE)).toBe(false);
    expect(rig.request.outcome).toBe(Outcome.STALLED);
    expect(raised).toEqual([1]);
    const status = rig.device.read32(rig.register(0, 'AS_FAULTSTATUS'));
    expect(status & 0x3ff).toBe(0x3c2);
    expect(rig.device.read32(rig.register(0, 'AS_FAULTADDRESS'))).toBe(0x300_0123);
    // Everything of the address space waits, what is mapped too.
    expect(rig.access(0, IOVA)).toBe(false);
    expect(raised).toEqual([1]);
    rig.device.write32(MMU_CONTROL.MMU_INT_CLEAR.offset, 0x10001);
    rig.map(table, 0x300_0000, 0x1_0000_0000);
    rig.flush(0, 0x300_0000, 4096);
    expect(rig.access(0, 0x300_0123, AccessFlag.WRITE)).toBe(true);
    expect(rig.device.mmuInterrupt.raised).toBe(false);
  });

  it('is told again when software let the access go on without doing anything about it', () => {
    const rig = new MaliRig();
    legacy(rig);
    rig.access(0, 0x300_0000);
    rig.device.write32(MMU_CONTROL.MMU_INT_CLEAR.offset, 1);
    rig.flush(0, 0x300_0000, 4096);
    expect(rig.access(0, 0x300_0000)).toBe(false);
    expect(rig.device.spaces.get(0)?.faults).toBe(2);
  });

  it.each([
    ['a write to what is read-only', Prot.READ, AccessFlag.WRITE, 0x3cb],
    ['an instruction fetch from what is not executable', Prot.READ | Prot.NOEXEC, AccessFlag.EXECUTE, 0x1cb],
  ])('of %s has its code', (_what, prot, flags, code) => {
    const rig = new MaliRig({ paBits: 48 });
    aarch64(rig, prot);
    expect(rig.access(0, IOVA, flags)).toBe(false);
    expect(rig.device.read32(rig.register(0, 'AS_FAULTSTATUS')) & 0x3ff).toBe(code);
  });

  it('of an address beyond INA_BITS is an input size fault', () => {
    const rig = new MaliRig();
    aarch64(rig, Prot.READ, 0x6n | (23n << 6n));
    expect(rig.access(0, 2 ** 40)).toBe(false);
    expect(rig.device.read32(rig.register(0, 'AS_FAULTSTATUS')) & 0xff).toBe(0xe0);
  });

  it('of a memory type that faults is a memory attribute fault', () => {
    const rig = new MaliRig();
    aarch64(rig, Prot.READ, AARCH64_4K, 0xc0c0c0c0c0c0c0c0n);
    expect(rig.access(0, IOVA)).toBe(false);
    expect(rig.device.read32(rig.register(0, 'AS_FAULTSTATUS')) & 0xfc).toBe(0xe8);
  });

  it('of a table that the bus does not give has the bus-fault bit with a job manager only', () => {
    for (const [family, bit, code] of [
      ['job-manager', 0x10000, 0xd0],
      ['csf', 1, 0x80],
    ] as const) {
      const rig = new MaliRig({ family });
      rig.enable(0, 0x1_0000_0007n);
      rig.device.write32(MMU_CONTROL.MMU_INT_CLEAR.offset, 0xffff_ffff);
      expect(rig.access(0, IOVA)).toBe(false);
      expect(rig.device.read32(MMU_CONTROL.MMU_INT_RAWSTAT.offset) & 0x10001).toBe(bit);
      expect(rig.device.read32(rig.register(0, 'AS_FAULTSTATUS')) & 0xff).toBe(code);
    }
  });

  it('of an identity address that memory does not have has a code of its own', () => {
    const rig = new MaliRig({ paBits: 36 });
    rig.enable(0, 2n);
    expect(rig.access(0, 2 ** 37)).toBe(false);
    expect(rig.device.read32(rig.register(0, 'AS_FAULTSTATUS')) & 0xff).toBe(0xc7);
  });
});

describe('GPU_CMD', () => {
  it.each([
    ['job-manager' as const, 8],
    ['csf' as const, flushCachesCommand(3, 3, 2)],
  ])('of a GPU with %s flushes caches and says when it is done', (family, command) => {
    const rig = new MaliRig({ family });
    const { device } = rig;
    for (let line = 0; line < 100; line++) device.l2.access(line * 64, true);
    device.write32(GPU_CONTROL.GPU_CMD.offset, command);
    expect(device.read32(GPU_CONTROL.GPU_INT_RAWSTAT.offset)).toBe(0);
    device.now = device.gpuBusyUntil;
    expect(device.read32(GPU_CONTROL.GPU_INT_RAWSTAT.offset)).toBe(GpuInterrupt.CLEAN_CACHES_COMPLETED);
    expect(device.l2.cleaned).toBe(100);
    device.write32(GPU_CONTROL.GPU_INT_CLEAR.offset, GpuInterrupt.CLEAN_CACHES_COMPLETED);
    expect(device.read32(GPU_CONTROL.GPU_INT_RAWSTAT.offset)).toBe(0);
  });

  it('does not end a lock', () => {
    const rig = new MaliRig({ family: 'csf' });
    rig.region(0, 0, 0x8000);
    rig.command(0, AsCommand.LOCK);
    rig.device.write32(GPU_CONTROL.GPU_CMD.offset, flushCachesCommand(3, 3, 2));
    expect(rig.device.spaces.get(0)?.lock).not.toBeNull();
  });
});

describe('whatever is written', () => {
  it('never escapes: no exception, bounded work, and accesses get an answer', () => {
    const offsets = [
      ...Object.values(GPU_CONTROL).map(({ offset }) => offset),
      ...Object.values(MMU_CONTROL).map(({ offset }) => offset),
    ];
    for (let as = 0; as < 3; as++) {
      for (const { offset, width } of Object.values(ADDRESS_SPACE)) {
        for (let half = 0; half < width; half += 32) offsets.push(addressSpaceBase(as) + offset + half / 8);
      }
    }
    const offset = fc.oneof(
      fc.constantFrom(...offsets),
      fc.nat({ max: MMU_END }).map((value) => value & ~3),
    );
    const value = fc.oneof(fc.nat({ max: 0xffff_ffff }), fc.nat({ max: 8 }), fc.constant(0x8000_0007));
    const step = fc.tuple(offset, value, fc.nat({ max: 2 ** 31 }), fc.boolean());
    fc.assert(
      fc.property(
        fc.constantFrom('job-manager' as const, 'csf' as const),
        fc.array(step, { maxLength: 60 }),
        (family, steps) => {
          const rig = new MaliRig({ family, asPresent: 3 });
          const { device } = rig;
          let reads = 0;
          for (const [at, write, iova, high] of steps) {
            device.write32(at, write);
            device.read32(at);
            rig.access(iova & 3, high ? iova * 2 ** 16 : iova, iova & 5);
            reads = Math.max(reads, rig.request.descriptorReads);
            expect(Number.isFinite(rig.request.completion)).toBe(true);
            device.delay(iova & 63);
          }
          expect(reads).toBeLessThanOrEqual(4);
        },
      ),
      { numRuns: 150 },
    );
  });
});
