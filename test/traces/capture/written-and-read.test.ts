import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Context, EventKind, UNKNOWN } from '../../../traces/index.ts';
import { readText } from './read-events.ts';

/** A map or unmap as a tracer would have it. */
interface Call {
  readonly comm: string;
  readonly pid: number;
  readonly cpu: number;
  readonly context: Context;
  readonly microseconds: number;
  readonly isMap: boolean;
  readonly iova: number;
  readonly pa: number;
  readonly size: number;
  readonly unmapped: number;
}

const PAGE = 4096;
const page = (limit: number): fc.Arbitrary<number> =>
  fc.integer({ min: 0, max: limit / PAGE - 1 }).map((number) => number * PAGE);

/** Comms as nasty as they can be: up to 15 bytes, with everything a header is made of. */
const comm = fc.oneof(
  fc.constantFrom(
    'dd',
    '<idle>',
    'kworker/u4:2-ev',
    'Web Content',
    'a (b) [c]',
    '[001] 1.0: x',
    'x-1 [000] 2.0:',
    'irq/35-nvme0q1',
    '...',
    'map: ',
  ),
  fc.string({ unit: fc.constantFrom(...'abc-:[]() 019./'), minLength: 1, maxLength: 15 }),
);

const call: fc.Arbitrary<Call> = fc
  .record({
    comm,
    pid: fc.integer({ min: 0, max: 4_194_304 }),
    cpu: fc.integer({ min: 0, max: 511 }),
    context: fc.constantFrom(Context.TASK, Context.SOFTIRQ, Context.HARDIRQ, Context.NMI),
    microseconds: fc.integer({ min: 0, max: 2_000_000_000_000_000 }),
    isMap: fc.boolean(),
    iova: page(2 ** 48),
    pa: page(2 ** 48),
    size: fc.integer({ min: 1, max: 2 ** 20 }).map((pages) => pages * PAGE),
    share: fc.double({ min: 0, max: 1, noNaN: true }),
  })
  .map(({ share, ...rest }) => ({ ...rest, unmapped: Math.floor((share * rest.size) / PAGE) * PAGE }));

const hex16 = (value: number): string => `0x${value.toString(16).padStart(16, '0')}`;
const flagLetter = (context: Context): string => ({ 0: '.', 1: 's', 2: 'h', 3: 'Z' })[context as 0 | 1 | 2 | 3] ?? '.';
const seconds = ({ microseconds }: Call): string =>
  `${Math.floor(microseconds / 1e6)}.${String(microseconds % 1e6).padStart(6, '0')}`;

const payload = (c: Call): string =>
  c.isMap
    ? `IOMMU: iova=${hex16(c.iova)} - ${hex16(c.iova + c.size)} paddr=${hex16(c.pa)} size=${c.size}`
    : `IOMMU: iova=${hex16(c.iova)} - ${hex16(c.iova + c.size)} size=${c.size} unmapped_size=${c.unmapped}`;
const oldPayload = (c: Call): string => payload(c).replace(/ - 0x[0-9a-f]+/, '');
const name = (c: Call): string => (c.isMap ? 'map' : 'unmap');
const task = (c: Call, width: number): string => `${c.comm.padStart(16)}-${String(c.pid).padEnd(width)}`;
const cpu = (c: Call): string => `[${String(c.cpu).padStart(3, '0')}]`;
const fieldText = (c: Call): string => {
  const field = (key: string, value: number): string => `${key}=0x${value.toString(16)} (${value})`;
  return c.isMap
    ? `${field('iova', c.iova)} ${field('paddr', c.pa)} ${field('size', c.size)}`
    : `${field('iova', c.iova)} ${field('size', c.size)} ${field('unmapped_size', c.unmapped)}`;
};

interface Form {
  readonly write: (call: Call) => string;
  /** What the form does not tell. */
  readonly without?: readonly ('context' | 'cpu' | 'time' | 'pid')[];
}

