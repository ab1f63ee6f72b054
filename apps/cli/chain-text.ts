import ansis from 'ansis';
import type { Deadlock } from '../../devices/index.ts';

/** A wait that can never end, one line for each who waits. */
export function chainText({ kind, chain }: Deadlock): string[] {
  const lines = [ansis.red.bold(kind === 'cycle' ? 'Deadlock. Who waits for whom:' : 'Stuck. Who waits for whom:')];
  for (const { who, on, why } of chain) lines.push(`  ${who} ${ansis.dim('->')} ${on}: ${why}`);
  lines.push(
    kind === 'cycle'
      ? `  and so on, in a circle of ${chain.length}.`
      : '  and nobody in the model will ever signal that.',
  );
  return lines;
}
