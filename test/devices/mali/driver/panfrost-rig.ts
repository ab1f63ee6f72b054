/** Panfrost on registers that only remember, and on tables of its own: for what vectors do not reach. */
import {
  type EditedTable,
  joinPages,
  type MaliFeatures,
  PANFROST_PROFILES,
  type PanfrostContext,
  PanfrostDriver,
  type PanfrostPorts,
  type PanfrostWarning,
  type PollKernel,
  type RegisterPort,
  type Segment,
} from '../../../../devices/index.ts';
import { allocIoPgtable, type IoPgtableConfig, NO_PAGES } from '../../../../formats/index.ts';
import { LpaeRig } from '../../../formats/lpae-rig.ts';

/** Registers that read as zero until a test says otherwise, and a list of what was written. */
export class QuietRegisters implements RegisterPort {
  readonly values = new Map<number, number>();
  readonly writes: (readonly [offset: number, value: number])[] = [];

  read32(offset: number): number {
    return this.values.get(offset) ?? 0;
  }

  write32(offset: number, value: number): void {
    this.writes.push([offset, value]);
  }

  read64(): void {
    throw new Error('panfrost reads 32 bits at a time');
  }

  write64(): void {
    throw new Error('panfrost writes 32 bits at a time');
  }

  delay(): void {}
}

export class PanfrostRig implements PanfrostPorts {
  readonly registers = new QuietRegisters();
  readonly machine = new LpaeRig();
  readonly warnings: PanfrostWarning[] = [];
  readonly driver: PanfrostDriver;
  resets = 0;
  /** Heap pages that can still be had. */
  pagesLeft = Number.POSITIVE_INFINITY;
  #nextPage = 0x1_0000_0000;

  constructor(kernel: PollKernel, features: Partial<MaliFeatures> = {}) {
    const all = { asPresent: 0xff, vaBits: 48, paBits: 40, coherent: false, aarch64Mmu: false, aarch64Tables: false };
    this.driver = new PanfrostDriver(PANFROST_PROFILES[kernel], { ...all, ...features }, this);
    this.driver.reset();
  }

  context(): PanfrostContext {
    const context = this.driver.createContext();
    if (typeof context === 'number') throw new Error(`no context: ${context}`);
    return context;
  }

  createTable(config: IoPgtableConfig): EditedTable {
    return allocIoPgtable(config, this.machine, null);
  }

  allocPage(): number {
    if (this.pagesLeft-- <= 0) return NO_PAGES;
    this.#nextPage += 4096;
    return this.#nextPage;
  }

  mapForDevice(pages: Float64Array): readonly Segment[] {
    return joinPages(pages);
  }

  isAwake(): boolean {
    return true;
  }

  queueReset(): void {
    this.resets++;
  }

  warn(warning: PanfrostWarning): void {
    this.warnings.push(warning);
  }

  log(): void {}
}
