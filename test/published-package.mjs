/** Holds the package as npm would publish it against publint, attw and the list of what may be in it. Needs `npm run build` before. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Everything that a user of the package gets. */
const EXPECTED = [
  /^(package\.json|README\.md|LICENSE)$/,
  /^dist\/(tablewalk\.js|explorer\.html|THIRD-PARTY-LICENSES\.txt)$/,
  /^dist\/lib\/[\w-]+\.js$/,
  /^dist\/types\/(formats|emulator|devices|traces|apps)\/[\w/.-]+\.d\.ts$/,
  /^traces\/samples\/[\w.-]+$/,
  /^traces\/report\/report\.schema\.json$/,
  // npm adds the READMEs on the way to what is listed.
  /^traces\/(report\/)?README\.md$/,
];
const NEEDED = ['dist/tablewalk.js', 'dist/explorer.html', 'dist/THIRD-PARTY-LICENSES.txt', 'dist/lib/tablewalk.js'];

const folder = mkdtempSync(join(tmpdir(), 'tablewalk-package-'));
try {
  const pack = ['pack', '--json', '--ignore-scripts', '--pack-destination', folder];
  const [packed] = JSON.parse(execFileSync('npm', pack, { encoding: 'utf8' }));
  const paths = packed.files.map(({ path }) => path);
  const strange = paths.filter((path) => !EXPECTED.some((allowed) => allowed.test(path)));
  const missing = NEEDED.filter((path) => !paths.includes(path));
  if (strange.length > 0) throw new Error(`the package holds ${strange.join(', ')}`);
  if (missing.length > 0) throw new Error(`the package lacks ${missing.join(', ')}`);
  const file = join(folder, packed.filename);
  for (const [tool, ...args] of [
    ['publint', 'run', file, '--strict'],
    // The package is ES modules only, for Node 20.19 and later, where require() reads them too.
    ['attw', file, '--profile', 'esm-only', '--format', 'ascii', '--no-color', '--no-emoji'],
  ]) {
    execFileSync(join('node_modules/.bin', tool), args, { stdio: ['ignore', 'pipe', 'inherit'] });
  }
} catch (error) {
  process.stderr.write(`${error.stdout ?? ''}${error.message}\n`);
  process.exitCode = 1;
} finally {
  rmSync(folder, { recursive: true });
}
