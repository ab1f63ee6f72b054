import { ConfigError, Prng } from '../../../formats/index.ts';
import { InputError } from '../../input-error.ts';
import { combinationsOf, type FieldNames, fieldNamed, type Variation } from '../variation/index.ts';

/** How points are chosen where not all combinations are run. */
export interface Sampling {
  /** `random`: each point by itself. `lhs`, Latin hypercube: of n points, each nth of every variation has exactly one. */
  readonly kind: 'random' | 'lhs';
  readonly points: number;
  readonly seed: number;
}

/** What is varied, and every choice that is run. Plain JSON. */
export interface PointTable {
  readonly varied: readonly { readonly name: string; readonly field: string }[];
  /** The values of each point, in the order of `varied`. */
  readonly points: readonly (readonly string[])[];
}

/** The most points of a sweep. */
const MAX_POINTS = 1_000_000;

/**
 * All points of a sweep: those of a file, each with every combination of the variations or, with sampling, with so many of them.
 * @throws ConfigError for a field that is varied twice, or too many points
 */
export function pointsOf(listed: PointTable, variations: readonly Variation[], sampling: Sampling | null): PointTable {
  const varied = [...listed.varied, ...variations.map(({ name, field }) => ({ name, field }))];
  const fields = varied.map(({ field }) => field);
  const twice = fields.find((field, at) => fields.indexOf(field) !== at);
  if (twice !== undefined) throw new ConfigError('--vary', twice, 'each field once');
  if (varied.length === 0) throw new ConfigError('--vary', 'nothing', 'name=value,value');
  const before = listed.varied.length === 0 ? [[]] : listed.points;
  const each = sampling?.points ?? variations.reduce((product, { values }) => product * values.length, 1);
  const all = before.length * each;
  if (all > MAX_POINTS) {
    throw new ConfigError('--vary', `${all} runs`, `at most ${MAX_POINTS} (--sample random:1000 takes some of them)`);
  }
  const chosen = sampling === null ? combinationsOf(variations) : sample(variations, sampling);
  return { varied, points: before.flatMap((begun) => chosen.map((values) => [...begun, ...values])) };
}

function sample(variations: readonly Variation[], { kind, points, seed }: Sampling): string[][] {
  const prng = new Prng(seed);
  const columns = variations.map(({ values }) => {
    const pick = (share: number): string => values[Math.floor(share * values.length)] ?? '';
    if (kind === 'random') return Array.from({ length: points }, () => pick(prng.unit()));
    // One point in each of the n strata, in an order of its own (McKay, Beckman and Conover 1979).
    const strata = Array.from({ length: points }, (_, at) => at);
    for (let last = points - 1; last > 0; last--) {
      const other = prng.below(last + 1);
      [strata[last], strata[other]] = [strata[other] as number, strata[last] as number];
    }
    return strata.map((stratum) => pick((stratum + prng.unit()) / points));
  });
  return Array.from({ length: points }, (_, at) => columns.map((column) => column[at] ?? ''));
}

/** Reads `random:100` or `lhs:100`. @throws ConfigError */
export function parseSampling(text: string, seed: number): Sampling {
  const [, kind, points] = /^(random|lhs):([1-9]\d{0,5})$/.exec(text) ?? [];
  if (kind === undefined) throw new ConfigError('--sample', text, 'random:N or lhs:N with N points');
  return { kind: kind === 'lhs' ? 'lhs' : 'random', points: Number(points), seed };
}

/**
 * Reads a CSV of points: names in the first line, one point in each further one. Cells may stand in double quotes.
 * @throws InputError naming the line, ConfigError for a name that is no field
 */
export function parsePoints(file: string, text: string, names: FieldNames): PointTable {
  const rows = text.split(/\r?\n/).map((line, at) => ({ cells: cellsOf(file, line, at + 1), line: at + 1 }));
  const [head, ...others] = rows.filter(({ cells }) => cells.length > 1 || cells[0] !== '');
  if (head === undefined || others.length === 0) {
    throw new InputError(file, '', 'no points', 'a line of names and one line for each point');
  }
  const varied = head.cells.map((name) => ({ name, field: fieldNamed(name, names) }));
  const points = others.map(({ cells, line }) => {
    if (cells.length === varied.length && !cells.includes('')) return cells;
    throw new InputError(file, `line ${line}`, `${cells.length} values`, `${varied.length}, one for each name`);
  });
  return { varied, points };
}

function cellsOf(file: string, line: string, number: number): string[] {
  const cells: string[] = [];
  const next = /(?:"((?:[^"]|"")*)"|([^",]*))(,|$)/y;
  for (;;) {
    const match = next.exec(line);
    if (match === null)
      throw new InputError(file, `line ${number}`, 'a quote that nothing closes', 'cells with commas');
    cells.push((match[1]?.replaceAll('""', '"') ?? match[2] ?? '').trim());
    if (match[3] === '') return cells;
  }
}
