import { ConfigError, Prng } from '../formats/index.ts';

/** Where a DMA master reads and writes: an endless stream of addresses. */
export interface AccessPattern {
  /** The next address. */
  next(): number;
  /** True when an address is only known once the access before it has returned data, so that no two can be in flight. */
  readonly dependent: boolean;
}

/** The buffer that a pattern walks over, and the size of one access, all in bytes. */
export interface PatternBuffer {
  readonly base: number;
  readonly size: number;
  readonly accessSize: number;
}

/** From the first to the last byte, and again: a streaming copy, a display, a network ring. With a stride, only every n-th access. */
export class StridedPattern implements AccessPattern {
  readonly dependent = false;
  readonly #buffer: PatternBuffer;
  readonly #stride: number;
  #offset = 0;
  #phase = 0;

  /** @param stride bytes from one access to the next; `accessSize` makes it sequential */
  constructor(buffer: PatternBuffer, stride: number) {
    this.#buffer = buffer;
    this.#stride = stride;
  }

  next(): number {
    const { base, size, accessSize } = this.#buffer;
    const address = base + this.#offset;
    this.#offset += this.#stride;
    if (this.#offset + accessSize > size) {
      // The next round takes what the stride stepped over, so that in the end all of the buffer is touched.
      this.#phase = this.#stride > accessSize ? (this.#phase + accessSize) % this.#stride : 0;
      this.#offset = this.#phase + accessSize <= size ? this.#phase : 0;
    }
    return address;
  }
}

/** Anywhere in the buffer, every access-sized place as likely as the next. */
export class RandomPattern implements AccessPattern {
  readonly dependent = false;
  readonly #buffer: PatternBuffer;
  readonly #places: number;
  readonly #prng: Prng;

  constructor(buffer: PatternBuffer, seed: number) {
    this.#buffer = buffer;
    this.#places = Math.floor(buffer.size / buffer.accessSize);
    this.#prng = new Prng(seed);
  }

  next(): number {
    return this.#buffer.base + this.#prng.below(this.#places) * this.#buffer.accessSize;
  }
}

/** Shape of a picture and of its tiles, all in bytes and rows. */
export interface TileShape {
  /** Bytes from one row of the picture to the next. */
  readonly pitch: number;
  /** Rows of the picture. */
  readonly rows: number;
  /** Bytes and rows of a tile. */
  readonly tileWidth: number;
  readonly tileRows: number;
}

/**
 * A picture in linear memory, tile by tile: within a tile row by row. What a GPU or a video codec does, and what makes one tile touch as
 * many pages as it has rows.
 */
export class TiledPattern implements AccessPattern {
  readonly dependent = false;
  readonly #buffer: PatternBuffer;
  readonly #shape: TileShape;
  /** Left edge and top row of the tile, and the place in it. */
  #left = 0;
  #top = 0;
  #x = 0;
  #y = 0;

  constructor(buffer: PatternBuffer, shape: TileShape) {
    this.#buffer = buffer;
    this.#shape = shape;
  }

  next(): number {
    const { pitch, rows, tileWidth, tileRows } = this.#shape;
    const { base, accessSize } = this.#buffer;
    const address = base + (this.#top + this.#y) * pitch + this.#left + this.#x;
    this.#x += accessSize;
    if (this.#x >= tileWidth || this.#left + this.#x >= pitch) {
      this.#x = 0;
      this.#y++;
      if (this.#y >= tileRows || this.#top + this.#y >= rows) {
        this.#y = 0;
        this.#left += tileWidth;
        if (this.#left >= pitch) {
          this.#left = 0;
          this.#top += tileRows;
          if (this.#top >= rows) this.#top = 0;
        }
      }
    }
    return address;
  }
}

/**
 * A linked list: each access tells where the next one is. The list visits every place of the buffer once, in an order without
 * pattern, before it comes round (a full-period linear congruential sequence: Hull and Dobell, 1962).
 */
export class PointerChasePattern implements AccessPattern {
  readonly dependent = true;
  readonly #buffer: PatternBuffer;
  /** Places minus one; their number is a power of two. */
  readonly #mask: number;
  readonly #factor: number;
  readonly #increment: number;
  #place: number;

  constructor(buffer: PatternBuffer, seed: number) {
    const places = Math.min(2 ** Math.floor(Math.log2(buffer.size / buffer.accessSize)), 2 ** 31);
    const prng = new Prng(seed);
    this.#buffer = buffer;
    this.#mask = places - 1;
    // Full period modulo a power of two: the increment odd, the factor 1 modulo 4.
    this.#factor = (prng.next32() & ~3) + 1;
    this.#increment = prng.next32() | 1;
    this.#place = prng.next32() & this.#mask;
  }

  next(): number {
    const address = this.#buffer.base + this.#place * this.#buffer.accessSize;
    this.#place = (Math.imul(this.#place, this.#factor) + this.#increment) & this.#mask;
    return address;
  }
}

/** Addresses that somebody recorded, in their order, and again from the first. */
export class ReplayedPattern implements AccessPattern {
  readonly dependent = false;
  readonly #addresses: Float64Array;
  #at = 0;

  /** @throws ConfigError when there is none. */
  constructor(addresses: Float64Array) {
    if (addresses.length === 0) throw new ConfigError('master.addresses', 0, 'at least one address');
    this.#addresses = addresses;
  }

  next(): number {
    const address = this.#addresses[this.#at] as number;
    this.#at = this.#at + 1 === this.#addresses.length ? 0 : this.#at + 1;
    return address;
  }
}
