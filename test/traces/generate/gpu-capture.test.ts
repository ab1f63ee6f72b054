import { describe, expect, it } from 'vitest';
import { type GpuCaptureInput, generateGpuCapture } from '../../../traces/index.ts';

const SMALL: GpuCaptureInput = { frames: 40, width: 320, height: 240, residentMiB: 24, textureKiB: 4096 };

function lines(input: GpuCaptureInput): string[] {
  const found: string[] = [];
  generateGpuCapture(input, (line) => found.push(line));
  return found;
}

const MAP =
  /^\[ *(\d+\.\d{6})\] panthor synthetic\.gpu: .* map: as=(\d), iova=([0-9a-f]+), paddr=(0x[0-9a-f]{16}), len=([0-9a-f]+)\n$/;
const UNMAP = /^\[ *(\d+\.\d{6})\] panthor synthetic\.gpu: .* unmap: as=(\d), iova=([0-9a-f]+), len=([0-9a-f]+)\n$/;

describe('a synthetic GPU capture', () => {
  it('says in each line that it is synthetic, and in the first what it is', () => {
    const all = lines(SMALL);
    expect(all[0]).toContain('synthetic GPU capture, no measurement of anything: {"frames":40');
    expect(all.every((line) => line.includes('synthetic'))).toBe(true);
  });

  it('is the same for the same seed, and another for another', () => {
    expect(lines(SMALL)).toEqual(lines(SMALL));
    expect(lines({ ...SMALL, seed: 2 })).not.toEqual(lines(SMALL));
  });

  it('maps nothing twice, unmaps only what is mapped, in order of time, and memory is never shared', () => {
    const virtual = new Map<string, number>();
    const physical = new Map<number, string>();
    const wrong: string[] = [];
    let last = 0;
    for (const line of lines(SMALL).slice(1)) {
      const mapped = MAP.exec(line);
      const unmapped = UNMAP.exec(line);
      const [, time = '', as = '', iova = ''] = mapped ?? unmapped ?? [];
      if (!(Number(time) >= last)) wrong.push(line);
      last = Number(time);
      const size = Number.parseInt((mapped?.[5] ?? unmapped?.[4]) as string, 16);
      for (let at = 0; at < size; at += 4096) {
        const key = `${as}:${Number.parseInt(iova, 16) + at}`;
        if (mapped === null) {
          const pa = virtual.get(key);
          if (pa === undefined) wrong.push(line);
          physical.delete(pa as number);
          virtual.delete(key);
        } else {
          const pa = Number(mapped[4]) + at;
          if (virtual.has(key) || physical.has(pa)) wrong.push(line);
          virtual.set(key, pa);
          physical.set(pa, key);
        }
      }
    }
    expect(wrong).toEqual([]);
    expect(virtual.size).toBeGreaterThan(0);
  });

  it('evicts textures under memory pressure only', () => {
    const count = (residentMiB: number) => generateGpuCapture({ ...SMALL, residentMiB }, () => {}).evictions;
    expect(count(1024)).toBe(0);
    expect(count(8)).toBeGreaterThan(0);
  });

  it('refuses what it cannot draw, naming the field', () => {
    expect(() => lines({ frames: 0 })).toThrow(/gpu\.frames/);
  });
});
