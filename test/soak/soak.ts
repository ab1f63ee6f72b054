/** Running a target over many inputs, and making small what it finds. */
import { Prng } from '../../formats/index.ts';
import type { Parts, Target } from './target.ts';

/** CPU milliseconds that one input may take: a thousand times the usual. */
const MOST_CPU = 10_000;
/** Tries that minimising may take. */
const MOST_TRIES = 400;

export interface Finding {
  readonly seed: number;
  readonly parts: Parts;
  /** First lines of what was thrown. */
  readonly what: string;
}

export interface SoakResult {
  readonly tried: number;
  readonly findings: readonly Finding[];
}

/**
 * Tries inputs of seeds `first`, `first + 1`, ...: each input has a seed of its own, so that one number reproduces it.
 * @param more asked before each input whether to go on; told how many were tried and found
 */
export async function soak(
  target: Target,
  first: number,
  more: (tried: number, found: number) => boolean,
): Promise<SoakResult> {
  const findings: Finding[] = [];
  let tried = 0;
  while (more(tried, findings.length)) {
    const seed = first + tried++;
    const parts = target.make(new Prng(seed));
    const what = await failure(target, parts);
    if (what !== '') findings.push({ seed, parts: await minimise(target, parts, what), what });
  }
  return { tried, findings };
}

/** What a target says of an input; empty when all is well. */
export async function failure(target: Target, parts: Parts): Promise<string> {
  const before = process.cpuUsage().user;
  try {
    await target.run(parts);
  } catch (error) {
    return error instanceof Error ? `${error.name}: ${error.message}\n${placeOf(error)}` : String(error);
  }
  const took = (process.cpuUsage().user - before) / 1000;
  return took > MOST_CPU ? `slow: more than ${MOST_CPU} ms of CPU time` : '';
}

function placeOf(error: Error): string {
  return (error.stack ?? '').split('\n').slice(1, 5).join('\n');
}

/** Leaves out what is not needed for the same failure: halves, quarters, and so on to single parts. */
async function minimise(target: Target, parts: Parts, what: string): Promise<Parts> {
  const kind = kindOf(what);
  let tries = 0;
  let small = parts;
  for (let size = Math.ceil(small.length / 2); size >= 1 && tries < MOST_TRIES; size = Math.floor(size / 2)) {
    for (let at = 0; at < small.length && tries < MOST_TRIES; ) {
      const rest = without(small, at, at + size);
      tries++;
      if (rest.length > 0 && kindOf(await failure(target, rest)) === kind) small = rest;
      else at += size;
    }
  }
  return small;
}

/** Numbers differ from input to input, the sentence does not. */
function kindOf(what: string): string {
  return (what.split('\n')[0] ?? '').replace(/0x[0-9a-f]+|\d+/gi, '#').slice(0, 60);
}

function without(parts: Parts, from: number, to: number): Parts {
  if (parts instanceof Uint8Array) {
    const rest = new Uint8Array(parts.length - (Math.min(to, parts.length) - from));
    rest.set(parts.subarray(0, from));
    rest.set(parts.subarray(to), from);
    return rest;
  }
  return [...parts.slice(0, from), ...parts.slice(to)];
}
