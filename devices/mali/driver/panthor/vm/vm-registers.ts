/** What a VM's page table looks like in the registers of an address space, and what the flags of a mapping say in it. */
import { Prot } from '../../../../../formats/index.ts';
import {
  AddressMode,
  encodeAddressBits,
  MemattrShareability,
  memattrFromMair,
  WalkMemory,
  WalkShareability,
} from '../../../spec/index.ts';
import type { EditedTable } from '../../edited-table.ts';
import type { PanthorProfile } from '../profile.ts';
import type { TranslationConfig } from '../slots/index.ts';
import { MapFlag } from './buffer.ts';

/** Protection of a mapping with these flags (`flags_to_prot`). */
export function protOf(flags: number): number {
  const access = (flags & MapFlag.READONLY) !== 0 ? Prot.READ : Prot.READ | Prot.WRITE;
  const cached = (flags & MapFlag.UNCACHED) !== 0 ? 0 : Prot.CACHE;
  return access | cached | ((flags & MapFlag.NOEXEC) !== 0 ? Prot.NOEXEC : 0);
}

/** MEMATTR for a MAIR, as one kernel translates it. */
export function memattrOf(
  profile: PanthorProfile,
  mairLow: number,
  mairHigh: number,
  coherent: boolean,
): [number, number] {
  const internal = profile.writeBackShareability === 'as-coherent' && !coherent;
  const shareability = internal ? MemattrShareability.MALI_INNER : MemattrShareability.CPU_INNER;
  return [memattrFromMair(mairLow, shareability), memattrFromMair(mairHigh, shareability)];
}

/** The registers of an address space that walks `table`. */
export function translationOf(
  table: EditedTable,
  profile: PanthorProfile,
  vaBits: number,
  coherent: boolean,
): TranslationConfig {
  const { registers } = table;
  if (registers.kind !== 'stage-1') throw new TypeError('panthor walks stage-1 tables');
  const { ttbr, mairLow, mairHigh } = registers;
  const [memattrLow, memattrHigh] = memattrOf(profile, mairLow, mairHigh, coherent);
  return {
    transtabLow: ttbr >>> 0,
    transtabHigh: Math.floor(ttbr / 2 ** 32),
    memattrLow,
    memattrHigh,
    transcfgLow: walkConfig(vaBits, coherent),
    transcfgHigh: 0,
  };
}

/** TRANSCFG: the walks are cached, and shared with the CPU on a coherent GPU. */
function walkConfig(vaBits: number, coherent: boolean): number {
  const mode = AddressMode.AARCH64_4K | (encodeAddressBits(vaBits) << 6) | (WalkMemory.WRITE_BACK << 24);
  const share = coherent ? WalkShareability.OUTER : WalkShareability.NONE;
  return (mode | (share << 28) | (1 << 30)) >>> 0;
}
