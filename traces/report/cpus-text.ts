import type { Ansis } from 'ansis';
import type { RunConfig } from '../config/index.ts';
import { count, cycles, share } from '../quantity.ts';
import { LABEL_WIDTH } from './findings.ts';
import type { CpusSection, CpuWaits, Report } from './report.ts';

/** CPUs that a line names. */
const NAMED = 4;

const WAITS: readonly [keyof CpuWaits, string][] = [
  ['claim', 'claims of the queue'],
  ['space', 'room in it'],
  ['owner', 'who publishes'],
  ['lock', 'locks'],
  ['device', 'the device'],
];

/** What several CPUs did at once; nothing where one was asked for. */
export function cpusLines({ cpus, breakdown, config }: Report, ink: Ansis): string[] {
  if (cpus.asked === 1) return [];
  const { waits, active } = cpus;
  const row = (label: string, value: string, note = ''): string =>
    `  ${label.padEnd(LABEL_WIDTH)}${value}${note === '' ? '' : ink.dim(`  ${note}`)}`;
  const reasons = WAITS.filter(([name]) => waits[name] > 0).map(([name, what]) => `${what} ${cycles(waits[name])}`);
  const lines = ['', ink.bold('CPUs at once'), row('CPUs', whichCpus(cpus), folding(cpus, config.cpuLoad))];
  if (cpus.used > 0) {
    lines.push(
      row(
        'first to last',
        cycles(cpus.span),
        `${cycles(cpus.busy)} of operations, ${share(cpus.busy, cpus.span)} of one CPU's time`,
      ),
      row(
        'for each other',
        cycles(cpus.contention),
        [`${share(cpus.contention, cpus.busy)} of it waited`, ...reasons].join(', '),
      ),
      row('cache lines', cycles(waits.line), 'that came over from another CPU, once each'),
      row(
        'CPU and device',
        cycles(active.both),
        `both at work: ${share(active.both, active.device)} of the device's time, ${share(active.both, active.cpu)} of the CPUs'`,
      ),
    );
    for (const kind of ['map', 'unmap', 'flush']) {
      const [one, alone] = [cpus.operations[kind], breakdown.operations[kind]];
      if (one === undefined || alone === undefined) continue;
      const { mean, p50, p99, max } = one;
      lines.push(
        row(
          kind,
          `mean ${mean.toFixed(1)}, p50 ${p50.toFixed(1)}, p99 ${p99.toFixed(1)}, max ${cycles(max)}`,
          `alone: mean ${alone.mean.toFixed(1)}`,
        ),
      );
    }
    lines.push(...table(cpus, config.cpuLoad.by === 'cpu' ? 'CPU' : 'domain', ink));
  }
  return lines;
}

function table({ each, span }: CpusSection, what: string, ink: Ansis): string[] {
  const head = ['operations', 'working', 'for the device', 'for each other', 'cache lines', 'busy'];
  const widths = [12, 16, 16, 16, 14, 9];
  const cells = (values: readonly string[]): string =>
    values.map((value, at) => value.padStart(widths[at] ?? 0)).join('');
  return [
    ink.dim(`  ${what.padEnd(LABEL_WIDTH)}${cells(head)}`),
    ...each.map(({ cpus, operations, working, polling, waits, total }) => {
      const { line, claim, space, owner, lock, device } = waits;
      const others = claim + space + owner + lock + device;
      return `  ${cpuNames(cpus).padEnd(LABEL_WIDTH)}${cells([count(operations), ...[working, polling, others, line].map((value) => count(Math.round(value))), share(total, span)])}`;
    }),
  ];
}

function whichCpus({ asked, used }: CpusSection): string {
  return asked === 'capture' || asked >= used ? count(used) : `${count(used)} of ${count(asked)}`;
}

/** How the CPUs, or domains, of the capture lie on those here. */
function folding({ asked, named, used, unnamed }: CpusSection, { by, backToBack }: RunConfig['cpuLoad']): string {
  const what = by === 'cpu' ? 'CPU' : 'domain';
  if (named === 0) return `the capture names none: all of it ran on one`;
  const said = [`the capture has ${named === 1 ? `one ${what}` : `${count(named)} ${what}s`}`];
  if (asked !== 'capture' && named > used) said.push(`${what} n ran on n modulo ${count(asked)}`);
  if (unnamed > 0) said.push(`${count(unnamed)} maps and unmaps without one ran on the first`);
  if (backToBack) said.push('pauses were left out');
  return said.join('; ');
}

function cpuNames(cpus: readonly number[]): string {
  if (cpus.length === 0) return 'unnamed';
  const sorted = [...cpus].sort((a, b) => a - b);
  return sorted.length > NAMED
    ? `${sorted.slice(0, NAMED).join(', ')} and ${sorted.length - NAMED} more`
    : sorted.join(', ');
}
