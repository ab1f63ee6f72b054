/** What panthor keeps true whatever is asked of it; that its registers are the real one's is for the vectors to show. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  PANTHOR_KERNELS,
  type PanthorBuffer,
  type PanthorVm,
  type SlotUser,
  splitAddressSpace,
  type VmOperation,
} from '../../../../devices/index.ts';
import { ADDRESS_SPACE, AsCommand, addressSpaceBase } from '../../../../devices/mali/spec/index.ts';
import { Errno } from '../../../../formats/index.ts';
import { buffer, HUGE, PanthorRig } from './panthor-rig.ts';

const PAGE = 4096;
const BASE = 0x4000_0000;

/** Three huge pages in a row; two and a bit whose second piece is not aligned; small pieces only. */
const BUFFERS: readonly PanthorBuffer[] = [
  buffer(0, [{ pa: 0x1_0000_0000, size: 3 * HUGE }]),
  buffer(1, [
    { pa: 0x1_1000_0000, size: HUGE },
    { pa: 0x1_1040_1000, size: HUGE + 3 * PAGE },
  ]),
  buffer(
    2,
    Array.from({ length: 40 }, (_, at) => ({ pa: 0x1_2000_0000 + at * 16 * PAGE, size: (1 + (at % 7)) * PAGE })),
  ),
];

/** Physical address of a byte of a buffer. */
function addressOf({ segments }: PanthorBuffer, offset: number): number {
  let left = offset;
  for (const { pa, size } of segments) {
    if (left < size) return pa + left;
    left -= size;
  }
  return 0;
}

interface Request {
  readonly map: boolean;
  readonly page: number;
  readonly pages: number;
  readonly aligned: boolean;
  readonly object: number;
  /** Where in the buffer, as a share of it. */
  readonly from: number;
}

const request: fc.Arbitrary<Request> = fc.record({
  map: fc.boolean(),
  page: fc.integer({ min: 0, max: 2000 }),
  pages: fc.integer({ min: 1, max: 1100 }),
  aligned: fc.boolean(),
  object: fc.integer({ min: 0, max: BUFFERS.length - 1 }),
  from: fc.double({ min: 0, max: 1, noNaN: true }),
});

function operationOf({ map, page, pages, aligned, object, from }: Request): VmOperation {
  const start = aligned ? BASE + Math.floor(page / 512) * HUGE : BASE + page * PAGE;
  const mapped = BUFFERS[object] as PanthorBuffer;
  if (!map) return { kind: 'unmap', start, end: start + pages * PAGE };
  const size = Math.min(pages * PAGE, mapped.size);
  const offset = aligned ? 0 : Math.floor((from * (mapped.size - size)) / PAGE) * PAGE;
  return { kind: 'map', va: { start, end: start + size, object: mapped, offset, flags: 0 } };
}

/** Whether the table shows what the VM believes is mapped, page by page. */
function expectInStep(vm: PanthorVm): void {
  const wrong: number[] = [];
  for (let at = BASE - 4 * PAGE; at < BASE + 3200 * PAGE; at += PAGE) {
    const va = vm.space.find(at);
    const expected = va?.object ? addressOf(va.object, va.offset + at - va.start) : 0;
    if (vm.table.iovaToPhys(at) !== expected) wrong.push(at);
  }
  expect(wrong).toEqual([]);
}

