import { describe, expect, it } from 'vitest';
import { BindJob, Fence, GpuMemory, JobClock } from '../../../../devices/index.ts';
import { BuddySystemPages, PageAllocator, PhysicalMemory } from '../../../../emulator/index.ts';
import { K, M } from './bind-rig.ts';

function gpuRig() {
  const memory = new PhysicalMemory({ banks: [{ base: 2 ** 31, size: 4 * M, node: 0 }] });
  const pages = new PageAllocator(memory, memory);
  const clock = new JobClock();
  const gpu = new GpuMemory(clock, new BuddySystemPages(pages));
  return { pages, clock, gpu };
}

describe('GPU buffers', () => {
  it('take whole pages, or nothing when memory is out', () => {
    const { gpu, pages } = gpuRig();
    const before = pages.freeBytes;
    expect(gpu.createBuffer('small', 5 * K)?.pages).toHaveLength(2);
    expect(gpu.createBuffer('huge', 8 * M)).toBeNull();
    expect(before - pages.freeBytes).toBe(8 * K);
  });

  it('are reclaimed idle ones first, least recently used of these first', () => {
    const { gpu, clock } = gpuRig();
    const [a, b, c] = ['a', 'b', 'c'].map((name) => gpu.createBuffer(name, 64 * K));
    if (!a || !b || !c) throw new Error('no memory');
    const busy = new Fence('busy', null);
    const over = new Fence('over', null);
    over.signal(0);
    gpu.use(a, over);
    gpu.use(b, busy);
    expect(gpu.reclaim()).toBe(16);
    expect([a, b, c].map(({ resident }) => resident)).toEqual([true, true, false]);
    expect(gpu.reclaim()).toBe(16);
    expect(a.resident).toBe(false);
    // Nobody's work is going on, so nobody can wait for b.
    expect([gpu.reclaim(), b.resident, clock.deadlocks.length]).toEqual([0, true, 0]);
  });

  it('make the one who needs memory wait for a busy one, while the others go on', () => {
    const { gpu, clock } = gpuRig();
    const buffer = gpu.createBuffer('b', 64 * K);
    if (buffer === null) throw new Error('no memory');
    const render = new Fence('render', null);
    gpu.use(buffer, render);
    clock.after(500, () => render.signal(clock.now));
    const job = new BindJob(1, 'q', { kind: 'unmap', iova: 0, size: 4 * K });
    clock.worker = job;
    expect(gpu.reclaim()).toBe(16);
    expect([clock.now, job.blockedOn, clock.worker]).toEqual([500, null, job]);
  });

  it('let two wait for the same one: who comes later finds memory, not a buffer', () => {
    const { gpu, clock } = gpuRig();
    const buffer = gpu.createBuffer('b', 64 * K);
    if (buffer === null) throw new Error('no memory');
    const render = new Fence('render', null);
    gpu.use(buffer, render);
    const [outer, inner] = [1, 2].map((id) => new BindJob(id, 'q', { kind: 'unmap', iova: 0, size: 4 * K }));
    if (outer === undefined || inner === undefined) throw new Error('no jobs');
    let freed = 0;
    clock.after(100, () => {
      clock.worker = inner;
      freed = gpu.reclaim();
    });
    clock.after(500, () => render.signal(clock.now));
    clock.worker = outer;
    expect(gpu.reclaim()).toBe(1);
    expect([freed, clock.worker, gpu.reclaimedPages]).toEqual([16, outer, 16]);
    expect([outer.state, inner.state, clock.deadlocks]).toEqual(['preparing', 'preparing', []]);
  });

  it('give up, and say why, when the wait can never end', () => {
    const { gpu, clock } = gpuRig();
    const buffer = gpu.createBuffer('b', 64 * K);
    if (buffer === null) throw new Error('no memory');
    gpu.use(buffer, new Fence('vsync', null));
    const job = new BindJob(1, 'q', { kind: 'unmap', iova: 0, size: 4 * K });
    clock.worker = job;
    expect(gpu.reclaim()).toBe(0);
    expect(job.state).toBe('deadlocked');
    expect(clock.deadlocks).toMatchObject([
      { kind: 'never-signalled', chain: [{ who: 'unmap-1', on: 'memory reclaim' }, { on: 'vsync' }] },
    ]);
  });
});
