/** Mapping and unmapping buffers: runs of pages for io-pgtable, then one flush over the whole range. */
import { Gfp, Prot } from '../../../../formats/index.ts';
import { AsCommand } from '../../spec/index.ts';
import type { AddressSpaceCommands } from '../address-space-commands.ts';
import { alignmentOf, PageRun } from '../page-runs.ts';
import type { Segment } from '../scatter-list.ts';
import type { PanfrostBuffer } from './buffer.ts';
import type { PanfrostContext } from './context.ts';
import type { PanfrostPorts } from './ports.ts';
import type { PanfrostProfile } from './profile.ts';

export class Mappings {
  readonly #profile: PanfrostProfile;
  readonly #ports: PanfrostPorts;
  readonly #commands: AddressSpaceCommands;
  readonly #run = new PageRun();

  constructor(profile: PanfrostProfile, ports: PanfrostPorts, commands: AddressSpaceCommands) {
    this.#profile = profile;
    this.#ports = ports;
    this.#commands = commands;
  }

  /** Maps all memory of a buffer (`panfrost_mmu_map`). @returns 0 or a negative errno. */
  map(buffer: PanfrostBuffer): number {
    if (buffer.active) {
      this.#ports.warn('already-mapped');
      return 0;
    }
    const ret = this.mapSegments(buffer.context, buffer.iova, buffer.segments, this.protection(buffer.noexec));
    if (ret === 0) buffer.active = true;
    return ret;
  }

  /** Unmaps what is mapped of a buffer (`panfrost_mmu_unmap`). */
  unmap(buffer: PanfrostBuffer): void {
    if (!buffer.active) {
      this.#ports.warn('not-mapped');
      return;
    }
    const { table } = buffer.context;
    const run = this.#run;
    const end = buffer.iova + buffer.size;
    for (let iova = buffer.iova; iova < end; ) {
      run.first(iova, end - iova);
      // A heap has holes anywhere, so it goes page by page.
      if (buffer.heap) run.count = 1;
      if (!buffer.heap || table.iovaToPhys(iova) !== 0) {
        const unmapped = table.unmapPages(iova, run.pageSize, run.count, null);
        if (unmapped !== run.size) this.#ports.warn('short-unmap');
      }
      iova += run.size;
    }
    this.#flush(buffer.context, buffer.iova, buffer.size);
    buffer.active = false;
  }

  /** Protection of everything that this driver maps by itself. */
  protection(noexec: boolean): number {
    return Prot.READ | Prot.WRITE | (this.#profile.mapsCacheable ? Prot.CACHE : 0) | (noexec ? Prot.NOEXEC : 0);
  }

  /** Maps memory at `start` (`mmu_map_sg`). @returns 0 or a negative errno. */
  mapSegments(context: PanfrostContext, start: number, segments: readonly Segment[], prot: number): number {
    const { undoesFailedMaps } = this.#profile;
    const { table } = context;
    const run = this.#run;
    let iova = start;
    for (const segment of segments) {
      let { pa } = segment;
      const end = pa + segment.size;
      while (pa < end) {
        run.first(alignmentOf(iova, pa), end - pa);
        const ret = table.mapPages(iova, pa, run.pageSize, run.count, prot, Gfp.KERNEL);
        if (ret !== 0 && undoesFailedMaps) {
          this.#undo(context, start, iova + table.mapped);
          return ret;
        }
        // The driver of 6.12 goes on after an error: what is missing faults when it is used.
        const advance = Math.max(table.mapped, run.pageSize);
        iova += advance;
        pa += advance;
      }
    }
    this.#flush(context, start, iova - start);
    return 0;
  }

  #undo(context: PanfrostContext, start: number, end: number): void {
    const run = this.#run;
    for (let iova = start; iova < end; iova += run.size) {
      run.first(iova, end - iova);
      context.table.unmapPages(iova, run.pageSize, run.count, null);
    }
    this.#flush(context, start, end - start);
  }

  /** Invalidates what the GPU may hold of a range, if it is awake and knows the context at all. */
  #flush(context: PanfrostContext, iova: number, size: number): void {
    if (context.slot < 0 || !this.#ports.isAwake()) return;
    this.#commands.run(context.slot, AsCommand.FLUSH_PT, iova, size);
  }
}
