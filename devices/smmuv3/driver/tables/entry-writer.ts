/**
 * Changing a stream table entry or a context descriptor while the SMMU may read it, as Linux does (`arm_smmu_write_entry`).
 * The SMMU reads 64 bits at a time, in any order, so what it sees must at every moment be a whole configuration.
 */
import { getField, type Layout, type PlacedField, type TableMemory } from '../../../../formats/index.ts';
import {
  CONTEXT_DESCRIPTOR,
  DefaultSubstream,
  Eats,
  STE_WORDS,
  STREAM_TABLE_ENTRY,
  StreamConfig,
} from '../../spec/index.ts';

/** Sets in `used` (all 0 before) the bits of an entry that the SMMU looks at in the state that `words` describe. */
export type UsedBits = (words: Uint32Array, used: Uint32Array) => void;

const { V, Config, S1DSS } = STREAM_TABLE_ENTRY;
// Without stage 2 the VMID still tags what EL1 translates.
const STAGE1_FIELDS = fieldsOf(
  STREAM_TABLE_ENTRY,
  'S1Fmt S1ContextPtr S1CDMax S1DSS S1CIR S1COR S1CSH S1STALLD EATS STRW S2VMID',
);
const STAGE2_FIELDS = fieldsOf(
  STREAM_TABLE_ENTRY,
  'S2FWB EATS SHCFG S2VMID S2T0SZ S2SL0 S2IR0 S2OR0 S2SH0 S2TG S2PS S2AA64 S2ENDI S2AFFD S2PTW S2HD S2HA S2S S2R S2TTB',
);

/** Bits of a stream table entry in use (Linux `arm_smmu_get_ste_used`). */
export function usedOfStreamTableEntry(words: Uint32Array, used: Uint32Array): void {
  mark(used, V);
  if (getField(words, 0, V) === 0) return;
  mark(used, Config);
  const config = getField(words, 0, Config);
  if (config < StreamConfig.BYPASS) return;
  if ((config & 1) !== 0) for (const field of STAGE1_FIELDS) mark(used, field);
  if ((config & 2) !== 0) for (const field of STAGE2_FIELDS) mark(used, field);
  const bypasses =
    config === StreamConfig.BYPASS || ((config & 1) !== 0 && getField(words, 0, S1DSS) === DefaultSubstream.BYPASS);
  if (bypasses) mark(used, STREAM_TABLE_ENTRY.SHCFG);
}

const LOWER_HALF = fieldsOf(CONTEXT_DESCRIPTOR, 'T0SZ TG0 IR0 OR0 SH0 TTB0');
const UPPER_HALF = fieldsOf(CONTEXT_DESCRIPTOR, 'T1SZ TG1 IR1 OR1 SH1 TTB1');

/**
 * Bits of a context descriptor in use (Linux `arm_smmu_get_cd_used`, which knows EPD0 only, since its tables are never the upper
 * half alone).
 */
export function usedOfContextDescriptor(words: Uint32Array, used: Uint32Array): void {
  mark(used, CONTEXT_DESCRIPTOR.V);
  if (getField(words, 0, CONTEXT_DESCRIPTOR.V) === 0) return;
  used.fill(0xffff_ffff);
  if (getField(words, 0, CONTEXT_DESCRIPTOR.EPD0) !== 0) for (const field of LOWER_HALF) unmark(used, field);
  if (getField(words, 0, CONTEXT_DESCRIPTOR.EPD1) !== 0) for (const field of UPPER_HALF) unmark(used, field);
}

/** Sets in `safe` (all 0 before) the bits that may change at any moment between two states, so that they decide nothing. */
export type SafeBits = (from: Uint32Array, to: Uint32Array, safe: Uint32Array) => void;

/**
 * Bits of a stream table entry that Linux 7.3 changes at any moment (`arm_smmu_get_ste_update_safe`): MEV, which only merges events,
 * and EATS, since ATS is off in the device while it changes. Not EATS where either state may stall or splits the stages.
 */
