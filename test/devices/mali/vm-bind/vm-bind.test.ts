import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type BindRequest, Fence, GpuVaSpace, RangeEditor, type VmBind } from '../../../../devices/index.ts';
import { Errno, Gfp, Prot, type SplitPolicy } from '../../../../formats/index.ts';
import { bindRig, G, K, leavesOf, M, maliTable } from './bind-rig.ts';

const RW = Prot.READ | Prot.WRITE;
const PA = 16 * G;

function map(vm: VmBind, iova: number, size: number, pa = PA + iova, extra: Partial<BindRequest> = {}) {
  return vm.submit('q0', { kind: 'map', iova, size, pa, prot: RW, ...extra });
}

function unmap(vm: VmBind, iova: number, size: number, extra: Partial<BindRequest> = {}) {
  return vm.submit('q0', { kind: 'unmap', iova, size, ...extra });
}

describe('a VM_BIND job', () => {
  it('maps nothing before it runs, and signals its fence when it is done', () => {
    const { vm, table, clock } = bindRig('reserve', { runDelay: 10_000 });
    const job = map(vm, 2 * M, 8 * K);
    expect([job.state, table.iovaToPhys(2 * M), job.done.signalled]).toEqual(['queued', 0, false]);
    clock.run();
    expect([job.state, table.iovaToPhys(2 * M + 4 * K), job.done.signalled]).toEqual([
      'done',
      PA + 2 * M + 4 * K,
      true,
    ]);
    expect(job.startedAt).toBeGreaterThanOrEqual(job.preparedAt + 10_000);
    expect(job.endedAt).toBeGreaterThan(job.startedAt + 744);
  });

  it('waits for all of its fences', () => {
    const { vm, clock } = bindRig('reserve');
    const [x, y] = [new Fence('x', null), new Fence('y', null)];
    const job = map(vm, 0, 4 * K, PA, { waitFor: [x, y] });
    clock.run();
    x.signal(clock.now);
    clock.run();
    expect(job.state).toBe('queued');
    y.signal(clock.now);
    clock.run();
    expect(job.state).toBe('done');
  });

  it('runs after the jobs before it in its queue, even when those wait; other queues pass', () => {
    const { vm, clock, reports } = bindRig('reserve');
    const held = new Fence('held', null);
    map(vm, 0, 4 * K, PA, { waitFor: [held], name: 'first' });
    map(vm, 4 * K, 4 * K, PA, { name: 'second' });
    vm.submit('q1', { kind: 'map', iova: G, size: 4 * K, pa: PA, prot: RW, name: 'elsewhere' });
    clock.run();
    expect(reports.map(({ name }) => name)).toEqual(['elsewhere']);
    held.signal(clock.now);
    clock.run();
    expect(reports.map(({ name }) => name)).toEqual(['elsewhere', 'first', 'second']);
  });

  it('never runs at the same time as another of the VM', () => {
    const { vm, clock, reports } = bindRig('reserve');
    for (let i = 0; i < 6; i++)
      vm.submit(`q${i % 3}`, { kind: 'map', iova: i * G, size: 2 * M, pa: PA + 4 * K, prot: RW });
    clock.run();
    const spans = reports.map(({ startedAt, endedAt }) => [startedAt, endedAt] as const).sort((p, q) => p[0] - q[0]);
    for (const [at, span] of spans.entries()) expect(span[0]).toBeGreaterThanOrEqual(spans[at - 1]?.[1] ?? 0);
  });

  it('is refused, and does nothing, when its addresses are no pages or out of range, or it allows nothing', () => {
    const { vm, system } = bindRig('reserve');
    const before = system.live.size;
    for (const [iova, size, pa, reason] of [
      [1, 4 * K, 0, 'not a multiple of the smallest page, 4096 bytes'],
      [0, 100, 0, 'not a multiple of the smallest page, 4096 bytes'],
      [0, 0, 0, 'a size of 0'],
      [2 ** 48, 4 * K, 0, 'beyond the 48 bits of an input address'],
      [0, 4 * K, 5, 'no physical address that is a multiple of 4096 bytes'],
      [0, 8 * K, 2 ** 40 - 4 * K, 'beyond the 40 bits of an output address'],
    ] as const) {
      expect(map(vm, iova, size, pa)).toMatchObject({ state: 'refused', result: -Errno.EINVAL, reason });
    }
    expect(vm.submit('q0', { kind: 'map', iova: 0, size: 4 * K, prot: RW }).state).toBe('refused');
    expect(map(vm, 0, 4 * K, PA, { prot: 0 }).reason).toBe('neither readable nor writable');
    expect(system.live.size).toBe(before);
    expect(vm.totals()).toMatchObject({ submitted: 8, refused: 8 });
  });

  it('takes time for each descriptor and for making the hardware see the edit', () => {
    const one = bindRig('reserve');
    const many = bindRig('reserve');
    const flushed = bindRig(
      'reserve',
      {},
      { afterEdit: ({ start, size }) => (start === 2 * M && size === 32 * K ? 5000 : 0) },
    );
    map(one.vm, 2 * M, 4 * K, PA);
    map(many.vm, 2 * M, 256 * K, PA);
    map(flushed.vm, 2 * M, 4 * K, PA);
    for (const rig of [one, many, flushed]) rig.clock.run();
    expect(many.vm.totals().runCycles - one.vm.totals().runCycles).toBeCloseTo(63 * 1.25);
    expect(flushed.vm.totals().runCycles - one.vm.totals().runCycles).toBe(5000);
    expect(one.vm.totals()).toMatchObject({ lockedBytes: 32 * K, excessBytes: 28 * K });
    expect(many.vm.totals()).toMatchObject({ lockedBytes: 256 * K, excessBytes: 0 });
  });

  it('refuses a configuration that does not fit', () => {
    const { vm } = bindRig('reserve');
    expect(vm.config.maxReservedTables).toBe(1024);
    expect(() => bindRig('reserve', { maxReservedTables: 0 })).toThrow(/vmBind.maxReservedTables/);
  });
});

