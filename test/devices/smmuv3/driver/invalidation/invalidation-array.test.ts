import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type Invalidation,
  InvalidationArray,
  InvalidationKind,
} from '../../../../../devices/smmuv3/driver/invalidation/invalidation-array.ts';

const entry = (kind: InvalidationKind, id: number, substreamId = 0): Invalidation => ({
  kind,
  id,
  substreamId,
  whole: kind === InvalidationKind.ASID ? 'TLBI_NH_ASID' : null,
  users: 1,
});
const shown = (array: InvalidationArray): number[][] =>
  array.entries.map(({ kind, id, substreamId, users }) => [kind, id, substreamId, users]);

describe('InvalidationArray', () => {
  it('sorts by kind, then number, then substream, and counts who needs an entry', () => {
    const array = new InvalidationArray();
    array.add([entry(InvalidationKind.ASID, 1), entry(InvalidationKind.ATS, 9)]);
    array.add([entry(InvalidationKind.ASID, 1), entry(InvalidationKind.ATS, 4, 2), entry(InvalidationKind.ATS, 9, 1)]);
    expect(shown(array)).toEqual([
      [InvalidationKind.ASID, 1, 0, 2],
      [InvalidationKind.ATS, 4, 2, 1],
      [InvalidationKind.ATS, 9, 0, 1],
      [InvalidationKind.ATS, 9, 1, 1],
    ]);
  });

  it('keeps equal entries of one attachment apart, as a bridged device with one stream twice has them', () => {
    const array = new InvalidationArray();
    const twice = [entry(InvalidationKind.ATS, 3), entry(InvalidationKind.ATS, 3)];
    array.add(twice);
    expect(shown(array).map(([, id, , users]) => [id, users])).toEqual([
      [3, 1],
      [3, 1],
    ]);
    array.remove(twice, () => {});
    expect(array.entries).toEqual([]);
  });

  it('holds what any sequence of users needs, and says once of each entry that its last user is gone', () => {
    // A user is a tag that all share and one stream of its own or shared.
    const user = fc.integer({ min: 0, max: 5 });
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.boolean(), user), { maxLength: 60 }), (steps) => {
        const array = new InvalidationArray();
        const users: number[] = [];
        const needs = (n: number): Invalidation[] => [entry(InvalidationKind.ASID, 7), entry(InvalidationKind.ATS, n)];
        for (const [joins, n] of steps) {
          if (joins) {
            users.push(n);
            array.add(needs(n));
          } else if (users.includes(n)) {
            users.splice(users.indexOf(n), 1);
            const gone: number[] = [];
            array.remove(needs(n), ({ id }) => gone.push(id));
            expect(gone).toEqual([...(users.length === 0 ? [7] : []), ...(users.includes(n) ? [] : [n])]);
          }
          const streams = [...new Set(users)].sort((a, b) => a - b);
          expect(shown(array)).toEqual([
            ...(users.length === 0 ? [] : [[InvalidationKind.ASID, 7, 0, users.length]]),
            ...streams.map((id) => [InvalidationKind.ATS, id, 0, users.filter((one) => one === id).length]),
          ]);
        }
      }),
    );
  });
});
