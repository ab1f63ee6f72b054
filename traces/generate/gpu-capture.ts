/**
 * A synthetic capture of a GPU's mappings, in the form of panthor's debug lines in a kernel log. The first line and every other say that
 * it is synthetic: it is a declared workload (per-frame buffers, textures that come and go under memory pressure, sparse residency, a
 * tiler heap that grows), for tools to be tried on, and no measurement of anything.
 */
import { Prng } from '../../formats/index.ts';
import { AddressRoom } from './address-room.ts';
import { type GpuCaptureConfig, type GpuCaptureInput, parseGpuCapture } from './gpu-config.ts';
import { type Extent, GpuSpace, type GpuWorld } from './gpu-space.ts';

const PAGE = 4096;
const HUGE = 2 ** 21;
/** Physical memory of the synthetic machine. */
const MEMORY = 0x1_0000_0000;
/** Pages of a run of small pages, at most. */
const LONGEST_RUN = 64;
/** Seconds of the log's clock at which it begins, and between two lines of one frame: 2 µs. */
const START = 10;
const LINE_TIME = 2e-6;
const DEVICE = 'panthor synthetic.gpu';

/** What was generated. */
export interface GpuCaptureTotals {
  readonly maps: number;
  readonly unmaps: number;
  readonly bytesMapped: number;
  readonly evictions: number;
}

class CaptureWriter implements GpuWorld {
  readonly config: GpuCaptureConfig;
  readonly random: Prng;
  resident = 0;
  maps = 0;
  unmaps = 0;
  bytesMapped = 0;
  evictions = 0;
  readonly #small = new AddressRoom(MEMORY);
  readonly #huge = new AddressRoom(2 * MEMORY);
  readonly #write: (line: string) => void;
  #now = START;

  constructor(config: GpuCaptureConfig, write: (line: string) => void) {
    this.config = config;
    this.random = new Prng(config.seed);
    this.#write = write;
  }

  run(): void {
    const { config } = this;
    const settings = JSON.stringify(config);
    this.#line(`tablewalk: synthetic GPU capture, no measurement of anything: ${settings}`);
    const spaces = Array.from({ length: config.spaces }, (_, at) => new GpuSpace(at + 1, this));
    for (const space of spaces) space.open();
    for (let frame = 0; frame < config.frames; frame++) {
      this.#now = Math.max(this.#now, START + (frame + 1) / config.rate);
      for (const space of spaces) space.frame(frame);
      this.#makeRoom(spaces);
    }
    for (const space of spaces) space.close();
  }

  backing(size: number): Extent[] {
    const extents: Extent[] = [];
    let left = size;
    while (left > 0) {
      if (left >= HUGE && this.random.chance(this.config.hugeShare)) {
        extents.push({ pa: this.#huge.take(HUGE, HUGE), size: HUGE });
        left -= HUGE;
        continue;
      }
      const bytes = Math.min(left, (1 + this.random.below(LONGEST_RUN)) * PAGE);
      extents.push({ pa: this.#small.take(bytes, PAGE), size: bytes });
      left -= bytes;
    }
    return extents;
  }

  release(extents: readonly Extent[]): void {
    for (const { pa, size } of extents) (pa >= 2 * MEMORY ? this.#huge : this.#small).give(pa, size);
  }

  mapped(as: number, iova: number, { pa, size }: Extent): void {
    this.maps++;
    this.bytesMapped += size;
    const paddr = `0x${pa.toString(16).padStart(16, '0')}`;
    this.#line(
      `${DEVICE}: [drm:panthor_vm_map_pages [panthor]] map: as=${as}, iova=${hex(iova)}, paddr=${paddr}, len=${hex(size)}`,
    );
  }

  unmapped(as: number, iova: number, size: number): void {
    this.unmaps++;
    this.#line(
      `${DEVICE}: [drm:panthor_vm_unmap_pages [panthor]] unmap: as=${as}, iova=${hex(iova)}, len=${hex(size)}`,
    );
  }

  /** Memory is out: textures go, the one unused for longest first, whosever it is. */
  #makeRoom(spaces: readonly GpuSpace[]): void {
    const most = this.config.residentMiB * 2 ** 20;
    while (this.resident > most) {
      const oldest = spaces.reduce((a, b) => (b.oldestUse < a.oldestUse ? b : a));
      oldest.evict();
      this.evictions++;
    }
  }

  #line(text: string): void {
    this.#write(`[${this.#now.toFixed(6).padStart(12)}] ${text}\n`);
    this.#now += LINE_TIME;
  }
}

function hex(value: number): string {
  return value.toString(16);
}

/**
 * Writes a synthetic capture, line by line; the same configuration gives the same bytes.
 * @throws ConfigError naming the field
 */
export function generateGpuCapture(input: GpuCaptureInput, write: (line: string) => void): GpuCaptureTotals {
  const writer = new CaptureWriter(parseGpuCapture(input), write);
  writer.run();
  const { maps, unmaps, bytesMapped, evictions } = writer;
  return { maps, unmaps, bytesMapped, evictions };
}