describe('prepare', () => {
  it('reserves the worst case; run uses what it needs, and the rest goes back', () => {
    const { vm, clock, stack, system } = bindRig('reserve/pool:low=0:batch=0');
    map(vm, 0, 4 * K);
    const second = map(vm, 4 * K, 4 * K);
    expect(second.reserved).toBe(3);
    expect(vm.reservedNow).toBe(6);
    clock.run();
    expect([second.used, second.returned]).toEqual([0, 3]);
    expect(vm.totals()).toMatchObject({ reserved: 6, used: 3, returned: 3, peakReserved: 6 });
    expect(vm.reservedNow).toBe(0);
    expect(stack.report().total).toMatchObject({ reserved: 6, overReserved: 3 });
    // The pgd, the three tables of the first job, and three in the pool.
    expect(system.live.size).toBe(7);
  });

  it('is where a job fails for lack of memory; nothing of it stays', () => {
    const { vm, clock, system, findings } = bindRig('reserve/page');
    system.left = 5;
    const first = map(vm, 0, 4 * K);
    const second = map(vm, 512 * G, 4 * K, PA);
    expect([first.state, second.state, second.result]).toEqual(['running', 'refused', -Errno.ENOMEM]);
    expect(second.reason).toBe('no memory for the 3 tables to reserve');
    expect(second.done.signalled).toBe(false);
    clock.run();
    expect(first.state).toBe('done');
    expect(system.left).toBe(2);
    expect(findings).toEqual([]);
  });

  it('waits when too many tables are reserved already, and goes on when a job ends', () => {
    const { vm, clock } = bindRig('reserve', { maxReservedTables: 7, runDelay: 1000 });
    const jobs = [0, 1, 2].map((i) => map(vm, i * 512 * G, 4 * K, PA));
    expect(jobs[0]?.endedAt).toBeGreaterThan(0);
    expect(jobs[2]?.preparedAt).toBeGreaterThan(jobs[0]?.endedAt ?? Number.POSITIVE_INFINITY);
    clock.run();
    expect(vm.totals()).toMatchObject({ done: 3, throttled: 1, peakReserved: 6 });
    expect(vm.totals().throttledCycles).toBeGreaterThan(0);
    // The price of a call is no result: only what waiting and reserving add to it is.
    const { prepareCycles, reservingCycles, throttledCycles } = vm.totals();
    expect(prepareCycles - reservingCycles).toBe(3 * vm.config.prepareCycles);
    expect(reservingCycles).toBeGreaterThanOrEqual(throttledCycles);
  });

  it('lets a job through alone that needs more than the throttle allows', () => {
    const { vm, clock } = bindRig('reserve', { maxReservedTables: 2 });
    map(vm, 0, 4 * K);
    map(vm, 512 * G, 4 * K, PA);
    clock.run();
    expect(vm.totals()).toMatchObject({ done: 2, peakReserved: 3 });
  });

  it('names the wait that can never end when the jobs ahead in the throttle are stuck', () => {
    const { vm, clock } = bindRig('reserve', { maxReservedTables: 3 });
    map(vm, 0, 4 * K, PA, { waitFor: [new Fence('vsync', null)] });
    expect(map(vm, 512 * G, 4 * K, PA).reason).toBe('the jobs that hold reserved tables never end');
    expect(clock.deadlocks).toMatchObject([{ kind: 'never-signalled' }]);
    expect(clock.deadlocks[0]?.chain.at(-1)?.on).toBe('vsync');
  });
});

