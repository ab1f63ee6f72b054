import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, inject, it } from 'vitest';
import { tablewalk } from './run-cli.ts';

const SMALL = 'traces/samples/small-strict.ftrace.txt.gz';

describe('tablewalk compare', () => {
  it('shows the allocators side by side and marks the best of each row', async () => {
    const run = await tablewalk(['compare', SMALL, '--vary', 'allocator=page,pool,batch,reserve,generic-cache']);
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

  it('writes one page that asks for nothing, with differences and the best marked', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'tablewalk-compare-'));
    const page = join(folder, 'page.html');
    const run = await tablewalk(['compare', SMALL, '--limit', '200', '--vary', 'allocator=page,pool', '--html', page]);
    const html = readFileSync(page, 'utf8');
    rmSync(folder, { recursive: true });
    expect([run.code, run.stderr]).toEqual([0, '']);
    expect(html.length).toBeLessThan(100_000);
    expect(html).not.toMatch(/<(?:link|img|script[^>]* src|iframe)\b|@import|url\(/);
    expect(html).toMatch(
      /calls to the system allocator<\/th><td[^>]*>[\d,]+<\/td><td class="number best"[^>]*>[\d,]+ \*<small>−/,
    );
    expect(html).toContain('<span>allocator</span></th><th scope="col"><span>page</span></th>');
  });

  it('varies any option of replay and any field, in every combination', async () => {
    const args = ['--vary', 'linux=6.1,6.12', '--vary', 'mmu.walkSlots=1,2', '--limit', '60', '--json', '-'];
    const run = await tablewalk(['compare', SMALL, ...args]);
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
  ])('refuses --vary %s in one line', async (vary, field) => {
    const run = await tablewalk(['compare', SMALL, '--vary', vary]);
    expect([run.code, run.stdout]).toEqual([2, '']);
    expect(run.stderr).toMatch(new RegExp(`^tablewalk: ${field}[^\n]*\n$`));
  });

  it.each([
    ['granul=4k,16k', [], 'granule'],
    ['mmu.walkSlot=1,2', [], 'mmu.walkSlots'],
    ['seed=1,2', ['--rows', 'walkz'], 'walks'],
  ])('says what may be meant by --vary %s %j', async (vary, more, meant) => {
    const run = await tablewalk(['compare', SMALL, '--vary', vary, ...more]);
    expect([run.code, run.stdout]).toEqual([2, '']);
    expect(run.stderr).toContain(`allowed: perhaps ${meant} is meant; `);
  });

  it('shows the rows that are asked for, in their order, and refuses one that there is not', async () => {
    const args = ['compare', SMALL, '--limit', '20', '--vary', 'allocator=page,pool', '--rows'];
    const labels = (await tablewalk([...args, 'softwareCycles,allocations'])).stdout
      .split('\n')
      .filter((line) => line.startsWith('│'))
      .map((line) => line.split('│')[1]?.trim());
    expect(labels).toEqual(['allocator', 'CPU time in all, cycles', 'tables allocated']);
    const wrong = await tablewalk([...args, 'softwareCycles,cost']);
    expect([wrong.code, wrong.stdout]).toEqual([2, '']);
    expect(wrong.stderr).toMatch(/^tablewalk: --rows: found "cost".*softwareCycles.*\n$/);
  });

  it('wants something to vary, and a capture that it can read more than once', async () => {
    expect((await tablewalk(['compare', SMALL])).code).toBe(2);
    expect((await tablewalk(['compare', '-', '--vary', 'seed=1,2'])).stderr).toContain('standard input');
  });
});

describe('tablewalk compare, every option', () => {
  it.each([
    ['format=arm-64-lpae-s1,arm-64-lpae-s2', 'table.format'],
    ['granule=4k,16k', 'table.granule'],
    ['ias=40,48', 'table.ias'],
    ['oas=44,48', 'table.oas'],
    ['walk=coherent,non-coherent', 'table.walk'],
    ['linux=6.1,6.12', 'table.linux'],
    ['split=in-place,refuse,unmap-and-remap', 'table.split'],
    ['invalidation=strict,lazy', 'invalidation.mode'],
    ['allocator=pool:low=2:high=64,page', 'table.allocator'],
    ['access=none,probe', 'access.pattern'],
    ['access-size=8,64', 'access.accessSize'],
    ['accesses-per-map=1,4', 'access.accessesPerMap'],
    ['drop-sync=0,0.5', 'plantedBugs.dropSync'],
    ['bind=direct,async', 'bind.mode'],
    ['bind-delay=0,1e6', 'bind.runDelay'],
    ['preset=gem5,ideal', 'preset'],
    ['seed=1,2', 'seed'],
    ['bind.afterFailure=continue,unusable', 'bind.afterFailure'],
    ['dma.mapErrorAt=[],[1,2]', 'dma.mapErrorAt'],
    ['table.contiguous=true,false', 'table.contiguous'],
  ])('varies %s', async (vary, field) => {
    const walk = field === 'plantedBugs.dropSync' ? ['--walk', 'non-coherent'] : [];
    const run = await tablewalk(['compare', SMALL, '--limit', '20', '--json', '-', '--vary', vary, ...walk]);
    expect(run.stderr).toBe('');
    const { varied, columns } = JSON.parse(run.stdout);
    expect([varied[0].field, columns.length]).toEqual([field, varied[0].values.length]);
  });

  it('takes what each preset says, not what the first one said', async () => {
    const vary = 'preset=gem5,ideal,mmu-600-agilex5';
    const { columns } = JSON.parse((await tablewalk(['compare', SMALL, '--json', '-', '--vary', vary])).stdout);
    const latencies = columns.map(({ metrics }: { metrics: Record<string, number> }) => metrics['meanLatency']);
    expect(new Set(latencies).size).toBe(3);
  });

  it('puts direct and asynchronous runs side by side; what only one has is a dash in the other', async () => {
    const run = await tablewalk(['compare', SMALL, '--vary', 'bind=direct,async', '--allocator', 'reserve']);
    expect(run.stdout).toMatch(/time in run, cycles\s+│\s+- {3}│\s+[\d,.]+ {1,3}│/);
    expect(run.stdout).toMatch(/CPU time in all, cycles\s+│\s+[\d,.]+ [ *]{2}│\s+[\d,.]+ [ *]{2}│/);
  });
});

