/**
 * Where a capture's bytes come from. A source says nothing of what is in them, and needs nothing that only Node or only a browser has:
 * `traces/files` has the sources of Node, {@link BlobSource} is the browser's.
 */

/** One block of a capture's bytes, or the reason why they end before their time. */
export interface Block {
  /** Valid until the next block is asked for. */
  readonly bytes: Uint8Array;
  /** Empty, or why nothing can follow: "the gzip data ends early". */
  readonly damage: string;
}

/** Bytes that can be read at any place. */
export interface RandomAccess {
  /** Bytes there are; a file that grows or shrinks while it is read may hold others. */
  readonly size: number;
  /** The bytes at `offset`: `length` of them, or fewer where the data ends. They are valid until the next call but one. */
  read(offset: number, length: number): Promise<Uint8Array>;
  close(): Promise<void>;
}

/** What the surroundings of a source can do with its bytes. */
export interface Platform {
  /** Decompresses gzip data of one or several members. What came out before damage is kept. */
  gunzip(blocks: AsyncIterable<Uint8Array>): AsyncGenerator<Block>;
  /** Keeps all bytes of a stream where they can be read at any place. */
  spool(blocks: AsyncIterable<Uint8Array>): Promise<RandomAccess>;
}

/** A capture as it is stored. */
export interface ByteSource {
  /** The file as the user named it; `-` is standard input. */
  readonly name: string;
  readonly platform: Platform;
  /**
   * Looks whether there can be a capture at all.
   * @returns bytes as they are stored; 0 when unknown
   * @throws InputError for what is missing, not readable, no file
   */
  check(): Promise<number>;
  /** All bytes from the first. A pipe gives them once. @throws InputError */
  blocks(): AsyncGenerator<Uint8Array>;
  /** The same bytes in any order, or null for a pipe. @throws InputError */
  random(): Promise<RandomAccess | null>;
}

/** Bytes that lie in memory, in pieces. */
export class MemoryAccess implements RandomAccess {
  readonly size: number;
  readonly #pieces: readonly Uint8Array[];
  /** Offset of each piece. */
  readonly #starts: readonly number[];

  constructor(pieces: readonly Uint8Array[]) {
    this.#pieces = pieces;
    const starts: number[] = [];
    let size = 0;
    for (const piece of pieces) {
      starts.push(size);
      size += piece.length;
    }
    this.#starts = starts;
    this.size = size;
  }

  read(offset: number, length: number): Promise<Uint8Array> {
    const end = Math.min(this.size, offset + length);
    if (end <= offset) return Promise.resolve(new Uint8Array(0));
    let piece = this.#pieceAt(offset);
    const first = this.#pieces[piece] as Uint8Array;
    const from = offset - (this.#starts[piece] as number);
    if (from + end - offset <= first.length) return Promise.resolve(first.subarray(from, from + end - offset));
    const bytes = new Uint8Array(end - offset);
    for (let at = offset; at < end; piece++) {
      const part = (this.#pieces[piece] as Uint8Array).subarray(at - (this.#starts[piece] as number));
      bytes.set(part.subarray(0, end - at), at - offset);
      at += part.length;
    }
    return Promise.resolve(bytes);
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  #pieceAt(offset: number): number {
    let low = 0;
    let high = this.#starts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if ((this.#starts[middle] as number) <= offset) low = middle;
      else high = middle - 1;
    }
    return low;
  }
}

/** A platform of nothing but web standards. */
const WEB: Platform = {
  async *gunzip(blocks) {
    const stream = new DecompressionStream('gzip');
    const writer = stream.writable.getWriter();
    const feeding = (async () => {
      for await (const bytes of blocks) await writer.write(bytes.slice());
      await writer.close();
    })();
    // Whatever is wrong shows at the reading end as well.
    feeding.catch(() => undefined);
    const reader = stream.readable.getReader();
    try {
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return;
        yield { bytes: value as Uint8Array, damage: '' };
      }
    } catch (error) {
      yield { bytes: new Uint8Array(0), damage: `damaged gzip data (${(error as Error).message})` };
    }
  },
  async spool(blocks) {
    const pieces: Uint8Array[] = [];
    for await (const bytes of blocks) pieces.push(bytes.slice());
    return new MemoryAccess(pieces);
  },
};

/** Bytes per block of a {@link BlobSource}. */
const BLOCK = 262_144;

/** A file that a person gave to a web page, or bytes in memory. */
export class BlobSource implements ByteSource {
  readonly name: string;
  readonly platform = WEB;
  readonly #blob: Blob;

  constructor(name: string, blob: Blob) {
    this.name = name;
    this.#blob = blob;
  }

  check(): Promise<number> {
    return Promise.resolve(this.#blob.size);
  }

  async *blocks(): AsyncGenerator<Uint8Array> {
    for (let at = 0; at < this.#blob.size; at += BLOCK) yield await this.#slice(at, BLOCK);
  }

  random(): Promise<RandomAccess> {
    return Promise.resolve({
      size: this.#blob.size,
      read: (offset, length) => this.#slice(offset, length),
      close: () => Promise.resolve(),
    });
  }

  async #slice(offset: number, length: number): Promise<Uint8Array> {
    return new Uint8Array(await this.#blob.slice(offset, offset + length).arrayBuffer());
  }
}
