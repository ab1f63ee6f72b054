/** The world under panfrost while a case is played: registers, pages and messages are the recorded ones, tables are real. */
import type {
  EditedTable,
  MaliFeatures,
  PanfrostPorts,
  PanfrostWarning,
  RegisterPort,
  Segment,
} from '../../../../devices/index.ts';
import { allocIoPgtable, type IoPgtableConfig, NO_PAGES } from '../../../../formats/index.ts';
import { RecordingMachine } from '../../tables/index.ts';
import type { RegisterPlayer } from '../register-player.ts';
import { WatchedTable } from './watched-table.ts';

/** Where the recorded world's memory for tables began. */
const TABLES_BASE = 0x80000000;

export class PanfrostWorld implements PanfrostPorts {
  readonly registers: RegisterPort;
  /** Whether the GPU is awake. */
  awake = true;
  /** Pages that can be had for heaps before one cannot; -1: all. */
  pagesLeft = -1;
  readonly #player: RegisterPlayer;
  readonly #machine = new RecordingMachine(TABLES_BASE);

  constructor(player: RegisterPlayer) {
    this.#player = player;
    this.registers = player;
  }

  createTable(config: IoPgtableConfig): EditedTable {
    const player = this.#player;
    return new WatchedTable(allocIoPgtable(config, this.#machine, null), {
      mapped: (...values) => player.expect('map', ...values),
      unmapped: (...values) => player.expect('unmap', ...values),
    });
  }

  /** Which page it is nobody asks: the list of segments comes from the recording. */
  allocPage(): number {
    this.#machine.begin(undefined);
    if (this.pagesLeft === 0) return NO_PAGES;
    if (this.pagesLeft > 0) this.pagesLeft--;
    return 0;
  }

  mapForDevice(): readonly Segment[] {
    return segmentsOf(this.#player.take('sg'));
  }

  isAwake(): boolean {
    return this.awake;
  }

  queueReset(): void {
    this.#player.expect('reset_work_queued');
  }

  warn(warning: PanfrostWarning): void {
    this.#player.warn(warning);
  }

  log(message: string): void {
    this.#player.log('err', message);
  }
}

/** A scatter list as vectors write it: `[["0x1000","0x2000"], ..]`. */
export function segmentsOf(pairs: readonly unknown[]): Segment[] {
  return (pairs as readonly (readonly [string, string])[]).map(([pa, size]) => ({
    pa: Number(pa),
    size: Number(size),
  }));
}

/** The GPU of cases that do not say what it is like: they touch single address spaces only. */
export const ANY_GPU: MaliFeatures = {
  asPresent: 0xffff,
  vaBits: 48,
  paBits: 40,
  coherent: false,
  aarch64Mmu: false,
  aarch64Tables: false,
};
