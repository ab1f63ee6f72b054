/** Holds the package as npm would publish it against publint, attw and the list of what may be in it. Needs `npm run build` before. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, posix } from 'node:path';
import packageJson from '../package.json' with { type: 'json' };

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

/**
 * The entry points are of two kinds, code with its types and JSON, and all of a kind resolve alike: attw, which loads the types of each anew
 * for every way to resolve it, sees one of each, of the code the one with the fewest types. What it would find inside the others is an
 * import that leads nowhere, which {@link lostImports} sees at once.
 */
const CODE = './formats';
const JSON_FILE = './report.schema.json';

/** Entry points that are of no kind that attw is shown. */
function strangeEntries() {
  return Object.entries(packageJson.exports)
    .filter(([name, target]) => {
      if (typeof target === 'string') return name !== target && target !== packageJson.exports[JSON_FILE];
      const isCode =
        /^\.\/dist\/types\/.*\.d\.ts$/.test(target.types) && /^\.\/dist\/lib\/.*\.js$/.test(target.default);
      return !isCode || Object.keys(target).join() !== 'types,default';
    })
    .map(([name]) => name);
}

/** Imports of types that lead to no file of the package and to none that it depends on. */
function lostImports(paths) {
  const packed = new Set(paths);
  return paths
    .filter((path) => path.endsWith('.d.ts'))
    .flatMap((path) => {
      const text = readFileSync(path, 'utf8').replace(/\/\*.*?\*\//gs, '');
      // A text that ends with the word "from" is followed by no name of a module, which holds no blank.
      const imports = [...text.matchAll(/(?:\bfrom|\bimport|\bimport\()\s*['"]([^'"\s]+)['"]/g)].map(
        ([, name]) => name,
      );
      return imports.filter((name) => !leadsSomewhere(name, path, packed)).map((name) => `${path}: ${name}`);
    });
}

function leadsSomewhere(name, from, packed) {
  if (name.startsWith('.')) return packed.has(posix.join(posix.dirname(from), name.replace(/\.ts$/, '.d.ts')));
  return Object.keys(packageJson.dependencies).some((one) => name === one || name.startsWith(`${one}/`));
}

const folder = mkdtempSync(join(tmpdir(), 'tablewalk-package-'));
try {
  const pack = ['pack', '--json', '--ignore-scripts', '--pack-destination', folder];
  const [packed] = JSON.parse(execFileSync('npm', pack, { encoding: 'utf8' }));
  const paths = packed.files.map(({ path }) => path);
  const strange = paths.filter((path) => !EXPECTED.some((allowed) => allowed.test(path)));
  const missing = NEEDED.filter((path) => !paths.includes(path));
  if (strange.length > 0) throw new Error(`the package holds ${strange.join(', ')}`);
  if (missing.length > 0) throw new Error(`the package lacks ${missing.join(', ')}`);
  const entries = strangeEntries();
  if (entries.length > 0)
    throw new Error(`the entry points ${entries.join(', ')} are of a new kind: show them to attw`);
  const lost = lostImports(paths);
  if (lost.length > 0) throw new Error(`types import what is not there: ${lost.join(', ')}`);
  const file = join(folder, packed.filename);
  for (const [tool, ...args] of [
    ['publint', 'run', file, '--strict'],
    // The package is ES modules only, for Node 20.19 and later, where require() reads them too.
    [
      'attw',
      file,
      '--profile',
      'esm-only',
      '--entrypoints',
      CODE,
      JSON_FILE,
      '--format',
      'ascii',
      '--no-color',
      '--no-emoji',
    ],
  ]) {
    execFileSync(join('node_modules/.bin', tool), args, { stdio: ['ignore', 'pipe', 'inherit'] });
  }
} catch (error) {
  process.stderr.write(`${error.stdout ?? ''}${error.message}\n`);
  process.exitCode = 1;
} finally {
  rmSync(folder, { recursive: true });
}
