import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LESSONS } from '../../../apps/explorer/lessons/index.ts';
import { parseAction, type Reply, Session, settingsOf, settingsText } from '../../../apps/explorer/model/index.ts';
import { Prng } from '../../../formats/index.ts';
import type { DrawnTable } from '../../../traces/index.ts';
import { tablewalk } from '../run-cli.ts';

const SMALL = 'traces/samples/small-strict.ftrace.txt.gz';

function newSession(): { session: Session; replies: Reply[] } {
  const replies: Reply[] = [];
  return { session: new Session(LESSONS, (reply) => replies.push(structuredClone(reply))), replies };
}

function lastState(replies: readonly Reply[]): Extract<Reply, { kind: 'state' }> {
  const found = replies.findLast((reply) => reply.kind === 'state');
  if (found?.kind !== 'state') throw new Error('no state was shown');
  return found;
}

const given = (name: string, bytes: Uint8Array | string) => ({
  name,
  blob: new Blob([typeof bytes === 'string' ? bytes : new Uint8Array(bytes)]),
});

it('a driver that follows a table which somebody broke is stopped in one line', async () => {
  const { session, replies } = newSession();
  const deeds = ['map 0x40000000 0x80000000 4K rw', 'write 0x40000000 0 0x3', 'map 0x40001000 0x90000000 4K r'];
  await session.take({ kind: 'do', deeds });
  expect(lastState(replies).snapshot.done.at(-1)).toMatchObject({
    bad: true,
    text: expect.stringContaining('the driver follows a broken table to where no memory is'),
  });
});

describe('a link', () => {
  it('brings back settings, lines, address and lesson as they were', async () => {
    const { session, replies } = newSession();
    await session.take({
      kind: 'open',
      params: { granule: '16k', walk: 'non-coherent', do: 'map 0x40000000 0x80000000 2M rw;touch 0x40000008' },
    });
    await session.take({ kind: 'do', deeds: ['unmap 0x40000000 16K', 'address 0x7f3a4c215a80'] });
    const first = lastState(replies);
    await session.take({ kind: 'open', params: {} });
    expect(lastState(replies).snapshot.done).toEqual([]);
    await session.take({ kind: 'open', params: first.params });
    expect(lastState(replies)).toEqual(first);
  });

  it('of a lesson whose lines were taken back does not do them again', async () => {
    const { session, replies } = newSession();
    await session.take({ kind: 'lesson', id: 'start-level', step: 1 });
    await session.take({ kind: 'undo' });
    const { params, snapshot } = lastState(replies);
    expect(snapshot.done).toEqual([]);
    await session.take({ kind: 'open', params });
    expect(lastState(replies).snapshot.done).toEqual([]);
  });

  it('with anything in it opens something, or is refused in one line', async () => {
    const { session, replies } = newSession();
    const text = fc.oneof(
      fc.string({ maxLength: 40 }),
      fc.constantFrom('nested', 'mali', '4k', '0x40', 'split', '-1', 'map 0 0 1 rw'),
    );
    const key = fc.constantFrom(
      'mmu',
      'format',
      'granule',
      'ias',
      'oas',
      'bugs',
      'do',
      'address',
      'lesson',
      'step',
      'space',
      '__proto__',
    );
    await fc.assert(
      fc.asyncProperty(fc.dictionary(key, text, { maxKeys: 4 }), async (params) => {
        await session.take({ kind: 'open', params });
        const reply = replies.at(-1);
        expect(['state', 'refused']).toContain(reply?.kind);
        if (reply?.kind === 'refused') expect(reply.text).not.toContain('\n');
      }),
      { numRuns: 25 },
    );
  });

  it('says of settings only what is not usual', () => {
    expect(settingsText(settingsOf({}))).toEqual({});
    expect(settingsText(settingsOf({ mmu: 'mali' }))).toEqual({ mmu: 'mali' });
    const odd = { granule: '64k', bugs: 'bbm', caches: 'gem5' };
    expect(settingsText(settingsOf(odd))).toEqual(odd);
  });
});

describe('a line', () => {
  it('that asks for nothing known is answered with what is allowed', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 200 }), (line) => {
        const action = parseAction(line);
        if (typeof action === 'string') expect(action).toMatch(/allowed/);
      }),
    );
  });

  it('is undone by doing the others again', async () => {
    const { session, replies } = newSession();
    await session.take({ kind: 'do', deeds: ['map 0x40000000 0x80000000 4K rw'] });
    const before = lastState(replies);
    await session.take({ kind: 'do', deeds: ['touch 0x40000000'] });
    await session.take({ kind: 'undo' });
    expect(lastState(replies)).toEqual(before);
  });
});

