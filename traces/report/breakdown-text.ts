import type { Ansis } from 'ansis';
import { plainNames } from '../plain-text.ts';
import { bytes, count, cycles, share } from '../quantity.ts';
import type { BreakdownSection, Spread } from './report.ts';

/** How many groups of each kind; the JSON has all. */
const SHOWN = 5;
const NAME_WIDTH = 30;

interface Group {
  readonly name: string;
  readonly spread: Spread;
}

/** Where the time went by domain, by size and by stream: the dearest groups of each, with their spread. */
export function breakdownLines({ domains, sizes, streams }: BreakdownSection, ink: Ansis): string[] {
  const ofDomains = domains.map(({ domain, devices, origin, cpu }) => ({
    name: `${domain} ${devices.length > 0 ? shortList(devices) : `(${origin})`}`,
    spread: cpu,
  }));
  const ofSizes = sizes.map(({ operation, from, cpu }) => ({
    name: `${operation}, ${bytes(from)} to ${bytes(2 * from)}`,
    spread: cpu,
  }));
  const ofStreams = streams.map(({ stream, accesses }) => ({ name: `0x${stream.toString(16)}`, spread: accesses }));
  return [
    ...table('CPU time by domain', ofDomains, ink),
    ...table('CPU time by size', ofSizes, ink),
    ...table('device time by stream', ofStreams, ink),
  ];
}

function table(title: string, groups: readonly Group[], ink: Ansis): string[] {
  const used = groups.filter(({ spread }) => spread.count > 0);
  // One group is the whole, which the lines above have told.
  if (used.length < 2) return [];
  const total = used.reduce((sum, { spread }) => sum + spread.total, 0);
  const shown = [...used].sort((a, b) => b.spread.total - a.spread.total).slice(0, SHOWN);
  const rest = used.length - shown.length;
  return [
    '',
    ink.bold(title),
    ...shown.map(({ name, spread }) => groupLine(name, spread, total, ink)),
    ...(rest > 0 ? [ink.dim(`  and ${count(rest)} more (see --json)`)] : []),
  ];
}

function groupLine(
  name: string,
  { count: times, total, mean, p50, p99, max }: Spread,
  whole: number,
  ink: Ansis,
): string {
  const of = [`mean ${round(mean)}`, `p50 ${round(p50)}`, `p99 ${round(p99)}`, `max ${round(max)}`].join(', ');
  return (
    `  ${name.padEnd(NAME_WIDTH)}${cycles(total).padStart(16)}  ${share(total, whole).padStart(7)}` +
    ink.dim(`  ${count(times)} x, ${of}`)
  );
}

/** Tenths where they tell something. */
function round(value: number): string {
  return value < 100 && !Number.isInteger(value) ? value.toFixed(1) : count(value);
}

function shortList(names: readonly string[]): string {
  return names.length > 2 ? `${plainNames(names.slice(0, 2))} and ${names.length - 2} more` : plainNames(names);
}
