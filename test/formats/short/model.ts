import { Errno, type SplitPolicy } from '../../../formats/index.ts';

const PAGE = 0x1000;
const SECTION = 0x10_0000;
const PAGES = SECTION / PAGE;
const RUN = 16;

/**
 * A short-descriptor table as a plain map of what is mapped where: one entry for each MiB that a section or supersection maps, one
 * for each 4 KiB that a page or large page maps, and which MiB have a table. Addresses and sizes must be aligned.
 */
export class V7sModel {
  /** By MiB. */
  readonly sections = new Map<number, { readonly pa: number; readonly sixteenfold: boolean }>();
  /** By page number. */
  readonly pages = new Map<number, { readonly pa: number; readonly sixteenfold: boolean }>();
  /** MiB that have a level 2 table, also an empty one. */
  readonly tables = new Set<number>();
  /** The next allocation fails. */
  failing = false;
  readonly #split: SplitPolicy;

  constructor(split: SplitPolicy) {
    this.#split = split;
  }

  map(iova: number, pa: number, size: number, count: number): { ret: number; mapped: number } {
    for (let i = 0; i < count; i++) {
      const ret = this.#mapOne((iova + i * size) / PAGE, pa + i * size, size / PAGE);
      if (ret !== 0) return { ret, mapped: i * size };
    }
    return { ret: count === 0 ? -Errno.EINVAL : 0, mapped: count * size };
  }

  unmap(iova: number, size: number, count: number): number {
    for (let i = 0; i < count; i++) {
      if (!this.#unmapOne((iova + i * size) / PAGE, size / PAGE)) return i * size;
    }
    return count * size;
  }

  phys(iova: number): number {
    const section = this.sections.get(Math.floor(iova / SECTION));
    if (section !== undefined) return section.pa + (iova % SECTION);
    const page = this.pages.get(Math.floor(iova / PAGE));
    return page === undefined ? 0 : page.pa + (iova % PAGE);
  }

  #alloc(): boolean {
    const failed = this.failing;
    this.failing = false;
    return !failed;
  }

  #mapOne(page: number, pa: number, entries: number): number {
    const mib = Math.floor(page / PAGES);
    if (entries >= PAGES) {
      const sections = entries / PAGES;
      for (let i = mib; i < mib + sections; i++) {
        if (this.sections.has(i)) return -Errno.EEXIST;
        this.#dropTable(i);
      }
      for (let i = 0; i < sections; i++) {
        this.sections.set(mib + i, { pa: pa + i * SECTION, sixteenfold: sections > 1 });
      }
      return 0;
    }
    if (this.sections.has(mib)) return -Errno.EEXIST;
    if (!this.tables.has(mib) && !this.#alloc()) return -Errno.ENOMEM;
    this.tables.add(mib);
    for (let i = page; i < page + entries; i++) if (this.pages.has(i)) return -Errno.EEXIST;
    this.#fill(page, pa, entries, entries > 1);
    return 0;
  }

  #unmapOne(page: number, entries: number): boolean {
    const mib = Math.floor(page / PAGES);
    if (entries >= PAGES) return this.#unmapSections(mib, entries / PAGES);
    const section = this.sections.get(mib);
    if (section !== undefined) return this.#unmapPartOfSection(mib, section.sixteenfold, page, entries);
    for (let i = page; i < page + entries; i++) if (!this.pages.has(i)) return false;
    if (entries === 1 && this.pages.get(page)?.sixteenfold === true) {
      if (this.#split === 'refuse') return false;
      const first = page - (page % RUN);
      this.#fill(first, this.pages.get(first)?.pa ?? 0, RUN, false);
    }
    for (let i = page; i < page + entries; i++) this.pages.delete(i);
    return true;
  }

  #unmapSections(mib: number, sections: number): boolean {
    for (let i = mib; i < mib + sections; i++) if (!this.sections.has(i) && !this.tables.has(i)) return false;
    if (sections === 1 && this.sections.get(mib)?.sixteenfold === true) {
      if (this.#split === 'refuse') return false;
      this.#splitSupersection(mib);
    }
    for (let i = mib; i < mib + sections; i++) {
      this.sections.delete(i);
      this.#dropTable(i);
    }
    return true;
  }

  #unmapPartOfSection(mib: number, sixteenfold: boolean, page: number, entries: number): boolean {
    if (this.#split === 'refuse') return false;
    if (sixteenfold) this.#splitSupersection(mib);
    if (!this.#alloc()) return false;
    const inPlace = this.#split === 'in-place';
    // Linux compares with the first section of the sixteen, and so takes any other for somebody else's change.
    if (inPlace && sixteenfold && mib % RUN !== 0) return false;
    // Linux forgets where the section pointed to.
    const pa = inPlace ? 0 : (this.sections.get(mib)?.pa ?? 0);
    this.sections.delete(mib);
    this.tables.add(mib);
    this.#fill(mib * PAGES, pa, PAGES, entries > 1);
    for (let i = page; i < page + entries; i++) this.pages.delete(i);
    return true;
  }

  #splitSupersection(mib: number): void {
    const first = mib - (mib % RUN);
    for (let i = first; i < first + RUN; i++) {
      this.sections.set(i, { pa: this.sections.get(i)?.pa ?? 0, sixteenfold: false });
    }
  }

  #fill(page: number, pa: number, entries: number, sixteenfold: boolean): void {
    for (let i = 0; i < entries; i++) this.pages.set(page + i, { pa: pa + i * PAGE, sixteenfold });
  }

  #dropTable(mib: number): void {
    if (!this.tables.delete(mib)) return;
    for (let i = mib * PAGES; i < (mib + 1) * PAGES; i++) this.pages.delete(i);
  }
}
