import { readdirSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { CaptureFeed, type CaptureStats, fileSources, remarks, type TraceEvent } from '../../../traces/index.ts';

const FOLDER = 'test/vectors/captures';

/** Every file of the folder by name: maps, unmaps and the clock, counted with other tools; or why it is refused. */
const VARIANTS: Readonly<Record<string, readonly [number, number, CaptureStats['clock']] | RegExp>> = {
  'clock_boot.txt': [107, 108, 'seconds'],
  'clock_counter.dat': [103, 104, 'ticks'],
  'clock_counter.txt': [103, 104, 'ticks'],
  'clock_global.txt': [107, 108, 'seconds'],
  'clock_local.txt': [107, 108, 'seconds'],
  'clock_mono.txt': [107, 108, 'seconds'],
  'clock_mono_raw.txt': [103, 104, 'seconds'],
  'clock_perf.txt': [103, 104, 'seconds'],
  'clock_tai.txt': [107, 108, 'seconds'],
  'clock_uptime.dat': [99, 100, 'ticks'],
  'clock_uptime.txt': [99, 100, 'ticks'],
  'domain_type_switch.txt': [407, 405, 'seconds'],
  'event_formats.txt': /found the format of trace events \(events\/\*\/format\)/,
  'hotplug_unbind.txt': [43, 24, 'seconds'],
  'medium-dma-events.head.txt': [3287, 2716, 'seconds'],
  'medium.trace-cmd-report.txt': [1773, 1210, 'seconds'],
  'mixed_block_nvme_iommu.txt': [150, 118, 'seconds'],
  'mixed_dma_iommu.txt': [113, 114, 'seconds'],
  'option_bin.txt': /found nothing but damage \(175 times, line 13: no fields \(trace option raw, hex or bin\)/,
  'option_fields.txt': [87, 88, 'seconds'],
  'option_hex.txt': /found nothing but damage \(175 times, line 13: no fields \(trace option raw, hex or bin\)/,
  'option_latency-format+verbose.txt': [87, 88, 'seconds'],
  'option_latency-format.txt': [83, 84, 'seconds'],
  'option_markers.txt': [87, 88, 'seconds'],
  'option_no-annotate.txt': [87, 88, 'seconds'],
  'option_no-context-info.txt': [87, 88, 'none'],
  'option_no-irq-info.txt': [87, 88, 'seconds'],
  'option_pause-on-trace.txt': [83, 84, 'seconds'],
  'option_printk-msg-only.txt': [87, 88, 'seconds'],
  'option_raw.txt': /found nothing but damage \(175 times, line 13: no fields \(trace option raw, hex or bin\)/,
  'option_record-tgid.txt': [87, 88, 'seconds'],
  'option_stacktrace.txt': [87, 88, 'seconds'],
  'option_verbose.txt': [87, 88, 'seconds'],
  'overrun_trace.stats': /found the statistics of a trace buffer \(per_cpu\/\*\/stats\)/,
  'overrun_trace.txt': [142, 144, 'seconds'],
  'overrun_trace_pipe.txt': [221, 221, 'seconds'],
  'perf.data': [900, 300, 'seconds'],
  'perf_script.txt': [900, 300, 'seconds'],
  'perf_script_fields.txt': [900, 300, 'seconds'],
  'perf_script_ns.txt': [900, 300, 'seconds'],
  'perf_trace.txt': [1200, 227, 'seconds'],
  'qemu-smmu.small-strict.log': /found a log of 1,436 translations, which is a list of accesses and not of maps/,
  'qemu-smmu.vfio-dump.log': /found a log of 17,232 translations/,
  'r6.report.txt': [1200, 300, 'seconds'],
  'r6.trace.dat': [1200, 300, 'seconds'],
  'r6inst.trace.dat': [900, 300, 'seconds'],
  'r7inst.report.txt': [900, 300, 'seconds'],
  'r7inst.trace.dat': [900, 300, 'seconds'],
  'r7mono.report.txt': [300, 300, 'seconds'],
  'r7mono.trace.dat': [300, 300, 'seconds'],
  'r7z.report-R_raw.txt': [1201, 300, 'seconds'],
  'r7z.report-filter.txt': /found a trace without events: nothing was recorded, or a filter has left nothing/,
  'r7z.report-l_latency.txt': [1201, 300, 'seconds'],
  'r7z.report-t_ns.txt': [1201, 300, 'seconds'],
  'r7z.report-tsdiff.txt': [1201, 300, 'seconds'],
  'r7z.report.txt': [1201, 300, 'seconds'],
  'r7z.trace.dat': [1201, 300, 'seconds'],
  'small-16k.v7-zstd.dat': [716, 175, 'seconds'],
  'small-strict.v7-none.dat': [852, 242, 'seconds'],
  'trace_pipe.txt': [89, 90, 'seconds'],
  'vfio-dump.dmesg.txt': /found 10 faults and no map or unmap/,
  'with_trace_marker.txt': [82, 83, 'seconds'],
};

/** Takes everything and keeps nothing. */
class Counter {
  events = 0;
  take(_event: TraceEvent): void {
    this.events++;
  }
}

async function feed(name: string): Promise<CaptureStats> {
  const run = new CaptureFeed(fileSources([`${FOLDER}/${name}.gz`]), {});
  return (
    await run.run(
      () => new Counter(),
      () => {},
    )
  ).stats;
}

describe('every form that people have is read rightly, or refused in one line that says what it is', () => {
  it('none is left out of the table', () => {
    const files = readdirSync(FOLDER).filter((name) => name.endsWith('.gz'));
    expect(files.map((name) => name.slice(0, -3)).sort()).toEqual(Object.keys(VARIANTS).sort());
  });

  it.each(Object.entries(VARIANTS))('%s', async (name, expected) => {
    if (expected instanceof RegExp) {
      const error = await feed(name).then(
        () => new Error('read'),
        (reason: unknown) => reason as Error,
      );
      expect(error.message).toMatch(expected);
      expect(error.message).not.toContain('\n');
      return;
    }
    const [maps, unmaps, clock] = expected;
    const stats = await feed(name);
    expect(stats).toMatchObject({ maps, unmaps, clock, damaged: 0 });
    expect(stats.lines).toBe(stats.events + stats.damaged + stats.ignored);
    expect(remarks(stats).some((one) => one.includes('counts ticks'))).toBe(clock === 'ticks');
  });
});