describe('an address of the upper half', () => {
  it('belongs to the table of TTBR1, and an unmap there leaves the lower half alone', async () => {
    const { session, replies } = newSession();
    const lines = ['map 0x40000000 0x80000000 4K rw', 'map 0xffff_8000_4000_0000 0x90000000 4K rw'];
    await session.take({ kind: 'open', params: { mmu: 'smmuv2', format: 'both-halves', do: lines.join(';') } });
    await session.take({ kind: 'do', deeds: ['touch 0x40000000', 'touch 0xffff800040000000'] });
    const { snapshot } = lastState(replies);
    expect([snapshot.walk?.story.pa, snapshot.split.iova, snapshot.split.beyond]).toEqual([
      '0x90000000',
      '0xffff800040000000',
      '',
    ]);
    // What maps the address starts there, as a signed number.
    expect(snapshot.spaces[0]?.trees[0]?.tables.filter(({ iova }) => iova < 0)).toHaveLength(4);
    await session.take({ kind: 'do', deeds: ['unmap 0xffff800040000000 4K', 'touch 0xffff800040000000'] });
    expect(lastState(replies).snapshot.walk?.story.fault).toMatchObject({ level: 3 });
    await session.take({ kind: 'do', deeds: ['touch 0x40000000'] });
    expect(lastState(replies).snapshot.done.at(-1)?.text).toContain('micro-TLB hit');
  });

  it('is refused in one line where no table reaches so far', async () => {
    const { session, replies } = newSession();
    const deeds = [
      'map 0xffff800040000000 0x90000000 4K rw',
      'touch 0xffff800040000000',
      'invalidate iova 0xffff800040000000',
    ];
    await session.take({ kind: 'do', deeds });
    expect(lastState(replies).snapshot.done.map(({ bad }) => bad)).toEqual([true, true, true]);
  });
});

describe('the tables shown', () => {
  it("are the command line's, for random configurations", async () => {
    const random = new Prng(13);
    const pick = <T>(all: readonly T[]): T => all[random.below(all.length)] as T;
    const shape = ({ level, iova, bytes, runs }: DrawnTable) => ({
      level,
      iova,
      bytes,
      runs: runs.map(({ first, count, kind, iova: from, size }) => [first, count, kind, from, size]),
    });
    for (let turn = 0; turn < 6; turn++) {
      const granule = pick(['4k', '16k', '64k']);
      const ias = String(pick([36, 39, 40, 42, 48]));
      const at = random.below(2 ** 12) * 2 ** 20;
      const edits = [`map ${at} ${2 ** 31} 3M rw`, `map ${at + 2 ** 23} ${2 ** 31} 192K r`, `unmap ${at} 64K`];
      const { session, replies } = newSession();
      await session.take({ kind: 'open', params: { granule, ias, do: edits.join(';'), address: `${at}` } });
      const { stdout } = await tablewalk(['layout', ...edits, '--granule', granule, '--ias', ias, '--json', '-']);
      const told: { readonly tables: readonly DrawnTable[] } = JSON.parse(stdout);
      const shown = lastState(replies).snapshot.spaces[0]?.trees[0]?.tables ?? [];
      expect([granule, ias, shown.map(shape)]).toEqual([granule, ias, told.tables.map(shape)]);
    }
  });
});

describe('pasted words', () => {
  it('are registers, structures and fault lines', async () => {
    const { session, replies } = newSession();
    const explained = async (text: string) => {
      await session.take({ kind: 'explain', text });
      const reply = replies.at(-1);
      if (reply?.kind !== 'explained') throw new Error('not explained');
      return reply;
    };
    expect((await explained('TCR=0x80803520 MAIR=0xf404ff44')).structures.map(({ name }) => name)).toEqual([
      'TCR',
      'MAIR',
    ]);
    expect((await explained('pte=0x60000008090e4b@3')).structures[0]?.title).toContain('page at level 3');
    expect((await explained('cmd=0x12')).structures[0]?.kind).toBe('command');
    const line =
      'arm-smmu 15000000.iommu: Unhandled context fault: fsr=0x402, iova=0x08090040, fsynr=0x10, cbfrsynra=0x1, cb=0';
    const { faults, structures } = await explained(line);
    expect([faults[0]?.source, faults[0]?.iova, structures]).toEqual(['arm-smmu', '0x8090040', []]);
    expect((await explained('hello')).note).toContain('Nothing known');
  });
});

