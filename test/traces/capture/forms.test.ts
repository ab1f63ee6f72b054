import { describe, expect, it } from 'vitest';
import { Context, EventKind, type TraceEvent, UNKNOWN } from '../../../traces/index.ts';
import { type ReadBack, readCaptures } from './read-events.ts';

const vector = (name: string): string => `test/vectors/captures/${name}.txt.gz`;
const read = (name: string): Promise<ReadBack> => readCaptures([vector(name)]);

/** Maps and unmaps counted with grep in the original files. */
const COUNTS: readonly (readonly [string, number, number])[] = [
  ['clock_boot', 107, 108],
  ['clock_counter', 103, 104],
  ['clock_tai', 107, 108],
  ['clock_uptime', 99, 100],
  ['domain_type_switch', 407, 405],
  ['hotplug_unbind', 43, 24],
  ['mixed_block_nvme_iommu', 150, 118],
  ['mixed_dma_iommu', 113, 114],
  ['option_fields', 87, 88],
  ['option_latency-format', 83, 84],
  ['option_latency-format+verbose', 87, 88],
  ['option_no-context-info', 87, 88],
  ['option_no-irq-info', 87, 88],
  ['option_record-tgid', 87, 88],
  ['option_stacktrace', 87, 88],
  ['overrun_trace', 142, 144],
  ['overrun_trace_pipe', 221, 221],
  ['perf_script', 900, 300],
  ['perf_script_fields', 900, 300],
  ['perf_script_ns', 900, 300],
  ['perf_trace', 1200, 227],
  ['r7z.report', 1201, 300],
  ['r7z.report-R_raw', 1201, 300],
  ['r7z.report-filter', 0, 0],
  ['r7z.report-l_latency', 1201, 300],
  ['r7z.report-t_ns', 1201, 300],
  ['r7z.report-tsdiff', 1201, 300],
  ['trace_pipe', 89, 90],
  ['with_trace_marker', 82, 83],
];

