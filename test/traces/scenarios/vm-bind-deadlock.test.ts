import { describe, expect, it } from 'vitest';
import { ConfigError } from '../../../formats/index.ts';
import { runVmBindDeadlock } from '../../../traces/index.ts';

describe('VM_BIND under memory pressure', () => {
  it('deadlocks when tables come from the system at run time, and the chain names everybody in it', () => {
    const report = runVmBindDeadlock({ allocator: 'page' });
    expect(report.deadlock?.kind).toBe('cycle');
    expect(report.deadlock?.chain.map(({ who, on }) => `${who} -> ${on}`)).toEqual([
      'bind-1 -> memory reclaim',
      'memory reclaim -> fence of render-1',
      'fence of render-1 -> render-1',
      'render-1 -> fence of bind-1',
      'fence of bind-1 -> bind-1',
    ]);
    expect(report.binds.map(({ state }) => state)).toEqual(['deadlocked', ...Array(15).fill('queued')]);
    expect(report.renderedAt).toBe(-1);
    expect(report.findings[0]).toMatchObject({ kind: 'allocation-in-run', operation: 1 });
  });

  it.each(['reserve', 'reserve/page', 'accounting/reserve/pool'])('completes with %s', (allocator) => {
    const report = runVmBindDeadlock({ allocator });
    expect(report.deadlock).toBeNull();
    expect(report.binds[0]).toMatchObject({ state: 'done', reserved: 3, used: 3, returned: 0 });
    expect(report.binds[1]).toMatchObject({ state: 'done', reserved: 3, used: 2, returned: 1 });
    expect(report.totals).toMatchObject({ done: 16, reserved: 48, used: 33, returned: 15 });
    expect(report.renderedAt).toBeGreaterThan(Math.max(...report.binds.map(({ endedAt }) => endedAt)));
    expect(report.findings).toEqual([]);
  });

  it('does not happen with tables from a carved-out region, which memory pressure does not reach', () => {
    const report = runVmBindDeadlock({ allocator: 'carve-out:size=1M' });
    expect([report.deadlock, report.findings]).toEqual([null, []]);
    expect(report.totals.done).toBe(16);
    expect(() => runVmBindDeadlock({ allocator: 'carve-out' })).toThrow(/carve-out.size/);
  });

  it.each(['batch', 'generic-cache', 'pool:low=0:batch=0'])(
    '%s alone does not help: what it keeps is chance',
    (allocator) => {
      expect(runVmBindDeadlock({ allocator }).deadlock).not.toBeNull();
    },
  );

  it('goes unnoticed with a pool and few jobs', () => {
    expect(runVmBindDeadlock({ allocator: 'pool', jobs: 4 }).deadlock).toBeNull();
  });

  it('does not happen as long as reclaim finds an idle buffer, though the run phase still allocates', () => {
    const report = runVmBindDeadlock({ allocator: 'page', idleBuffers: 1 });
    expect(report.deadlock).toBeNull();
    expect(report.reclaimedPages).toBe(512);
    expect(report.findings.length).toBeGreaterThan(0);
  });

  it('tells the same story every time, as plain JSON', () => {
    const report = runVmBindDeadlock();
    expect(runVmBindDeadlock()).toEqual(report);
    expect(JSON.parse(JSON.stringify(report))).toEqual(report);
  });

  it('refuses a wrong field by name', () => {
    expect(() => runVmBindDeadlock({ memoryMib: 1 })).toThrow(ConfigError);
    expect(() => runVmBindDeadlock({ allocator: 'puddle' })).toThrow(/allocator/);
  });
});