describe('a capture', () => {
  it('is replayed, and its tables, TLBs and mappings at any event are those of a replay that stops there', async () => {
    const { session, replies } = newSession();
    await session.take({ kind: 'files', files: [given('small.txt.gz', readFileSync(SMALL))] });
    const end = lastState(replies);
    const events = end.source?.events ?? 0;
    expect([end.source?.kind, end.source?.at, end.snapshot.spaces.length > 2]).toEqual(['capture', events, true]);
    const samples = replies.find((reply) => reply.kind === 'samples');
    if (samples?.kind !== 'samples') throw new Error('no samples');
    expect(samples.samples.event.at(-1)).toBe(events);
    expect(new Set(Object.values(samples.samples).map(({ length }) => length)).size).toBe(1);
    await session.take({ kind: 'seek', event: 400 });
    const forward = lastState(replies);
    await session.take({ kind: 'seek', event: 900 });
    await session.take({ kind: 'seek', event: 400 });
    expect(lastState(replies)).toEqual(forward);
    expect(forward.source?.at).toBe(400);
    await session.take({ kind: 'do', deeds: ['map 0x1000 0x2000 4K rw'] });
    expect(lastState(replies).snapshot.done.at(-1)?.text).toContain('a capture');
    await session.take({ kind: 'close' });
    expect(lastState(replies).source).toBeNull();
  });

  it('is replayed on another machine where one chooses it, and refuses a machine that cannot work', async () => {
    const { session, replies } = newSession();
    await session.take({ kind: 'files', files: [given('small.txt.gz', readFileSync(SMALL))] });
    await session.take({ kind: 'seek', event: 200 });
    const options = (): (readonly [string, string])[] =>
      (lastState(replies).source?.options ?? []).map(({ field, value }) => [field, value] as const);
    const usual = options();
    const asids = lastState(replies).snapshot.cycles;
    await session.take({ kind: 'replay', field: 'mode', value: 'lazy' });
    expect(options()).toEqual(usual.map(([field, value]) => [field, field === 'mode' ? 'lazy' : value]));
    expect([lastState(replies).source?.at, lastState(replies).snapshot.cycles < asids]).toEqual([200, true]);
    await session.take({ kind: 'replay', field: 'preset', value: 'none at all' });
    expect(replies.at(-1)?.kind).toBe('refused');
    expect(lastState(replies).source?.at).toBe(200);
  });

  it('answers pasted fault lines and the address that is looked at, as tablewalk why does', async () => {
    const { session, replies } = newSession();
    await session.take({ kind: 'files', files: [given('small.txt.gz', readFileSync(SMALL))] });
    const line = lastState(replies).snapshot.split.iova;
    const fault = `arm-smmu a: Unhandled context fault: fsr=0x402, iova=${line}, fsynr=0x13, cbfrsynra=0x0, cb=0`;
    await session.take({ kind: 'explain', text: fault });
    const reply = replies.at(-1);
    if (reply?.kind !== 'explained') throw new Error('not explained');
    expect(reply.answers.map(({ event }) => event)).toEqual([lastState(replies).source?.events]);
    await session.take({ kind: 'why' });
    const why = replies.at(-1);
    if (why?.kind !== 'why') throw new Error('not answered');
    // The line names no domain, and the page shows one: of that one both say the same.
    const said = why.lines.filter((one) => !one.includes('suspicion'));
    expect(said.length).toBeGreaterThan(2);
    expect(reply.answers[0]?.lines).toEqual(expect.arrayContaining(said));
    expect(why.lines.join('\n')).toMatch(/mapped at .* by pid/);
    await session.take({ kind: 'seek', event: 300, address: '0x1000' });
    expect(lastState(replies).snapshot.split.iova).toBe('0x1000');
  });

  it('gives way to what is asked for later', async () => {
    const { session, replies } = newSession();
    await session.take({ kind: 'files', files: [given('small.txt.gz', readFileSync(SMALL))] });
    await Promise.all([100, 700, 300].map((event) => session.take({ kind: 'seek', event })));
    expect(
      replies
        .filter((reply) => reply.kind === 'state')
        .map((reply) => reply.kind === 'state' && reply.source?.at)
        .slice(1),
    ).toEqual([300]);
  });

  const hostile: readonly (readonly [string, string | Uint8Array])[] = [
    ['binary', Uint8Array.from({ length: 100_000 }, (_, at) => (at * 7919) & 255)],
    ['empty', ''],
    ['text', '<script>alert(1)</script>\n'.repeat(1000)],
    ['<img src=x onerror=alert(1)>', 'no trace at all'],
    ['a long name', Uint8Array.of(0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 1, 2, 3)],
    ['pt.json', '{"pages": 3}'],
  ];
  it.each(hostile)('that is none is refused in one line: %s', async (name, bytes) => {
    const { session, replies } = newSession();
    await session.take({ kind: 'files', files: [given(name === 'a long name' ? 'x'.repeat(5000) : name, bytes)] });
    const reply = replies.at(-1);
    expect(reply?.kind).toBe('refused');
    if (reply?.kind === 'refused') expect([reply.text.includes('\n'), reply.text.length < 500]).toEqual([false, true]);
  });
});

describe('a memory image', () => {
  const folder = 'test/vectors/images/dma';
  it('has its streams as address spaces, and they are walked', async () => {
    const { session, replies } = newSession();
    const files = ['pt.json', 'pt.pages.bin'].map((name) => given(name, readFileSync(join(folder, name))));
    await session.take({ kind: 'files', files });
    const { source, snapshot } = lastState(replies);
    expect(source?.kind).toBe('image');
    expect(snapshot.spaces.length).toBeGreaterThan(0);
  });
});
