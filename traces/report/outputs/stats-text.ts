import { METRICS, type MetricUnit } from '../metrics.ts';
import type { Report, Spread } from '../report.ts';

/** What gem5 calls the units. */
const UNITS: Readonly<Record<MetricUnit, string>> = {
  count: 'Count',
  bytes: 'Byte',
  cycles: 'Cycle',
  share: 'Ratio',
  seconds: 'Second',
};
const NAME_WIDTH = 52;
const VALUE_WIDTH = 18;

/**
 * A report in the layout of gem5's `stats.txt` (name, value, `#` description with its unit), so that scripts made for that read this too.
 * Names are the keys of {@link METRICS} and stay; a figure that the run does not have is `nan`, as there.
 */
export function statsText(report: Report): string {
  const lines = ['', '---------- Begin Simulation Statistics ----------'];
  const add = (name: string, value: number | null, meaning: string, unit: MetricUnit): void => {
    const text = value === null ? 'nan' : String(value);
    lines.push(`${name.padEnd(NAME_WIDTH)} ${text.padStart(VALUE_WIDTH)}  # ${meaning} (${UNITS[unit]})`);
  };
  const addSpread = (name: string, what: string, spread: Spread): void => {
    add(`${name}.count`, spread.count, `${what}: how many.`, 'count');
    for (const part of ['total', 'mean', 'p50', 'p99', 'max'] as const) {
      add(`${name}.${part}`, spread[part], `${what}: ${SPREAD_NAMES[part]}.`, 'cycles');
    }
  };
  for (const { key, unit, meaning, pick } of METRICS) add(`tablewalk.${key}`, pick(report), meaning, unit);
  const { breakdown, costs } = report;
  for (const [kind, group] of Object.entries(breakdown.operations)) {
    addSpread(`tablewalk.operations.${kind}`, `CPU time of ${kind} operations`, group);
  }
  for (const { operation, from, cpu } of breakdown.sizes) {
    addSpread(`tablewalk.sizes.${operation}${from}`, `CPU time of ${operation} of ${from} bytes up to twice that`, cpu);
  }
  for (const { domain, cpu, accesses } of breakdown.domains) {
    addSpread(`tablewalk.domain${domain}.cpu`, `CPU time of domain ${domain}`, cpu);
    addSpread(`tablewalk.domain${domain}.accesses`, `Translation time of domain ${domain}`, accesses);
  }
  for (const { stream, accesses } of breakdown.streams) {
    addSpread(`tablewalk.stream${stream}.accesses`, `Translation time of stream ${stream}`, accesses);
  }
  for (const { side, name, count, cycles } of costs) {
    const key = `tablewalk.costs.${side}.${camelCase(name)}`;
    add(`${key}.count`, count, `${name}: how many.`, 'count');
    add(`${key}.cycles`, cycles, `${name}: ${side === 'cpu' ? 'CPU' : 'device'} time.`, 'cycles');
  }
  lines.push('', '---------- End Simulation Statistics   ----------', '');
  return lines.join('\n');
}

const SPREAD_NAMES = {
  total: 'in all',
  mean: 'mean',
  p50: 'median',
  p99: '99th percentile',
  max: 'longest',
} as const;

/** `editing tables, map` as `editingTablesMap`. */
function camelCase(words: string): string {
  return words
    .toLowerCase()
    .replace(/[^a-z0-9]+(.)?/g, (_all, letter: string | undefined) => (letter ?? '').toUpperCase());
}
