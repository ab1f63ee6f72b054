import { describe, expect, it } from 'vitest';
import { FindingKind, KEPT_FINDINGS, KEPT_OF_EACH_KIND, Sanitizer } from '../../../emulator/index.ts';

function atWork() {
  const clock = { cycles: 0, seconds: 0 };
  const sanitizer = new Sanitizer(clock);
  sanitizer.operation = 7;
  sanitizer.domain = 3;
  return { clock, sanitizer, windows: sanitizer.windows };
}

describe('Sanitizer', () => {
  it('measures a stale window from the unmap to the last TLB entry that goes', () => {
    const { clock, sanitizer, windows } = atWork();
    const mark = windows.takeMark();
    clock.cycles = 100;
    clock.seconds = 1;
    windows.entryMarked(mark);
    windows.entryMarked(mark);
    windows.open(mark, 0x1000, 4096, 3, 0x80000f43, 0x600000);
    clock.cycles = 150;
    windows.entryDropped(mark);
    expect(windows.lengths.max).toBe(0);
    clock.cycles = 400;
    clock.seconds = 1.5;
    windows.entryDropped(mark);
    expect(windows.lengths.max).toBe(300);
    expect(sanitizer.count(FindingKind.STALE_WINDOW)).toBe(1);
  });

  it('counts a copy made by a hit as one more entry of the window', () => {
    const { clock, windows } = atWork();
    const mark = windows.takeMark();
    windows.entryMarked(mark);
    windows.open(mark, 0x1000, 4096, 3, 0x80000f43, 0x600000);
    windows.entryMarked(mark);
    clock.cycles = 10;
    windows.entryDropped(mark);
    expect(windows.lengths.max).toBe(0);
    clock.cycles = 20;
    windows.entryDropped(mark);
    expect(windows.lengths.max).toBe(20);
  });

  it('lets windows that nobody closed last until the end', () => {
    const { clock, windows } = atWork();
    const mark = windows.takeMark();
    windows.entryMarked(mark);
    windows.open(mark, 0x1000, 4096, 3, 0x80000f43, 0x600000);
    clock.cycles = 1234;
    windows.finish();
    expect(windows.lengths.max).toBe(1234);
  });

  it('says of a stale hit who unmapped the translation, and how long before', () => {
    const { clock, sanitizer, windows } = atWork();
    const mark = windows.takeMark();
    windows.entryMarked(mark);
    windows.open(mark, 0x1000, 4096, 3, 0x80000f43, 0x600000);
    clock.cycles = 55;
    sanitizer.accesses = 4;
    sanitizer.operation = 9;
    windows.hit(mark, 0x1040);
    expect(sanitizer.findings.at(-1)).toEqual({
      kind: 'stale-tlb-hit',
      operation: 9,
      domain: 3,
      iova: 0x1040,
      level: 3,
      low: 0x80000f43,
      high: 0x600000,
      cycles: 55,
      accesses: 4,
      detail:
        '0x1040 was served by the level 3 leaf 0x0060000080000f43 that operation 7 unmapped 55 cycles and 4 accesses before',
    });
  });

  it('uses marks again, and keeps apart however many windows are open', () => {
    const { clock, windows } = atWork();
    const marks = Array.from({ length: 300 }, () => windows.takeMark());
    expect(new Set(marks).size).toBe(300);
    for (const [at, mark] of marks.entries()) {
      clock.cycles = at;
      windows.entryMarked(mark);
      windows.open(mark, at * 4096, 4096, -1, 0, 0);
    }
    for (const mark of marks) windows.entryDropped(mark);
    expect(windows.lengths.max).toBe(299);
    expect(marks).toContain(windows.takeMark());
  });

  it('keeps the first hundred findings and counts the rest', () => {
    const { sanitizer } = atWork();
    for (let i = 0; i < 250; i++) sanitizer.found(FindingKind.STALE_WALK, i, () => ({ detail: `finding ${i}` }));
    expect(sanitizer.count(FindingKind.STALE_WALK)).toBe(250);
    expect(sanitizer.findings).toHaveLength(KEPT_FINDINGS);
    expect(sanitizer.findings[99]?.detail).toBe('finding 99');
  });

  it('keeps the first of each kind, however many of another came before', () => {
    const { sanitizer } = atWork();
    for (let i = 0; i < 250; i++) sanitizer.found(FindingKind.STALE_WINDOW, i, () => ({ detail: '' }));
    for (let i = 0; i < 20; i++) sanitizer.found(FindingKind.STALE_WALK, i, () => ({ detail: '' }));
    expect(sanitizer.findings.filter(({ kind }) => kind === 'stale-walk')).toHaveLength(KEPT_OF_EACH_KIND);
    expect(sanitizer.total).toBe(270);
  });
});