describe('every text form that tracers print', () => {
  it.each(COUNTS)('%s: all %i maps and %i unmaps are read, and nothing is damaged', async (name, maps, unmaps) => {
    const { events, stats } = await read(name);
    expect(stats).toMatchObject({ maps, unmaps, damaged: 0 });
    expect(events.filter((event) => event.kind === EventKind.MAP && event.pa >= 0 && event.size > 0)).toHaveLength(
      maps,
    );
    expect(events.filter((event) => event.kind === EventKind.UNMAP && event.unmappedSize === event.size)).toHaveLength(
      unmaps,
    );
  });

  it('a trace line gives task, CPU, context, time and all fields', async () => {
    const { events } = await read('clock_boot');
    expect(events[0]).toMatchObject({
      kind: EventKind.MAP,
      time: 42.747373,
      iova: 0xfffdf000,
      pa: 0x42852000,
      size: 4096,
      runEnd: 0xfffe0000,
      pid: 308,
      cpu: 0,
      context: Context.TASK,
      domain: UNKNOWN,
      device: UNKNOWN,
      line: 13,
    });
    expect(events[1]).toMatchObject({ kind: EventKind.UNMAP, pid: 0, context: Context.HARDIRQ, unmappedSize: 4096 });
  });

  it('a counting clock gives ticks and says so', async () => {
    const counter = await read('clock_counter');
    expect(counter.stats).toMatchObject({ clock: 'ticks', firstTime: 4, lastTime: 211 });
    expect((await read('clock_uptime')).stats).toMatchObject({ clock: 'ticks', firstTime: 2856 });
    expect((await read('clock_tai')).stats).toMatchObject({ clock: 'seconds', firstTime: 1795246716.61115 });
    expect((await read('option_no-context-info')).stats.clock).toBe('none');
  });

  it('latency format gives its relative times in seconds, with CPU and context', async () => {
    const short = await read('option_latency-format');
    expect(short.events[1]).toMatchObject({ time: 0.02673, cpu: 0, pid: 0, context: Context.HARDIRQ });
    const verbose = await read('option_latency-format+verbose');
    expect(verbose.events[0]).toMatchObject({ time: 0.017932, cpu: 0, pid: 393, context: Context.TASK });
    expect(verbose.events[1]).toMatchObject({ time: 0.018454, cpu: 0, pid: 0, context: Context.HARDIRQ });
  });

  it('perf script and perf trace give thread and time', async () => {
    const script = await read('perf_script_fields');
    expect(script.events[0]).toMatchObject({
      time: 100.42547,
      pid: 467,
      cpu: 0,
      iova: 0xfffd8000,
      pa: 0x5abae000,
      size: 8192,
    });
    expect((await read('perf_script_ns')).events[0]).toMatchObject({ time: 100.425470288, pid: 467 });
    const traced = await read('perf_trace');
    expect(traced.events[1]).toMatchObject({
      time: 0.009096,
      pid: 474,
      cpu: UNKNOWN,
      iova: 4294807552,
      pa: 0x5a692000,
    });
  });

  it('every way trace-cmd report can print one recording gives the same calls', async () => {
    const calls = async (name: string): Promise<string[]> =>
      (await read(name)).events.map(({ kind, iova, pa, size, unmappedSize, pid }) =>
        [kind, iova, pa, size, unmappedSize, pid].join(),
      );
    const plain = await calls('r7z.report');
    for (const name of ['r7z.report-R_raw', 'r7z.report-l_latency', 'r7z.report-t_ns', 'r7z.report-tsdiff']) {
      expect(await calls(name), name).toEqual(plain);
    }
  });

  it('ftrace text and trace-cmd report of one run give the same events', async () => {
    const essence = ({ kind, time, iova, pa, size, pid, cpu }: TraceEvent): unknown[] => [
      kind,
      time,
      iova,
      pa,
      size,
      pid,
      cpu,
    ];
    const report = await readCaptures([vector('medium.trace-cmd-report')]);
    const text = await readCaptures(['traces/samples/medium-strict.ftrace.txt.gz']);
    expect(report.events).toHaveLength(2999);
    expect(report.events.map(essence)).toEqual(text.events.slice(0, 2999).map(essence));
  });

  it('a report of two trace instances counts each call once', async () => {
    const { stats } = await read('r7inst.report');
    expect(stats).toMatchObject({ events: 1200, otherInstances: 1200, damaged: 0 });
  });

  it('lost events are counted, from LOST lines and from the entry counts in the header', async () => {
    const pipe = await read('overrun_trace_pipe');
    expect(pipe.stats.lostEvents).toBe(2712);
    expect(pipe.events.find((event) => event.kind === EventKind.LOST)).toMatchObject({
      cpu: 0,
      count: 2712,
      line: 114,
    });
    const ring = await read('overrun_trace');
    expect(ring.stats.lostEvents).toBe(1755 - 286);
  });

  it('options that print no fields are refused in one line that says what to do', async () => {
    for (const name of ['option_raw', 'option_hex', 'option_bin']) {
      await expect(read(name), name).rejects.toThrow(
        /nothing but damage \(175 times, line \d+: .*option raw, hex or bin/,
      );
    }
  });

  it('stack traces are passed over, other events and markers counted as other', async () => {
    expect((await read('option_stacktrace')).stats).toMatchObject({ events: 175, notEvents: 5785 });
    expect((await read('with_trace_marker')).stats.byKind[EventKind.OTHER]).toBe(2);
    expect((await read('mixed_block_nvme_iommu')).stats).toMatchObject({ events: 476, other: 208 });
  });

  it('group events carry group and device', async () => {
    const { events, devices } = await read('hotplug_unbind');
    const group = events.filter((event) => event.device !== UNKNOWN);
    expect(group.map((event) => event.kind)).toEqual([EventKind.REMOVE_DEVICE, EventKind.ADD_DEVICE, EventKind.ATTACH]);
    expect(group.map((event) => devices.name(event.device))).toEqual(Array(3).fill('0000:00:05.0'));
    expect(group[1]?.group).toBe(3);
  });

  it('dma events name the device of the maps and unmaps beside them', async () => {
    const { events, devices } = await read('mixed_dma_iommu');
    const calls = events.filter((event) => event.kind === EventKind.MAP || event.kind === EventKind.UNMAP);
    expect(calls).toHaveLength(227);
    expect(new Set(calls.map((event) => devices.name(event.device)))).toEqual(
      new Set(['0000:01:00.0', '0000:00:04.0', '0000:00:06.0']),
    );
    const run = await read('medium-dma-events.head');
    const maps = run.events.filter((event) => event.kind === EventKind.MAP);
    // Without a device are only the interrupt doorbells and the reserved regions, which no driver maps.
    expect(maps.filter((event) => event.device === UNKNOWN).every((event) => event.pa === 0x8090000)).toBe(true);
    expect(new Set(maps.map((event) => run.devices.name(event.device))).size).toBeGreaterThan(5);
  });

  it('a call recorded as kprobe and as plain event is one call, with domain and protection', async () => {
    const { events, stats } = await readCaptures(['traces/samples/dma-dump.ftrace.txt.gz']);
    expect(stats).toMatchObject({ maps: 7810, unmaps: 7254, paired: 7810 + 7254 + 8 });
    const calls = events.filter((event) => event.kind === EventKind.MAP || event.kind === EventKind.UNMAP);
    expect(calls.every((event) => event.domain !== UNKNOWN)).toBe(true);
    expect(calls[0]).toMatchObject({ kind: EventKind.MAP, iova: 0xfffff000, pa: 0x8090000, size: 0x1000, prot: 0x1a });
    expect(new Set(calls.map((event) => event.domain)).size).toBe(6);
  });
});
