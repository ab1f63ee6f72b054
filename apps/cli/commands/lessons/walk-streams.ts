/** The streams of a memory image, as `tablewalk walk` lists them. */
import type { StageRegime, TableRoot } from '../../../../emulator/index.ts';
import { hexText } from '../../../../formats/index.ts';
import type { LeafOwner, RefusedStream } from '../../../../traces/index.ts';

/** Lines of streams that a summary shows. */
const SHOWN = 16;
/** StreamIDs that a complaint names. */
const NAMED = 8;

/** A line per set of tables, with the streams that use it, in the order of the first. */
export function streamLines(owners: readonly LeafOwner[]): string[] {
  const bySpace = new Map<string, LeafOwner[]>();
  for (const owner of owners) {
    const text = spaceText(owner);
    bySpace.set(text, [...(bySpace.get(text) ?? []), owner]);
  }
  const lines = [...bySpace]
    .slice(0, SHOWN)
    .map(([text, users]) => `  ${users.length === 1 ? 'stream' : 'streams'} ${named(users)}: ${text}`);
  if (bySpace.size > SHOWN) lines.push(`  and ${(bySpace.size - SHOWN).toLocaleString('en')} more (--json has all)`);
  return lines;
}

/** Which streams there are to choose from, as what an option allows. Looks no further than it names. */
export function streamsToChoose(survey: Iterable<LeafOwner | RefusedStream>): string {
  const some: LeafOwner[] = [];
  for (const found of survey) {
    if (!('event' in found)) some.push(found);
    if (some.length > NAMED) break;
  }
  return some.length === 0 ? 'none: no stream of this image has a translation' : `one of ${named(some)}`;
}

/** A stream as the JSON summary lists it. */
export function streamRecord({ sid, ssid, regime: { stage1, stage2, asid, vmid } }: LeafOwner): object {
  return {
    sid,
    ...(ssid < 0 ? {} : { ssid }),
    ...(stage1 === null ? {} : { asid, stage1: tables(stage1) }),
    ...(stage2 === null ? {} : { vmid, stage2: tables(stage2) }),
  };
}

function tables({ root0, root1 }: StageRegime): object {
  return {
    ...(root0 === null ? {} : { ttb0: hexText(root0.base) }),
    ...(root1 === null ? {} : { ttb1: hexText(root1.base) }),
  };
}

function named(users: readonly LeafOwner[]): string {
  const names = users.map(({ sid, ssid }) => `${hexText(sid)}${ssid < 0 ? '' : `.${ssid}`}`);
  return names.length > NAMED ? `${names.slice(0, NAMED).join(', ')}, ...` : names.join(', ');
}

function spaceText({ regime: { stage1, stage2, asid, vmid } }: LeafOwner): string {
  const parts: string[] = [];
  if (stage1 !== null) parts.push(`stage 1, ASID ${asid}, ${stageText(stage1)}`);
  if (stage2 !== null) parts.push(`stage 2, VMID ${vmid}, ${stageText(stage2)}`);
  return parts.join('; ');
}

function stageText({ root0, root1 }: StageRegime): string {
  return [root0, root1]
    .map((root, half) => (root === null ? '' : rootText(root, half)))
    .filter((text) => text !== '')
    .join(', ');
}

function rootText({ base, granuleShift, inputBits, startLevel }: TableRoot, half: number): string {
  const granule = 2 ** (granuleShift - 10);
  return `${half === 0 ? '' : 'upper half: '}table at ${hexText(base)}, ${inputBits} bits, ${granule}K granule, first level ${startLevel}`;
}