describe('run', () => {
  it('asks the system for nothing with a reserving allocator; without one each table is a finding with the job number', () => {
    const reserve = bindRig('reserve/page');
    const page = bindRig('page');
    for (const { vm, clock } of [reserve, page]) {
      map(vm, 0, 4 * K);
      map(vm, G, 4 * K);
      clock.run();
    }
    expect(reserve.findings).toEqual([]);
    expect(page.findings.map(({ kind, operation }) => `${kind} ${operation}`)).toEqual([
      'allocation-in-run 1',
      'allocation-in-run 1',
      'allocation-in-run 1',
      'allocation-in-run 2',
      'allocation-in-run 2',
    ]);
  });

  it('splits a block in whose middle an unmap falls', () => {
    const { vm, clock, table } = bindRig('reserve');
    map(vm, 2 * M, 2 * M);
    unmap(vm, 2 * M + 64 * K, 4 * K);
    clock.run();
    expect(table.iovaToPhys(2 * M + 60 * K)).toBe(PA + 2 * M + 60 * K);
    expect(table.iovaToPhys(2 * M + 64 * K)).toBe(0);
    expect(table.iovaToPhys(2 * M + 68 * K)).toBe(PA + 2 * M + 68 * K);
    expect(vm.ranges.list().map(({ start, end }) => [start, end])).toEqual([
      [2 * M, 2 * M + 64 * K],
      [2 * M + 68 * K, 4 * M],
    ]);
    expect(vm.totals()).toMatchObject({ done: 2, overlaps: 1, remaps: 2 });
  });

  it('a map over others replaces them and keeps what sticks out', () => {
    const { vm, clock, table } = bindRig('reserve');
    map(vm, 0, 16 * K, PA);
    map(vm, 16 * K, 16 * K, PA + G);
    map(vm, 8 * K, 16 * K, PA + 2 * G);
    clock.run();
    const addresses = Array.from({ length: 8 }, (_, page) => table.iovaToPhys(page * 4 * K) - PA);
    expect(addresses).toEqual([0, 4 * K, 2 * G, 2 * G + 4 * K, 2 * G + 8 * K, 2 * G + 12 * K, G + 8 * K, G + 12 * K]);
    expect(vm.totals()).toMatchObject({ done: 3, overlaps: 2, remaps: 2 });
  });

  it.each([1, 2, 3, 4, 5, 6])('a map that fails at its allocation number %i unmaps what it mapped', (nth) => {
    // Allocation 1 is the first-level table.
    const { vm, clock, table, findings } = bindRig(`failing:nth=${nth + 1}`);
    const job = map(vm, 512 * G - 8 * M, 16 * M, PA + 4 * K);
    clock.run();
    expect([job.state, job.result, job.reason]).toEqual(['failed', -Errno.ENOMEM, 'no table for the mapping']);
    expect(leavesOf(table)).toEqual([]);
    expect(vm.ranges.list()).toEqual([]);
    expect(job.done.error).toBe(-Errno.ENOMEM);
    const again = map(vm, 512 * G - 8 * M, 16 * M, PA + 4 * K);
    clock.run();
    expect(again.state).toBe('done');
    expect(findings.every(({ kind }) => kind === 'allocation-in-run')).toBe(true);
  });

  it('an unmap whose split gets no table fails, and the block stays', () => {
    const { vm, clock, table, system } = bindRig('page');
    map(vm, 2 * M, 2 * M);
    clock.run();
    system.left = 0;
    const job = unmap(vm, 2 * M, 4 * K);
    clock.run();
    expect([job.state, job.result]).toEqual(['failed', -Errno.ENOMEM]);
    expect(job.reason).toBe('stopped at 0x200000, in a block that needs a table to be split');
    expect(table.iovaToPhys(2 * M)).toBe(PA + 2 * M);
    expect(vm.ranges.list()).toHaveLength(1);
  });

  it('an unmap of a part of a block fails where no block is split, says where it stopped, and keeps the block', () => {
    const { vm, clock, table } = bindRig('reserve', {}, { split: 'refuse' });
    map(vm, M, 3 * M);
    const inside = unmap(vm, 2 * M + 64 * K, 4 * K);
    const across = unmap(vm, M, M + 4 * K);
    const over = map(vm, 3 * M, 4 * K, PA);
    clock.run();
    expect([inside, across, over].map(({ state, result }) => [state, result])).toEqual(
      Array(3).fill(['failed', -Errno.EINVAL]),
    );
    expect(inside.report().reason).toBe("stopped at 0x210000, in a block of which a part cannot go (split: 'refuse')");
    expect(across.reason).toContain('stopped at 0x200000');
    expect(over.reason).toContain('stopped at 0x300000');
    // What lies before the block went, as in Linux; the block is whole.
    expect(table.iovaToPhys(M)).toBe(0);
    expect(table.iovaToPhys(3 * M)).toBe(PA + 3 * M);
    expect(vm.ranges.list()).toEqual([{ start: 2 * M, end: 4 * M, object: null, offset: PA + 2 * M, flags: RW }]);
  });

  it('names the operation that its job stands for, at prepare and at run', () => {
    const worked: [number, string][] = [];
    const { vm, clock, stack, findings } = bindRig(
      'page',
      {},
      { onWork: (job) => worked.push([job.operation, job.state]) },
    );
    map(vm, 0, 4 * K, PA, { operation: 70 });
    clock.run();
    expect(findings.map(({ operation }) => operation)).toEqual([70, 70, 70]);
    expect(worked).toEqual([[70, 'running']]);
    expect(stack.report().total.worstOperation).toBe(70);
    const reserve = bindRig('reserve', {}, { onWork: (job) => worked.push([job.operation, job.state]) });
    map(reserve.vm, 0, 4 * K, PA, { operation: 71 });
    reserve.clock.run();
    expect(worked.slice(1)).toEqual([
      [71, 'preparing'],
      [71, 'running'],
    ]);
  });

  it('counts what its tables cost from prepare to their return as one price', () => {
    const { vm, clock, stack } = bindRig('reserve/page');
    const before = stack.context.cycles;
    const job = map(vm, 0, 4 * K);
    clock.run();
    expect(job.allocationCycles).toBe(stack.context.cycles - before);
    expect(stack.report().total.worstOperationCycles).toBe(job.allocationCycles);
  });

  it('after a failure the VM goes on or, when told so, cancels what follows', () => {
    for (const [afterFailure, state] of [
      ['continue', 'done'],
      ['unusable', 'cancelled'],
    ] as const) {
      const { vm, clock } = bindRig('failing:nth=2', { afterFailure });
      map(vm, 0, 4 * K);
      const second = map(vm, G, 4 * K);
      clock.run();
      expect(second.state).toBe(state);
      expect(second.reason).toBe(state === 'done' ? null : 'an earlier job failed, and the VM is unusable since');
      expect(second.done.signalled).toBe(true);
    }
  });
});

