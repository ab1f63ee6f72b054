import { ZSTDDecoder } from 'zstddec/stream';
import type { Block } from './byte-source.ts';

/** The functions of the decoder's WebAssembly that work on a stream; pointers are numbers. */
interface ZstdExports {
  readonly memory: { readonly buffer: ArrayBuffer };
  malloc(size: number): number;
  free(pointer: number): void;
  ZSTD_createDCtx(): number;
  ZSTD_freeDCtx(context: number): number;
  ZSTD_DStreamOutSize(): number;
  /** Negative for an error, 0 at the end of a frame, else how many bytes it would like. */
  ZSTD_decompressStream(context: number, output: number, input: number): number;
}

let exported: ZstdExports | null = null;

/** The decoder's own streaming takes input from an iterator and cannot wait for more, so its WebAssembly is used directly. */
class Decoder extends ZSTDDecoder {
  override _init(result: Parameters<ZSTDDecoder['_init']>[0]): void {
    exported = (result as unknown as { readonly instance: { readonly exports: ZstdExports } }).instance.exports;
    // The library calls this without an object; what it overrides needs none either.
    ZSTDDecoder.prototype._init.call(null as unknown as ZSTDDecoder, result);
  }
}

let made: Promise<Decoder> | null = null;

/** The decoder, made when the first zstd data is met. */
function decoder(): Promise<Decoder> {
  made ??= (async () => {
    const one = new Decoder();
    await one.init();
    return one;
  })();
  return made;
}

/** One zstd frame or several, whose whole content is known to have `size` bytes. @returns null if it is not that */
export async function unzstdWhole(bytes: Uint8Array, size: number): Promise<Uint8Array | null> {
  if (size === 0) return bytes;
  const content = (await decoder()).decode(bytes, size);
  return content.length === size ? content : null;
}

/** Bytes of a `ZSTD_inBuffer` or `ZSTD_outBuffer`: pointer, size, position. */
const BUFFER_BYTES = 12;
/** Compressed bytes decompressed at a time: little is lost where damage begins. */
const INPUT = 65_536;

/** Decompresses a stream of zstd frames piece by piece. */
export class ZstdStream {
  /** Empty, or what is wrong with the data. */
  failure = '';
  /** Whether everything that was begun has ended. */
  whole = true;
  readonly #zstd: ZstdExports;
  readonly #context: number;
  readonly #input: number;
  readonly #output: number;
  readonly #outputSize: number;
  /** The two buffer structs, one behind the other. */
  readonly #structs: number;

  static async open(): Promise<ZstdStream> {
    await decoder();
    if (exported === null) throw new Error('the zstd decoder did not start');
    return new ZstdStream(exported);
  }

  private constructor(zstd: ZstdExports) {
    this.#zstd = zstd;
    this.#context = zstd.ZSTD_createDCtx();
    this.#outputSize = zstd.ZSTD_DStreamOutSize();
    this.#input = zstd.malloc(INPUT);
    this.#output = zstd.malloc(this.#outputSize);
    this.#structs = zstd.malloc(2 * BUFFER_BYTES);
  }

  /** All that comes out for these bytes; what came out before damage, with {@link failure} set. */
  *decode(bytes: Uint8Array): Generator<Uint8Array> {
    for (let at = 0; at < bytes.length && this.failure === ''; at += INPUT) {
      yield* this.#part(bytes.subarray(at, at + INPUT));
    }
  }

  close(): void {
    this.#zstd.ZSTD_freeDCtx(this.#context);
    for (const pointer of [this.#input, this.#output, this.#structs]) this.#zstd.free(pointer);
  }

  *#part(bytes: Uint8Array): Generator<Uint8Array> {
    new Uint8Array(this.#zstd.memory.buffer).set(bytes, this.#input);
    let taken = 0;
    let full = false;
    while (taken < bytes.length || full) {
      // The memory may have grown, and then lies elsewhere.
      const before = new DataView(this.#zstd.memory.buffer);
      this.#describe(before, this.#structs, this.#input, bytes.length, taken);
      this.#describe(before, this.#structs + BUFFER_BYTES, this.#output, this.#outputSize, 0);
      const left = this.#zstd.ZSTD_decompressStream(this.#context, this.#structs + BUFFER_BYTES, this.#structs);
      const after = new DataView(this.#zstd.memory.buffer);
      const put = after.getUint32(this.#structs + BUFFER_BYTES + 8, true);
      const now = after.getUint32(this.#structs + 8, true);
      if (left < 0 || (now === taken && put === 0 && !full)) {
        this.failure = 'damaged zstd data';
        return;
      }
      this.whole = left === 0;
      taken = now;
      full = put === this.#outputSize;
      if (put > 0) yield new Uint8Array(this.#zstd.memory.buffer).slice(this.#output, this.#output + put);
    }
  }

  #describe(view: DataView, at: number, pointer: number, size: number, position: number): void {
    view.setUint32(at, pointer, true);
    view.setUint32(at + 4, size, true);
    view.setUint32(at + 8, position, true);
  }
}

/** Decompresses zstd data of one or several frames, keeping what came out before damage. */
export async function* unzstd(blocks: AsyncIterable<Uint8Array>): AsyncGenerator<Block> {
  const stream = await ZstdStream.open();
  try {
    for await (const block of blocks) {
      for (const bytes of stream.decode(block)) yield { bytes, damage: '' };
      if (stream.failure !== '') break;
    }
    const damage = stream.failure === '' && !stream.whole ? 'the zstd data ends early' : stream.failure;
    if (damage !== '') yield { bytes: new Uint8Array(0), damage };
  } finally {
    stream.close();
  }
}
