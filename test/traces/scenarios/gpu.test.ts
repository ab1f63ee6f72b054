import { describe, expect, it } from 'vitest';
import { runGpuFaultStorm, runGpuIdleEviction, runGpuStuck } from '../../../traces/index.ts';

describe('a storm of page faults', () => {
  it.each(['6.12', '7.3'] as const)(
    'is served by panfrost of %s: every heap grows, though slots change hands',
    (kernel) => {
      const { figures, events } = runGpuFaultStorm({ kernel, clients: 6, slots: 2, frames: 2 });
      expect(figures).toMatchObject({ jobs: 12, 'jobs done': 12, 'page faults': 12, 'jobs that timed out': 0 });
      expect(figures['address spaces taken from an idle client']).toBeGreaterThanOrEqual(10);
      expect(events).toHaveLength(12);
    },
  );

  it('takes nobody an address space where there is one for each', () => {
    expect(runGpuFaultStorm({ clients: 2, slots: 2, frames: 1 }).figures).toMatchObject({
      'address spaces taken from an idle client': 0,
    });
  });

  it('is refused for more slots than the registers have room for', () => {
    expect(() => runGpuFaultStorm({ slots: 17 })).toThrow(/slots/);
  });
});

it('an idle client loses its address space, and walks again when it comes back', () => {
  const { figures } = runGpuIdleEviction();
  expect(figures['cycles to go on with the one it has']).toBe(0);
  expect(figures['cycles to take one from an idle client']).toBeGreaterThan(1000);
  expect(figures).toMatchObject({
    'descriptors read by the first access': 4,
    'by the first access of the next job': 0,
    'by the first access after the address space was lost and got back': 4,
    FLUSH_MEM: 3,
  });
});

describe('a stuck address space', () => {
  it.each(['6.12', '7.3'] as const)('costs %s 100 ms per poll, and everybody the GPU', (kernel) => {
    const { figures } = runGpuStuck({ kernel });
    expect(figures['polls that ran out']).toBe(3);
    expect(Math.round((figures['microseconds until the driver gave up'] ?? 0) / 1000)).toBe(303);
    expect(figures).toMatchObject({
      'the other client could go on before the reset': 1,
      'the other client could go on after it': 0,
      'the other client could go on once it had an address space again': 1,
    });
  });
});
