import type { Finding, TranslatingDevice, TranslationRegime, WalkMemory } from '../../../emulator/index.ts';
import { type LayoutEdit, splitAddress, type TranslationStory } from '../../../traces/browser.ts';
import type { DoneLine } from './snapshot.ts';

/** One address space, as a rig has it. */
export interface RigSpace {
  readonly number: number;
  /** What uses it: `stream 0x8000`, `guest`. */
  readonly title: string;
  readonly asid: number;
  readonly vmid: number;
  /** How its accesses are translated now; null where they are not. */
  readonly regime: TranslationRegime | null;
  readonly tables: readonly RigTable[];
}

/** One tree of tables. */
export interface RigTable {
  readonly stage: 1 | 2;
  /** That stage alone. */
  readonly regime: TranslationRegime;
  /** Where a table's address, as its stage sees it, is in physical memory. */
  readonly toPa: (address: number) => number;
}

/** The stages of a translation, each with its own tables. */
export function treesOf(regime: TranslationRegime | null, toPa: (address: number) => number = SAME): RigTable[] {
  const trees: RigTable[] = [];
  if (regime === null) return trees;
  const { stage1, stage2 } = regime;
  if (stage1 !== null) trees.push({ stage: 1, regime: { ...regime, stage2: null }, toPa });
  if (stage2 !== null) trees.push({ stage: 2, regime: { ...regime, stage1: null }, toPa: SAME });
  return trees;
}

const SAME = (address: number): number => address;

/**
 * An address of a script in the half of the space that it belongs to, as that half's table takes it.
 *
 * @param iova as a signed 64-bit number: below 0 in the half of TTBR1
 * @throws RangeError for one that belongs to neither half
 */
export function halfOf(
  regime: TranslationRegime | null,
  iova: number,
): { readonly upper: boolean; readonly address: number } {
  if (iova >= 0 || regime === null) return { upper: false, address: Math.max(0, iova) };
  const { upper, address } = splitAddress(regime, BigInt.asUintN(64, BigInt(iova)));
  if (address === null) throw new RangeError('no half of this address space reaches so far');
  return { upper, address };
}

/** What an operation of the CPU cost, by cause, and what it sent to the device. */
export interface Spent {
  readonly cycles: number;
  readonly causes: readonly (readonly [cause: string, cycles: number])[];
  /** Commands or register writes by name. */
  readonly commands: readonly (readonly [name: string, count: number])[];
  /** Bytes in the regions that a GPU's driver locked for it. */
  readonly locked: number;
}

/** A machine that the page works with: a whole one with a driver, or an MMU alone. */
export interface Rig {
  readonly device: TranslatingDevice;
  /** The tables came from elsewhere: no settings describe them. */
  readonly foreign?: boolean;
  /** Operations that were done before the page took over, oldest first. */
  readonly recent?: readonly DoneLine[];
  readonly granule: number;
  /** Cycles since the start. */
  readonly cycles: number;
  /** Memory as the walker sees it; nobody is told of reads. */
  readonly walkerMemory: WalkMemory;
  /** Memory as the CPU sees it. */
  readonly cpuMemory: WalkMemory;
  readonly spaces: readonly RigSpace[];
  readonly findings: readonly Finding[];
  /** Makes an address space, if there is none of this number yet. */
  use(space: number): void;
  /** @returns empty, or why it was not done or not wholly */
  edit(space: number, stage: 1 | 2, edit: LayoutEdit): string;
  /** What the last edit, wait or flush cost. */
  spent(): Spent;
  /** @param iova below 0 in the half of TTBR1. @throws RangeError where it belongs to no half */
  access(space: number, iova: number, flags: number): TranslationStory;
  /** The CPU stores a descriptor of 4 or 8 bytes. */
  store(pa: number, bytes: number, value: bigint): void;
  /** The CPU makes a line visible to what does not snoop. */
  clean(pa: number, bytes: number): void;
  /** Time goes by. */
  wait(seconds: number): void;
}
