/** A machine for tests of LPAE tables: it owns up to every table, and sees memory as a device without snooping does. */
import {
  allocIoPgtable,
  type DmaPort,
  type InterleavePoint,
  type IoPgtable,
  type IoPgtableConfig,
  type IotlbGather,
  type Machine,
  NO_PAGES,
  type TableAllocator,
  type TlbFlushOps,
  type WarningCode,
} from '../../formats/index.ts';
import { FlatMemory } from './flat-memory.ts';

const BASE = 0x8000_0000;
/** Bit 55 of a table entry is set after the sync, and is for software only. */
const SW_SYNC_HIGH = 2 ** 23;

export class LpaeRig implements Machine, DmaPort, TlbFlushOps, TableAllocator {
  readonly memory = new FlatMemory(BASE);
  readonly dma: DmaPort = this;
  readonly pages: TableAllocator = this;
  readonly warnings: WarningCode[] = [];
  /** Tables that are out, with their sizes. */
  readonly live = new Map<number, number>();
  /** Flush callbacks in order: "all", "walk iova size", "page iova size". */
  readonly flushes: string[] = [];
  /** The Nth allocation from now fails; 0 for none. */
  failAfter = 0;
  interleave: (point: InterleavePoint) => void = () => {};

  /** Memory as a device sees it: what was synced. */
  readonly #device = new FlatMemory(BASE);
  readonly #mapped = new Map<number, number>();
  readonly #free = new Map<number, number[]>();
  #next = BASE;

  table(config: IoPgtableConfig): IoPgtable {
    return allocIoPgtable({ ...config, tlb: this }, this, null);
  }

  alloc(_cookie: unknown, size: number): number {
    if (this.failAfter > 0) {
      this.failAfter--;
      if (this.failAfter === 0) return NO_PAGES;
    }
    let pa = this.#free.get(size)?.pop();
    if (pa === undefined) {
      pa = Math.ceil(this.#next / size) * size;
      this.#next = pa + size;
    }
    if (this.live.has(pa)) throw new Error('allocated twice');
    this.live.set(pa, size);
    this.memory.index(pa + size);
    const at = this.memory.index(pa);
    this.memory.words.fill(0, at, at + size / 4);
    return pa;
  }

  free(_cookie: unknown, pa: number, size: number): void {
    if (this.live.get(pa) !== size) throw new Error(`freed what was not allocated so: 0x${pa.toString(16)}, ${size}`);
    if (this.#mapped.has(pa)) throw new Error('freed while mapped for the device');
    this.live.delete(pa);
    const at = this.memory.index(pa);
    this.memory.words.fill(0xaaaaaaaa, at, at + size / 4);
    const list = this.#free.get(size) ?? [];
    list.push(pa);
    this.#free.set(size, list);
  }

  mapSingle(pa: number, size: number): number {
    this.#mapped.set(pa, size);
    this.#clean(pa, size);
    return pa;
  }

  unmapSingle(pa: number, size: number): void {
    if (this.#mapped.get(pa) !== size) throw new Error('unmapped for the device what was not mapped so');
    this.#mapped.delete(pa);
  }

  syncSingleForDevice(pa: number, size: number): void {
    this.#clean(pa, size);
  }

  /** The first descriptor of a live table that a device without snooping sees otherwise than the CPU, or null. */
  staleDescriptor(): number | null {
    const { words } = this.memory;
    const seen = this.#device.words;
    for (const [pa, size] of this.#mapped) {
      const cpu = this.memory.index(pa);
      const device = this.#device.index(pa);
      for (let i = 0; i < size / 4; i++) {
        const difference = ((words[cpu + i] ?? 0) ^ (seen[device + i] ?? 0)) >>> 0;
        if (difference !== 0 && !(i % 2 === 1 && difference === SW_SYNC_HIGH)) return pa + 4 * i;
      }
    }
    return null;
  }

  warn(code: WarningCode): void {
    this.warnings.push(code);
  }

  flushAll(): void {
    this.flushes.push('all');
  }

  flushWalk(iova: number, size: number, _granule?: number): void {
    this.flushes.push(`walk 0x${iova.toString(16)} 0x${size.toString(16)}`);
  }

  addPage(_gather: IotlbGather | null, iova: number, granule: number): void {
    this.flushes.push(`page 0x${iova.toString(16)} 0x${granule.toString(16)}`);
  }

  #clean(pa: number, size: number): void {
    this.#device.index(pa + size);
    const from = this.memory.index(pa);
    const to = this.#device.index(pa);
    this.#device.words.set(this.memory.words.subarray(from, from + size / 4), to);
  }
}
