/** Growing heaps: the GPU faults where nothing is mapped yet, and gets 2 MiB there (`panfrost_mmu_map_fault_addr`). */
import { CPU_PAGE, Errno, NO_PAGES } from '../../../../formats/index.ts';
import type { AddressSpaces } from './address-spaces.ts';
import type { PanfrostBuffer } from './buffer.ts';
import type { Mappings } from './mappings.ts';
import type { PanfrostPorts } from './ports.ts';
import type { PanfrostProfile } from './profile.ts';

/** What a fault brings, naturally aligned. */
const CHUNK = 2 ** 21;
const CHUNK_PAGES = CHUNK / CPU_PAGE;

export class HeapGrowth {
  readonly #profile: PanfrostProfile;
  readonly #ports: PanfrostPorts;
  readonly #spaces: AddressSpaces;
  readonly #mappings: Mappings;

  constructor(profile: PanfrostProfile, ports: PanfrostPorts, spaces: AddressSpaces, mappings: Mappings) {
    this.#profile = profile;
    this.#ports = ports;
    this.#spaces = spaces;
    this.#mappings = mappings;
  }

  /** Backs the chunk around a faulting address. @returns 0 when the access may be tried again, else a negative errno. */
  grow(slot: number, address: number): number {
    const buffer = this.#spaces.owner(slot)?.bufferAt(address) ?? null;
    if (buffer === null) return -Errno.ENOENT;
    if (!buffer.heap) {
      this.#ports.warn('fault-outside-heap');
      return -Errno.EINVAL;
    }
    const start = Math.floor(address / CHUNK) * CHUNK;
    const first = (start - buffer.iova) / CPU_PAGE;
    if (this.#isPopulated(buffer, start, first)) return 0;
    const ret = this.#populate(buffer.pages, first);
    if (ret !== 0) return ret;
    const segments = this.#ports.mapForDevice(buffer.pages.subarray(first, first + CHUNK_PAGES));
    const mapped = this.#mappings.mapSegments(buffer.context, start, segments, this.#mappings.protection(true));
    if (mapped === 0) buffer.active = true;
    return mapped;
  }

  #isPopulated(buffer: PanfrostBuffer, start: number, first: number): boolean {
    if (this.#profile.chunkIsPopulated === 'first-page') return buffer.pages[first] !== NO_PAGES;
    return buffer.context.table.iovaToPhys(start) !== 0;
  }

  /** Gets the pages of a chunk. Those it has already, from an attempt that failed midway, it keeps. */
  #populate(pages: Float64Array, first: number): number {
    for (let page = first; page < first + CHUNK_PAGES; page++) {
      if (pages[page] !== NO_PAGES) {
        if (this.#profile.warnsOfOwnedPages) this.#ports.warn('page-already-owned');
        continue;
      }
      const pa = this.#ports.allocPage();
      if (pa === NO_PAGES) return -Errno.ENOMEM;
      pages[page] = pa;
    }
    return 0;
  }
}
