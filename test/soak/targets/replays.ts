/** Captures of a correct kernel, replayed on every MMU: the sanitizer must stay silent, also where lines are lost. */
import { MMUS, type MmuName } from '../../../devices/index.ts';
import type { Prng } from '../../../formats/index.ts';
import { InputError, ReplayRun, readRunConfig } from '../../../traces/index.ts';
import { demand, type Target } from '../target.ts';
import { pick } from './mutations.ts';

const PAGE = 4096;
const KINDS = Object.values(MMUS).flatMap(({ name, drivers }) =>
  drivers.map((driver) => [name as MmuName, driver] as const),
);

/** What befalls the capture. */
type Harm = 'none' | 'lost' | 'damaged';

function replayTarget(name: string, about: string, bind: boolean, harm: Harm): Target {
  return {
    name,
    about,
    slice: 2,
    make(random) {
      const kinds = bind ? KINDS.filter(([model]) => model.startsWith('smmu')) : KINDS;
      const lines: string[] = [
        `config ${random.below(kinds.length)} ${bind ? 'strict' : pick(random, ['strict', 'strict', 'lazy'])} ${random.below(2)}`,
      ];
      const live = new Map<number, number>();
      const used = new Set<number>();
      let time = 1;
      for (let left = 10 + random.below(60); left > 0; left--) {
        time += random.below(3000) / 1e6;
        const stamp = `  a-${1 + random.below(3)} [00${random.below(2)}] ..... ${time.toFixed(6)}`;
        const domain = random.below(2);
        const slot = domain * 64 + random.below(64);
        const pages = live.get(slot);
        // Each place is used once, so that also in lazy mode nothing is mapped again before its flush.
        const iova = `0x${(0x1000_0000 + (slot % 64) * 0x40_0000).toString(16)}`;
        const text = `domain=0xffff00000000100${domain} iova=${iova}`;
        if (pages === undefined) {
          if (used.has(slot)) continue;
          used.add(slot);
          const count = pick(random, [1, 1, 2, 3, 16, 512, 600]);
          const pa = 0x8000_0000 + random.below(64) * 0x40_0000 + (random.chance(0.5) ? 0 : PAGE);
          live.set(slot, count);
          lines.push(
            `${stamp}: dom_map: (f+0x0/0x1) ${text} paddr=0x${pa.toString(16)} size=0x${(count * PAGE).toString(16)} prot=0x${pick(random, [3, 3, 1, 7])}`,
          );
        } else {
          live.delete(slot);
          lines.push(`${stamp}: dom_unmap: (f+0x0/0x1) ${text} size=0x${(pages * PAGE).toString(16)}`);
        }
      }
      if (harm === 'lost') return lines.filter((_, at) => at === 0 || !random.chance(0.15));
      return harm === 'damaged' ? [lines[0] ?? '', ...damaged(lines.slice(1), random)] : lines;
    },
    async run(parts) {
      const [head = '', ...lines] = parts as readonly string[];
      const kinds = bind ? KINDS.filter(([model]) => model.startsWith('smmu')) : KINDS;
      const [, which = 0, mode = 'strict', contiguous = '0'] = head.startsWith('config') ? head.split(' ') : [];
      const [model, driver] = kinds[Number(which)] ?? ['smmuv3', 'linux'];
      if (!lines.some((line) => line.includes('map:'))) return;
      const config = readRunConfig({
        iommu: { model, driver },
        table: {
          ...(contiguous === '1' && model === 'smmuv3' ? { contiguous: true } : {}),
          // A job that runs may not allocate: its tables are set aside when it is prepared.
          ...(bind ? { allocator: 'reserve' } : {}),
        },
        invalidation: { mode },
        access: { pattern: 'probe', verify: true },
        ...(bind ? { bind: { mode: 'async', runDelay: 1000 } } : {}),
      });
      const bytes = new TextEncoder().encode(`${lines.join('\n')}\n`);
      const stdin = (async function* () {
        yield bytes;
      })();
      const report = await new ReplayRun(['-'], config, { stdin }).run().catch((error: unknown) => {
        // Where nothing but damage is left, that is said.
        if (error instanceof InputError && harm === 'damaged') return null;
        throw error;
      });
      if (report === null) return;
      const { sanitizer, capture } = report;
      const allowed = mode === 'lazy' ? ['stale-window', 'stale-tlb-hit'] : [];
      const found = Object.keys(sanitizer.byKind).filter((kind) => !allowed.includes(kind));
      demand(found.length === 0, `${model} ${driver} ${mode}: ${found.join()}`);
      demand(capture.refused === 0 || harm !== 'none', `${model} ${driver}: ${capture.refused} refused`);
    },
  };
}

/** Head or tail is gone, lines are doubled or change places, and bytes are others. */
function damaged(lines: readonly string[], random: Prng): string[] {
  const from = random.chance(0.3) ? random.below(lines.length + 1) : 0;
  const kept = lines.slice(from, random.chance(0.3) ? from + random.below(lines.length + 1) : lines.length);
  const harmed: string[] = [];
  for (const line of kept) {
    const at = random.below(line.length);
    const byte = pick(random, ['0', '1', '8', 'f', 'x', ' ', '=', ':', '\u0001']);
    harmed.push(random.chance(0.1) ? line.slice(0, at) + byte + line.slice(at + 1) : line);
    if (random.chance(0.05)) harmed.push(line);
    if (random.chance(0.05)) harmed.push(harmed.shift() ?? '');
    if (random.chance(0.03)) harmed.push(line.slice(0, at));
  }
  return harmed;
}

export const REPLAY_TARGETS: readonly Target[] = [
  replayTarget('healthy', 'correct captures on every MMU and driver, strict and lazy: nothing is found', false, 'none'),
  replayTarget('lossy', 'the same with lines lost: what is lost is no bug of a driver', false, 'lost'),
  replayTarget('damaged', 'the same cut, doubled, out of order and with wrong bytes', false, 'damaged'),
  replayTarget('vm-bind', 'the same as asynchronous VM_BIND jobs on SMMUs, tables reserved beforehand', true, 'none'),
];