describe.each(PANTHOR_KERNELS)('panthor %s', (kernel) => {
  it('keeps table and mappings in step, with what it reserved, whatever is mapped over and unmapped', () => {
    fc.assert(
      fc.property(fc.array(request, { minLength: 1, maxLength: 8 }), (requests) => {
        const rig = new PanthorRig(kernel);
        const vm = rig.activeVm();
        for (const each of requests) expect(rig.run(vm, operationOf(each))).toBe(0);
        expectInStep(vm);
        expect(rig.warnings).toEqual([]);
        expect(rig.machine.warnings).toEqual([]);
        expect(vm.user.locked.size).toBe(0);
        vm.table.free();
        expect(rig.machine.live.size).toBe(0);
      }),
      { numRuns: 40 },
    );
  });

  it('undoes a map that runs out of tables: nothing of it stays', () => {
    const map = operationOf({ map: true, page: 100, pages: 1100, aligned: false, object: 0, from: 0 });
    for (let reserved = 0; reserved < 5; reserved++) {
      const rig = new PanthorRig(kernel);
      const vm = rig.activeVm();
      expect(rig.run(vm, map, reserved)).toBe(-Errno.ENOMEM);
      expect(rig.warnings).toContain('reservation-exhausted');
      expect(vm.space.count).toBe(0);
      expectInStep(vm);
    }
  });

  it('maps nothing in a VM that a failure made unusable, and still unmaps', () => {
    const rig = new PanthorRig(kernel);
    const vm = rig.activeVm();
    const map = operationOf({ map: true, page: 0, pages: 8, aligned: false, object: 0, from: 0 });
    const other = operationOf({ map: true, page: 600, pages: 8, aligned: false, object: 0, from: 0 });
    expect(rig.run(vm, map)).toBe(0);
    expect(rig.run(vm, other, 0)).toBe(-Errno.ENOMEM);
    expect(vm.unusable).toBe(true);
    expect(rig.run(vm, other)).toBe(-Errno.EINVAL);
    expect(rig.run(vm, { kind: 'unmap', start: BASE, end: BASE + 8 * PAGE })).toBe(0);
    expectInStep(vm);
    expect(vm.space.count).toBe(0);
  });

  it('asks for one reset however often a command is stuck', () => {
    const rig = new PanthorRig(kernel);
    const vm = rig.activeVm();
    const status = addressSpaceBase(vm.user.slot) + ADDRESS_SPACE.AS_STATUS.offset;
    rig.registers.values.set(status, 1);
    const result = rig.run(vm, operationOf({ map: true, page: 0, pages: 8, aligned: false, object: 0, from: 0 }));
    expect(result).toBe(-Errno.ETIMEDOUT);
    expect(rig.resets).toBe(1);
    expect(rig.errors[0]).toBe('AS_ACTIVE bit stuck');
  });

  it('never gives a slot to two, nor loses one, whoever comes, goes, faults or is freed', () => {
    const step = fc.record({
      what: fc.constantFrom('active', 'active', 'idle', 'free', 'fault', 'suspend', 'reset'),
      vm: fc.integer({ min: 0, max: 9 }),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
        const rig = new PanthorRig(kernel, 0x1f);
        const { mmu } = rig;
        const users: SlotUser[] = Array.from({ length: 10 }, () => rig.vm().user);
        for (const { what, vm } of steps) {
          const user = users[vm] as SlotUser;
          if (what === 'active') {
            const full = users.filter(({ users: count }) => count > 0).length >= 4;
            expect(mmu.activate(user)).toBe(user.users === 0 && full ? -Errno.EBUSY : 0);
          } else if (what === 'idle') mmu.idle(user);
          else if (what === 'free') {
            mmu.free(user);
            users[vm] = rig.vm().user;
          } else if (what === 'fault' && user.slot >= 0) raise(rig, user.slot);
          else if (what === 'suspend') {
            mmu.suspend();
            mmu.resume();
          } else if (what === 'reset') {
            mmu.preReset();
            mmu.postReset();
          }
          expectSound(rig, users);
        }
      }),
      { numRuns: 60 },
    );
  });
});

/** Slots, masks and the list of idle VMs say the same. */
function expectSound({ mmu }: PanthorRig, users: readonly SlotUser[]): void {
  const bound = users.filter(({ slot }) => slot >= 0);
  expect(new Set(bound.map(({ slot }) => slot)).size).toBe(bound.length);
  expect(bound.reduce((bits, { slot }) => bits | (1 << slot), 0)).toBe(mmu.allocated);
  for (const user of bound) expect(mmu.userOf(user.slot)).toBe(user);
  const idle = bound.filter(({ users: count }) => count === 0);
  expect(new Set(mmu.idleUsers)).toEqual(new Set(idle));
  for (const user of users) if (user.slot < 0) expect(user.users).toBe(0);
}

