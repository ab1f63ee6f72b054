import { describe, expect, it } from 'vitest';
import { tablewalk } from './run-cli.ts';

const SMALL = 'traces/samples/small-strict.ftrace.txt.gz';

describe('tablewalk compare', () => {
  it('shows the allocators side by side and marks the best of each row', () => {
    const run = tablewalk(['compare', SMALL, '--vary', 'allocator=page,pool,batch,reserve,generic-cache']);
    expect([run.code, run.stderr]).toEqual([0, '']);
    const cells = (label: string) =>
      run.stdout
        .split('\n')
        .find((line) => line.includes(label))
        ?.split('│')
        .slice(2, -1)
        .map((text) => text.trim());
    expect(cells('calls to the system allocator')).toEqual(['24', '6', '1 *', '6', '24']);
    expect(cells('calls while an operation ran')).toEqual(['18', '0 *', '0 *', '0 *', '18']);
    expect(run.stdout).toContain('Layers: page, pool/page, batch/page, reserve/pool/page, generic-cache/page.');
  });

  it('varies any option of replay and any field, in every combination', () => {
    const args = ['--vary', 'linux=6.1,6.12', '--vary', 'mmu.walkSlots=1,2', '--limit', '60', '--json', '-'];
    const run = tablewalk(['compare', SMALL, ...args]);
    expect(run.stderr).toBe('');
    const report = JSON.parse(run.stdout);
    expect(report.schema).toBe('tablewalk.compare/1');
    expect(report.columns.map(({ settings }: { settings: object }) => Object.values(settings))).toEqual([
      ['6.1', '1'],
      ['6.1', '2'],
      ['6.12', '1'],
      ['6.12', '2'],
    ]);
  });

  it.each([
    ['allocator', '--vary'],
    ['allocator=', '--vary'],
    ['allocator=page,puddle', 'allocator'],
    ['table.colour=red,blue', '--vary'],
    ['limit=5,6', '--vary'],
    ['allocator=page', '--vary'],
    ['allocator=page,page', '--vary'],
    ['seed=-1,1', 'seed'],
    ['allocator=pool:low=-1,pool', 'allocator.pool.low'],
    ['bind=direct,later', 'bind.mode'],
    ['granule=4k,5k', 'table.granule'],
  ])('refuses --vary %s in one line', (vary, field) => {
    const run = tablewalk(['compare', SMALL, '--vary', vary]);
    expect([run.code, run.stdout]).toEqual([2, '']);
    expect(run.stderr).toMatch(new RegExp(`^tablewalk: ${field}[^\n]*\n$`));
  });

  it('wants something to vary, and a capture that it can read more than once', () => {
    expect(tablewalk(['compare', SMALL]).code).toBe(2);
    expect(tablewalk(['compare', '-', '--vary', 'seed=1,2']).stderr).toContain('standard input');
  });
});

describe('tablewalk replay --bind async', () => {
  it('reports what was reserved, used and returned', () => {
    const run = tablewalk(['replay', SMALL, '--bind', 'async', '--allocator', 'reserve', '--bind-delay', '1000']);
    expect([run.code, run.stderr]).toEqual([0, '']);
    expect(run.stdout).toMatch(/tables reserved\s+│\s+3,040 │/);
    expect(run.stdout).toMatch(/used \/ returned\s+│\s+18 \/ 3,022 │/);
  });

  it('says that jobs allocate while they run when nothing is reserved', () => {
    const run = tablewalk(['replay', SMALL, '--bind', 'async']);
    expect(run.stdout).toContain('--allocator reserve prevents it');
  });

  it('writes its report as JSON', () => {
    const run = tablewalk(['replay', SMALL, '--bind', 'async', '--json', '-']);
    expect(JSON.parse(run.stdout)).toMatchObject({ schema: 'tablewalk.bind/1', complete: true, domains: 6 });
  });

  it('refuses a delay without it', () => {
    expect(tablewalk(['replay', SMALL, '--bind-delay', '5'])).toMatchObject({ code: 2, stdout: '' });
  });
});
