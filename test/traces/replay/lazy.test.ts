import { describe, expect, it } from 'vitest';
import { EventKind, openCaptures, Replayer, ReplayRun, type Report, runConfig } from '../../../traces/index.ts';
import { readText } from '../capture/read-events.ts';

const SAMPLES = 'traces/samples';
const LAZY = { invalidation: { mode: 'lazy' }, access: { pattern: 'none' } } as const;

/**
 * Domains of the calls of small-lazy, in order: such a domain, so many calls. Not in the capture: found in the emulator's log of the same run, which
 * says which device used each address. Domains are numbered as the kernel numbered their address spaces.
 */
const DOMAINS_OF_SMALL_LAZY =
  '1x1 2x1 1x44 5x1 3x11 4x10 6x1 5x5 4x1 6x7 2x258 5x345 6x2 5x4 2x6 1x120 3x192 4x36 2x26 5x15 6x2 2x4 5x3'
    .split(' ')
    .flatMap((run) => {
      const [domain = 0, calls = 0] = run.split('x').map(Number);
      return Array.from({ length: calls }, () => domain);
    });

/** When the kernel invalidated each address space, in the same log, by the trace's clock; those of attaching are left out. */
const FLUSHES_OF_SMALL_LAZY: Readonly<Record<number, readonly number[]>> = {
  1: [5.1083, 5.1283, 11.4124, 11.4405],
  2: [11.0485, 11.2244, 11.2405, 11.5251, 12.2485, 12.4165, 12.5406, 12.8567, 13.5485, 16.409],
  3: [5.1852, 11.4565],
  4: [5.2003, 11.4806],
  5: [8.1808, 8.2047, 8.3205, 8.9524, 9.9814, 10.8127, 10.8764, 13.5726, 14.5767, 15.5807, 15.6046, 16.609],
  6: [5.4728, 7.4804, 10.5205, 15.6406],
};

async function replay(name: string, config: Parameters<typeof runConfig>[0]): Promise<Report> {
  return new ReplayRun([`${SAMPLES}/${name}.ftrace.txt.gz`], runConfig(config)).run();
}

/** The larger capture without accesses, from which two tests read: replayed once. */
const mediumStrict = replay('medium-strict', { access: { pattern: 'none' } });

/** Replays small-lazy with the domains that its devices had; when each domain was flushed. */
async function flushesOfSmallLazy(): Promise<Record<number, number[]>> {
  const reader = await openCaptures([`${SAMPLES}/small-lazy.ftrace.txt.gz`]);
  const replayer = new Replayer(runConfig(LAZY), () => -1);
  const flushes: Record<number, number[]> = {};
  const counted: number[] = [];
  const note = (): void => {
    for (const one of replayer.domains.all) {
      if (one === undefined || one.flushQueue === null) continue;
      const { timerFlushes, fullFlushes, provenFlushes } = one.flushQueue;
      const now = timerFlushes + fullFlushes + provenFlushes;
      if (now > (counted[one.number] ?? 0)) {
        const name = numbers[one.number] ?? 0;
        flushes[name] = [...(flushes[name] ?? []), replayer.machine.clock.seconds];
      }
      counted[one.number] = now;
    }
  };
  const numbers: number[] = [];
  replayer.machine.costs.onOperation = note;
  let call = 0;
  while (await reader.fill()) {
    while (reader.next()) {
      const { event } = reader;
      if (event.kind === EventKind.MAP || event.kind === EventKind.UNMAP) {
        event.domain = DOMAINS_OF_SMALL_LAZY[call++] ?? -1;
        if (!numbers.includes(event.domain)) numbers.push(event.domain);
        replayer.take(event);
      }
    }
  }
  replayer.end();
  expect(replayer.tracker.contradictions).toBe(0);
  return flushes;
}

