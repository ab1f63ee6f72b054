/** A real capture on a Mali with panthor: what the locked regions came to, in the report and in comparisons. */
import { describe, expect, it } from 'vitest';
import { metricsOf, ReplayRun, type Report, readRunConfig } from '../../../traces/index.ts';

const SAMPLE = 'traces/samples/small-strict.ftrace.txt.gz';

async function replay(driver: string, more: Record<string, unknown> = {}): Promise<Report> {
  const config = readRunConfig({ iommu: { model: 'mali', driver }, ...more });
  return new ReplayRun([SAMPLE], config).run();
}

describe.each(['panthor-6.12', 'panthor-7.3'])('a capture replayed with %s', (driver) => {
  it('leaves nothing for the sanitizer to find, and says what locks and tables came to', async () => {
    const report = await replay(driver, { access: { pattern: 'probe' } });
    expect(report.table.format).toBe('ARM_64_LPAE_S1');
    expect(report.sanitizer.byKind).toEqual({});
    const { regions } = report;
    if (regions === undefined) throw new Error('no regions');
    expect(regions.operations).toBe(report.capture.maps + report.capture.unmaps - report.capture.refused);
    expect(regions.tablesReserved).toBe(regions.tablesUsed + regions.tablesReturned);
    expect(regions.lockedBytes).toBeGreaterThan(regions.excessBytes);
    expect(regions.lockedCycles).toBeGreaterThan(0);
    expect(metricsOf(report)['lockedCycles']).toBe(regions.lockedCycles);
  });
});

describe('a capture replayed with another MMU', () => {
  it('has no locked regions', async () => {
    const report = await new ReplayRun([SAMPLE], readRunConfig({})).run();
    expect(report.regions).toBeUndefined();
    expect(metricsOf(report)['lockedCycles']).toBeNull();
  });
});
