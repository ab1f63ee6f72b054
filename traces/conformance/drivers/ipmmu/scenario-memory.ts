import { PhysicalMemory } from '../../../../emulator/index.ts';
import type { DmaPort, Machine, TableAllocator, WarningCode } from '../../../../formats/index.ts';

/** Where tables below the first level come from; the recorded first levels lie elsewhere. */
const TABLES_BASE = 0xf0_0000_0000;
const MEMORY_END = 2 ** 40;
const PAGE = 4096;

/** The memory that a driver under test keeps its tables in: a first-level table lies where it lay in the recording. */
export class ScenarioMemory implements Machine {
  readonly memory = new PhysicalMemory({ banks: [{ base: 0, size: MEMORY_END, node: 0 }] });
  readonly dma: DmaPort = { mapSingle: (pa) => pa, unmapSingle: () => {}, syncSingleForDevice: () => {} };
  readonly pages: TableAllocator;
  readonly warn: (code: WarningCode) => void;
  /** Address of the next table, if it is recorded; else -1. */
  nextTable = -1;
  #free = TABLES_BASE;

  constructor(warn: (code: WarningCode) => void) {
    this.warn = warn;
    this.pages = { alloc: () => this.#alloc(), free: () => {} };
  }

  /** No page is used twice, so that each is zero when it is given out. */
  #alloc(): number {
    const recorded = this.nextTable;
    this.nextTable = -1;
    if (recorded >= 0) {
      const at = this.memory.index(recorded);
      this.memory.words.fill(0, at, at + PAGE / 4);
      return recorded;
    }
    const pa = this.#free;
    this.#free += PAGE;
    return pa;
  }
}