describe('tablewalk compare, interrupted', () => {
  const many = `seed=${Array.from({ length: 200 }, (_, i) => i).join(',')}`;

  it('prints what is finished and exits 130', async () => {
    const child = spawn(process.execPath, [inject('cli'), 'compare', SMALL, '--vary', many, '--json', '-']);
    let stdout = '';
    child.stdout.on('data', (data) => {
      stdout += String(data);
    });
    await new Promise((resolve) => setTimeout(resolve, 2000));
    child.kill('SIGINT');
    expect(await new Promise((resolve) => child.on('close', resolve))).toBe(130);
    const report = JSON.parse(stdout);
    expect(report.complete).toBe(false);
    expect(report.columns.length).toBeLessThan(200);
  });

  const hasScript = spawnSync('script', ['--version']).status === 0;

  it.skipIf(!hasScript)('shows a bar on a terminal, and Ctrl-C there does the same', async () => {
    const command = [process.execPath, inject('cli'), 'compare', SMALL, '--vary', many].join(' ');
    const child = spawn('script', ['-qec', command, '/dev/null']);
    let screen = '';
    const barShown = new Promise<void>((resolve) => {
      child.stdout.on('data', (data) => {
        screen += String(data);
        if (screen.includes('events/s')) resolve();
      });
    });
    await barShown;
    child.stdin.write('\x03');
    expect(await new Promise((resolve) => child.on('close', resolve))).toBe(130);
    expect(screen).toMatch(/\d+ % {2}[\d,]+ events\/s/);
    expect(screen).toContain('Stopped before');
  });
});

describe('tablewalk replay --bind async', () => {
  it('reports what was reserved, used and returned', async () => {
    const run = await tablewalk(['replay', SMALL, '--bind', 'async', '--allocator', 'reserve', '--bind-delay', '1000']);
    expect([run.code, run.stderr]).toEqual([0, '']);
    expect(run.stdout).toMatch(/reserved\s+3,040 tables {2}18 used, /);
    expect(run.stdout).toMatch(/3,022 went back unused/);
  });

  it('says that jobs allocate while they run when nothing is reserved', async () => {
    const run = await tablewalk(['replay', SMALL, '--bind', 'async']);
    expect(run.stdout).toContain('--allocator reserve prevents it');
  });

  it('writes its report as JSON', async () => {
    const run = await tablewalk(['replay', SMALL, '--bind', 'async', '--json', '-']);
    expect(JSON.parse(run.stdout)).toMatchObject({
      schema: 'tablewalk.report/1',
      complete: true,
      capture: { domains: 6 },
      bind: { totals: { submitted: 1094 } },
    });
  });

  it('is a part of the configuration: by --set, by --config, and in the report', async () => {
    const bind = { mode: 'async', runDelay: 5000, maxReservedTables: 64 };
    const directory = mkdtempSync(join(tmpdir(), 'tablewalk-bind-'));
    const file = join(directory, 'bind.json');
    writeFileSync(file, JSON.stringify({ bind, table: { allocator: 'reserve' } }));
    const short = [
      '--bind',
      'async',
      '--bind-delay',
      '5000',
      '--set',
      'bind.maxReservedTables=64',
      '--allocator',
      'reserve',
    ];
    const fields = Object.entries(bind).flatMap(([name, value]) => ['--set', `bind.${name}=${value}`]);
    const runs = await Promise.all(
      [short, [...fields, '--allocator', 'reserve'], ['--config', file]].map((args) =>
        tablewalk(['replay', SMALL, '--json', '-', ...args]),
      ),
    );
    rmSync(directory, { recursive: true });
    expect(runs.map(({ code }) => code)).toEqual([0, 0, 0]);
    expect(new Set(runs.map(({ stdout }) => stdout)).size).toBe(1);
    const report = JSON.parse(runs[0]?.stdout ?? '');
    expect(report.schema).toBe('tablewalk.report/1');
    expect(report.config.bind).toMatchObject(bind);
    expect(report.bind.totals.peakReserved).toBeLessThanOrEqual(64);
  });

  it('refuses a delay without it', async () => {
    expect(await tablewalk(['replay', SMALL, '--bind-delay', '5'])).toMatchObject({ code: 2, stdout: '' });
  });
});
