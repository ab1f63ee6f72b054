import { describe, expect, it } from 'vitest';
import { tablewalk } from './run-cli.ts';

describe('tablewalk scenario vm-bind-deadlock', () => {
  it('prints who waits for whom and ends with 1 when tables come from the system', async () => {
    const run = await tablewalk(['scenario', 'vm-bind-deadlock', '--allocator', 'page']);
    expect([run.code, run.stderr]).toEqual([1, '']);
    expect(run.stdout).toContain('Deadlock. Who waits for whom:');
    const chain = run.stdout.split('\n').filter((line) => line.includes(' -> '));
    expect(chain.map((line) => line.split(':')[0]?.trim())).toEqual([
      'bind-1 -> memory reclaim',
      'memory reclaim -> fence of render-1',
      'fence of render-1 -> render-1',
      'render-1 -> fence of bind-1',
      'fence of bind-1 -> bind-1',
    ]);
  });

  it('completes and ends with 0 when they are reserved', async () => {
    const run = await tablewalk(['scenario', 'vm-bind-deadlock', '--allocator', 'reserve']);
    expect([run.code, run.stderr]).toEqual([0, '']);
    expect(run.stdout).toContain('No deadlock');
    expect(run.stdout).toContain('render-1 is done');
  });

  it('writes the whole story as JSON', async () => {
    const run = await tablewalk(['scenario', 'vm-bind-deadlock', '--json', '-']);
    expect(run.code).toBe(1);
    expect(JSON.parse(run.stdout)).toMatchObject({ scenario: 'vm-bind-deadlock', deadlock: { kind: 'cycle' } });
  });

  it.each([
    ['--allocator', 'puddle', 'allocator'],
    ['--memory', 'many', '--memory'],
    ['--memory', '1', 'memoryMib'],
    ['--memory', '-1', '--memory'],
    ['--idle-buffers', '100', 'idleBuffers'],
    ['--allocator', 'failing:nth=1', 'allocator'],
    ['--allocator', 'carve-out', 'allocator.carve-out.size'],
  ])('refuses %s %s in one line', async (option, value, field) => {
    const run = await tablewalk(['scenario', 'vm-bind-deadlock', option, value]);
    expect([run.code, run.stdout]).toEqual([2, '']);
    expect(run.stderr).toMatch(new RegExp(`^tablewalk: ${field}.*found.*allowed.*\n$`));
  });
});

describe('tablewalk scenario', () => {
  it.each([
    ['vm-bind-deadlock', 'extra', 'too many arguments'],
    ['vm-bind-deadlock', '--bogus', 'unknown option'],
    ['teardown', '--bogus', 'unknown option'],
    ['no-such-thing', '', 'unknown command'],
  ])('refuses %s %s in one line that says where help is', async (name, rest, what) => {
    const run = await tablewalk(['scenario', name, ...(rest === '' ? [] : [rest])]);
    expect([run.code, run.stdout]).toEqual([2, '']);
    expect(run.stderr).toMatch(new RegExp(`^tablewalk: ${what}[^\n]*\\(tablewalk scenario[^\n]* --help[^\n]*\n$`));
  });

  it('says how many jobs were not done where the limit is the reason and not a deadlock', async () => {
    const run = await tablewalk(['scenario', 'vm-bind-deadlock', '--allocator', 'carve-out:size=64K']);
    expect(run.code).toBe(0);
    expect(run.stdout).toContain('bind-8 is failed: no table for the mapping');
    expect(run.stdout).toContain('But 9 of 16 jobs were not done');
  });
});

describe('tablewalk scenario teardown', () => {
  it('prints the pause, the steps and the total of both ways', async () => {
    const run = await tablewalk(['scenario', 'teardown', '--pages', '1000', '--budget', '10']);
    expect([run.code, run.stderr]).toEqual([0, '']);
    expect(run.stdout).toMatch(/longest pause, cycles │\s+4,\d+ │\s+31\d,\d+ │/);
    expect(run.stdout).toMatch(/steps\s+│\s+10[01] │\s+1 │/);
    expect(run.stdout).toMatch(/tables left\s+│\s+0 │\s+0 │/);
  });

  it('writes both as JSON', async () => {
    const run = await tablewalk(['scenario', 'teardown', '--pages', '100', '--budget-cycles', '3000', '--json', '-']);
    const report = JSON.parse(run.stdout);
    expect(report.chunked.tablesLeft + report.atOnce.tablesLeft).toBe(0);
    expect(report.chunked.longestPause).toBeLessThan(4000);
  });

  it.each([
    ['--pages 3', 'pages'],
    ['--pages 1e9', '--pages'],
    ['--budget -1', '--budget'],
    ['--budget 5 --budget-cycles 100', 'budgetCycles'],
    ['--allocator failing:nth=1', 'allocator'],
    ['--allocator failing:nth=5', 'allocator'],
  ])('refuses %s in one line', async (args, field) => {
    const run = await tablewalk(['scenario', 'teardown', ...args.split(' ')]);
    expect([run.code, run.stdout]).toEqual([2, '']);
    expect(run.stderr).toMatch(new RegExp(`^tablewalk: ${field}.*found.*allowed.*\n$`));
  });

  it('refuses a budget of nothing', async () => {
    const run = await tablewalk(['scenario', 'teardown', '--budget', '0']);
    expect(run.code).toBe(2);
    expect(run.stderr).toContain('budget');
  });
});