const FORMS: Readonly<Record<string, Form>> = {
  trace: {
    write: (c) =>
      `${task(c, 7)} ${cpu(c)} d.${flagLetter(c.context)}.. ${seconds(c).padStart(12)}: ${name(c)}: ${payload(c)}`,
  },
  'trace of an old kernel': {
    write: (c) =>
      `${task(c, 5)} ${cpu(c)} dN${flagLetter(c.context)}1 ${seconds(c).padStart(12)}: ${name(c)}: ${oldPayload(c)}`,
  },
  'record-tgid': {
    write: (c) =>
      `${task(c, 7)} (${String(c.pid).padStart(7)}) ${cpu(c)} ..${flagLetter(c.context)}.. ${seconds(c)}: ${name(c)}: ${payload(c)}`,
  },
  'no irq-info': {
    write: (c) => `${task(c, 7)} ${cpu(c)} ${seconds(c).padStart(12)}: ${name(c)}: ${payload(c)}`,
    without: ['context'],
  },
  fields: {
    write: (c) => `${task(c, 7)} ${cpu(c)} ..${flagLetter(c.context)}.. ${seconds(c)}: ${name(c)}: ${fieldText(c)}`,
  },
  'no context-info': { write: (c) => `${name(c)}: ${payload(c)}`, without: ['context', 'cpu', 'time', 'pid'] },
  'trace-cmd report': {
    write: (c) => `${task(c, 5)} ${cpu(c)} ${seconds(c).padStart(12)}: ${`${name(c)}:`.padEnd(21)} ${payload(c)}`,
    without: ['context'],
  },
  'trace-cmd report --ts-diff': {
    write: (c) => `${task(c, 5)} ${cpu(c)} ${seconds(c).padStart(12)}: (+${c.pid})   ${name(c)}:  ${payload(c)}`,
    without: ['context'],
  },
  'perf script': {
    write: (c) =>
      `${c.comm.padStart(16)} ${String(c.pid).padStart(5)} ${cpu(c)} ${seconds(c).padStart(12)}: ${`iommu:${name(c)}`.padStart(11)}: ${payload(c)}`,
    without: ['context'],
  },
  'perf script with tid': {
    write: (c) =>
      `${c.comm.padStart(16)} ${String(c.pid).padStart(5)}/${String(c.pid).padEnd(5)} ${cpu(c)} ${seconds(c).padStart(12)}: iommu:${name(c)}: ${payload(c)}`,
    without: ['context'],
  },
};

const line = fc.tuple(call, fc.constantFrom(...Object.keys(FORMS)));

function expected(c: Call, form: Form): Record<string, number> {
  const without = new Set<string>(form.without ?? []);
  return {
    kind: c.isMap ? EventKind.MAP : EventKind.UNMAP,
    iova: c.iova,
    pa: c.isMap ? c.pa : UNKNOWN,
    size: c.size,
    unmappedSize: c.isMap ? UNKNOWN : c.unmapped,
    cpu: without.has('cpu') ? UNKNOWN : c.cpu,
    pid: without.has('pid') ? UNKNOWN : c.pid,
    context: without.has('context') ? UNKNOWN : c.context,
    ...(without.has('time') ? {} : { time: Number(seconds(c)) }),
  };
}

describe('a call that is written down and read back', () => {
  for (const [title, form] of Object.entries(FORMS)) {
    it(`is the same call in the form ${title}`, () => {
      fc.assert(
        fc.property(fc.array(call, { minLength: 1, maxLength: 4 }), fc.constantFrom('\n', '\r\n'), (calls, newline) => {
          const { events, stats } = readText(calls.map((c) => form.write(c) + newline).join(''));
          expect(stats.damaged).toBe(0);
          expect(events).toHaveLength(calls.length);
          for (const [index, c] of calls.entries()) expect(events[index]).toMatchObject(expected(c, form));
        }),
        { numRuns: 200 },
      );
    });
  }

  it('is the same whatever the chunks the text comes in', () => {
    fc.assert(
      fc.property(
        fc.array(line, { minLength: 1, maxLength: 12 }),
        fc.array(fc.integer({ min: 1, max: 200 }), { minLength: 1, maxLength: 20 }),
        fc.boolean(),
        (lines, chunks, terminated) => {
          const noise = ['# tracer: nop', ' => __iommu_map', '', 'CPU:1 [LOST 7 EVENTS]'];
          const text =
            lines.map(([c, form], index) => `${noise[index % noise.length]}\n${FORMS[form]?.write(c)}`).join('\n') +
            (terminated ? '\n' : '');
          const whole = readText(text);
          const cut = readText(text, chunks);
          expect(cut.events).toEqual(whole.events);
          expect({ ...cut.stats }).toEqual({ ...whole.stats });
        },
      ),
      { numRuns: 300 },
    );
  });

  it('keeps all 64 bits of a domain pointer', () => {
    const pointers = fc.array(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), { minLength: 1, maxLength: 40 });
    fc.assert(
      fc.property(pointers, (list) => {
        const text = list
          .map(
            (pointer) =>
              `  a-1 [000] d.... 1.000000: dom_unmap: (f+0x0/0x1) domain=0x${pointer.toString(16)} iova=0x1000 size=0x1000\n`,
          )
          .join('');
        const distinct = [...new Set(list)];
        expect(readText(text).events.map((event) => event.domain)).toEqual(
          list.map((pointer) => distinct.indexOf(pointer)),
        );
      }),
    );
  });
});
