import { describe, expect, it } from 'vitest';
import { FindingKind, KEPT_FINDINGS, Sanitizer } from '../../emulator/index.ts';

function atWork() {
  const clock = { cycles: 0, seconds: 0 };
  const sanitizer = new Sanitizer(clock);
  sanitizer.operation = 7;
  sanitizer.domain = 3;
  return { clock, sanitizer };
}

describe('Sanitizer', () => {
  it('measures a stale window from the unmap to the last TLB entry that goes', () => {
    const { clock, sanitizer } = atWork();
    const mark = sanitizer.takeMark();
    clock.cycles = 100;
    clock.seconds = 1;
    sanitizer.entryMarked(mark);
    sanitizer.entryMarked(mark);
    sanitizer.openWindow(mark, 0x1000, 4096);
    clock.cycles = 150;
    sanitizer.entryDropped(mark);
    expect(sanitizer.longestWindowCycles).toBe(0);
    clock.cycles = 400;
    clock.seconds = 1.5;
    sanitizer.entryDropped(mark);
    expect(sanitizer.longestWindowCycles).toBe(300);
    expect(sanitizer.longestWindowSeconds).toBe(0.5);
    expect(sanitizer.count(FindingKind.STALE_WINDOW)).toBe(1);
  });

  it('counts a copy made by a hit as one more entry of the window', () => {
    const { clock, sanitizer } = atWork();
    const mark = sanitizer.takeMark();
    sanitizer.entryMarked(mark);
    sanitizer.openWindow(mark, 0x1000, 4096);
    sanitizer.entryMarked(mark);
    clock.cycles = 10;
    sanitizer.entryDropped(mark);
    expect(sanitizer.longestWindowCycles).toBe(0);
    clock.cycles = 20;
    sanitizer.entryDropped(mark);
    expect(sanitizer.longestWindowCycles).toBe(20);
  });

  it('lets windows that nobody closed last until the end', () => {
    const { clock, sanitizer } = atWork();
    const mark = sanitizer.takeMark();
    sanitizer.entryMarked(mark);
    sanitizer.openWindow(mark, 0x1000, 4096);
    clock.cycles = 1234;
    sanitizer.finish();
    expect(sanitizer.longestWindowCycles).toBe(1234);
  });

  it('says of a stale hit who unmapped the translation, and how long before', () => {
    const { clock, sanitizer } = atWork();
    const mark = sanitizer.takeMark();
    sanitizer.entryMarked(mark);
    sanitizer.openWindow(mark, 0x1000, 4096);
    clock.cycles = 55;
    sanitizer.operation = 9;
    sanitizer.staleHit(mark, 0x1040);
    expect(sanitizer.findings.at(-1)).toEqual({
      kind: 'stale-tlb-hit',
      operation: 9,
      domain: 3,
      iova: 0x1040,
      detail: 'served by a translation that operation 7 unmapped 55 cycles before',
    });
  });

  it('uses marks again, and keeps apart however many windows are open', () => {
    const { clock, sanitizer } = atWork();
    const marks = Array.from({ length: 300 }, () => sanitizer.takeMark());
    expect(new Set(marks).size).toBe(300);
    for (const [at, mark] of marks.entries()) {
      clock.cycles = at;
      sanitizer.entryMarked(mark);
      sanitizer.openWindow(mark, at * 4096, 4096);
    }
    for (const mark of marks) sanitizer.entryDropped(mark);
    expect(sanitizer.longestWindowCycles).toBe(299);
    expect(marks).toContain(sanitizer.takeMark());
  });

  it('keeps the first hundred findings and counts the rest', () => {
    const { sanitizer } = atWork();
    for (let i = 0; i < 250; i++) sanitizer.found(FindingKind.STALE_WALK, i, () => `finding ${i}`);
    expect(sanitizer.count(FindingKind.STALE_WALK)).toBe(250);
    expect(sanitizer.findings).toHaveLength(KEPT_FINDINGS);
    expect(sanitizer.findings[99]?.detail).toBe('finding 99');
  });
});
