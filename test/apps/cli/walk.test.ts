import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import ansis from 'ansis';
import { Command } from 'commander';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { register } from '../../../apps/cli/commands/lessons/walk.ts';

const IMAGES = join(import.meta.dirname, '../../vectors/images');
const VFIO = join(IMAGES, 'vfio');
const FOLDER = mkdtempSync(join(tmpdir(), 'tablewalk-walk-'));

/** Runs the command; what it printed and its exit code. */
async function run(...args: string[]): Promise<{ text: string; code: number }> {
  let text = '';
  const write = vi.spyOn(process.stdout, 'write').mockImplementation((chunk) => {
    text += String(chunk);
    return true;
  });
  process.exitCode = 0;
  try {
    const program = new Command('tablewalk').exitOverride();
    register(program);
    await program.parseAsync(['node', 'tablewalk', 'walk', ...args]);
  } finally {
    write.mockRestore();
  }
  return { text: ansis.strip(text), code: Number(process.exitCode ?? 0) };
}

afterEach(() => {
  process.exitCode = 0;
});

describe('tablewalk walk', () => {
  it('sums an image up', async () => {
    const { text, code } = await run(VFIO);
    expect(code).toBe(0);
    expect(text).toContain('9 streams with 7 sets of tables, 5,627 leaves');
    expect(text).toContain('268 tables; reached by level: 0: 9, 1: 12, 2: 79, 3: 176');
  });

  it('lists the streams by the tables that they share', async () => {
    const { text } = await run(VFIO);
    expect(text.split('\n').slice(2, 4)).toEqual([
      '  streams 0x10, 0x100: stage 1, ASID 1, table at 0x10ccd9000, 48 bits, 4K granule, first level 0',
      '  streams 0x18, 0x200: stage 1, ASID 2, table at 0x10cd0e000, 48 bits, 4K granule, first level 0',
    ]);
    const { streamList } = JSON.parse((await run(VFIO, '--json', '-')).text);
    expect(streamList).toHaveLength(9);
    expect(streamList[0]).toEqual({ sid: 0x10, asid: 1, stage1: { ttb0: '0x10ccd9000' } });
    const bare = await run(VFIO, '--ttb0', '0x10ccd9000', '--tcr', '0x3510');
    expect(bare.text).not.toMatch(/^ {2}stream/m);
  });

  it.each([
    ['no stream', [], '"none"'],
    ['one without a translation', ['--sid', '3'], '"3 (the stream table entry aborts all traffic)"'],
  ])('says which streams there are to an address with %s', async (_, sid, found) => {
    await expect(run(VFIO, '--iova', '0x1000', ...sid)).rejects.toThrow(
      `--sid: found ${found}, allowed: one of 0x10, 0x18, 0x20, 0x28, 0x30, 0x38, 0x40, 0x100, ...`,
    );
  });

  it('gives the summary as JSON', async () => {
    const { text } = await run(VFIO, '--json', '-');
    const summary = JSON.parse(text);
    expect(summary.leavesBySize[2 ** 21]).toEqual({ leaves: 13, bytes: 13 * 2 ** 21 });
    expect(summary.refused).toEqual([]);
  });

  it('--leaves --json prints a list that --expect takes', async () => {
    const file = join(FOLDER, 'leaves.jsonl');
    await run(VFIO, '--leaves', '--json', file);
    expect(readFileSync(file, 'utf8').trimEnd().split('\n')).toHaveLength(5627);
    const { text, code } = await run(VFIO, '--expect', file);
    expect([code, text]).toEqual([0, `5,627 leaves as in ${file}; all equal\n`]);
  });

  it.each(['vfio', 'dma'])('%s passes its reference list', async (name) => {
    const { code } = await run(join(IMAGES, name), '--expect', join(IMAGES, name, 'pt.leaves.jsonl.gz'));
    expect(code).toBe(0);
  });

  it('--expect exits 1 on any difference and names it', async () => {
    const file = join(FOLDER, 'one.jsonl');
    writeFileSync(file, '{"sid": 16, "iova": "0xfffe0000", "pa": "0x1000"}\n');
    const { text, code } = await run(VFIO, '--sid', '16', '--expect', file);
    expect(code).toBe(1);
    expect(text).toContain('different sid 16 iova 0xfffe0000: pa: expected 0x1000, found 0x10cfb6000');
    expect(text).toContain('25 differences');
    const json = JSON.parse((await run(VFIO, '--sid', '16', '--expect', file, '--json', '-')).text);
    expect([json.equal, json.differences.length]).toEqual([false, 25]);
  });

  it('--iova says what happened in one line, then what it costs cold, warm, and for the page behind', async () => {
    const { text, code } = await run(VFIO, '--sid', '0x30', '--iova', '0xffffb000');
    expect(code).toBe(0);
    expect(text.split('\n')[0]).toMatch(
      /^0xffffb000 -> 0x[0-9a-f]+ in a leaf of 4 KiB, read.*; 4 descriptor reads, \d+ cycles on mmu-700$/,
    );
    expect(text).toContain('{DDI 0487 D8.3.1, block and page descriptors}');
    expect(text).toMatch(/ {2}read of stage 1 level 3, entry 507, at 0x[0-9a-f]+: 4 KiB at 0x/);
    expect(text).toMatch(/Once more: micro-TLB, 2 cycles\./);
    expect(text).toMatch(/Then the page behind it, 0xffffc000: walk cache, level 2, then 1 read, \d+ cycles\./);
  });

  it('--iova walks one address of one stream', async () => {
    const { text } = await run(VFIO, '--iova', '0x200000123', '--sid', '0x40');
    expect(text).toContain('StreamID 0x40: stage 1 with ASID 8');
    expect(text).toContain('0x200000123 is at 0x80000123 in a page of 1 GiB');
    const json = JSON.parse((await run(VFIO, '--iova', '0x200000123', '--sid', '64', '--json', '-')).text);
    expect([json.sid, json.pa, json.fault]).toEqual([64, '0x80000123', null]);
  });

  it('--access finds that a read-only page refuses a write', async () => {
    const { text } = await run(VFIO, '--iova', '0x60000000', '--sid', '64', '--access', 'w');
    expect(text).toContain('0x60000000 is refused: permission fault, stage 1, level 2.');
  });

  it('a bare table gives the same leaves as the stream that uses it', async () => {
    const bare = await run(VFIO, '--leaves', '--ttb0', '0x10ccd9000', '--tcr', '0x4b5103510', '--mair', '0xf404ff44');
    const stream = await run(VFIO, '--leaves', '--sid', '16');
    const addresses = (text: string): string[] => text.split('\n').map((line) => line.slice(18));
    expect(addresses(bare.text)).toEqual(addresses(stream.text));
  });

  it.each([
    ['a folder that is not there', ['nowhere'], /nowhere: found no such folder/],
    ['a stream beyond the table', [VFIO, '--sid', '0x10000', '--iova', '0'], /--sid: found 0x10000/],
    ['a stream without a translation', [VFIO, '--sid', '0', '--iova', '0'], /aborts all traffic/],
    ['an address that is none', [VFIO, '--sid', '16', '--iova', '12z'], /--iova: found "12z"/],
    ['an address of 65 bits', [VFIO, '--sid', '16', '--iova', '0x10000000000000000'], /below 2\^64/],
    ['--iova without a stream', [VFIO, '--iova', '0'], /--sid: found "none", allowed: one of 0x10/],
    ['--ttb0 without --tcr', [VFIO, '--ttb0', '0x1000'], /--tcr: found null/],
    ['a reserved granule', [VFIO, '--ttb0', '0x1000', '--tcr', '0xc010'], /tcr: found 0xc010, allowed: a TG0/],
    ['a leaf list that is not there', [VFIO, '--expect', 'nowhere.jsonl'], /nowhere.jsonl: found no such file/],
    ['a leaf list of something else', [VFIO, '--expect', join(VFIO, 'pt.pages.bin')], /pt.pages.bin: line 1/],
    ['rights that do not exist', [VFIO, '--sid', '16', '--iova', '0', '--access', 'q'], /--access: found "q"/],
  ])('refuses %s in one line', async (_name, args, message) => {
    await expect(run(...args)).rejects.toThrow(message);
    await expect(run(...args)).rejects.toThrow(/^[^\n]*$/);
  });
});
