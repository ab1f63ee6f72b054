/**
 * The system bus: decodes physical addresses to RAM, device registers or nothing, and gives every initiator a port.
 *
 * Models address decode, what each initiator sees (CPU, snooping, not snooping), bus errors on holes, counters per
 * initiator. Does not model time (an initiator knows what its accesses cost), arbitration among initiators beyond the order of their requests, write
 * buffers, exclusive monitors (a `replace` is simply atomic) and address parity.
 */

import { ConfigError } from '../../formats/index.ts';
import { BusPort, type BusView } from './bus-port.ts';
import type { CpuCache } from './cpu-cache.ts';
import { type MmioDevice, MmioMap } from './mmio-map.ts';
import type { PhysicalMemory } from './physical-memory.ts';

export class Bus {
  readonly memory: PhysicalMemory;
  /** The CPU's cache; null when none is modelled, and every initiator sees memory. */
  readonly cache: CpuCache | null;
  /** All ports, in the order in which they were made. */
  readonly ports: readonly BusPort[] = [];
  readonly #mmio = new MmioMap();

  constructor(memory: PhysicalMemory, cache: CpuCache | null) {
    this.memory = memory;
    this.cache = cache;
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
    const { memory, cache } = this;
    const port = new BusPort(name, view, { memory, cache, mmio: this.#mmio });
    (this.ports as BusPort[]).push(port);
    return port;
  }
}
