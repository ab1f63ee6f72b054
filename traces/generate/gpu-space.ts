/** One application of the synthetic workload: what it has mapped, and what each of its frames maps and unmaps. */
import type { Prng } from '../../formats/index.ts';
import { AddressRoom } from './address-room.ts';
import type { GpuCaptureConfig } from './gpu-config.ts';

const KIB = 1024;
const PAGE = 4 * KIB;
const TILE = 64 * KIB;
const HUGE = 2048 * KIB;
/** First addresses of a client: kinds of buffers lie apart, as drivers keep them. */
const BUFFERS = 0x0080_0000;
const TEXTURES = 0x1_0000_0000;
const SPARSE = 0x8_0000_0000;
const HEAP = 0xc_0000_0000;
const TARGETS = 0x4_0000_0000;
/** Bytes of the sparse texture's place. */
const SPARSE_SIZE = 2 ** 30;

/** Memory behind a buffer. */
export interface Extent {
  readonly pa: number;
  readonly size: number;
}

/** A mapped buffer. */
export interface GpuBuffer {
  readonly iova: number;
  readonly size: number;
  readonly extents: readonly Extent[];
}

/** What applications share: physical memory, and who is told of each change. */
export interface GpuWorld {
  readonly config: GpuCaptureConfig;
  readonly random: Prng;
  backing(size: number): Extent[];
  release(extents: readonly Extent[]): void;
  mapped(as: number, iova: number, extent: Extent): void;
  unmapped(as: number, iova: number, size: number): void;
  /** A texture came or went: bytes that are resident in all. */
  resident: number;
}

interface Texture extends GpuBuffer {
  lastFrame: number;
}

export class GpuSpace {
  readonly as: number;
  readonly #world: GpuWorld;
  readonly #buffers = new AddressRoom(BUFFERS);
  readonly #textureRoom = new AddressRoom(TEXTURES);
  /** Textures by number; sizes are drawn once. */
  readonly #sizes: readonly number[];
  readonly #textures = new Map<number, Texture>();
  /** What frames have mapped and not given back, oldest first. */
  readonly #inFlight: GpuBuffer[][] = [];
  readonly #tiles = new Map<number, { readonly buffer: GpuBuffer; readonly until: number }>();
  #chunks = 0;

  constructor(as: number, world: GpuWorld) {
    this.as = as;
    this.#world = world;
    const { config, random } = world;
    this.#sizes = Array.from({ length: config.textures }, () => sizeUpTo(random, config.textureKiB));
  }

  /** Opens: one render target per frame in flight, and a depth buffer. */
  open(): void {
    const { width, height, framesInFlight } = this.#world.config;
    const size = Math.ceil((4 * width * height) / TILE) * TILE;
    for (let target = 0; target <= framesInFlight; target++) this.#map(TARGETS + target * 2 ** 28, size);
  }

  /** Everything that one frame changes. */
  frame(number: number): void {
    const { config, random } = this.#world;
    if (this.#inFlight.length >= config.framesInFlight) {
      for (const buffer of this.#inFlight.shift() ?? []) this.#unmapBuffer(buffer);
    }
    const buffers: GpuBuffer[] = [];
    for (let at = 0; at < config.frameBuffers; at++) {
      const size = sizeUpTo(random, config.frameBufferKiB);
      buffers.push(this.#map(this.#buffers.take(size, PAGE), size));
    }
    this.#inFlight.push(buffers);
    this.#useTextures(number);
    this.#moveTiles(number);
    if (this.#chunks < config.heapChunks && random.chance(config.heapShare)) {
      this.#map(HEAP + this.#chunks * HUGE, HUGE);
      this.#chunks++;
    }
  }

  /** The frame in which the texture unused for longest was used, or Infinity. */
  get oldestUse(): number {
    let oldest = Number.POSITIVE_INFINITY;
    for (const { lastFrame } of this.#textures.values()) oldest = Math.min(oldest, lastFrame);
    return oldest;
  }

  /** Unmaps the texture unused for longest. */
  evict(): void {
    const { oldestUse } = this;
    for (const [number, texture] of this.#textures) {
      if (texture.lastFrame !== oldestUse) continue;
      this.#textures.delete(number);
      this.#textureRoom.give(texture.iova, texture.size);
      this.#world.resident -= texture.size;
      this.#unmap(texture);
      return;
    }
  }

  /** Closes: everything goes. */
  close(): void {
    for (const buffers of this.#inFlight.splice(0)) for (const buffer of buffers) this.#unmapBuffer(buffer);
    for (const { buffer } of this.#tiles.values()) this.#unmap(buffer);
    while (this.#textures.size > 0) this.evict();
  }

  #useTextures(frame: number): void {
    const { config, random } = this.#world;
    if (config.textures === 0) return;
    // A few of the resident ones are drawn with, which keeps them.
    const resident = [...this.#textures.values()];
    for (let used = 0; used < 8 && resident.length > 0; used++) {
      (resident[random.below(resident.length)] as Texture).lastFrame = frame;
    }
    if (!random.chance(config.textureShare)) return;
    const number = random.below(config.textures);
    if (this.#textures.has(number)) return;
    const size = this.#sizes[number] as number;
    this.#world.resident += size;
    const alignment = size >= HUGE ? HUGE : TILE;
    const buffer = this.#map(this.#textureRoom.take(size, alignment), size);
    this.#textures.set(number, { ...buffer, lastFrame: frame });
  }

  #moveTiles(frame: number): void {
    const { config, random } = this.#world;
    for (const [place, { buffer, until }] of this.#tiles) {
      if (until > frame) continue;
      this.#tiles.delete(place);
      this.#unmap(buffer);
    }
    for (let tile = 0; tile < config.sparseTiles; tile++) {
      const place = random.below(SPARSE_SIZE / TILE);
      if (this.#tiles.has(place)) continue;
      const until = frame + 1 + random.below(config.sparseFrames);
      this.#tiles.set(place, { buffer: this.#map(SPARSE + place * TILE, TILE), until });
    }
  }

  #unmapBuffer(buffer: GpuBuffer): void {
    this.#buffers.give(buffer.iova, buffer.size);
    this.#unmap(buffer);
  }

  #map(iova: number, size: number): GpuBuffer {
    const extents = this.#world.backing(size);
    let at = iova;
    for (const extent of extents) {
      this.#world.mapped(this.as, at, extent);
      at += extent.size;
    }
    return { iova, size, extents };
  }

  #unmap({ iova, size, extents }: GpuBuffer): void {
    this.#world.unmapped(this.as, iova, size);
    this.#world.release(extents);
  }
}

/** Small sizes are more frequent than large ones: uniform in the logarithm, in whole pages. */
function sizeUpTo(random: Prng, mostKiB: number): number {
  const pages = mostKiB / 4;
  return Math.max(1, Math.floor(pages ** random.unit())) * PAGE;
}
