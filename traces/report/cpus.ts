import { CPU_WAIT_NAMES, type CpuWait } from '../../devices/index.ts';
import { OPERATION_KIND_NAMES } from '../../emulator/index.ts';
import { exact } from '../quantity.ts';
import type { CpuAccount, Replayer } from '../replay/index.ts';
import { spread } from './breakdown.ts';
import type { CpusSection, CpuWaits } from './report.ts';

/** What each CPU did, and what they waited for because of each other. */
export function cpusSection({ cpus, config }: Replayer): CpusSection {
  const { accounts, names, processors, begin, end } = cpus;
  const { activity, queue } = processors;
  const sum = (pick: (account: CpuAccount) => number): number =>
    accounts.reduce((total, account) => total + pick(account), 0);
  const waits = waitsOf((why) => sum((account) => account.waits[why] as number));
  return {
    asked: config.cpus,
    used: accounts.length,
    named: new Set(names.flat()).size,
    unnamed: cpus.unnamed,
    span: exact(Math.max(0, end - begin), 1),
    busy: exact(sum(({ total }) => total)),
    own: exact(sum(({ own }) => own)),
    contention: exact(contentionOf(waits)),
    waits,
    active: { cpu: exact(activity.cpu, 1), device: exact(activity.device, 1), both: exact(activity.both, 1) },
    claims: queue.claims,
    attempts: queue.attempts,
    operations: Object.fromEntries(
      cpus.kinds.flatMap((histogram, kind) =>
        histogram.count === 0 ? [] : [[OPERATION_KIND_NAMES[kind] ?? '', spread(histogram)]],
      ),
    ),
    each: accounts
      .flatMap(({ operations, own, polling, waits: waited, total }, place) =>
        operations === 0
          ? []
          : [
              {
                cpus: [...(names[place] ?? [])].sort((a, b) => a - b),
                operations,
                working: exact(own - polling),
                polling: exact(polling),
                waits: waitsOf((why) => waited[why] as number),
                total: exact(total),
              },
            ],
      )
      .sort((a, b) => (a.cpus[0] ?? 0) - (b.cpus[0] ?? 0)),
  };
}

function waitsOf(of: (why: CpuWait) => number): CpuWaits {
  const entries = CPU_WAIT_NAMES.map((name, why) => [name, exact(of(why as CpuWait))]);
  return Object.fromEntries(entries) as CpuWaits;
}

/** All waiting that there would be none of if no two operations met: cache lines that come over once are not among it. */
export function contentionOf({ claim, space, owner, lock, device }: CpuWaits): number {
  return claim + space + owner + lock + device;
}
