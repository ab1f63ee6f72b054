/**
 * How well the domains of plain map and unmap lines are found: captures that name every call's domain or device are read with the names hidden, and
 * what the tracker makes of them is held against the truth. Baselines: one domain for all; a simple greedy choice; and the streaming tracker that came
 * before, whose scores are fixed figures, since its code is gone.
 */
import { CALLS_RIGHT, type Confidence, type DomainTracker, type TraceEvent } from '../../traces/index.ts';
import { AS_RECORDED, type Form, HELD_OUT } from './forms.ts';
import { GreedyDomains } from './greedy-domains.ts';
import { type Found, findDomains, type KnownCapture, readKnown, type Score, scoreOf } from './score.ts';

/** A capture with truth, and what the tracker before scored on it. */
interface Case {
  readonly name: string;
  readonly path: string;
  readonly before: Score;
}

const CAPTURES: readonly Case[] = [
  {
    name: 'dma-dump',
    path: 'traces/samples/dma-dump.ftrace.txt.gz',
    before: { domains: 6, calls: 0.872, leaves: 0.888, contradictions: 0 },
  },
  {
    name: 'vfio-dump',
    path: 'traces/samples/vfio-dump.ftrace.txt.gz',
    before: { domains: 8, calls: 0.881, leaves: 0.505, contradictions: 0 },
  },
  {
    name: 'medium-dma-events',
    path: 'test/vectors/domains/medium-dma-events.txt.gz',
    before: { domains: 6, calls: 0.933, leaves: 0.878, contradictions: 0 },
  },
];

/** Prints the scores of every capture with truth, and how far the confidence holds. */
export async function printDomainScores(): Promise<void> {
  console.log('\nDomains of plain map and unmap lines (captures with truth, names hidden)');
  console.log(row(['', 'domains', 'true', 'calls right', 'leaves right', 'contradictions', 'confidence']));
  const scores: Stated[] = [];
  for (const { name, path, before } of CAPTURES) {
    const known = await readKnown(path);
    const calls = known.events.filter((_, index) => known.tells(index)).length;
    console.log(`${name}, ${calls} calls`);
    printScore(
      'one domain for all',
      known,
      scoreOf(
        known,
        allOfThem(known, () => 0),
      ),
    );
    const greedy = new GreedyDomains();
    printScore(
      'greedy',
      known,
      scoreOf(
        known,
        allOfThem(known, (event) => greedy.take(event)),
      ),
    );
    printScore('tracker before', known, before);
    for (const form of [AS_RECORDED, ...HELD_OUT]) {
      const { tracker, found } = findDomains(known, form);
      const score = scoreOf(known, found);
      printScore(form === AS_RECORDED ? 'tracker' : `held out: ${form.name}`, known, score, tracker);
      scores.push({ name, form, score, confidence: tracker.confidence });
    }
  }
  printCalibration(scores);
}

/** What was stated of a capture in one form, and what was right. */
interface Stated {
  readonly name: string;
  readonly form: Form;
  readonly score: Score;
  readonly confidence: Confidence;
}

/** By word of confidence: the share of the calls and leaves that were right, the mean and the least of all captures and forms. */
function printCalibration(all: readonly Stated[]): void {
  console.log('\nWhat the confidence holds (every capture in every form above)');
  console.log(row(['', 'captures', 'promised', 'calls, mean', 'calls, least', 'leaves, mean', 'leaves, least']));
  for (const word of ['high', 'medium', 'low'] as const) {
    const those = all.filter(({ confidence }) => confidence === word);
    if (those.length === 0) continue;
    const [calls, leaves] = [those.map(({ score }) => score.calls), those.map(({ score }) => score.leaves)];
    const shares = [CALLS_RIGHT[word], mean(calls), Math.min(...calls), mean(leaves), Math.min(...leaves)];
    console.log(row([`  ${word}`, String(those.length), ...shares.map(percent)]));
    for (const { name, form, score } of those) {
      if (score.calls < CALLS_RIGHT[word]) console.log(`    less than promised: ${name}, ${form.name}`);
    }
  }
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function allOfThem(known: KnownCapture, choose: (event: TraceEvent) => number): Found {
  return { shown: known.events.map((_, index) => index), domains: known.events.map(choose), parts: new Map() };
}

function printScore(what: string, known: KnownCapture, score: Score, tracker?: DomainTracker): void {
  const said =
    tracker === undefined ? '' : `${tracker.confidence}, ${tracker.contradictions} repaired, lacks ${tracker.missing}`;
  const { domains, calls, leaves, contradictions } = score;
  const figures = [String(domains), String(known.domains), percent(calls), percent(leaves), String(contradictions)];
  console.log(`${row([`  ${what}`, ...figures])}  ${said}`);
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}

function row(cells: readonly string[]): string {
  return cells.map((cell, i) => (i === 0 ? cell.padEnd(42) : ` ${cell}`.padStart(15))).join('');
}
