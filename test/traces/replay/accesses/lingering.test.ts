import { describe, expect, it } from 'vitest';
import { Replayer, ReplayRun, type RunConfigInput, runConfig } from '../../../../traces/index.ts';
import { readText } from '../../capture/read-events.ts';

const RANGE = 'iova=0x0000000000001000 - 0x0000000000003000';
const line = (time: number, text: string): string => `dd-1 [000] ..... ${time.toFixed(6)}: ${text} size=8192`;
const CAPTURE = `${[
  line(5.0005, `map: IOMMU: ${RANGE} paddr=0x0000000000008000`),
  `${line(5.001, `unmap: IOMMU: ${RANGE}`)} unmapped_size=8192`,
].join('\n')}\n`;

function replay(mode: 'strict' | 'lazy', access: NonNullable<RunConfigInput['access']>): Replayer {
  const replayer = new Replayer(
    runConfig({ invalidation: { mode }, access: { pattern: 'linger', ...access } }),
    () => -1,
  );
  for (const event of readText(CAPTURE).events) replayer.take(event);
  replayer.end();
  return replayer;
}

describe('a device that lingers', () => {
  it('goes on for the stated time at the stated rate, and faults where the kernel is strict', () => {
    const { machine } = replay('strict', { lingerTime: 0.02, lingerRate: 1000 });
    const counters = machine.device.mmu.counters();
    // Two pages after the map, two before the unmap, and twenty times after it.
    expect(counters.requests).toBe(24);
    expect(counters.faults).toBe(20);
    expect(Object.fromEntries(machine.sanitizer.countsByKind())).toEqual({});
  });

  it('is served until the flush where the kernel is lazy, and faults from then on', () => {
    const { machine } = replay('lazy', { lingerTime: 0.02, lingerRate: 1000 });
    // Unmapped at 5.001, in the tick of 5.000: flushed at 5.016. Accesses at 5.002 to 5.015 come before.
    expect(machine.sanitizer.countsByKind().get('stale-tlb-hit')).toBe(14);
    expect(machine.device.mmu.counters().faults).toBe(6);
  });

  it('does nothing more where the time is 0, and the same accesses for the same seed', () => {
    expect(replay('lazy', { lingerTime: 0 }).machine.device.mmu.counters().requests).toBe(4);
    const [first, again] = [replay('lazy', { seed: 3 }), replay('lazy', { seed: 3 })];
    expect(again.machine.sanitizer.findings).toEqual(first.machine.sanitizer.findings);
  });

  it('of a real lazy capture hits windows in proportion to how long it goes on', async () => {
    const hits: number[] = [];
    for (const lingerTime of [0.002, 0.004]) {
      const config = runConfig({
        invalidation: { mode: 'lazy' },
        access: { pattern: 'linger', lingerTime, lingerRate: 1000 },
      });
      const report = await new ReplayRun(['traces/samples/small-lazy.ftrace.txt.gz'], config).run();
      hits.push(report.sanitizer.staleTlbHits);
    }
    const [short = 0, long = 0] = hits;
    // 241 unmaps, two accesses each: nearly all come before the flush.
    expect(short).toBeGreaterThan(241);
    expect(long).toBeGreaterThan(1.5 * short);
    expect(long).toBeLessThanOrEqual(2 * short + 10);
  });
});
