import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';

const house = mkdtempSync(join(tmpdir(), 'tablewalk-floors-'));
afterAll(() => rmSync(house, { recursive: true }));
copyFileSync('.biome.json', join(house, '.biome.json'));

/** Rules broken by a file at `path` of a house with our lint rules that imports `target`. */
function lint(path: string, target: string): string {
  const file = join(house, path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, `import { something } from '${target}';\n\nexport const used = something;\n`);
  const biome = resolve('node_modules/@biomejs/biome/bin/biome');
  const run = spawnSync(process.execPath, [biome, 'lint', '--vcs-enabled=false', path], {
    cwd: house,
    encoding: 'utf8',
  });
  return run.stdout + run.stderr;
}

describe('the lint rule for the floors', () => {
  it.each([
    ['formats/a.ts', '../emulator/index.ts'],
    ['formats/lpae/a.ts', '../../traces/index.ts'],
    ['emulator/a.ts', '../devices/index.ts'],
    ['emulator/mmu/a.ts', '../../apps/cli/main.ts'],
    ['devices/smmuv3/a.ts', '../../traces/index.ts'],
    ['traces/a.ts', '../apps/cli/main.ts'],
    ['apps/cli/a.ts', '../../test/house/floors.test.ts'],
  ])('refuses that %s imports upwards from %s', (file, target) => {
    expect(lint(file, target)).toContain('noRestrictedImports');
  });

  it.each([
    ['emulator/a.ts', '../formats/lpae/table.ts'],
    ['emulator/mmu/tlb/a.ts', '../walk/stage-walk.ts'],
    ['emulator/index.ts', './mmu/walk/stage-walk.ts'],
    ['devices/smmuv3/a.ts', '../../emulator/mmu/tlb.ts'],
    ['traces/a.ts', '../devices/smmuv3/device.ts'],
    ['apps/cli/a.ts', '../../traces/replay.ts'],
  ])('refuses that %s reaches past a face to %s', (file, target) => {
    expect(lint(file, target)).toContain('noRestrictedImports');
  });

  it.each([
    ['emulator/a.ts', '../formats/index.ts'],
    ['devices/smmuv3/a.ts', '../../emulator/index.ts'],
    ['traces/a.ts', '../devices/index.ts'],
    ['apps/cli/a.ts', '../../traces/index.ts'],
    ['emulator/mmu/a.ts', './regime.ts'],
    ['emulator/mmu/tlb/a.ts', '../walk/index.ts'],
    ['emulator/index.ts', './mmu/walk/index.ts'],
  ])('lets %s import %s', (file, target) => {
    const said = lint(file, target);
    expect(said).toContain('Checked 1 file');
    expect(said).not.toContain('noRestrictedImports');
  });

  it.each(['formats/a.ts', 'emulator/a.ts', 'devices/a.ts'])('keeps Node built-ins out of %s', (file) => {
    expect(lint(file, 'node:fs')).toContain('noNodejsModules');
  });

  it('refuses import cycles', () => {
    lint('formats/left.ts', './right.ts');
    expect(lint('formats/right.ts', './left.ts')).toContain('noImportCycles');
  });
});
