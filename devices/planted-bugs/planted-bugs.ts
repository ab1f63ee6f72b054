import { type DmaPort, Prng, type TableAllocator, type TableMemory } from '../../formats/index.ts';
import { misused, unreliable } from './allocator.ts';
import type { PlantedBugsConfig } from './config.ts';
import { spoiledMemory } from './descriptors.ts';
import { misusedDma } from './dma.ts';

/**
 * Puts the planted bugs around allocator, memory and DMA API of the page-table software. Where there are none, nothing is put around.
 * Those of drivers are theirs, and those of maps and unmaps are put around a driver by the machine.
 */
export class PlantedBugs {
  readonly config: PlantedBugsConfig;
  readonly prng: Prng;

  /** @param seed added to that of `config` */
  constructor(config: PlantedBugsConfig, seed: number) {
    this.config = config;
    this.prng = new Prng(config.seed + seed);
  }

  /** Tables as their users ask for them and give them back. */
  users(inner: TableAllocator): TableAllocator {
    return misused(inner, this.config, this.prng);
  }

  /** Tables as they are given out. @param memory the CPU's view of them */
  source(inner: TableAllocator, memory: TableMemory): TableAllocator {
    return unreliable(inner, this.config, this.prng, memory);
  }

  dma(inner: DmaPort): DmaPort {
    return misusedDma(inner, this.config, this.prng);
  }

  memory(inner: TableMemory): TableMemory {
    return spoiledMemory(inner, this.config, this.prng);
  }

  /** Whether the operation that begins runs where no memory may be asked for. */
  allocatesInRun(): boolean {
    return this.prng.chance(this.config.allocateInRun);
  }

  /** Whether an address is handed out though its flush is still due. */
  handsOutEarly(): boolean {
    return this.prng.chance(this.config.earlyIova);
  }
}
