import { describe, expect, it } from 'vitest';
import { type GpuWorkloadInput, parseGpuWorkload, runGpuWorkload } from '../../../../devices/index.ts';

/** A frame of a tile-based GPU: geometry is binned into a heap, then shaded from a texture into a target. */
const FRAME: GpuWorkloadInput = {
  surfaces: {
    geometry: { kind: 'buffer', size: 64 * 1024 },
    heap: { kind: 'heap', size: 4 * 2 ** 20, used: 2 ** 21 + 4096 },
    texture: { kind: 'texture', width: 256, height: 256, layout: 'compressed' },
    target: { kind: 'texture', width: 320, height: 240, layout: 'tiled' },
    overlay: { kind: 'texture', width: 320, height: 240, layout: 'linear' },
  },
  jobs: [
    { name: 'bin', unit: 'tiler', reads: ['geometry'], writes: ['heap'] },
    { name: 'shade', reads: ['texture', 'heap'], writes: ['target'], after: ['bin'] },
  ],
};

describe('a GPU that works', () => {
  it('bins and shades a frame: the heap grows from faults, and every access is made', () => {
    const report = runGpuWorkload(FRAME);
    expect(report.jobs.map(({ outcome }) => outcome)).toEqual(['done', 'done']);
    expect(report.faults).toBe(2);
    expect(report.heapPages).toBe(2 * 512);
    expect(report.stallCycles).toBeGreaterThan(8000);
    const [bin, shade] = report.jobs;
    expect(bin?.accesses).toBe(1024 + (2 ** 21 + 4096) / 64);
    expect(shade?.start).toBeGreaterThanOrEqual(bin?.end ?? 0);
  });

  it('comes to the same each time', () => {
    expect(runGpuWorkload(FRAME)).toEqual(runGpuWorkload(FRAME));
  });

  it('loses a job to a heap that gets no memory, and the next one of the context to the mask that panfrost forgets', () => {
    const report = runGpuWorkload(FRAME, { heapPages: 100 });
    expect(report.jobs[0]?.outcome).toBe('faulted');
    // The context is enabled again while its interrupt is still masked, as the real driver leaves it: nobody hears of the next fault.
    expect(report.jobs[1]?.outcome).toBe('timeout');
    expect(report.timeouts).toBe(1);
  });

  it('waits for locks where the driver edits the address space that a job is in, and loses its caches', () => {
    const two = (remaps: string[]): GpuWorkloadInput => ({
      ...FRAME,
      frames: 4,
      jobs: [
        { name: 'shade', reads: ['texture'], writes: ['target'] },
        { name: 'compose', reads: ['overlay'], writes: ['overlay'], remaps },
      ],
    });
    const quiet = runGpuWorkload(two([]));
    const busy = runGpuWorkload(two(['overlay']));
    expect(busy.accesses).toBe(quiet.accesses);
    expect(busy.locks).toBeGreaterThan(quiet.locks);
    expect(busy.l2.misses).toBeGreaterThan(quiet.l2.misses);
    expect(busy.cycles).toBeGreaterThan(quiet.cycles);
    expect(busy.jobs.every(({ outcome }) => outcome === 'done')).toBe(true);
  });

  it('takes address spaces from idle contexts when there are more of them than the hardware has', () => {
    const spaces = [0, 1, 2, 3];
    const workload: GpuWorkloadInput = {
      frames: 3,
      surfaces: Object.fromEntries(
        spaces.map((space) => [`buffer${space}`, { kind: 'buffer' as const, size: 32_768, space }]),
      ),
      jobs: spaces.map((space) => ({ name: `job${space}`, space, reads: [`buffer${space}`] })),
    };
    const roomy = runGpuWorkload(workload);
    const tight = runGpuWorkload(workload, { mali: { asPresent: 3 } });
    expect(roomy.evictions).toBe(0);
    expect(tight.evictions).toBeGreaterThan(4);
    expect(tight.jobs.every(({ outcome }) => outcome === 'done')).toBe(true);
    expect(tight.walks).toBeGreaterThan(roomy.walks);
    expect(tight.cycles).toBeGreaterThan(roomy.cycles);
  });

  it('walks more for a linear texture than for a tiled one, tile by tile', () => {
    const walks = (layout: 'linear' | 'tiled'): number =>
      runGpuWorkload(
        {
          // Rows of one page each, so that a tile of 16 rows touches 16 pages; the surface is smaller than 2 MiB.
          surfaces: { it: { kind: 'texture', width: 1024, height: 480, layout } },
          jobs: [{ name: 'read', reads: ['it'] }],
        },
        { mali: { cores: 1 } },
      ).walks;
    expect(walks('linear')).toBeGreaterThanOrEqual(walks('tiled'));
  });
});

describe('a workload file', () => {
  it.each([
    ['a surface that is not there', { surfaces: {}, jobs: [{ name: 'a', reads: ['x'] }] }, /jobs\.0/],
    ['a job that comes later', { surfaces: {}, jobs: [{ name: 'a', after: ['b'] }, { name: 'b' }] }, /jobs\.0\.after/],
    ['two jobs of one name', { surfaces: {}, jobs: [{ name: 'a' }, { name: 'a' }] }, /jobs\.1\.name/],
    [
      'an unknown layout',
      { surfaces: { x: { kind: 'texture', width: 1, height: 1, layout: 'round' } }, jobs: [] },
      /layout/,
    ],
  ])('is refused for %s', (_what, workload, message) => {
    expect(() => parseGpuWorkload(workload)).toThrow(message);
  });
});
