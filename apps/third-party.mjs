/** Makes dist/THIRD-PARTY-LICENSES.txt: what the published files carry of other packages, with the licence text that each of them asks for. */
import { mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..');

/** The files that bundle their packages; the library leaves its packages outside. */
const BUNDLES = [
  { entry: 'apps/cli/main.ts', platform: 'node' },
  { entry: 'apps/explorer/view/main.tsx', platform: 'browser' },
  { entry: 'apps/explorer/worker.ts', platform: 'browser' },
];

/** A package's folder, the innermost if packages are nested. */
const PACKAGE = /^.*\bnode_modules\/(?:@[^/]+\/)?[^/]+/;

/** @returns the folders of the packages that a bundle holds code of, as esbuild's metafile tells */
export function bundledPackages(metafile) {
  const folders = new Set();
  for (const { inputs } of Object.values(metafile.outputs)) {
    for (const [file, { bytesInOutput }] of Object.entries(inputs)) {
      const folder = PACKAGE.exec(file)?.[0];
      if (folder !== undefined && bytesInOutput > 0) folders.add(folder);
    }
  }
  return [...folders];
}

/**
 * Name, version, licence and licence text of every package.
 * @throws Error when a package comes without its text, which then cannot be published
 */
export function licenceTexts(folders) {
  const parts = new Map();
  for (const folder of folders) {
    const { name, version, license } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
    const files = readdirSync(folder).filter((file) => /^(licen[cs]e|copying|notice)/i.test(file));
    if (files.length === 0) throw new Error(`${name} ${version} (${license}) has no file with its licence`);
    const texts = files.sort().map((file) => readFileSync(join(folder, file), 'utf8').trim());
    parts.set(`${name} ${version} (${license})`, texts.join('\n\n'));
  }
  return [...parts].sort(([a], [b]) => (a < b ? -1 : 1)).map(([title, text]) => ({ title, text }));
}

/** @returns the whole file */
export async function thirdPartyLicences() {
  const folders = new Set();
  for (const { entry, platform } of BUNDLES) {
    const { metafile } = await build({
      absWorkingDir: ROOT,
      entryPoints: [entry],
      bundle: true,
      write: false,
      metafile: true,
      platform,
      format: 'esm',
      target: 'es2022',
      jsx: 'automatic',
      jsxImportSource: 'preact',
      logLevel: 'warning',
    });
    for (const folder of bundledPackages(metafile)) folders.add(join(ROOT, folder));
  }
  const rule = `\n\n${'-'.repeat(80)}\n\n`;
  const head = 'tablewalk.js and explorer.html hold code of the packages below. Their licences follow.';
  return `${[head, ...licenceTexts(folders).map(({ title, text }) => `${title}\n\n${text}`)].join(rule)}\n`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const file = join(ROOT, 'dist/THIRD-PARTY-LICENSES.txt');
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(`${file}.part`, await thirdPartyLicences());
  renameSync(`${file}.part`, file);
}
