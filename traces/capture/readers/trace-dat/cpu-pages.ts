import type { RandomAccess } from '../../sources/index.ts';
import { type Compression, inflateWhole } from './compression.ts';
import type { CpuPlace } from './trace-dat.ts';

/** Bytes of pages fetched at a time where they are not compressed. */
const BATCH = 262_144;
/** All CPUs together hold about this many bytes at once. */
const ALL_CPUS = 2 ** 25;
/** Compressed and unpacked sizes that a chunk of some pages cannot have. */
const LARGEST_CHUNK = 2 ** 26;

/** Brings the pages of one CPU in, some at a time. */
export class CpuPages {
  /** Why there are no more pages although there should be; empty when all is well. */
  damage = '';
  readonly #access: RandomAccess;
  readonly #compression: Compression | null;
  readonly #littleEndian: boolean;
  readonly #end: number;
  readonly #batch: number;
  #at: number;
  /** Compressed bytes read ahead, and where they stand in the file. */
  #ahead: Uint8Array = new Uint8Array(0);
  #aheadAt = 0;
  /** Chunks that are still to come; unknown before the first is read. */
  #chunks = -1;

  /**
   * @param compression null for pages as they are
   * @param cpus how many CPUs are read at once
   */
  constructor(
    access: RandomAccess,
    place: CpuPlace,
    pageSize: number,
    compression: Compression | null,
    littleEndian: boolean,
    cpus: number,
  ) {
    this.#access = access;
    this.#compression = compression;
    this.#littleEndian = littleEndian;
    this.#at = place.offset;
    this.#end = place.offset + place.size;
    const share = Math.min(BATCH, ALL_CPUS / cpus);
    this.#batch = Math.max(pageSize, share - (share % pageSize));
    if (this.#end > access.size) {
      this.damage = `the file ends ${this.#end - access.size} bytes before the data of CPU ${place.cpu} does`;
    }
  }

  /** The next pages; null when there are no more. They are valid until the next call but one. */
  async next(): Promise<Uint8Array | null> {
    if (this.#at >= this.#end) return null;
    return this.#compression === null ? this.#plain() : this.#chunk(this.#compression);
  }

  async #plain(): Promise<Uint8Array | null> {
    const bytes = await this.#access.read(this.#at, Math.min(this.#batch, this.#end - this.#at));
    if (bytes.length === 0) return this.#stop('the file ends in the data of a CPU');
    this.#at += bytes.length;
    return bytes;
  }

  async #chunk(compression: Compression): Promise<Uint8Array | null> {
    if (this.#chunks < 0) {
      const count = await this.#read(this.#at, 4);
      if (count.length < 4) return this.#stop('the file ends in the data of a CPU');
      this.#chunks = this.#number(count, 0);
      this.#at += 4;
    }
    if (this.#chunks === 0) return null;
    this.#chunks--;
    const header = await this.#read(this.#at, 8);
    if (header.length < 8) return this.#stop('the file ends in the data of a CPU');
    const packed = this.#number(header, 0);
    const size = this.#number(header, 4);
    if (packed > LARGEST_CHUNK || size > LARGEST_CHUNK) return this.#stop(`a chunk of ${Math.max(packed, size)} bytes`);
    const bytes = await this.#read(this.#at + 8, packed);
    this.#at += 8 + packed;
    if (bytes.length < packed) return this.#stop('the file ends in the data of a CPU');
    return (await inflateWhole(compression, bytes, size)) ?? this.#stop('a damaged chunk of compressed pages');
  }

  /** Small chunks come many at a time. */
  async #read(offset: number, length: number): Promise<Uint8Array> {
    const from = offset - this.#aheadAt;
    if (from >= 0 && from + length <= this.#ahead.length) return this.#ahead.subarray(from, from + length);
    const most = Math.min(this.#batch, this.#end - offset);
    this.#ahead = (await this.#access.read(offset, Math.max(length, most))).slice();
    this.#aheadAt = offset;
    return this.#ahead.subarray(0, length);
  }

  #stop(damage: string): null {
    this.damage = damage;
    this.#at = this.#end;
    return null;
  }

  #number(bytes: Uint8Array, at: number): number {
    return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getUint32(at, this.#littleEndian);
  }
}
