import { ZSTDDecoder } from 'zstddec/stream';
import { InputError } from '../input-error.ts';
import type { Block, ByteSource, Platform, RandomAccess } from './byte-source.ts';
import { startsWith } from './readers/refused.ts';

/** How far a capture is read, in bytes as they are stored. */
export interface Progress {
  read: number;
  /** 0 when unknown (standard input). */
  total: number;
}

/** A capture with every layer of compression off. */
export interface Unpacked {
  /** The first bytes: at least {@link SNIFF}, unless there are fewer. Valid until `blocks` is asked for a second one. */
  readonly first: Uint8Array;
  /** Everything, `first` included. */
  readonly blocks: AsyncGenerator<Block>;
  /** "gzip-compressed", or empty. */
  readonly packing: string;
  /** Everything in any order, instead of `blocks`. @param damage told why the data ends early, if it does */
  random(damage: (reason: string) => void): Promise<RandomAccess>;
  /** Gives `blocks` up, wherever they are. */
  close(): Promise<void>;
}

/** Bytes that decide what a capture is. */
export const SNIFF = 4096;
/** Compressed in compressed: more layers than this are nobody's intention. */
const LAYERS = 4;

const GZIP = [0x1f, 0x8b];
const ZSTD = [0x28, 0xb5, 0x2f, 0xfd];
/** Compressed bytes given to the zstd decoder at a time: little is lost where damage begins. */
const ZSTD_BLOCK = 65_536;
/** So often may the decoder put out nothing for one block of input. */
const ZSTD_PATIENCE = 3;

/** Takes the compression off; what kind of data it is shows in its bytes, not in its name. @throws InputError */
export async function unpack(source: ByteSource, progress: Progress): Promise<Unpacked> {
  const { platform } = source;
  let packing = '';
  // A generator that nobody has asked for its first block closes nothing, so each layer is closed by itself.
  const layers = [counted(source.blocks(), progress)];
  const close = async (): Promise<void> => {
    for (const layer of layers.toReversed()) await layer.return(undefined);
  };
  let peeked = await peek(layers[0] as AsyncGenerator<Block>);
  for (let layer = 0; ; layer++) {
    const gzip = startsWith(peeked.first, GZIP);
    if (!gzip && !startsWith(peeked.first, ZSTD)) break;
    if (layer === LAYERS) {
      await close();
      throw new InputError(source.name, '', `${packing} ${LAYERS} times over`, 'one layer');
    }
    packing = gzip ? 'gzip-compressed' : 'zstd-compressed';
    const unpacked = carryDamage(peeked.blocks, (bytes) => (gzip ? platform.gunzip(bytes) : unzstd(bytes)));
    layers.push(unpacked);
    peeked = await peek(unpacked);
  }
  const { first, blocks } = peeked;
  return {
    first,
    blocks,
    packing,
    close,
    async random(damage) {
      const own = packing === '' ? await source.random() : null;
      if (own === null) return spool(platform, blocks, damage);
      await close();
      progress.read = 0;
      return countedAccess(own, progress);
    },
  };
}

/** Looks at the first bytes without taking them away. */
async function peek(blocks: AsyncGenerator<Block>): Promise<{ first: Uint8Array; blocks: AsyncGenerator<Block> }> {
  let { value } = await blocks.next();
  if (value === undefined) return { first: new Uint8Array(0), blocks };
  let first: Uint8Array = value.bytes;
  let { damage } = value;
  while (first.length < SNIFF && damage === '') {
    // The block becomes invalid with the next one.
    first = first.slice();
    ({ value } = await blocks.next());
    if (value === undefined) break;
    first = joined(first, value.bytes);
    damage = value.damage;
  }
  return { first, blocks: behind({ bytes: first, damage }, blocks) };
}

function joined(front: Uint8Array, back: Uint8Array): Uint8Array {
  const both = new Uint8Array(front.length + back.length);
  both.set(front);
  both.set(back, front.length);
  return both;
}

async function* behind(first: Block, rest: AsyncGenerator<Block>): AsyncGenerator<Block> {
  yield first;
  yield* rest;
}

async function* counted(source: AsyncGenerator<Uint8Array>, progress: Progress): AsyncGenerator<Block> {
  try {
    for await (const bytes of source) {
      progress.read += bytes.length;
      if (bytes.length > 0) yield { bytes, damage: '' };
    }
  } finally {
    await source.return(undefined);
  }
}

