import { describe, expect, it } from 'vitest';
import { IrqReturn, PanfrostBuffer, type PanfrostContext, type PollKernel } from '../../../../devices/index.ts';
import { ADDRESS_SPACE, addressSpaceBase, faultStatus, MMU_CONTROL } from '../../../../devices/mali/spec/index.ts';
import { Errno } from '../../../../formats/index.ts';
import { PanfrostRig } from './panfrost-rig.ts';

const HEAP = { iova: 0x220_0000, size: 0x40_0000, heap: true, noexec: true };
const MIB = 2 ** 20;

/** A context that has address space 0, with a heap in it. */
function withHeap(rig: PanfrostRig): { context: PanfrostContext; heap: PanfrostBuffer } {
  const context = rig.context();
  const heap = new PanfrostBuffer(context, HEAP);
  context.place(heap);
  rig.driver.asGet(context);
  return { context, heap };
}

/** A translation fault of address space 0 at `address`. */
function fault(rig: PanfrostRig, address: number): void {
  const { registers } = rig;
  registers.values.set(MMU_CONTROL.MMU_INT_RAWSTAT.offset, 1);
  registers.values.set(MMU_CONTROL.MMU_INT_STAT.offset, 1);
  registers.values.set(addressSpaceBase(0) + ADDRESS_SPACE.AS_FAULTSTATUS.offset, faultStatus(0xc3, 2, 0));
  registers.values.set(addressSpaceBase(0) + ADDRESS_SPACE.AS_FAULTADDRESS.offset, address);
  const { write32 } = registers;
  registers.write32 = (offset, value) => {
    if (offset === MMU_CONTROL.MMU_INT_CLEAR.offset) registers.values.set(MMU_CONTROL.MMU_INT_RAWSTAT.offset, 0);
    write32.call(registers, offset, value);
  };
  expect(rig.driver.handleInterrupt()).toBe(IrqReturn.WAKE_THREAD);
  expect(rig.driver.serveInterrupt()).toBe(IrqReturn.HANDLED);
}

describe('panfrost: heaps that grow from page faults', () => {
  it.each<PollKernel>(['6.12', '7.3'])('%s maps the 2 MiB around the fault', (kernel) => {
    const rig = new PanfrostRig(kernel);
    const { context } = withHeap(rig);
    fault(rig, HEAP.iova + 2 * MIB + 0x1234);
    expect(context.table.iovaToPhys(HEAP.iova)).toBe(0);
    expect(context.table.iovaToPhys(HEAP.iova + 2 * MIB)).not.toBe(0);
    expect(context.table.iovaToPhys(HEAP.iova + 4 * MIB - 4096)).not.toBe(0);
    expect(rig.driver.spaces.faulty).toBe(0);
  });

  it('6.12 never maps a chunk that ran out of pages midway, and says it is handled', () => {
    const rig = new PanfrostRig('6.12');
    const { context } = withHeap(rig);
    rig.pagesLeft = 10;
    fault(rig, HEAP.iova);
    expect(rig.driver.spaces.faulty).toBe(0x10001);
    rig.pagesLeft = Number.POSITIVE_INFINITY;
    rig.driver.asGet(context);
    fault(rig, HEAP.iova);
    expect(rig.driver.spaces.faulty).toBe(0);
    expect(context.table.iovaToPhys(HEAP.iova)).toBe(0);
  });

  it('7.3 maps it the next time, and warns of every page that it had already', () => {
    const rig = new PanfrostRig('7.3');
    const { context } = withHeap(rig);
    rig.pagesLeft = 10;
    fault(rig, HEAP.iova);
    expect(rig.driver.spaces.faulty).toBe(0x10001);
    rig.pagesLeft = Number.POSITIVE_INFINITY;
    rig.driver.asGet(context);
    fault(rig, HEAP.iova);
    expect(context.table.iovaToPhys(HEAP.iova)).not.toBe(0);
    expect(rig.warnings).toEqual(new Array(10).fill('page-already-owned'));
  });
});

describe('panfrost: a table that cannot be had midway through a map', () => {
  const buffer = (context: PanfrostContext) =>
    new PanfrostBuffer(context, { iova: 0x3f_f000, size: 0x2000, heap: false, noexec: false }, [
      { pa: 0x1_0000_0000, size: 0x1000 },
      { pa: 0x2_0000_0000, size: 0x1000 },
    ]);

  it('is passed over by 6.12: what could be mapped is mapped', () => {
    const rig = new PanfrostRig('6.12');
    const context = rig.context();
    // The first page takes three tables; the second one more.
    rig.machine.failAfter = 4;
    const mapped = buffer(context);
    expect(rig.driver.map(mapped)).toBe(0);
    expect(mapped.active).toBe(true);
    expect(context.table.iovaToPhys(0x3f_f000)).toBe(0x1_0000_0000);
    expect(context.table.iovaToPhys(0x40_0000)).toBe(0);
  });

  it('ends the map in 7.3, and what was mapped goes again', () => {
    const rig = new PanfrostRig('7.3');
    const context = rig.context();
    rig.machine.failAfter = 4;
    const failed = buffer(context);
    expect(rig.driver.map(failed)).toBe(-Errno.ENOMEM);
    expect(failed.active).toBe(false);
    expect(context.table.iovaToPhys(0x3f_f000)).toBe(0);
  });
});

describe('panfrost: address spaces', () => {
  it('are refused when each is in use', () => {
    const rig = new PanfrostRig('7.3', { asPresent: 1 });
    const [first, second] = [rig.context(), rig.context()];
    expect(rig.driver.asGet(first)).toBe(0);
    expect(rig.driver.asGet(second)).toBe(-Errno.EBUSY);
    rig.driver.asPut(first);
    expect(rig.driver.asGet(second)).toBe(0);
    expect(first.slot).toBe(-1);
  });

  it('that stay active end in a reset', () => {
    const rig = new PanfrostRig('6.12');
    const context = rig.context();
    rig.registers.values.set(addressSpaceBase(0) + ADDRESS_SPACE.AS_STATUS.offset, 1);
    expect(rig.driver.asGet(context)).toBe(0);
    expect(rig.driver.resetPending).toBe(true);
    rig.driver.reset();
    expect(context.slot).toBe(-1);
    expect(rig.driver.resetPending).toBe(false);
  });

  it('are not for GPUs with addresses that legacy tables cannot hold', () => {
    expect(new PanfrostRig('6.12', { paBits: 48 }).driver.createContext()).toBe(-Errno.EINVAL);
    expect(new PanfrostRig('7.3', { paBits: 48, aarch64Tables: true }).context().slot).toBe(-1);
  });
});
