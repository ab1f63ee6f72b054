/** The computer around the GPU of a workload: memory, page tables, and panfrost, which gives the GPU what its jobs need. */
import * as v from 'valibot';
import {
  BuddySystemPages,
  Bus,
  BusView,
  DmaApi,
  DmaSchema,
  PageAllocator,
  PageAllocatorSchema,
  PhysicalMemory,
} from '../../../emulator/index.ts';
import { allocIoPgtable, CPU_PAGE, createAllocatorStack, Gfp, type Machine, NO_PAGES } from '../../../formats/index.ts';
import type { PollKernel } from '../../registers/index.ts';
import type { MaliConfigInput } from '../device/index.ts';
import { MaliMmu } from '../device/index.ts';
import type { PanfrostContext } from '../driver/index.ts';
import {
  DriverCpu,
  joinPages,
  PANFROST_PROFILES,
  PanfrostBuffer,
  PanfrostDriver,
  type PanfrostPorts,
  type Segment,
} from '../driver/index.ts';

const RAM_BASE = 0x8000_0000;
/** First address that surfaces get in each address space: panfrost keeps the first 32 MiB free. */
const FIRST_IOVA = 32 * 2 ** 20;
const HUGE = 2 ** 21;

export interface GpuSystemOptions {
  readonly mali?: MaliConfigInput;
  readonly kernel?: PollKernel;
  /** Bytes of RAM. Default: 1 GiB. */
  readonly memory?: number;
  /** Pages that heaps can get before there are no more; default: what memory has. */
  readonly heapPages?: number;
}

export class GpuSystem {
  readonly device: MaliMmu;
  readonly driver: PanfrostDriver;
  readonly cpu: DriverCpu;
  /** Pages that heaps got. */
  heapPagesGiven = 0;
  readonly #pages: PageAllocator;
  readonly #contexts: PanfrostContext[] = [];
  readonly #nextIova: number[] = [];
  #heapPages: number;

  constructor(options: GpuSystemOptions = {}) {
    const { mali = {}, kernel = '7.3', memory: bytes = 2 ** 30 } = options;
    const memory = new PhysicalMemory({ banks: [{ base: RAM_BASE, size: bytes, node: 0 }] });
    const port = new Bus(memory, null).port('mali', BusView.COHERENT);
    this.#pages = new PageAllocator(
      { banks: [{ base: RAM_BASE, size: bytes, node: 0 }] },
      memory,
      v.parse(PageAllocatorSchema, {}),
    );
    this.#heapPages = options.heapPages ?? Number.POSITIVE_INFINITY;
    const tables = createAllocatorStack('page', {
      system: new BuddySystemPages(this.#pages),
      memory,
      tableSize: CPU_PAGE,
    });
    const machine: Machine = {
      memory,
      dma: new DmaApi(memory, v.parse(DmaSchema, { coherent: true })),
      pages: tables,
      warn: () => {},
    };
    this.device = new MaliMmu({ config: mali, memory: port });
    this.cpu = new DriverCpu(this.device);
    const { asPresent, vaBits, paBits } = this.device.config;
    const features = { asPresent, vaBits, paBits, coherent: true, aarch64Mmu: true, aarch64Tables: false };
    const ports: PanfrostPorts = {
      registers: this.cpu,
      createTable: (config) => allocIoPgtable(config, machine, null),
      allocPage: () => this.#heapPage(),
      mapForDevice: (pages) => joinPages(pages),
      isAwake: () => true,
      queueReset: () => {},
      warn: () => {},
      log: () => {},
    };
    this.driver = new PanfrostDriver(PANFROST_PROFILES[kernel], features, ports);
    this.driver.reset();
  }

  /** The context of an address space of the workload. */
  context(space: number): PanfrostContext {
    let context = this.#contexts[space];
    if (context === undefined) {
      const made = this.driver.createContext();
      if (typeof made === 'number') throw new RangeError(`the GPU's addresses do not fit its tables: ${made}`);
      context = made;
      this.#contexts[space] = context;
    }
    return context;
  }

  /** Takes a place for a surface, and maps it unless it is a heap, which grows by itself. */
  place(space: number, size: number, heap: boolean): PanfrostBuffer {
    const context = this.context(space);
    const iova = Math.ceil((this.#nextIova[space] ?? FIRST_IOVA) / HUGE) * HUGE;
    const pages = Math.ceil(size / CPU_PAGE) * CPU_PAGE;
    this.#nextIova[space] = iova + pages;
    return this.#place(context, iova, pages, heap);
  }

  /** Unmaps a surface and maps it again, at the same place with other memory. */
  remap(old: PanfrostBuffer): PanfrostBuffer {
    this.driver.unmap(old);
    old.context.remove(old);
    const fresh = this.#place(old.context, old.iova, old.size, false);
    for (const { pa, size } of old.segments) this.#give(pa, size);
    return fresh;
  }

  #place(context: PanfrostContext, iova: number, size: number, heap: boolean): PanfrostBuffer {
    const segments = heap ? [] : this.#backing(size);
    const buffer = new PanfrostBuffer(context, { iova, size, heap, noexec: true }, segments);
    context.place(buffer);
    if (!heap) this.driver.map(buffer);
    return buffer;
  }

  /** Whole 2 MiB where they fit, else single pages, neighbours joined. */
  #backing(size: number): readonly Segment[] {
    const segments: Segment[] = [];
    let left = size;
    for (; left >= HUGE; left -= HUGE) segments.push({ pa: this.#take(HUGE), size: HUGE });
    const pages: number[] = [];
    for (; left > 0; left -= CPU_PAGE) pages.push(this.#take(CPU_PAGE));
    return [...segments, ...joinPages(pages)];
  }

  #take(size: number): number {
    const pa = this.#pages.alloc(this, size, Gfp.KERNEL);
    if (pa === NO_PAGES) throw new RangeError('the workload needs more memory than the machine has');
    return pa;
  }

  #give(pa: number, size: number): void {
    const step = size % HUGE === 0 && pa % HUGE === 0 ? HUGE : CPU_PAGE;
    for (let at = 0; at < size; at += step) this.#pages.free(this, pa + at, step);
  }

  #heapPage(): number {
    if (this.#heapPages <= 0) return NO_PAGES;
    this.#heapPages--;
    this.heapPagesGiven++;
    return this.#pages.alloc(this, CPU_PAGE, Gfp.KERNEL);
  }
}
