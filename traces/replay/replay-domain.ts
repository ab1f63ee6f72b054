import { FlushQueue, type IommuDomain, IovaStock, type Machine } from '../../devices/index.ts';
import { LiveRanges, type WatchedSpace } from '../../emulator/index.ts';
import type { RunConfig } from '../config/index.ts';
import type { DomainInfo } from '../domains/index.ts';
import { DmaAddresses } from './dma-addresses.ts';

/** StreamIDs of domains whose device the capture does not name begin here where there are so many, above every PCI address of bus 0 to 0x7f. */
const FIRST_MADE_UP_STREAM = 0x8000;

/** One domain of the capture, on the machine. */
export interface ReplayDomain {
  /** Its number in the tracker. */
  readonly number: number;
  readonly domain: IommuDomain;
  /**
   * Streams of the devices that the capture names; one made up where it names none; none at all where the MMU has fewer streams than
   * the capture has domains.
   */
  readonly streams: number[];
  /** All its devices were attached to other domains: its one stream is made up, and nothing uses its table. */
  abandoned: boolean;
  readonly flushQueue: FlushQueue | null;
  /** What waits for its flush. */
  readonly queued: LiveRanges;
  /** How its IOVA allocator stands; null where the DMA API has no part in its maps. */
  readonly stock: IovaStock | null;
  /** Where the next pieces of scattered buffers begin whose first pieces are mapped, and where these buffers end. */
  readonly pieces: Map<number, number>;
  /** What the sanitizer knows of it. */
  readonly space: WatchedSpace;
}

/** The domains of a replay: each is made on the machine when the capture first uses it, with the streams of its devices. */
export class ReplayDomains {
  /** By the tracker's number. */
  readonly all: (ReplayDomain | undefined)[] = [];
  /** The device that the capture names for a stream. */
  readonly deviceOfStream = new Map<number, number>();

  readonly #machine: Machine;
  readonly #config: RunConfig;
  readonly #known: readonly DomainInfo[];
  readonly #streamOfDevice: (device: number) => number;
  /** Streams in use. */
  readonly #taken = new Set<number>();

  /**
   * @param known the tracker's domains
   * @param streamOfDevice StreamID of a device of the capture, or -1
   */
  constructor(
    machine: Machine,
    config: RunConfig,
    known: readonly DomainInfo[],
    streamOfDevice: (device: number) => number,
  ) {
    this.#machine = machine;
    this.#config = config;
    this.#known = known;
    this.#streamOfDevice = streamOfDevice;
  }

  /** A domain by number, made if need be; null when there is no memory for it. */
  at(number: number): ReplayDomain | null {
    const known = this.all[number];
    if (known !== undefined) return known;
    const { sanitizer } = this.#machine;
    const domain = this.#machine.createDomain();
    if (domain === null) return null;
    const space = this.#machine.spaceOf(domain);
    space.domain = number;
    const queued = new LiveRanges();
    const config = this.#config;
    const dmaApi = config.bind.mode === 'direct' && config.iommu.model !== 'mali';
    const stock = dmaApi ? new IovaStock(this.#machine.granule) : null;
    const one: ReplayDomain = {
      number,
      domain,
      streams: [],
      abandoned: false,
      flushQueue: config.invalidation.mode === 'lazy' ? this.#flushQueue(domain, queued, stock) : null,
      queued,
      stock,
      pieces: new Map(),
      space,
    };
    this.all[number] = one;
    for (const device of this.#known[number]?.devices ?? []) this.attach(device);
    this.#ensureStream(one);
    sanitizer.domain = number;
    return one;
  }

  /** Lets a device use the newest domain that the capture attached it to. */
  attach(device: number): void {
    const { driver } = this.#machine;
    const stream = this.#streamOfDevice(device);
    if (stream >= 0) this.deviceOfStream.set(stream, device);
    const number = this.#known.findLastIndex(({ devices }) => devices.includes(device));
    const one = this.all[number];
    if (stream < 0 || stream >= driver.streamCount || one === undefined || one.streams.includes(stream)) return;
    for (const other of this.all) {
      const held = other?.streams.indexOf(stream) ?? -1;
      if (other === undefined || held < 0) continue;
      driver.detach(other.domain, stream);
      other.streams.splice(held, 1);
      other.abandoned = other.streams.length === 0;
      this.#ensureStream(other);
    }
    this.#attach(one.domain, stream);
    one.abandoned = false;
    // The device itself comes before the one that was made up for it.
    one.streams.unshift(stream);
  }

  /** Lets a stream that no domain has use one. @returns false when the MMU has no such stream */
  use(one: ReplayDomain, stream: number): boolean {
    if (stream >= this.#machine.driver.streamCount) return false;
    this.#attach(one.domain, stream);
    one.streams.unshift(stream);
    return true;
  }

  /** Takes every table down. */
  tearDown(): void {
    for (const one of this.all) {
      if (one === undefined) continue;
      this.#machine.sanitizer.domain = one.number;
      for (const stream of one.streams) this.#machine.driver.detach(one.domain, stream);
      this.#machine.freeDomain(one.domain);
    }
  }

  #ensureStream(one: ReplayDomain): void {
    if (one.streams.length > 0) return;
    const stream = this.#freeStream(one.number);
    if (stream < 0) return;
    this.#attach(one.domain, stream);
    one.streams.push(stream);
  }

  /** The CPU that attaches is the one that maps: it takes its time. */
  #attach(domain: IommuDomain, stream: number): void {
    const { driver, clock, costs } = this.#machine;
    driver.now = clock.cycles;
    driver.attach(domain, stream);
    clock.cycles += costs.settle();
    this.#taken.add(stream);
  }

  /** A stream that no device of the capture is likely to have; -1 when all are taken. */
  #freeStream(number: number): number {
    const { streamCount } = this.#machine.driver;
    const usual = FIRST_MADE_UP_STREAM + number;
    if (usual < streamCount) return usual;
    for (let stream = streamCount - 1; stream >= 0; stream--) if (!this.#taken.has(stream)) return stream;
    return -1;
  }

  #flushQueue(domain: IommuDomain, queued: LiveRanges, stock: IovaStock | null): FlushQueue {
    const { driver, clock, costs } = this.#machine;
    const addresses = new DmaAddresses(this.#machine, this.#config.iovaCosts);
    return new FlushQueue(this.#config.invalidation.flushQueue, {
      flush: () => {
        driver.now = clock.cycles;
        driver.flushDomain(domain);
        queued.clear();
        clock.cycles += costs.settle();
      },
      release: (_iova, size, cpu) => addresses.free({ stock }, size, cpu),
    });
  }
}