const PAGE = 4 * K;

/** Requests around block edges, small enough for an exhaustive look at every page afterwards. */
const request = fc.record({
  queue: fc.constantFrom('q0', 'q1'),
  kind: fc.constantFrom('map', 'map', 'unmap') as fc.Arbitrary<'map' | 'unmap'>,
  block: fc.integer({ min: 0, max: 3 }),
  page: fc.integer({ min: -3, max: 3 }),
  pages: fc.integer({ min: 0, max: 4 }),
  blocks: fc.integer({ min: 0, max: 2 }),
  skew: fc.boolean(),
  fence: fc.integer({ min: 0, max: 5 }),
});

const BASE = G - 4 * M;

function toRequest(r: {
  kind: 'map' | 'unmap';
  block: number;
  page: number;
  pages: number;
  blocks: number;
  skew: boolean;
}) {
  const iova = BASE + r.block * 2 * M + r.page * PAGE;
  const size = Math.max(PAGE, r.blocks * 2 * M + r.pages * PAGE);
  return { kind: r.kind, iova, size, pa: PA + (r.skew ? PAGE : iova % (2 * M)), prot: RW };
}

describe.each(['in-place', 'unmap-and-remap'] as SplitPolicy[])('any sequence of jobs, with %s splits', (split) => {
  it('leaves exactly the tables that the same edits leave when made at once, page by page and leaf by leaf', () => {
    fc.assert(
      fc.property(fc.array(request, { maxLength: 25 }), fc.nat({ max: 5000 }), (requests, runDelay) => {
        const { vm, clock, table, stack, system, findings } = bindRig('reserve', { runDelay }, { split });
        const plain = new Map<number, number>();
        const direct = maliTable(stack, system.memory, split);
        const editor = new RangeEditor(direct);
        for (const r of requests) {
          const { kind, iova, size, pa, prot } = toRequest(r);
          // One queue: the order of jobs is the order of submission.
          vm.submit('q0', { kind, iova, size, pa, prot });
        }
        clock.run();
        const ranges = new GpuVaSpace<null>();
        for (const r of requests) {
          const { kind, iova, size, pa, prot } = toRequest(r);
          for (const { start, end } of ranges.overlaps(iova, iova + size)) editor.unmap(start, end - start, null);
          ranges.cut(iova, iova + size);
          for (let at = 0; at < size; at += PAGE) plain.delete(iova + at);
          if (kind === 'unmap') continue;
          editor.map(iova, pa, size, prot, Gfp.KERNEL);
          ranges.add({ start: iova, end: iova + size, object: null, offset: pa, flags: prot });
          for (let at = 0; at < size; at += PAGE) plain.set(iova + at, pa + at);
        }
        const wrong: number[] = [];
        for (let iova = BASE - 4 * PAGE; iova < BASE + 12 * M; iova += PAGE) {
          if (table.iovaToPhys(iova) !== (plain.get(iova) ?? 0)) wrong.push(iova);
        }
        expect(wrong).toEqual([]);
        expect(leavesOf(table)).toEqual(leavesOf(direct));
        expect(vm.totals().done).toBe(requests.length);
        expect(findings).toEqual([]);
        direct.free();
        table.free();
        expect(stack.close()).toBe(0);
        expect(system.live.size).toBe(0);
      }),
      { numRuns: 60 },
    );
  });
});

