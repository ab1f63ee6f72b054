/**
 * The system bus: decodes physical addresses to RAM, device registers or nothing, and gives every initiator a port.
 *
 * Models address decode, what each initiator sees (CPU, snooping, not snooping), bus errors on holes, latency and a shared
 * bandwidth, counters per initiator. Does not model arbitration among initiators beyond the order of their requests, write
 * buffers, exclusive monitors (a `replace` is simply atomic) and address parity.
 */

import * as v from 'valibot';
import { ConfigError } from '../formats/index.ts';
import { BusPort, type BusView } from './bus-port.ts';
import type { CpuCache } from './cpu-cache.ts';
import { MemoryChannel } from './memory-channel.ts';
import { type MmioDevice, MmioMap } from './mmio-map.ts';
import type { PhysicalMemory } from './physical-memory.ts';

export const BusSchema = v.strictObject({
  /** Cycles from a request to RAM until its data, without waiting. Default: 100 ns at 1 GHz, the memory of the gem5 reference runs. */
  latency: v.optional(v.pipe(v.number(), v.finite(), v.minValue(0)), 100),
  /** Bytes per cycle that RAM moves, for all initiators together; 0 is unlimited. Default: unlimited, as in the gem5 reference runs. */
  bandwidth: v.optional(v.pipe(v.number(), v.finite(), v.minValue(0)), 0),
  /** Cycles of one access to a device register. Assumed. */
  mmioLatency: v.optional(v.pipe(v.number(), v.finite(), v.minValue(0)), 100),
});
export type BusConfig = v.InferOutput<typeof BusSchema>;

/** The configuration that an empty object gives. */
export const DEFAULT_BUS: BusConfig = v.parse(BusSchema, {});

export class Bus {
  readonly memory: PhysicalMemory;
  /** The CPU's cache; null when none is modelled, and every initiator sees memory. */
  readonly cache: CpuCache | null;
  readonly channel: MemoryChannel;
  /** All ports, in the order in which they were made. */
  readonly ports: readonly BusPort[] = [];
  readonly #mmio = new MmioMap();
  readonly #mmioCycles: number;

  constructor(memory: PhysicalMemory, cache: CpuCache | null, config: BusConfig = DEFAULT_BUS) {
    this.memory = memory;
    this.cache = cache;
    this.channel = new MemoryChannel(config.latency, config.bandwidth);
    this.#mmioCycles = config.mmioLatency;
  }

  /** Puts a device's registers at `[base, base + size)`. @throws ConfigError when something else is there. */
  attach(name: string, base: number, size: number, device: MmioDevice): void {
    for (const bank of this.memory.banks) {
      if (base < bank.base + bank.size && bank.base < base + size) {
        throw new ConfigError(`bus.mmio.${name}.base`, base, 'a range that does not overlap RAM');
      }
    }
    this.#mmio.attach({ name, base, size, device });
  }

  /** A port for one more initiator. */
  port(name: string, view: BusView): BusPort {
    const { memory, cache, channel } = this;
    const port = new BusPort(name, view, { memory, cache, mmio: this.#mmio, channel, mmioCycles: this.#mmioCycles });
    (this.ports as BusPort[]).push(port);
    return port;
  }
}
