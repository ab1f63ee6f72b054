import type { DmaPort, Prng } from '../../formats/index.ts';
import type { PlantedBugsConfig } from './config.ts';

const DESCRIPTOR_BYTES = 8;

/** The DMA API as software uses it that gets cache maintenance wrong. */
class MisusedDma implements DmaPort {
  readonly #inner: DmaPort;
  readonly #config: PlantedBugsConfig;
  readonly #prng: Prng;
  /** Tables that were not given to the DMA API. */
  readonly #untold = new Set<number>();
  /** The sync that is held back. */
  #late: readonly [busAddress: number, size: number] | null = null;

  constructor(inner: DmaPort, config: PlantedBugsConfig, prng: Prng) {
    this.#inner = inner;
    this.#config = config;
    this.#prng = prng;
  }

  mapSingle(pa: number, size: number): number {
    if (this.#prng.chance(this.#config.skipDmaMap)) {
      this.#untold.add(pa);
      return pa;
    }
    const address = this.#inner.mapSingle(pa, size);
    if (this.#prng.chance(this.#config.dmaMapTwice)) this.#inner.mapSingle(pa, size);
    return address;
  }

  unmapSingle(busAddress: number, size: number): void {
    if (this.#untold.delete(busAddress)) return;
    const { wrongDmaSize, dmaUnmapTwice } = this.#config;
    this.#inner.unmapSingle(busAddress, this.#prng.chance(wrongDmaSize) ? size / 2 : size);
    if (this.#prng.chance(dmaUnmapTwice)) this.#inner.unmapSingle(busAddress, size);
  }

  syncSingleForDevice(busAddress: number, size: number): void {
    const { shortSync, lateSync } = this.#config;
    let due: readonly [number, number] | null = [
      busAddress,
      this.#prng.chance(shortSync) ? Math.min(DESCRIPTOR_BYTES, size) : size,
    ];
    if (lateSync) [due, this.#late] = [this.#late, due];
    if (due !== null) this.#inner.syncSingleForDevice(due[0], due[1]);
  }
}

/** The DMA API with the planted bugs; `inner` where none is planted. Syncs that are left out are `DmaApi`'s. */
export function misusedDma(inner: DmaPort, config: PlantedBugsConfig, prng: Prng): DmaPort {
  const { skipDmaMap, dmaMapTwice, dmaUnmapTwice, wrongDmaSize, shortSync, lateSync } = config;
  const shares = skipDmaMap + dmaMapTwice + dmaUnmapTwice + wrongDmaSize + shortSync;
  return shares === 0 && !lateSync ? inner : new MisusedDma(inner, config, prng);
}
