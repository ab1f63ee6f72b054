import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import {
  CaptureFeed,
  copyEvent,
  type EventFeed,
  EventPacking,
  fileSources,
  packedEvents,
  Replay,
  runConfig,
  TraceEvent,
} from '../../../traces/index.ts';

const SMALL = 'traces/samples/small-strict.ftrace.txt.gz';
const LAZY = 'traces/samples/small-lazy.ftrace.txt.gz';
const directory = mkdtempSync(join(tmpdir(), 'tablewalk-packed-'));
afterAll(() => rmSync(directory, { recursive: true }));

async function eventsOf(feed: EventFeed) {
  const events: TraceEvent[] = [];
  const take = (event: TraceEvent): void => {
    const copy = new TraceEvent();
    copyEvent(event, copy);
    events.push(copy);
  };
  const { stats, complete } = await feed.run(
    () => ({
      get events() {
        return events.length;
      },
      take,
    }),
    () => {},
  );
  return { events, stats, complete };
}

describe('packed events', () => {
  it.each([
    [[SMALL, LAZY], {}],
    [[SMALL], { limit: 300 }],
  ])('of %s are those of the captures, with all that was counted', async (captures, options) => {
    const file = join(directory, 'events.bin');
    expect(await new EventPacking(captures, options, file).run(() => {})).toBe(true);
    expect(await eventsOf(packedEvents(file))).toEqual(await eventsOf(new CaptureFeed(fileSources(captures), options)));
  });

  it('give a replay the report of the captures themselves, devices by name', async () => {
    const file = join(directory, 'replayed.bin');
    await new EventPacking([SMALL], {}, file).run(() => {});
    const config = runConfig();
    const report = await new Replay(packedEvents(file), config, { captures: [SMALL] }).run();
    expect(report).toEqual(await new Replay(fileSources([SMALL]), config).run());
    expect(report.breakdown.domains.some(({ devices }) => devices.length > 0)).toBe(true);
  });

  it('that are cut off are refused, wherever the cut is', async () => {
    const file = join(directory, 'whole.bin');
    await new EventPacking([SMALL], { limit: 10 }, file).run(() => {});
    const bytes = readFileSync(file);
    const cut = join(directory, 'cut.bin');
    for (const length of [1, 8, 12, 1000, bytes.length - 13, bytes.length - 1]) {
      writeFileSync(cut, bytes.subarray(0, length));
      await expect(eventsOf(packedEvents(cut))).rejects.toThrow('events that are not all there');
    }
  });

  it('are not there when the packing was stopped', async () => {
    const file = join(directory, 'stopped.bin');
    const packing = new EventPacking([SMALL], {}, file);
    packing.stop();
    expect(await packing.run(() => {})).toBe(false);
    expect(() => readFileSync(file)).toThrow('ENOENT');
  });
});
