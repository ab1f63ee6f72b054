/** What people open in the explorer: links, deeds, pasted words and files, in any order and damaged. */
import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { LESSONS } from '../../../apps/explorer/lessons/index.ts';
import { type Reply, type Request, Session, settingChoices, settingsOf } from '../../../apps/explorer/model/index.ts';
import { MMUS, PLANTED_BUGS } from '../../../devices/index.ts';
import type { Prng } from '../../../formats/index.ts';
import { demand, type Target } from '../target.ts';
import { mutateText, NASTY, pick } from './mutations.ts';

const LONGEST_COMPLAINT = 400;
const ADDRESSES = ['0x40000000', '0x40200000', '0x0', '0x7f3a4c215a80', '0xffff800000000000', '0x3ffff000', '64G'];
const FAULT =
  'arm-smmu 15000000.iommu: Unhandled context fault: fsr=0x402, iova=0x9c4b9000, fsynr=0x7c0020, cbfrsynra=0x800, cb=7';

let capture: readonly string[] | null = null;

/** Some lines of a real capture. */
function captureLines(random: Prng): string {
  capture ??= gunzipSync(readFileSync('traces/samples/small-strict.ftrace.txt.gz')).toString('latin1').split('\n');
  const from = random.below(capture.length);
  const lines = [...capture.slice(0, 12), ...capture.slice(from, from + 1 + random.below(40))];
  if (random.chance(0.4)) {
    const at = random.below(lines.length);
    lines[at] = mutateText(random, lines[at] ?? '');
  }
  return lines.join('\n');
}

function deed(random: Prng): string {
  const iova = pick(random, ADDRESSES);
  const size = pick(random, ['4K', '64K', '2M', '1G', '12K']);
  const line = pick(random, [
    `map ${iova} 0x80000000 ${size} rw`,
    `map ${iova} 0x90000000 ${size} r`,
    `unmap ${iova} ${size}`,
    `map2 ${iova} 0x80000000 ${size} rw`,
    `unmap2 ${iova} ${size}`,
    `touch ${iova} ${pick(random, ['r', 'w', 'x', 'rp'])}`,
    `space ${random.below(4)}`,
    'wait 10ms',
    `invalidate iova ${iova} ${size} leaf`,
    `invalidate ${pick(random, ['all', 'asid'])}`,
    `write ${iova} ${random.below(4)} ${pick(random, ['0x0', '0x3', '0x40000003', '0xffffffffffffffff', '0x80000711'])}`,
    `clean ${iova} ${random.below(4)}`,
    `bind ${pick(random, ['reserve/page', 'pool', 'page', 'batch/page'])}`,
    `address ${iova}`,
    `set ${setting(random).join(' ')}`,
    `answer ${pick(random, NASTY)}`,
  ]);
  return random.chance(0.2) ? mutateText(random, line) : line;
}

/** A field of the page's machine and a value for it, most often one that can be chosen. */
function setting(random: Prng): [field: string, value: string] {
  const mmu = pick(random, Object.values(MMUS)).name;
  const { field, options } = pick(random, settingChoices(settingsOf({ mmu })));
  if (random.chance(0.1)) return ['bugs', pick(random, Object.keys(PLANTED_BUGS))];
  return [field, random.chance(0.1) ? pick(random, NASTY) : pick(random, options)[0]];
}

function request(random: Prng): unknown {
  switch (random.below(12)) {
    case 0: {
      const params: Record<string, string> = Object.fromEntries(
        Array.from({ length: random.below(4) }, () => setting(random)),
      );
      if (random.chance(0.3)) params['lesson'] = pick(random, LESSONS).id;
      if (random.chance(0.3)) params['step'] = pick(random, ['0', '1', '2', '99', ...NASTY]);
      if (random.chance(0.6)) params['do'] = Array.from({ length: random.below(6) }, () => deed(random)).join(';');
      if (random.chance(0.3)) params['address'] = pick(random, [...ADDRESSES, ...NASTY]);
      return { kind: 'open', params };
    }
    case 1:
      return { kind: 'files', files: [[pick(random, ['x.txt', '../<b>.dat', 'pt.json', '']), captureLines(random)]] };
    case 2:
      return {
        kind: 'seek',
        event: pick(random, [0, 1, 7, 1e9, -1, 0.5, Number.NaN]),
        address: pick(random, ADDRESSES),
      };
    case 3:
      return {
        kind: 'replay',
        field: pick(random, ['mmu', 'invalidation', 'x', '__proto__']),
        value: pick(random, ['mali', 'lazy', 'smmuv2', ...NASTY]),
      };
    case 4:
      return { kind: pick(random, ['undo', 'reset', 'show', 'close', 'why']) };
    case 5:
      return {
        kind: 'lesson',
        id: pick(random, [...LESSONS.map(({ id }) => id), '', 'x']),
        step: pick(random, [0, 1, 3, -1, 99]),
      };
    case 6:
      return {
        kind: 'entry',
        stage: pick(random, [1, 2]),
        table: random.below(3),
        index: pick(random, [0, 1, 511, 512, -1]),
      };
    case 7:
      return {
        kind: 'explain',
        text: mutateText(random, pick(random, [FAULT, '0x60000008090e4b', 'ste 0x1 0x2', ...NASTY])),
      };
    default:
      return { kind: 'do', deeds: Array.from({ length: 1 + random.below(4) }, () => deed(random)) };
  }
}

/** Files are kept as name and text, so that an input can be saved. */
function sent(part: unknown): Request {
  const { files, ...rest } = part as { readonly files?: readonly (readonly [string, string])[] };
  if (files === undefined) return rest as Request;
  return { kind: 'files', files: files.map(([name, text]) => ({ name, blob: new Blob([text]) })) };
}

export const EXPLORER_TARGETS: readonly Target[] = [
  {
    name: 'explorer',
    about: 'links, deeds, files and questions in any order: answered with plain data, or refused in one line',
    slice: 4,
    make: (random) => Array.from({ length: 1 + random.below(8) }, () => request(random)),
    async run(parts) {
      let params: Readonly<Record<string, string>> = {};
      const session = new Session(LESSONS, (reply: Reply) => {
        const { ...plain } = structuredClone(reply);
        if (plain.kind === 'state') params = plain.params;
        if (plain.kind !== 'refused') return;
        demand(!/\p{Cc}/u.test(plain.text), `a complaint is one line: ${JSON.stringify(plain.text)}`);
        demand(plain.text.length <= LONGEST_COMPLAINT, 'a complaint has an end');
      });
      for (const part of parts as readonly unknown[]) await session.take(sent(part));
      // What a session says of itself brings the same state back; of a file that was brought it says nothing.
      if (Object.keys(params).length === 0) return;
      const before = JSON.stringify(params);
      await session.take({ kind: 'open', params });
      demand(JSON.stringify(params) === before, `its own link gives ${JSON.stringify(params)} for ${before}`);
    },
  },
];
