import { PbfReader } from 'pbf';
import { describe, expect, it } from 'vitest';
import {
  PerfettoTrace,
  ReplayRun,
  type Report,
  type RunConfigInput,
  runConfig,
  watchRun,
} from '../../../traces/index.ts';

/** A message as field numbers and values; `nested` says which fields are messages. */
type Message = Map<number, (number | string | Message)[]>;
interface Shape {
  readonly text?: readonly number[];
  readonly nested?: Readonly<Record<number, Shape>>;
}

/** The part of Perfetto's schema that the trace may use: anything else fails. */
const PACKET: Shape = {
  nested: {
    11: { text: [23], nested: { 4: { text: [10] } } },
    60: { text: [2], nested: { 8: {} } },
  },
};

function decode(reader: PbfReader, end: number, shape: Shape): Message {
  const message: Message = new Map();
  while (reader.pos < end) {
    const key = reader.readVarint();
    const field = key >> 3;
    let value: number | string | Message;
    if ((key & 7) === 0) value = reader.readVarint();
    else if (shape.text?.includes(field)) value = reader.readString();
    else {
      const inner = shape.nested?.[field];
      if ((key & 7) !== 2 || inner === undefined) throw new Error(`field ${field} of type ${key & 7}`);
      const length = reader.readVarint();
      value = decode(reader, reader.pos + length, inner);
    }
    message.set(field, [...(message.get(field) ?? []), value]);
  }
  return message;
}

async function trace(config: RunConfigInput = {}): Promise<{ report: Report; packets: Message[] }> {
  const pieces: Uint8Array[] = [];
  let written: PerfettoTrace | null = null as PerfettoTrace | null;
  const report = await new ReplayRun(['traces/samples/small-strict.ftrace.txt.gz'], runConfig(config), {
    onStart: (replayer) => {
      written = new PerfettoTrace(replayer, (bytes) => pieces.push(bytes));
      watchRun(replayer, [written]);
    },
  }).run();
  written?.end();
  const bytes = Buffer.concat(pieces);
  const all = decode(new PbfReader(bytes), bytes.length, { nested: { 1: PACKET } });
  return { report, packets: (all.get(1) ?? []).filter((one): one is Message => one instanceof Map) };
}

const inside = (packet: Message, field: number): Message | null => {
  const value = packet.get(field)?.[0];
  return value instanceof Map ? value : null;
};

describe('a Perfetto trace', () => {
  it('has a slice for every operation and access on a declared track, nested and closed, and the findings', async () => {
    const { report, packets } = await trace({ table: { walk: 'non-coherent' }, plantedBugs: { dropSync: 0.05 } });
    const names = new Map<unknown, unknown>();
    const open = new Map<unknown, unknown[]>();
    const counts = new Map<unknown, number>();
    let most = 0;
    for (const packet of packets) {
      const track = inside(packet, 60);
      if (track !== null) names.set(track.get(1)?.[0], track.get(2)?.[0]);
      const event = inside(packet, 11);
      if (event === null) continue;
      expect(packet.get(10)).toEqual([1]);
      const [uuid, type, name] = [event.get(11)?.[0], event.get(9)?.[0], event.get(23)?.[0]];
      expect(names.has(uuid)).toBe(true);
      const stack = open.get(uuid) ?? [];
      open.set(uuid, stack);
      if (type === 1) stack.push(packet.get(8)?.[0]);
      if (type === 2) expect(Number(stack.pop())).toBeLessThanOrEqual(Number(packet.get(8)?.[0]));
      if (type === 4) most = Math.max(most, Number(event.get(30)?.[0]));
      else if (type !== 2) counts.set(name, (counts.get(name) ?? 0) + 1);
    }
    for (const stack of open.values()) expect(stack).toEqual([]);
    expect(counts.get('map')).toBe(report.capture.maps);
    expect(counts.get('unmap')).toBe(report.capture.unmaps);
    for (const { side, name, count } of report.costs) if (side === 'device') expect(counts.get(name)).toBe(count);
    expect(most).toBe(report.table.peakBytes);
    expect(counts.get('stale-walk')).toBeGreaterThan(0);
    expect([...names.values()]).toEqual(expect.arrayContaining(['table memory, bytes', 'findings', 'stream 16']));
  });
});
