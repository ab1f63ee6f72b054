/** What a person pastes: registers, structures, descriptors, fault lines. */
import {
  answerFault,
  answerLines,
  decodeFaults,
  type ExplainedStructure,
  explainEntry,
  explainRegister,
  explainSmmuv3,
  type MappingHistory,
  SMMUV3_STRUCTURES,
  type Smmuv3StructureName,
} from '../../../traces/browser.ts';
import type { Explained, FaultAnswer } from './messages.ts';

const MOST_TEXT = 200_000;
const MOST_SHOWN = 50;
const USAGE =
  'Nothing known in it. Paste TCR=0x… MAIR=0x… TTBR=0x… VTCR=0x… TRANSCFG=0x…, the words of a stream table entry (ste=0x…,0x…), ' +
  'a context descriptor (cd=…), a command (cmd=…) or an event (event=…), a descriptor (pte=0x…@3), or fault lines of a kernel log.';

/**
 * Finds everything in a text that can be explained: `NAME=0x…` registers, `ste=`, `cd=`, `cmd=`, `event=` with up to eight words,
 * `pte=0x…@LEVEL` for a descriptor of stage 1 with a 4 KiB granule (`pte2=` of stage 2, `mali=`), and fault reports of kernel logs.
 */
export function explainText(whole: string): Omit<Explained, 'answers'> {
  const text = whole.slice(0, MOST_TEXT);
  const structures: ExplainedStructure[] = [];
  const unknown: string[] = [];
  for (const [, name = '', words = '', level] of text.matchAll(
    /\b([a-z][a-z0-9_]{1,30})\s*=\s*((?:0x[0-9a-f_]+)(?:\s*,\s*0x[0-9a-f_]+)*)(?:@([0-3]))?/gi,
  )) {
    if (structures.length >= MOST_SHOWN) break;
    const values = words.split(',').map((word) => BigInt(word.trim().replaceAll('_', '')));
    const found = explained(name, values, level === undefined ? 3 : Number(level));
    if (found.length === 0) unknown.push(name);
    structures.push(...found);
  }
  const faults = decodeFaults(text).slice(0, MOST_SHOWN);
  // The fields of a fault line look like registers, too: there the fault is what is meant.
  const shown = faults.length > 0 ? structures.filter(({ kind }) => kind !== 'register') : structures;
  const left = faults.length > 0 ? [] : unknown;
  const note =
    shown.length === 0 && faults.length === 0
      ? USAGE
      : left.length > 0
        ? `Not known: ${left.slice(0, 8).join(', ')}.`
        : '';
  return { structures: shown, faults, note };
}

/**
 * What a capture says about each of some faults.
 *
 * @param now when a line without a time stamp was printed
 * @param eventAt how many events of the capture have happened by a time
 */
export function answersOf(
  { faults }: Pick<Explained, 'faults'>,
  text: string,
  history: MappingHistory,
  now: number,
  eventAt: (time: number) => number,
): FaultAnswer[] {
  const lines = text.slice(0, MOST_TEXT).split('\n');
  return faults.map((fault) => {
    const found = answerFault(history, fault, lines[(fault.lines[0] ?? 0) - 1] ?? '', { time: now });
    return found === null ? { lines: [], event: 0 } : { lines: answerLines(found), event: eventAt(found.time) };
  });
}

function explained(given: string, values: readonly bigint[], level: number): ExplainedStructure[] {
  const [first = 0n] = values;
  const name = given.toLowerCase();
  if (values.some((value) => value >= 1n << 64n)) return [];
  if (Object.hasOwn(SMMUV3_STRUCTURES, name)) {
    const kind = name as Smmuv3StructureName;
    return values.length > SMMUV3_STRUCTURES[kind] ? [] : [explainSmmuv3(kind, values)];
  }
  if (name === 'pte') return [explainEntry(first, { format: 'ARM_64_LPAE_S1', level, granuleShift: 12 })];
  if (name === 'pte2') return [explainEntry(first, { format: 'ARM_64_LPAE_S2', level, granuleShift: 12 })];
  if (name === 'mali') return [explainEntry(first, { format: 'ARM_MALI_LPAE', level, granuleShift: 12 })];
  return values.length === 1 ? explainRegister(given, first) : [];
}