/** Damage of the packed data also ends the unpacked data, which may not notice. */
async function* carryDamage(
  packed: AsyncGenerator<Block>,
  unpacker: (bytes: AsyncIterable<Uint8Array>) => AsyncGenerator<Block>,
): AsyncGenerator<Block> {
  let damage = '';
  async function* bytesOf(): AsyncGenerator<Uint8Array> {
    try {
      for await (const block of packed) {
        damage = block.damage;
        if (block.bytes.length > 0) yield block.bytes;
      }
    } finally {
      await packed.return(undefined);
    }
  }
  for await (const block of unpacker(bytesOf())) {
    if (block.bytes.length > 0 || block.damage !== '') yield block;
  }
  if (damage !== '') yield { bytes: new Uint8Array(0), damage };
}

async function spool(
  platform: Platform,
  blocks: AsyncGenerator<Block>,
  damage: (reason: string) => void,
): Promise<RandomAccess> {
  async function* bytesOf(): AsyncGenerator<Uint8Array> {
    for await (const block of blocks) {
      if (block.damage !== '') damage(block.damage);
      if (block.bytes.length > 0) yield block.bytes;
    }
  }
  return platform.spool(bytesOf());
}

function countedAccess(access: RandomAccess, progress: Progress): RandomAccess {
  return {
    size: access.size,
    async read(offset, length) {
      const bytes = await access.read(offset, length);
      progress.read = Math.min(progress.total, progress.read + bytes.length);
      return bytes;
    },
    close: () => access.close(),
  };
}

/** One zstd frame or several, whose whole content is known to have `size` bytes. @returns null if it is not that */
export async function unzstdWhole(bytes: Uint8Array, size: number): Promise<Uint8Array | null> {
  const content = (await zstd()).decode(bytes, size);
  return content.length === size ? content : null;
}

/** Decompresses zstd data of one or several frames, keeping what came out before damage. */
export async function* unzstd(blocks: AsyncIterable<Uint8Array>): AsyncGenerator<Block> {
  const stream = new ZstdStream(await zstd());
  for await (const bytes of blocks) {
    for (let at = 0; at < bytes.length; at += ZSTD_BLOCK) {
      stream.give(bytes.slice(at, at + ZSTD_BLOCK));
      while (stream.waiting) {
        const block = stream.step();
        if (block === null) continue;
        yield block;
        if (block.damage !== '') return;
      }
    }
  }
  while (!stream.ended) {
    const block = stream.step();
    if (block !== null) yield block;
  }
}

/**
 * Turns the decoder's way of being fed around. The decoder takes input from an iterator, right after its last output; so it is only
 * asked for output while there is input that it could find, or when there will never be more.
 */
class ZstdStream {
  ended = false;
  readonly #input: Uint8Array[] = [];
  readonly #output: Generator<Uint8Array>;
  /** Outputs of nothing since input was last taken: a decoder that stands still has met damage. */
  #empty = 0;

  constructor(decoder: ZSTDDecoder) {
    this.#output = decoder.decodeStreaming(this.#inputs());
  }

  /** Whether the decoder has input that it has not begun. */
  get waiting(): boolean {
    return !this.ended && this.#input.length > 0;
  }

  give(bytes: Uint8Array): void {
    this.#input.push(bytes);
  }

  /** What comes out next; null for nothing yet. */
  step(): Block | null {
    let next: IteratorResult<Uint8Array>;
    try {
      next = this.#output.next();
    } catch {
      return this.#damage('the zstd data ends early');
    }
    if (next.done === true) {
      this.ended = true;
      return null;
    }
    if (next.value.length > 0) {
      this.#empty = 0;
      return { bytes: next.value, damage: '' };
    }
    return ++this.#empty > ZSTD_PATIENCE ? this.#damage('damaged zstd data') : null;
  }

  #damage(reason: string): Block {
    this.ended = true;
    return { bytes: new Uint8Array(0), damage: reason };
  }

  *#inputs(): Generator<Uint8Array> {
    for (let next = this.#input.shift(); next !== undefined; next = this.#input.shift()) {
      this.#empty = 0;
      yield next;
    }
  }
}

let decoder: Promise<ZSTDDecoder> | null = null;

/** The decoder, made when the first zstd data is met. */
function zstd(): Promise<ZSTDDecoder> {
  decoder ??= (async () => {
    const made = new ZSTDDecoder();
    await made.init();
    return made;
  })();
  return decoder;
}
