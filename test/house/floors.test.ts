import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const house = mkdtempSync(join(tmpdir(), 'tablewalk-floors-'));
afterAll(() => rmSync(house, { recursive: true }));

const UPWARDS = [
  ['formats/a.ts', '../emulator/index.ts'],
  ['formats/lpae/a.ts', '../../traces/index.ts'],
  ['emulator/a.ts', '../devices/index.ts'],
  ['emulator/mmu/a.ts', '../../apps/cli/main.ts'],
  ['devices/smmuv3/a.ts', '../../traces/index.ts'],
  ['traces/a.ts', '../apps/cli/main.ts'],
  ['apps/cli/a.ts', '../../test/house/floors.test.ts'],
] as const;
const PAST_A_FACE = [
  ['emulator/b.ts', '../formats/lpae/table.ts'],
  ['emulator/mmu/tlb/a.ts', '../walk/stage-walk.ts'],
  ['emulator/c.ts', './mmu/walk/stage-walk.ts'],
  ['devices/smmuv3/b.ts', '../../emulator/mmu/tlb.ts'],
  ['formats/lpae/b.ts', '../bits/field.ts'],
  ['devices/mali/a.ts', '../registers/poll.ts'],
  ['traces/b.ts', '../devices/smmuv3/device.ts'],
  ['traces/replay/a.ts', '../config/run-config.ts'],
  ['traces/replay/edits/a.ts', '../accesses/access-meter.ts'],
  ['traces/capture/a.ts', './events/event.ts'],
  ['apps/cli/b.ts', '../../traces/replay.ts'],
  ['apps/cli/commands/lessons/a.ts', '../../terminal/exit.ts'],
] as const;
const ALLOWED = [
  ['emulator/d.ts', '../formats/index.ts'],
  ['devices/smmuv3/c.ts', '../../emulator/index.ts'],
  ['traces/c.ts', '../devices/index.ts'],
  ['traces/replay/b.ts', '../input-error.ts'],
  ['traces/replay/edits/b.ts', '../replay-domain.ts'],
  ['apps/cli/c.ts', '../../traces/index.ts'],
  ['apps/cli/commands/lessons/b.ts', '../../terminal/index.ts'],
  ['emulator/mmu/b.ts', './regime.ts'],
  ['emulator/mmu/tlb/b.ts', '../walk/index.ts'],
  ['emulator/e.ts', './mmu/walk/index.ts'],
] as const;
const WITH_NODE = ['formats/node.ts', 'emulator/node.ts', 'devices/node.ts', 'traces/node.ts'] as const;
const CYCLE = [
  ['formats/left.ts', './right.ts'],
  ['formats/right.ts', './left.ts'],
] as const;

/** Rules that each file of a house with our lint rules breaks. */
const broken = new Map<string, string[]>();

beforeAll(() => {
  copyFileSync('.biome.json', join(house, '.biome.json'));
  const files = [...UPWARDS, ...PAST_A_FACE, ...ALLOWED, ...CYCLE, ...WITH_NODE.map((file) => [file, 'node:fs'])];
  for (const [file = '', target] of files) {
    mkdirSync(dirname(join(house, file)), { recursive: true });
    writeFileSync(join(house, file), `import { something } from '${target}';\n\nexport const used = something;\n`);
    broken.set(file, []);
  }
  const biome = resolve('node_modules/@biomejs/biome/bin/biome');
  const run = spawnSync(
    process.execPath,
    [biome, 'lint', '--vcs-enabled=false', '--max-diagnostics=none', '--reporter=github'],
    {
      cwd: house,
      encoding: 'utf8',
    },
  );
  for (const [, rule = '', file = ''] of run.stdout.matchAll(/^::error title=lint\/\w+\/(\w+),file=([^,]+),/gm)) {
    const [, rules] = [...broken].find(([name]) => file.endsWith(`/${name}`)) ?? [];
    rules?.push(rule);
  }
});

describe('the lint rule for the floors', () => {
  it.each(UPWARDS)('refuses that %s imports upwards from %s', (file) => {
    expect(broken.get(file)).toContain('noRestrictedImports');
  });

  it.each(PAST_A_FACE)('refuses that %s reaches past a face to %s', (file) => {
    expect(broken.get(file)).toContain('noRestrictedImports');
  });

  it.each(ALLOWED)('lets %s import %s', (file) => {
    expect(broken.get(file)).toEqual([]);
  });

  it.each(WITH_NODE)('keeps Node built-ins out of %s', (file) => {
    expect(broken.get(file)).toContain('noNodejsModules');
  });

  it('refuses import cycles', () => {
    expect(broken.get('formats/right.ts')).toContain('noImportCycles');
  });
});
