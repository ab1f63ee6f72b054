import type { Accepted } from './accepted.ts';
import type { Mutant } from './mutant.ts';
import type { Verdict } from './trial.ts';

/** Share of the mutants that make a difference which tests must notice. */
const GOALS: Readonly<Record<string, number>> = { formats: 0.95, emulator: 0.95, devices: 0.9, traces: 0.9 };

/** The entry that speaks of a mutant, if there is one. */
function entryOf(mutant: Mutant, accepted: readonly Accepted[]): Accepted | undefined {
  return accepted.find(
    ({ file, line, change }) => file === mutant.file && line === mutant.text && change === mutant.change,
  );
}

/** Entries that speak of no mutant of the files looked at: the code has changed. */
function stale(all: readonly Mutant[], accepted: readonly Accepted[]): Accepted[] {
  const files = new Set(all.map(({ file }) => file));
  return accepted.filter((entry) => files.has(entry.file) && !all.some((mutant) => entryOf(mutant, [entry])));
}

interface Score {
  killed: number;
  counted: number;
  equivalent: number;
}

function scores(verdicts: readonly Verdict[], accepted: readonly Accepted[], of: (file: string) => string) {
  const found = new Map<string, Score>();
  for (const { mutant, fate } of verdicts) {
    const name = of(mutant.file);
    const score = found.get(name) ?? { killed: 0, counted: 0, equivalent: 0 };
    found.set(name, score);
    if (fate !== 'killed' && entryOf(mutant, accepted)?.as === 'equivalent') score.equivalent += 1;
    else {
      score.counted += 1;
      if (fate === 'killed') score.killed += 1;
    }
  }
  return found;
}

const floorOf = (file: string): string => file.split('/')[0] ?? '';
const roomOf = (file: string): string => file.split('/').slice(0, -1).slice(0, 2).join('/');

export function report(verdicts: readonly Verdict[], all: readonly Mutant[], accepted: readonly Accepted[]): string[] {
  const lines = [''];
  for (const { mutant, fate } of verdicts) {
    if (fate === 'killed') continue;
    const entry = entryOf(mutant, accepted);
    if (entry?.as === 'equivalent') continue;
    lines.push(
      `${mutant.file}:${mutant.line}  ${mutant.change}`,
      `    ${mutant.text}`,
      `    ${fate}: ${entry?.reason ?? 'no reason given'}`,
    );
  }
  lines.push('', `${'killed'.padStart(36)}${'of'.padStart(8)}${'equivalent'.padStart(12)}`);
  const rooms = scores(verdicts, accepted, roomOf);
  for (const [floor, score] of scores(verdicts, accepted, floorOf)) {
    const goal = GOALS[floor];
    lines.push(`${row(floor, score)}${goal === undefined ? '' : `, goal ${goal * 100} %`}`);
    for (const [room, one] of [...rooms].sort()) if (room.startsWith(`${floor}/`)) lines.push(row(`  ${room}`, one));
  }
  for (const { file, line, change } of stale(all, accepted)) {
    lines.push(`accepted, but no longer there: ${file}: ${line}: ${change}`);
  }
  for (const { mutant, fate, by } of verdicts) {
    if (fate === 'killed' && entryOf(mutant, accepted) !== undefined) {
      lines.push(`accepted, but killed by ${by}: ${mutant.file}:${mutant.line} ${mutant.change}`);
    }
  }
  return lines;
}

function row(name: string, { killed, counted, equivalent }: Score): string {
  const share = counted === 0 ? '' : `  ${((100 * killed) / counted).toFixed(1)} %`;
  return `${name.padEnd(30)}${String(killed).padStart(6)}${String(counted).padStart(8)}${String(equivalent).padStart(12)}${share}`;
}

/** Whether every floor reaches its goal and no accepted entry is stale. */
export function met(verdicts: readonly Verdict[], all: readonly Mutant[], accepted: readonly Accepted[]): boolean {
  return (
    stale(all, accepted).length === 0 &&
    [...scores(verdicts, accepted, floorOf)].every(
      ([floor, { killed, counted }]) => killed >= (GOALS[floor] ?? 0) * counted,
    )
  );
}
