import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { buildExplorer } from '../../apps/explorer/build.mjs';
import { bundledPackages, licenceTexts, thirdPartyLicences } from '../../apps/third-party.mjs';

it('the published licences name every package whose code the command line and the explorer hold', async () => {
  const text = await thirdPartyLicences();
  const direct = ['ansis', 'commander', 'pino', 'valibot', 'workerpool', 'zstddec', 'pbf', 'preact', 'uplot'];
  const indirect = ['sonic-boom', '@colors/colors', 'emoji-regex', '@preact/signals-core'];
  for (const name of [...direct, ...indirect]) expect(text).toMatch(new RegExp(`^${name} \\d+\\.\\d+\\.\\d+ \\(`, 'm'));
  // Each licence of these packages asks for its own words.
  for (const words of ['Permission is hereby granted', 'Permission to use, copy, modify', 'Apache License'])
    expect(text).toContain(words);
  expect(text).not.toMatch(/^(vitest|esbuild|fast-check) /m);
});

it('the explorer, which is passed on as one file, carries the licences of its packages in itself', async () => {
  const page = await buildExplorer();
  for (const name of ['preact', '@preact/signals', 'uplot', 'valibot']) expect(page).toContain(`\n${name} `);
  expect(page).toContain('Permission is hereby granted');
  // The comment ends where it should.
  expect(page.trimEnd().endsWith('</html>')).toBe(true);
});

it('a package counts when a bundle holds bytes of it, the innermost of nested ones', () => {
  const inputs = {
    'apps/cli/main.ts': { bytesInOutput: 9 },
    '../a/node_modules/@b/c/dist/index.js': { bytesInOutput: 9 },
    'node_modules/d/node_modules/e/index.js': { bytesInOutput: 9 },
    'node_modules/f/index.js': { bytesInOutput: 0 },
  };
  expect(bundledPackages({ outputs: { 'x.js': { inputs } } })).toEqual([
    '../a/node_modules/@b/c',
    'node_modules/d/node_modules/e',
  ]);
});

it('a package without the text of its licence stops the build', () => {
  const folder = mkdtempSync(join(tmpdir(), 'tablewalk-licence-'));
  try {
    writeFileSync(join(folder, 'package.json'), '{ "name": "x", "version": "1.0.0", "license": "MIT" }');
    expect(() => licenceTexts([folder])).toThrow('x 1.0.0 (MIT) has no file with its licence');
  } finally {
    rmSync(folder, { recursive: true });
  }
});
