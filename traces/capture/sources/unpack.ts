import { InputError } from '../../input-error.ts';
import type { Block, ByteSource, Platform, RandomAccess } from './byte-source.ts';
import { startsWith } from './refused.ts';
import { unzstd } from './zstd.ts';

/** How far a capture is read, in bytes as they are stored. */
export interface Progress {
  read: number;
  /** 0 when unknown (standard input). */
  total: number;
}

/** A capture with every layer of compression off. */
export interface Unpacked {
  /** The first {@link SNIFF} bytes, or all where there are fewer, however the source is cut into blocks. Valid until `blocks` is asked for a second one. */
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

/** Bytes that decide what a capture is: what is before the first line of a log may be long. A pipe holds as many. */
const SNIFF = 65_536;
/** Milliseconds that bytes which have come may take to be unpacked when nobody waits for more. */
const UNPACKING = 100;
/** Compressed in compressed: more layers than this are nobody's intention. */
const LAYERS = 4;

const GZIP = [0x1f, 0x8b];
const ZSTD = [0x28, 0xb5, 0x2f, 0xfd];

/**
 * Takes the compression off; what kind of data it is shows in its bytes, not in its name.
 * @param enough once resolved, no more bytes are waited for: those that have come are `first`
 * @throws InputError
 */
export async function unpack(source: ByteSource, progress: Progress, enough: Promise<void>): Promise<Unpacked> {
  const { platform } = source;
  let packing = '';
  // A generator that nobody has asked for its first block closes nothing, so each layer is closed by itself.
  const layers = [counted(source.blocks(), progress)];
  const close = async (): Promise<void> => {
    for (const layer of layers.toReversed()) await layer.return(undefined);
  };
  const soon = enough.then(() => new Promise<void>((resolve) => setTimeout(resolve, UNPACKING)));
  let peeked = await peek(layers[0] as AsyncGenerator<Block>, enough);
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
    peeked = await peek(unpacked, soon);
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
async function peek(
  blocks: AsyncGenerator<Block>,
  enough: Promise<void>,
): Promise<{ first: Uint8Array; blocks: AsyncGenerator<Block> }> {
  const next = async (): Promise<Block | undefined> => (await Promise.race([blocks.next(), enough]))?.value;
  let value = await next();
  if (value === undefined) return { first: new Uint8Array(0), blocks };
  let { bytes, damage } = value;
  if (bytes.length < SNIFF && damage === '') {
    const parts: Uint8Array[] = [];
    let length = 0;
    while (value !== undefined) {
      // The block becomes invalid with the next one. Not `slice`, which copies nothing of a Node Buffer.
      parts.push(new Uint8Array(value.bytes));
      length += value.bytes.length;
      damage = value.damage;
      if (length >= SNIFF || damage !== '') break;
      value = await next();
    }
    bytes = joined(parts, length);
  }
  return { first: bytes.subarray(0, SNIFF), blocks: behind({ bytes, damage }, blocks) };
}

function joined(parts: readonly Uint8Array[], length: number): Uint8Array {
  const all = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
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
