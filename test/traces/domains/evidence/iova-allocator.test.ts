import { describe, expect, it } from 'vitest';
import { Fit, IovaAllocator } from '../../../../traces/domains/evidence/iova-allocator.ts';
import { DomainTracker, EventKind } from '../../../../traces/index.ts';
import { readCaptures } from '../../capture/read-events.ts';

const PAGE = 4096;

describe('what the IOVA allocator hands out next', () => {
  it('goes down from 4 GiB, each address aligned to its size rounded up to a power of two', () => {
    const allocator = new IovaAllocator();
    expect(allocator.fit(0xfffff000, PAGE, PAGE, 0)).toBe(Fit.NEXT);
    allocator.allocate(0xfffff000, PAGE, PAGE, 0);
    expect(allocator.fit(0xfffff000, 2 * PAGE, PAGE, 0)).toBe(Fit.TAKEN);
    expect(allocator.fit(0xfffff000, PAGE, PAGE, 0)).toBe(Fit.KEPT);
    expect(allocator.fit(0xffffc000, 2 * PAGE, PAGE, 0)).toBe(Fit.NEXT);
    expect(allocator.fit(0xffff8000, 3 * PAGE, PAGE, 0)).toBe(Fit.NEXT);
    expect(allocator.fit(0xffff0000, PAGE, PAGE, 0)).toBe(Fit.OTHER);
  });

  it('is what the same CPU freed last in that size', () => {
    const allocator = new IovaAllocator();
    for (const iova of [0xfffff000, 0xffffe000, 0xffffd000]) allocator.allocate(iova, PAGE, PAGE, 0);
    allocator.free(0xfffff000, PAGE, PAGE, 0);
    allocator.free(0xffffe000, PAGE, PAGE, 0);
    expect([0xffffe000, 0xfffff000].map((iova) => allocator.fit(iova, PAGE, PAGE, 0))).toEqual([Fit.NEXT, Fit.KEPT]);
    expect(allocator.fit(0xffffc000, PAGE, PAGE, 1)).toBe(Fit.NEXT);
    allocator.allocate(0xffffe000, PAGE, PAGE, 0);
    expect(allocator.fit(0xfffff000, PAGE, PAGE, 0)).toBe(Fit.NEXT);
  });

  it('goes its own way in a copy', () => {
    const allocator = new IovaAllocator();
    allocator.allocate(0xfffff000, PAGE, PAGE, 0);
    const copy = new IovaAllocator(allocator);
    expect(copy.hash).toBe(allocator.hash);
    copy.free(0xfffff000, PAGE, PAGE, 0);
    expect(copy.hash).not.toBe(allocator.hash);
    expect([copy, allocator].map((one) => one.fit(0xfffff000, PAGE, PAGE, 0))).toEqual([Fit.NEXT, Fit.KEPT]);
    expect(allocator.fit(0xffffe000, PAGE, PAGE, 0)).toBe(Fit.NEXT);
    copy.allocate(0xfffff000, PAGE, PAGE, 0);
    expect(copy.hash).toBe(allocator.hash);
  });

  it('comes from a depot of full magazines, whose surplus goes back to the tree after a while', () => {
    const allocator = new IovaAllocator();
    const addresses = Array.from({ length: 600 }, (_, index) => 2 ** 32 - (index + 1) * PAGE);
    for (const iova of addresses) allocator.allocate(iova, PAGE, PAGE, 0);
    for (const iova of addresses) allocator.free(iova, PAGE, PAGE, 0, 1);
    const at = (index: number): number => addresses[index] ?? 0;
    const surplus = new IovaAllocator(allocator);
    surplus.passTime(1.25, 1, PAGE);
    // The CPU has two magazines, the one in use and the oldest; three more are full, of which one CPU keeps one.
    for (let index = 599; index >= 508; index--) take(at(index));
    for (let index = 126; index >= 0; index--) take(at(index));
    expect(allocator.fit(at(507), PAGE, PAGE, 0)).toBe(Fit.NEXT);
    expect(surplus.fit(at(253), PAGE, PAGE, 0)).toBe(Fit.NEXT);

    function take(iova: number): void {
      for (const one of [allocator, surplus]) {
        expect(one.fit(iova, PAGE, PAGE, 0)).toBe(Fit.NEXT);
        one.allocate(iova, PAGE, PAGE, 0);
      }
    }
  });

  it('is nearly always the address that a real kernel took', async () => {
    const { events } = await readCaptures(['traces/samples/dma-dump.ftrace.txt.gz']);
    const allocators: IovaAllocator[] = [];
    let [next, maps] = [0, 0];
    const tracker = new DomainTracker((event, at) => {
      if (event.kind > EventKind.UNMAP) return;
      allocators[at] ??= new IovaAllocator();
      const allocator = allocators[at];
      if (event.kind === EventKind.UNMAP) allocator.free(event.iova, event.size, PAGE, event.cpu);
      // Pieces of a scattered buffer are left out: only where one begins has the allocator spoken.
      else if (event.runEnd === event.iova + event.size) {
        maps++;
        if (allocator.fit(event.iova, event.size, PAGE, event.cpu) === Fit.NEXT) next++;
        allocator.allocate(event.iova, event.size, PAGE, event.cpu);
      } else allocator.allocate(event.iova, event.runEnd - event.iova, PAGE, event.cpu);
    });
    for (const event of events) tracker.take(event);
    expect(maps).toBeGreaterThan(5000);
    expect(next / maps).toBeGreaterThan(0.7);
  });
});
