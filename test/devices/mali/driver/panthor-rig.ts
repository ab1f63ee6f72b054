/** Panthor on registers that only remember, and on tables of its own: for what vectors do not reach. */
import {
  type PanthorBuffer,
  type PanthorHost,
  type PanthorKernel,
  PanthorMmu,
  PanthorVm,
  type PanthorWarning,
  reservationOf,
  runOperation,
  type Segment,
  type VmOperation,
} from '../../../../devices/index.ts';
import { allocIoPgtable } from '../../../../formats/index.ts';
import { LpaeRig } from '../../../formats/lpae-rig.ts';
import { QuietRegisters } from './panfrost-rig.ts';

export const HUGE = 2 ** 21;

export class PanthorRig implements PanthorHost {
  readonly registers = new QuietRegisters();
  readonly machine = new LpaeRig();
  readonly warnings: PanthorWarning[] = [];
  readonly errors: string[] = [];
  readonly mmu: PanthorMmu;
  resets = 0;
  faults = 0;
  /** Whether the GPU says that a cache flush is done. */
  flushes = true;

  constructor(kernel: PanthorKernel, present = 0xff) {
    this.mmu = new PanthorMmu(kernel, this, present);
    this.mmu.init();
  }

  vm(): PanthorVm {
    return new PanthorVm(this.mmu, {
      vaBits: 48,
      paBits: 40,
      coherent: true,
      forMcu: false,
      tables: this.machine,
      createTable: (config) => allocIoPgtable(config, this.machine, null),
    });
  }

  /** A VM that somebody uses. */
  activeVm(): PanthorVm {
    const vm = this.vm();
    this.mmu.activate(vm.user);
    return vm;
  }

  /** Reserves for an operation and runs it. */
  run(vm: PanthorVm, operation: VmOperation, reserved = reservationOf(operation).tables): number {
    vm.reserved = reserved;
    vm.used = 0;
    return runOperation(vm, operation, true);
  }

  waitForFlush(): boolean {
    return this.flushes;
  }

  resetQueued(): void {
    this.resets++;
  }

  reportFault(): void {
    this.faults++;
  }

  warn(code: PanthorWarning): void {
    this.warnings.push(code);
  }

  error(text: string): void {
    this.errors.push(text);
  }
}

/** A buffer of these pieces; whether its pages are huge follows from where they lie. */
export function buffer(name: number, segments: readonly Segment[]): PanthorBuffer {
  return {
    name,
    size: segments.reduce((sum, { size }) => sum + size, 0),
    segments,
    isHuge(offset) {
      const first = Math.floor(offset / HUGE) * HUGE;
      let at = 0;
      for (const { pa, size } of segments) {
        if (at <= first && first + HUGE <= at + size) return (pa + (first - at)) % HUGE === 0;
        at += size;
      }
      return false;
    },
  };
}