export function safeInStreamTableEntry(from: Uint32Array, to: Uint32Array, safe: Uint32Array): void {
  mark(safe, STREAM_TABLE_ENTRY.MEV);
  const either = (field: PlacedField): number => getField(from, 0, field) | getField(to, 0, field);
  if ((either(STREAM_TABLE_ENTRY.EATS) & Eats.SPLIT) === 0 && either(STREAM_TABLE_ENTRY.S2S) === 0) {
    mark(safe, STREAM_TABLE_ENTRY.EATS);
  }
}

/**
 * Makes the entry at `pa` equal to `target`.
 *
 * When the bits in use change in one doubleword only, the change is hitless: first every bit that the old state ignores gets
 * its new value, then that one doubleword is stored, which switches, then what the new state ignores becomes 0. Otherwise the
 * entry is invalid in between.
 *
 * @param target 16 words
 * @param changed called after each step that stored something: the SMMU must be told (CFGI) and waited for (SYNC)
 * @param safeBits bits that count as ignored in both states; default none
 */
export function rewriteEntry(
  memory: TableMemory,
  pa: number,
  target: Uint32Array,
  usedBits: UsedBits,
  changed: () => void,
  safeBits?: SafeBits,
): void {
  const at = memory.index(pa);
  const current = memory.words.slice(at, at + STE_WORDS);
  const currentUsed = new Uint32Array(STE_WORDS);
  const targetUsed = new Uint32Array(STE_WORDS);
  const safe = new Uint32Array(STE_WORDS);
  usedBits(current, currentUsed);
  usedBits(target, targetUsed);
  safeBits?.(current, target, safe);
  const prepared = new Uint32Array(STE_WORDS);
  const critical: number[] = [];
  for (let i = 0; i < STE_WORDS; i++) {
    // Of a bit that one state ignores, that state decides when it changes.
    const inBoth = (safe[i] as number) & (currentUsed[i] as number) & (targetUsed[i] as number);
    const used = (currentUsed[i] as number) & ~inBoth;
    prepared[i] = ((current[i] as number) & used) | ((target[i] as number) & ~used);
    const reached = ((prepared[i] as number) & (targetUsed[i] as number)) >>> 0;
    const first = i & ~1;
    if (reached !== target[i] && critical.at(-1) !== first) critical.push(first);
  }
  const store = (from: number, words: Uint32Array, to: number): void => {
    if (storeWords(memory, pa, from, words, to)) changed();
  };
  const [switching] = critical;
  if (switching !== undefined && critical.length === 1) {
    // The switching doubleword is stored in the next step anyway: its ignored bits can wait for it.
    prepared[switching] = current[switching] as number;
    prepared[switching + 1] = current[switching + 1] as number;
    store(0, prepared, STE_WORDS);
    store(switching, target, switching + 2);
  } else if (switching !== undefined) {
    store(0, INVALID, 2);
    store(2, target, STE_WORDS);
  }
  store(0, target, STE_WORDS);
}

/** First doubleword of an invalid entry. */
const INVALID = new Uint32Array(2);

/** Stores those doublewords of an entry, from word `from` up to `to`, that differ. @returns whether any did */
function storeWords(memory: TableMemory, pa: number, from: number, words: Uint32Array, to: number): boolean {
  const at = memory.index(pa);
  let differs = false;
  for (let i = from; i < to; i += 2) {
    if (memory.words[at + i] === words[i] && memory.words[at + i + 1] === words[i + 1]) continue;
    memory.words[at + i] = words[i] as number;
    memory.words[at + i + 1] = words[i + 1] as number;
    memory.written(pa + 4 * i, 8);
    differs = true;
  }
  return differs;
}

/** The named fields of a layout, the names parted by blanks. */
function fieldsOf(layout: Layout, names: string): readonly PlacedField[] {
  return names.split(' ').map((name) => layout[name] as PlacedField);
}

function mark(used: Uint32Array, { word, lowMask, highMask }: PlacedField): void {
  used[word] = (used[word] as number) | lowMask;
  if (highMask !== 0) used[word + 1] = (used[word + 1] as number) | highMask;
}

function unmark(used: Uint32Array, { word, lowMask, highMask }: PlacedField): void {
  used[word] = (used[word] as number) & ~lowMask;
  if (highMask !== 0) used[word + 1] = (used[word + 1] as number) & ~highMask;
}
