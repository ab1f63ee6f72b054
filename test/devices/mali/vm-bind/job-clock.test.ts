import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Fence, GpuJob, JobClock, type Party } from '../../../../devices/index.ts';

describe('the job clock', () => {
  it('runs earlier events first, and equals in the order they were asked for', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 20 }), { maxLength: 60 }), (delays) => {
        const clock = new JobClock();
        const seen: [number, number][] = [];
        delays.forEach((delay, order) => {
          clock.after(delay, () => seen.push([clock.now, order]));
        });
        clock.run();
        expect(seen).toEqual(
          delays
            .map((delay, order) => [delay, order])
            .sort((x, y) => Number(x[0]) - Number(y[0]) || Number(x[1]) - Number(y[1])),
        );
      }),
    );
  });

  it('stands at the time it ran to, with later events still to come', () => {
    const clock = new JobClock();
    let ran = 0;
    clock.after(5, () => ran++);
    clock.after(11, () => ran++);
    clock.runUntil(10);
    expect([clock.now, ran]).toEqual([10, 1]);
    clock.run();
    expect([clock.now, ran]).toEqual([11, 2]);
  });

  it('lets others go on while a party blocks', () => {
    const clock = new JobClock();
    const fence = new Fence('f', null);
    clock.after(7, () => fence.signal(clock.now));
    const party: Party = { name: 'p', waitsFor: () => [{ on: fence, why: 'w', any: false }] };
    expect(clock.block(party, () => fence.signalled)).toBe(true);
    expect(clock.now).toBe(7);
    expect(clock.deadlocks).toEqual([]);
  });

  it('tells a wait that only its own order makes endless from a deadlock', () => {
    const clock = new JobClock();
    const [now, later] = [new Fence('now', null), new Fence('later', null)];
    const party = (name: string, on: Fence): Party => ({ name, waitsFor: () => [{ on, why: 'w', any: false }] });
    // The outer one would signal what the inner one waits for, once it goes on.
    clock.after(5, () => now.signal(clock.now));
    clock.after(3, () => {
      expect(clock.block(party('inner', later), () => later.signalled)).toBe(false);
    });
    expect(clock.block(party('outer', now), () => now.signalled)).toBe(true);
    later.signal(clock.now);
    expect(clock.deadlocks.map(({ kind }) => kind)).toEqual(['not-modelled']);
    expect(clock.deadlocks[0]?.chain).toEqual([{ who: 'inner', on: 'later', why: 'w' }]);
  });

  it('says when nobody is going to do what a party waits for', () => {
    const clock = new JobClock();
    const fence = new Fence('vsync', null);
    const job = new GpuJob(clock, 'render', [fence], 10);
    const party: Party = { name: 'p', waitsFor: () => [{ on: job.done, why: 'w', any: false }] };
    expect(clock.block(party, () => job.done.signalled)).toBe(false);
    expect(clock.deadlocks).toMatchObject([{ kind: 'never-signalled' }]);
    expect(clock.deadlocks[0]?.chain.map(({ on }) => on)).toEqual(['fence of render', 'render', 'vsync']);
  });
});

describe('a fence', () => {
  it('wakes its waiters once, and late ones at once', () => {
    const fence = new Fence('f', null);
    let woken = 0;
    fence.onSignal(() => woken++);
    fence.signal(3, -12);
    fence.signal(9);
    fence.onSignal(() => woken++);
    expect([woken, fence.signalledAt, fence.error]).toEqual([2, 3, -12]);
  });
});

describe('a GPU job', () => {
  it('starts when the last of its fences signals and signals when its time is up', () => {
    const clock = new JobClock();
    const [x, y] = [new Fence('x', null), new Fence('y', null)];
    const job = new GpuJob(clock, 'render', [x, y], 100);
    clock.after(5, () => x.signal(clock.now));
    clock.after(20, () => y.signal(clock.now));
    clock.run();
    expect([job.startedAt, job.done.signalledAt]).toEqual([20, 120]);
  });
});
