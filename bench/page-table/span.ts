/** What the benchmarks of page-table software map, and in which order. */
import { Prng, Prot } from '../../formats/index.ts';

export const PAGE = 4096;
export const BLOCK = 2 ** 21;
export const GIB = 2 ** 30;
export const PAGES = GIB / PAGE;
export const RUN = 512;
export const IOVA = 0x40_0000_0000;
export const PA = 0x10_0000_0000;
export const PROT = Prot.READ | Prot.WRITE | Prot.CACHE;

/** Blocks are mapped over 64 GiB, so that there are enough of them to time. */
export const BLOCK_SPAN = 64 * GIB;

/** Every page once, in an order without any pattern. */
export const SHUFFLED = shuffled(PAGES);

function shuffled(count: number): Int32Array {
  const order = Int32Array.from({ length: count }, (_, i) => i);
  const chance = new Prng(1);
  for (let i = count - 1; i > 0; i--) {
    const j = chance.below(i + 1);
    const other = order[j] as number;
    order[j] = order[i] as number;
    order[i] = other;
  }
  return order;
}
