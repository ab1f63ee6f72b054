/**
 * Sparse storage of 32-bit words by physical address: 64 KiB frames, created when first asked for, inside one growing
 * `Uint32Array`. Physical memory keeps what DRAM holds in one; the CPU cache keeps the CPU's view in another.
 *
 *     pa  63 .. 32   31 .. 16   15 .. 2
 *         chunk      frame      word          words[frames[chunks[chunk] + frame] + word]
 *
 * A frame is the largest table granule, so every translation table is one run of words.
 */

/** log2 of the frame size in bytes. */
const FRAME_SHIFT = 16;
/** Bytes in a frame. */
export const FRAME_SIZE = 2 ** FRAME_SHIFT;
/** 32-bit words in a frame. */
export const FRAME_WORDS = FRAME_SIZE / 4;
/** Frames in a chunk of 4 GiB: a chunk number is the upper half of an address and never needs a shift of more than 32 bits. */
const CHUNK_FRAMES = 2 ** 16;
const TWO_TO_32 = 2 ** 32;
const PER_CHUNK = 2 ** -32;
/** No frame is there yet. */
const ABSENT = -1;

export class FrameStore {
  /** All frames, in the order of creation. Replaced when the store grows: read it again after each call that may create a frame. */
  words: Uint32Array = new Uint32Array(0);

  /** Chunk number to the index of its first entry in `#frames`; entry 0 is one chunk of absent frames that all others start as. */
  readonly #chunks: Int32Array;
  readonly #end: number;
  /** Frame to index of its first word, {@link ABSENT} when it was never created. */
  #frames: Int32Array = new Int32Array(CHUNK_FRAMES).fill(ABSENT);
  #chunkCount = 1;
  #frameCount = 0;
  /** Physical address of each frame, in the order of creation. */
  #bases: Float64Array = new Float64Array(0);

  /** @param end the first address beyond everything that will ever be stored, at most 2^52. */
  constructor(end: number) {
    this.#end = end;
    this.#chunks = new Int32Array(Math.ceil(end / TWO_TO_32));
  }

  /** Frames created so far. */
  get frameCount(): number {
    return this.#frameCount;
  }

  /** Index into `words` of the word at `pa`, or -1 when its frame was never created. Never creates anything. */
  peek(pa: number): number {
    // Also false for what is not a number.
    if (!(pa >= 0 && pa < this.#end)) return ABSENT;
    // A product and a truncation: cheaper than a floor of a quotient, and exact for a power of two. Shifts take the address
    // modulo 2^32, which is what is wanted once the chunk is known.
    const low = pa >>> 0;
    const first = this.#chunks[(pa * PER_CHUNK) >>> 0] as number;
    const base = this.#frames[first + (low >>> FRAME_SHIFT)] as number;
    return base < 0 ? ABSENT : base + ((low >>> 2) & (FRAME_WORDS - 1));
  }

  /** Creates the frame of `pa`, zero-filled, and returns the index of the word at `pa`. Call it only after `peek` returned -1. */
  create(pa: number): number {
    const chunk = Math.floor(pa / TWO_TO_32);
    let first = this.#chunks[chunk] as number;
    if (first === 0) {
      first = this.#chunkCount * CHUNK_FRAMES;
      if (first + CHUNK_FRAMES > this.#frames.length) {
        const grown = new Int32Array(this.#frames.length * 2).fill(ABSENT, first);
        grown.set(this.#frames);
        this.#frames = grown;
      }
      this.#chunkCount++;
      this.#chunks[chunk] = first;
    }
    const base = this.#frameCount * FRAME_WORDS;
    if (base + FRAME_WORDS > this.words.length) this.#grow();
    this.#frames[first + (pa >>> FRAME_SHIFT)] = base;
    this.#bases[this.#frameCount++] = Math.floor(pa / FRAME_SIZE) * FRAME_SIZE;
    return base + ((pa >>> 2) & (FRAME_WORDS - 1));
  }

  /** Physical address of the word at `index` in `words`. */
  addressOf(index: number): number {
    return (this.#bases[Math.floor(index / FRAME_WORDS)] as number) + (index % FRAME_WORDS) * 4;
  }

  #grow(): void {
    const frames = Math.max(16, this.#frameCount * 2);
    const words = new Uint32Array(frames * FRAME_WORDS);
    words.set(this.words);
    this.words = words;
    const bases = new Float64Array(frames);
    bases.set(this.#bases);
    this.#bases = bases;
  }
}