describe('reservations', () => {
  it('never steal: with many jobs in flight, each takes its own tables only, unused ones return, and only prepare fails', () => {
    const schedule = fc.record({
      requests: fc.array(request, { minLength: 5, maxLength: 40 }),
      memory: fc.integer({ min: 4, max: 60 }),
      limit: fc.integer({ min: 1, max: 40 }),
      signals: fc.array(fc.nat({ max: 5 }), { maxLength: 6 }),
    });
    fc.assert(
      fc.property(schedule, ({ requests, memory, limit, signals }) => {
        const { vm, clock, stack, system, table, findings, reports } = bindRig('reserve/pool:low=0:high=8:batch=4', {
          maxReservedTables: limit,
        });
        const reserver = stack.reserver;
        if (reserver === null) throw new Error('no reserve layer');
        // Watch every table that goes in and out of reservations.
        const ownerOf = new Map<number, number>();
        const reserve = reserver.reserve.bind(reserver);
        reserver.reserve = (cookie, tables, operation, gfp) => {
          const made = reserve(cookie, tables, operation, gfp);
          if (made === null) return null;
          for (let i = 0; i < made.tables.count; i++) {
            const pa = made.tables.pages[i] as number;
            expect(ownerOf.has(pa)).toBe(false);
            ownerOf.set(pa, operation);
          }
          return made;
        };
        const release = reserver.release.bind(reserver);
        reserver.release = (reservation) => {
          for (let i = 0; i < reservation.tables.count; i++) {
            const pa = reservation.tables.pages[i] as number;
            expect(ownerOf.get(pa)).toBe(reservation.operation);
            ownerOf.delete(pa);
          }
          return release(reservation);
        };
        const alloc = reserver.alloc.bind(reserver);
        reserver.alloc = (cookie, size, gfp) => {
          const calls = system.calls;
          const pa = alloc(cookie, size, gfp);
          expect(ownerOf.get(pa)).toBe(stack.context.operation);
          expect(system.calls).toBe(calls);
          ownerOf.delete(pa);
          return pa;
        };
        system.left = memory;
        const fences = Array.from({ length: 5 }, (_, i) => new Fence(`f${i}`, null));
        signals.forEach((which, at) => {
          clock.after(2000 * (at + 1), () => fences[which]?.signal(clock.now));
        });
        // What nobody has signalled by then, the end of the run does, so that nothing is stuck for good.
        clock.after(100_000, () => {
          for (const fence of fences) fence.signal(clock.now);
        });
        for (const r of requests) {
          const fence = fences[r.fence];
          vm.submit(r.queue, { ...toRequest(r), waitFor: fence === undefined ? [] : [fence] });
        }
        vm.finish();
        expect(ownerOf.size).toBe(0);
        expect(findings).toEqual([]);
        expect(vm.inFlight).toEqual([]);
        expect(reports).toHaveLength(requests.length);
        for (const { state, result, reserved, used, returned, startedAt } of reports) {
          expect(['done', 'refused']).toContain(state);
          if (state === 'refused') expect([result, startedAt, reserved]).toEqual([-Errno.ENOMEM, -1, 0]);
          else expect(used + returned).toBe(reserved);
        }
        expect(vm.totals().peakReserved).toBeLessThanOrEqual(
          Math.max(limit, ...reports.map(({ reserved }) => reserved)),
        );
        expect([reserver.inFlight, vm.reservedNow]).toEqual([0, 0]);
        system.left = Number.POSITIVE_INFINITY;
        table.free();
        expect(stack.close()).toBe(0);
        expect(system.live.size).toBe(0);
      }),
      { numRuns: 150 },
    );
  });
});