/** A translation fault in a slot, from the interrupt to the end of its thread. */
function raise({ mmu, registers }: PanthorRig, slot: number): void {
  const RAWSTAT = 0x2000;
  registers.values.set(RAWSTAT, 1 << slot);
  registers.values.set(0x200c, 1 << slot);
  const write = registers.write32;
  registers.write32 = (offset, value) => {
    if (offset === 0x2004) registers.values.set(RAWSTAT, (registers.values.get(RAWSTAT) ?? 0) & ~value);
    write.call(registers, offset, value);
  };
  if (mmu.irq.handleHard() === 2) mmu.handleFaults();
  registers.write32 = write;
}

describe('panthor of 7.3', () => {
  it('locks once for an operation of many steps, and flushes once; 6.12 does both for each step', () => {
    const counts = PANTHOR_KERNELS.map((kernel) => {
      const rig = new PanthorRig(kernel);
      const vm = rig.activeVm();
      for (let at = 0; at < 5; at++) {
        rig.run(vm, operationOf({ map: true, page: at * 16, pages: 8, aligned: false, object: 0, from: 0 }));
      }
      const { locks, flushes } = vm.counters;
      rig.run(vm, { kind: 'unmap', start: BASE, end: BASE + 80 * PAGE });
      return [vm.counters.locks - locks, vm.counters.flushes - flushes];
    });
    expect(counts).toEqual([
      [5, 5],
      [1, 1],
    ]);
  });

  it('unmaps all of a huge page of which a part goes, and maps the rest again', () => {
    const rig = new PanthorRig('7.3');
    const vm = rig.activeVm();
    rig.run(vm, operationOf({ map: true, page: 0, pages: 512, aligned: true, object: 0, from: 0 }));
    expect(rig.run(vm, { kind: 'unmap', start: BASE + 4 * PAGE, end: BASE + 5 * PAGE })).toBe(0);
    expect(vm.counters.remappedBytes).toBe(HUGE - PAGE);
    expectInStep(vm);
  });

  it('has the GPU reset when it cannot flush its caches, and does not unlock', () => {
    const rig = new PanthorRig('7.3');
    const vm = rig.activeVm();
    rig.flushes = false;
    rig.registers.writes.length = 0;
    rig.run(vm, operationOf({ map: true, page: 0, pages: 8, aligned: false, object: 0, from: 0 }));
    expect(rig.resets).toBe(1);
    const command = addressSpaceBase(vm.user.slot) + ADDRESS_SPACE.AS_COMMAND.offset;
    const commands = rig.registers.writes.filter(([offset]) => offset === command).map(([, value]) => value);
    expect(commands).toEqual([AsCommand.LOCK]);
  });
});

describe('the split of an address space', () => {
  it('leaves the kernel a power of two of at least 256 MiB at the top, and the user what was asked for', () => {
    const asked = fc.double({ min: 0, max: 1.2, noNaN: true });
    fc.assert(
      fc.property(fc.integer({ min: 24, max: 48 }), asked, (bits, share) => {
        const full = 2 ** bits;
        const user = Math.floor(full * share);
        const { result, kernelStart, kernelRange } = splitAddressSpace(bits, user, 0, 2 ** 47);
        if (result !== 0) {
          expect(full < 2 ** 28 || user > full - 2 ** 28 || full === 2 ** 28).toBe(true);
          return;
        }
        expect(Number.isInteger(Math.log2(kernelRange))).toBe(true);
        expect(kernelRange).toBeGreaterThanOrEqual(2 ** 28);
        expect(kernelStart + kernelRange).toBe(full);
        expect(kernelStart).toBeGreaterThanOrEqual(user);
      }),
    );
  });

  it('knows no flags', () => expect(splitAddressSpace(48, 0, 1, 2 ** 47).result).toBe(-Errno.EINVAL));
});
