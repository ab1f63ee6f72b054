import {
  allocIoPgtable,
  DMA_MAPPING_ERROR,
  Gfp,
  type InterleavePoint,
  type IoPgtable,
  type IoPgtableConfig,
  type IotlbGather,
  type Machine,
  NO_PAGES,
} from '../../../formats/index.ts';

/** Sparse words; grows by replacing the array, as the port allows. */
class Words {
  words = new Uint32Array(16384);
  readonly #frames = new Map<number, number>();

  index(pa: number): number {
    const frame = Math.floor(pa / 65536);
    let at = this.#frames.get(frame);
    if (at === undefined) {
      at = this.#frames.size * 16384;
      this.#frames.set(frame, at);
      if (at + 16384 > this.words.length) {
        const grown = new Uint32Array(2 * this.words.length);
        grown.set(this.words);
        this.words = grown;
      }
    }
    return at + (pa % 65536) / 4;
  }

  written(): void {}
}

export interface Rig {
  readonly table: IoPgtable;
  /** What happened, in order: `alloc 0x400`, `walk 0x100000 0x100000 0x1000`, `page 0x1000 0x1000`, `warn unmap-hole`, ... */
  readonly events: string[];
  /** The same in the form that conformance vectors have. */
  readonly record: (readonly (string | number)[])[];
  /** Tables that are out: address to size. */
  readonly live: Map<number, number>;
  /** The descriptor at `index` of the table at `pa`. */
  word(pa: number, index: number): number;
  /** The same descriptor as a device sees it that does not snoop the CPU's cache: as it was when last synced. */
  deviceWord(pa: number, index: number): number;
  /** Lets the nth allocation (from 1) from now on fail. */
  failAllocation(nth: number): void;
}

export interface RigOptions {
  readonly config?: Partial<IoPgtableConfig>;
  /** First address that the allocator gives out. */
  readonly base?: number;
  readonly dma?: 'fails' | 'bounces';
  /** Runs once, at the first place of the kind that {@link interleaveAt} names. */
  readonly interleave?: (rig: Rig) => void;
  /** Default 'before-exchange'. */
  readonly interleaveAt?: InterleavePoint;
  readonly slabs?: boolean;
  /** Sees every TLB walk flush, while it happens. */
  readonly onFlush?: (rig: Rig) => void;
}

export const hex = (value: number): string => `0x${value.toString(16)}`;

/** A short-descriptor table on a machine that writes down what is asked of it. */
export function rigV7s(options: RigOptions = {}): Rig {
  const memory = new Words();
  const events: string[] = [];
  const record: (readonly (string | number)[])[] = [];
  const device = new Map<number, number>();
  const live = new Map<number, number>();
  let next = options.base ?? 0x8000_0000;
  let failing = 0;
  const free = new Map<number, number[]>();
  const note = (text: string, ...event: (string | number)[]): void => {
    events.push(text);
    record.push(event);
  };
  /** The device sees what is in memory now. */
  const clean = (pa: number, size: number): void => {
    const at = memory.index(pa);
    for (let i = 0; i < size / 4; i++) device.set(pa + 4 * i, memory.words[at + i] ?? 0);
  };
  const pages = (name: string) => ({
    alloc(_cookie: unknown, size: number, gfp: number): number {
      const flags = (gfp & Gfp.KERNEL) !== 0 ? 'K' : (gfp & Gfp.ATOMIC) !== 0 ? 'A' : '0';
      if (failing > 0 && --failing === 0) {
        note(`no ${name} ${hex(size)}`, 'A!', hex(size), flags);
        return NO_PAGES;
      }
      let pa = free.get(size)?.pop();
      if (pa === undefined) {
        pa = Math.ceil(next / size) * size;
        next = pa + size;
      }
      const at = memory.index(pa);
      memory.words.fill(0, at, at + size / 4);
      live.set(pa, size);
      note(`${name} ${hex(size)}`, 'A', hex(pa), hex(size), flags);
      return pa;
    },
    free(_cookie: unknown, pa: number, size: number): void {
      if (live.get(pa) !== size) throw new Error(`free of ${hex(pa)}, ${hex(size)}, which is not out`);
      live.delete(pa);
      const at = memory.index(pa);
      // A walk through freed memory then finds nothing that looks like a table of ours.
      memory.words.fill(0xaaaaaaaa, at, at + size / 4);
      free.set(size, [...(free.get(size) ?? []), pa]);
      note(`free ${hex(size)}`, 'F', hex(pa), hex(size));
    },
  });
  let rig: Rig | null = null;
  let armed = true;
  const machine: Machine = {
    memory,
    pages: pages('alloc'),
    ...(options.slabs === true ? { slabs: pages('slab') } : {}),
    dma: {
      mapSingle(pa, size) {
        clean(pa, size);
        note(`map ${hex(pa)} ${hex(size)}`, 'M', hex(pa), hex(size));
        if (options.dma === 'fails' && rig !== null) return DMA_MAPPING_ERROR;
        return options.dma === 'bounces' && rig !== null ? pa + 4096 : pa;
      },
      unmapSingle: (bus, size) => note(`unmap ${hex(bus)} ${hex(size)}`, 'U', hex(bus), hex(size)),
      syncSingleForDevice(bus, size) {
        clean(bus, size);
        note(`sync ${hex(bus)} ${hex(size)}`, 'S', hex(bus), hex(size));
      },
    },
    warn: (code) => note(`warn ${code}`, 'warn', code, code),
    log: () => note('log', 'err', 'log'),
    interleave(point) {
      if (rig === null || options.interleave === undefined || !armed) return;
      if (point !== (options.interleaveAt ?? 'before-exchange')) return;
      armed = false;
      options.interleave(rig);
    },
  };
  const table = allocIoPgtable(
    {
      format: 'ARM_V7S',
      pageSizes: 0x1111000,
      ias: 32,
      oas: 32,
      tlb: {
        flushAll: () => note('all', 'FA'),
        flushWalk(iova, size, granule) {
          note(`walk ${hex(iova)} ${hex(size)} ${hex(granule)}`, 'W', hex(iova), hex(size), hex(granule));
          if (rig !== null) options.onFlush?.(rig);
        },
        addPage: (_gather, iova, granule) => note(`page ${hex(iova)} ${hex(granule)}`, 'P', hex(iova), hex(granule)),
      },
      ...options.config,
    },
    machine,
    null,
  );
  rig = {
    table,
    events,
    record,
    live,
    deviceWord: (pa, index) => device.get(pa + 4 * index) ?? 0,
    word: (pa, index) => memory.words[memory.index(pa) + index] ?? 0,
    failAllocation(nth) {
      failing = nth;
    },
  };
  events.length = 0;
  return rig;
}

export function gather(queued = false): IotlbGather {
  return { start: 1, end: 0, pageSize: 0, queued };
}
