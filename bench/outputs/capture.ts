import { createWriteStream, readFileSync } from 'node:fs';
import { finished } from 'node:stream/promises';
import { gunzipSync } from 'node:zlib';

const SAMPLE = 'traces/samples/medium-strict.ftrace.txt.gz';
const EVENT = /^(?<task>.*?\s)(?<time>\d+\.\d+): (?<call>(?<name>\w+): .*)$/u;
const RANGE = /iova=(?<iova>0x[0-9a-f]+) .* size=(?<size>\d+)/u;

interface Line {
  readonly task: string;
  readonly time: number;
  readonly name: string;
  readonly call: string;
}

/**
 * Writes a capture of at least so many maps and unmaps: the calls of a sample, again and again. Only mappings that are unmapped in it are
 * taken, so that every round ends as it began.
 * @returns maps and unmaps in the capture
 */
export async function writeCapture(path: string, atLeast: number): Promise<number> {
  const text = gunzipSync(readFileSync(SAMPLE)).toString('latin1').split('\n');
  const lines = text.flatMap((line) => {
    const parts = EVENT.exec(line)?.groups as Record<keyof Line, string> | undefined;
    return parts === undefined ? [] : [{ ...parts, time: Number(parts.time) }];
  });
  const calls = pairs(lines);
  const others = lines.filter(({ name }) => name !== 'map' && name !== 'unmap');
  const first = calls[0]?.time ?? 0;
  const span = (calls.at(-1)?.time ?? 0) - first + 0.001;
  const file = createWriteStream(path);
  file.write(text.filter((line) => line.startsWith('#')).join('\n'));
  file.write(`\n${others.map((line) => lineOf(line, Math.min(line.time, first))).join('')}`);
  const rounds = Math.ceil(atLeast / calls.length);
  for (let round = 0; round < rounds; round++) {
    file.write(calls.map((line) => lineOf(line, line.time + round * span)).join(''));
  }
  file.end();
  await finished(file);
  return rounds * calls.length;
}

/** Maps that are unmapped in one piece, and their unmaps, in order. */
function pairs(lines: readonly Line[]): Line[] {
  const live = new Map<string, Line[]>();
  const kept = new Set<Line>();
  for (const line of lines) {
    const { iova, size } = RANGE.exec(line.call)?.groups ?? {};
    const key = `${iova} ${size}`;
    const maps = live.get(key) ?? [];
    if (line.name === 'map') live.set(key, [...maps, line]);
    const map = line.name === 'unmap' ? maps.shift() : undefined;
    if (map !== undefined) kept.add(map).add(line);
  }
  return lines.filter((line) => kept.has(line));
}

function lineOf({ task, call }: Line, time: number): string {
  return `${task}${time.toFixed(6)}: ${call}\n`;
}
