import { describe, expect, it } from 'vitest';
import { runBusyUnmap, runStallResume } from '../../../traces/index.ts';

describe('an access that stalls behind an SMMUv2', () => {
  it('goes on with all that wait behind it, once the page is mapped', () => {
    const report = runStallResume({ behind: 8 });
    expect([report.stalled, report.wentOn, report.ended, report.stuck]).toEqual([9, 9, 0, 0]);
    expect(report.longestWait).toBeGreaterThanOrEqual(5000);
  });

  it('is ended when nobody wants the fault, and those behind it go on', () => {
    const report = runStallResume({ answer: 'refuse', behind: 3 });
    expect([report.wentOn, report.ended, report.stuck]).toEqual([3, 1, 0]);
  });

  it('waits for ever with Linux 6.12, which never writes RESUME', () => {
    const report = runStallResume({ kernel: '6.12', behind: 3 });
    expect([report.wentOn, report.ended, report.stuck]).toEqual([0, 0, 4]);
  });
});

describe('an unmap under a device that is not quiet', () => {
  it('lets writes through until the TLB is clean, then refuses them, and other buffers with them', () => {
    const report = runBusyUnmap();
    expect(report.staleAfterReturn).toBe(0);
    expect(report.stale).toBeGreaterThan(0);
    expect(report.windowCycles).toBeLessThanOrEqual(report.unmapCycles);
    expect(report.refused).toBeGreaterThan(10);
    expect(report.collateral).toBeGreaterThan(10);
    expect(report.interrupts).toBeGreaterThan(1);
  });

  it('returns sooner in lazy mode, with writes to freed pages until the flush', () => {
    const lazy = runBusyUnmap({ mode: 'lazy' });
    expect(lazy.unmapCycles).toBeLessThan(runBusyUnmap().unmapCycles);
    expect(lazy.staleAfterReturn).toBeGreaterThan(100);
    expect(lazy.windowCycles).toBeGreaterThan(15_000);
  });

  it('hurts other buffers less when the handler is quick', () => {
    const slow = runBusyUnmap({ interruptCycles: 4000 });
    const quick = runBusyUnmap({ interruptCycles: 100 });
    expect(quick.collateral / quick.neighbourWrites).toBeLessThan(slow.collateral / slow.neighbourWrites);
  });
});
