/** Where the pixels of a surface lie: the lines of 64 bytes that a tile of it touches. */
import type { GpuSurface } from './workload.ts';

/** Bytes of one access. */
export const LINE = 64;
/** Pixels of a tile, each way: what a core works on at a time, and the block of both block layouts. */
export const TILE = 16;
/** Bytes of a block's header in a compressed texture (Arm Frame Buffer Compression has 16 for a superblock of 16 by 16). */
const HEADER = 16;

/** A surface as tiles. Buffers and heaps are one row of tiles of a KiB each. */
export interface SurfaceTiles {
  /** Bytes of the whole surface. */
  readonly size: number;
  readonly columns: number;
  readonly rows: number;
  /** Calls `touch` with the offset of each line of a tile. */
  tile(column: number, row: number, touch: (offset: number) => void): void;
}

export function tilesOf(surface: GpuSurface): SurfaceTiles {
  if (surface.kind === 'buffer') return straight(surface.size, surface.size);
  if (surface.kind === 'heap') return straight(surface.size, surface.used ?? surface.size / 4);
  switch (surface.layout) {
    case 'linear':
      return linear(surface.width, surface.height, surface.bytesPerPixel);
    case 'tiled':
      return blocks(surface.width, surface.height, surface.bytesPerPixel, 1, 0);
    default:
      return blocks(surface.width, surface.height, surface.bytesPerPixel, surface.ratio, HEADER);
  }
}

/** Bytes from the first to the last, 16 lines at a time. */
function straight(size: number, used: number): SurfaceTiles {
  const piece = 16 * LINE;
  return {
    size,
    columns: Math.ceil(Math.min(used, size) / piece),
    rows: 1,
    tile(column, _row, touch) {
      const end = Math.min((column + 1) * piece, used, size);
      for (let offset = column * piece; offset < end; offset += LINE) touch(offset);
    },
  };
}

function linear(width: number, height: number, bytesPerPixel: number): SurfaceTiles {
  const pitch = Math.ceil((width * bytesPerPixel) / LINE) * LINE;
  return {
    size: pitch * height,
    columns: Math.ceil(width / TILE),
    rows: Math.ceil(height / TILE),
    tile(column, row, touch) {
      const left = Math.floor((column * TILE * bytesPerPixel) / LINE) * LINE;
      const right = Math.min((column + 1) * TILE * bytesPerPixel, pitch);
      const bottom = Math.min((row + 1) * TILE, height);
      for (let y = row * TILE; y < bottom; y++) {
        for (let x = left; x < right; x += LINE) touch(y * pitch + x);
      }
    },
  };
}

/** Blocks in rows, each in one piece, of which the first `ratio` is there; their headers in front. */
function blocks(width: number, height: number, bytesPerPixel: number, ratio: number, header: number): SurfaceTiles {
  const columns = Math.ceil(width / TILE);
  const rows = Math.ceil(height / TILE);
  const body = TILE * TILE * bytesPerPixel;
  const bodies = Math.ceil((columns * rows * header) / body) * body;
  const present = Math.max(LINE, Math.ceil((body * ratio) / LINE) * LINE);
  return {
    size: bodies + columns * rows * body,
    columns,
    rows,
    tile(column, row, touch) {
      const block = row * columns + column;
      if (header > 0) touch(Math.floor((block * header) / LINE) * LINE);
      const start = bodies + block * body;
      for (let offset = 0; offset < present; offset += LINE) touch(start + offset);
    },
  };
}
