import ansis from 'ansis';
import type { Deadlock } from '../../../devices/index.ts';

/** A wait that can never end, one line for each who waits. */
export function chainText({ kind, chain }: Deadlock): string[] {
  const lines = [ansis.red.bold(kind === 'cycle' ? 'Deadlock. Who waits for whom:' : 'Stuck. Who waits for whom:')];
  for (const { who, on, why } of chain) lines.push(`  ${who} ${ansis.dim('->')} ${on}: ${why}`);
  lines.push(ENDS[kind](chain.length));
  return lines;
}

const ENDS: Readonly<Record<Deadlock['kind'], (links: number) => string>> = {
  cycle: (links) => `  and so on, in a circle of ${links}.`,
  'never-signalled': () => '  and nobody in the model will ever signal that.',
  'not-modelled': () =>
    '  and the model cannot resume the one who could go on before this one: no deadlock of the machine.',
};
