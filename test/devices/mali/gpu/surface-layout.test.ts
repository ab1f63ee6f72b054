import { describe, expect, it } from 'vitest';
import { type GpuWorkloadInput, parseGpuWorkload, type SurfaceTiles, tilesOf } from '../../../../devices/index.ts';

type SurfaceInput = GpuWorkloadInput['surfaces'][string];

function layoutOf(surface: SurfaceInput): SurfaceTiles {
  const workload = parseGpuWorkload({ surfaces: { it: surface }, jobs: [{ name: 'job', reads: ['it'] }] });
  const [parsed] = Object.values(workload.surfaces);
  if (parsed === undefined) throw new Error('no surface');
  return tilesOf(parsed);
}

function touched(tiles: SurfaceTiles): number[] {
  const offsets: number[] = [];
  for (let row = 0; row < tiles.rows; row++) {
    for (let column = 0; column < tiles.columns; column++) tiles.tile(column, row, (offset) => offsets.push(offset));
  }
  return offsets;
}

const TEXTURE = { kind: 'texture', width: 100, height: 50, bytesPerPixel: 4 } as const;

describe('the layout of a surface', () => {
  it.each<[string, SurfaceInput]>([
    ['a linear texture', { ...TEXTURE, layout: 'linear' }],
    ['a tiled texture', { ...TEXTURE, layout: 'tiled' }],
    ['a compressed texture', { ...TEXTURE, layout: 'compressed' }],
    ['a buffer', { kind: 'buffer', size: 10_000 }],
    ['a heap', { kind: 'heap', size: 2 ** 21 }],
  ])('of %s touches whole lines inside of it', (_what, surface) => {
    const tiles = layoutOf(surface);
    const offsets = touched(tiles);
    expect(offsets.length).toBeGreaterThan(0);
    expect(offsets.every((offset) => offset % 64 === 0 && offset >= 0 && offset < tiles.size)).toBe(true);
  });

  it('linear: a tile of 16 rows touches 16 places a pitch apart', () => {
    const offsets: number[] = [];
    layoutOf({ ...TEXTURE, width: 1024, height: 16, layout: 'linear' }).tile(1, 0, (offset) => offsets.push(offset));
    expect(offsets).toEqual(Array.from({ length: 16 }, (_, row) => row * 4096 + 64));
  });

  it('tiled: a tile is one piece of a KiB', () => {
    const offsets: number[] = [];
    layoutOf({ ...TEXTURE, layout: 'tiled' }).tile(2, 1, (offset) => offsets.push(offset));
    expect(offsets).toEqual(Array.from({ length: 16 }, (_, line) => (7 + 2) * 1024 + line * 64));
  });

  it('compressed: a header in front and the part that is left', () => {
    const offsets: number[] = [];
    const tiles = layoutOf({ ...TEXTURE, layout: 'compressed', ratio: 0.25 });
    tiles.tile(1, 0, (offset) => offsets.push(offset));
    expect(offsets).toEqual([0, 1024 + 1024, 1024 + 1024 + 64, 1024 + 1024 + 128, 1024 + 1024 + 192]);
  });

  it('linear and tiled textures are touched once everywhere', () => {
    for (const layout of ['linear', 'tiled'] as const) {
      const tiles = layoutOf({ ...TEXTURE, width: 96, layout });
      const offsets = touched(tiles);
      expect(new Set(offsets).size).toBe(offsets.length);
    }
  });
});