describe('lazy mode', () => {
  it('flushes as often as the real kernel did, domain by domain, each time to a tick or two', async () => {
    const flushes = await flushesOfSmallLazy();
    for (const [domain, real] of Object.entries(FLUSHES_OF_SMALL_LAZY)) {
      const ours = flushes[Number(domain)] ?? [];
      expect(ours.length, `flushes of domain ${domain}`).toBe(real.length);
      for (const [at, time] of real.entries()) {
        const late = time - (ours[at] ?? 0);
        // A CPU counts a tick late that comes in the middle of an interrupt, and runs a timer up to a tick late; the log's clock is known to 0.3 ms.
        expect(late).toBeGreaterThan(-0.0043);
        expect(late).toBeLessThan(0.0082);
      }
    }
  });

  it('finds no fault in a healthy lazy kernel beside the windows that lazy mode leaves open', async () => {
    const { sanitizer, invalidation } = await replay('small-lazy', { ...LAZY, access: { pattern: 'touch' } });
    expect(Object.keys(sanitizer.byKind)).toEqual(['stale-window']);
    expect(invalidation.flushQueue).toMatchObject({ full: 0, ranges: 241 });
  });

  it('tells how long stale windows stand open, the same in cycles and in trace time', async () => {
    for (const clockMHz of [500, 1000, 2000]) {
      const { windows, staleWindows, longestWindow } = (
        await replay('small-lazy', { ...LAZY, clockMHz, access: { pattern: 'touch' } })
      ).sanitizer;
      expect(windows.count).toBe(staleWindows);
      for (const key of ['p50', 'p90', 'p99', 'max'] as const) {
        expect(windows.seconds[key]).toBeCloseTo(windows.cycles[key] / clockMHz / 1e6, 8);
      }
      const { p50, p90, p99, max } = windows.seconds;
      // From the unmap to the fourth tick behind it.
      expect(p50).toBeGreaterThan(0.005);
      expect(p50).toBeLessThanOrEqual(p90);
      expect(p90).toBeLessThanOrEqual(p99);
      expect(p99).toBeLessThanOrEqual(max);
      expect(max).toBeLessThan(0.0161);
      expect(longestWindow).toEqual({ cycles: windows.cycles.max, seconds: max });
    }
  });

  it('plays the flush that a reused address proves before the map, and does not call that a break', async () => {
    const text = Array.from({ length: 3 }, (_, turn) => {
      const time = 5 + turn / 1000;
      const range = 'iova=0x0000000000001000 - 0x0000000000002000';
      return [
        `dd-1 [000] ..... ${time.toFixed(6)}: map: IOMMU: ${range} paddr=0x000000000000800${turn}000 size=4096\n`,
        `dd-1 [000] ..... ${(time + 0.0005).toFixed(6)}: unmap: IOMMU: ${range} size=4096 unmapped_size=4096\n`,
      ];
    }).flat();
    const replayer = new Replayer(runConfig({ ...LAZY, access: { pattern: 'touch' } }), () => -1);
    for (const event of readText(text.join('')).events) replayer.take(event);
    replayer.end();
    const [domain] = replayer.domains.all;
    expect(domain?.flushQueue).toMatchObject({ provenFlushes: 2, timerFlushes: 1 });
    expect(Object.fromEntries(replayer.machine.sanitizer.countsByKind())).toEqual({ 'stale-window': 3 });
  });
});

describe('whether the kernel of a capture was strict', () => {
  it.each([
    ['small-strict', 'strict'],
    ['small-lazy', 'lazy'],
    ['medium-strict', 'strict'],
    ['dma-dump', 'strict'],
    ['vfio-dump', 'strict'],
  ])('shows in %s: %s', async (name, mode) => {
    const { capture } = await (name === 'medium-strict' ? mediumStrict : replay(name, { access: { pattern: 'none' } }));
    expect(capture.recorded).toMatchObject({ mode, basis: 'inferred' });
    expect(capture.recorded.chances).toBeGreaterThan(40);
  });

  it('is not told from a few buffers, and is taken from what the recording notes', () => {
    const calls =
      'dd-1 [000] ..... 5.000000: map: IOMMU: iova=0x0000000000001000 - 0x0000000000002000 paddr=0x0000000000008000 size=4096\n';
    const notes = '# HZ: 1000\n# IOMMU group 0: DMA-FQ 0000:00:02.0\n# IOMMU group 1: identity 0000:00:03.0\n';
    const { stats } = readText(notes + calls);
    expect(stats).toMatchObject({ hz: 1000, groups: { strict: 0, lazy: 1 } });
    expect(readText(`# IOMMU group 0: DMA 0000:00:02.0\n${calls}`).stats.groups).toEqual({ strict: 1, lazy: 0 });
  });
});

describe('what addresses cost', () => {
  it('is paid in strict mode too, and in lazy mode the flush queue besides', async () => {
    const strict = await mediumStrict;
    const lazy = await replay('medium-strict', LAZY);
    const { iovaCosts } = strict.config;
    // Each buffer comes and goes at least by a magazine.
    expect(strict.software.cycles.iova).toBeGreaterThan(2 * strict.capture.unmaps * iovaCosts.magazine);
    const queue = lazy.capture.unmaps * iovaCosts.queue;
    expect(lazy.software.cycles.iova).toBeGreaterThan(strict.software.cycles.iova + queue - 1);
    // Of a scattered buffer only the first piece asks for an address.
    expect(strict.breakdown.operations['map']?.byCause['iova']).toBeLessThan(
      strict.capture.unmaps * iovaCosts.magazine + 2000 * iovaCosts.treeAllocate,
    );
    const { cycles } = strict.software;
    expect(cycles.total).toBeCloseTo(
      cycles.allocation + cycles.edit + cycles.sync + cycles.invalidation + cycles.iova,
      3,
    );
  });

  it('is not for VM_BIND jobs, whose drivers have allocators of their own', async () => {
    const report = await replay('small-strict', { bind: { mode: 'async' }, access: { pattern: 'none' } });
    expect(report.software.cycles.iova).toBe(0);
  });
});
