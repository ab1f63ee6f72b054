/** The world under panthor while a case is played: registers and messages are the recorded ones, page tables are real. */
import {
  type EditedTable,
  type PanthorBuffer,
  type PanthorHost,
  type PanthorKernel,
  PanthorMmu,
  PanthorVm,
  type PanthorWarning,
  type RegisterPort,
} from '../../../../devices/index.ts';
import { allocIoPgtable, type IoPgtableConfig, type WarningCode } from '../../../../formats/index.ts';
import { RecordingMachine } from '../../tables/index.ts';
import type { RegisterPlayer } from '../register-player.ts';
import { WatchedTable } from './watched-table.ts';

/** Where the recorded world's memory for page tables began. */
const TABLES_BASE = 0x80000000;

/** What differs from the recorded world's usual VM and GPU. */
export interface WorldOptions {
  readonly present?: number;
  readonly vaBits?: number;
  readonly paBits?: number;
  readonly coherent?: boolean;
  readonly forMcu?: boolean;
}

/** A page-table machine whose warnings are events of the case. */
class WarningMachine extends RecordingMachine {
  readonly #player: RegisterPlayer;

  constructor(player: RegisterPlayer) {
    super(TABLES_BASE);
    this.#player = player;
  }

  override warn(code: WarningCode): void {
    this.#player.warn(code);
  }
}

export class PanthorWorld implements PanthorHost {
  readonly registers: RegisterPort;
  readonly mmu: PanthorMmu;
  readonly #player: RegisterPlayer;
  readonly #machine: WarningMachine;

  constructor(kernel: PanthorKernel, player: RegisterPlayer, present = 0xffff) {
    this.#player = player;
    this.#machine = new WarningMachine(player);
    this.registers = player;
    this.mmu = new PanthorMmu(kernel, this, present);
  }

  createVm(options: WorldOptions = {}): PanthorVm {
    const { vaBits = 48, paBits = 48, coherent = false, forMcu = false } = options;
    return new PanthorVm(this.mmu, {
      vaBits,
      paBits,
      coherent,
      forMcu,
      tables: this.#machine.pages,
      createTable: (config) => this.#watched(config),
    });
  }

  waitForFlush(): boolean {
    return this.#player.take('wait', 'CLEAN_CACHES_COMPLETED')[0] === 'irq';
  }

  resetQueued(): void {
    this.#player.expect('reset_work_queued');
  }

  reportFault(): void {
    this.#player.expect('sched_report_mmu_fault');
  }

  warn(code: PanthorWarning): void {
    this.#player.warn(code);
  }

  error(text: string): void {
    this.#player.log('err', text);
  }

  /** A page table whose calls must be the recorded ones. */
  #watched(config: IoPgtableConfig): EditedTable {
    const player = this.#player;
    return new WatchedTable(allocIoPgtable(config, this.#machine, null), {
      mapped: (...values) => player.expect('map', ...values),
      unmapped: (...values) => player.expect('unmap', ...values),
    });
  }
}

/** A buffer as a case describes it. */
export function recordedBuffer(
  name: number,
  sg: readonly (readonly [number, number])[],
  huge: readonly number[] = [],
): PanthorBuffer {
  const segments = sg.map(([pa, size]) => ({ pa, size }));
  const hugePages = new Set(huge);
  return {
    name,
    size: segments.reduce((sum, { size }) => sum + size, 0),
    segments,
    isHuge: (offset) => hugePages.has(Math.floor(offset / 2 ** 21)),
  };
}
