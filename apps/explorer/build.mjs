/** Makes dist/explorer.html: one file with script, style and the source of its worker, which works from disk and needs no network. */
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { bundledPackages, licenceTexts } from '../third-party.mjs';

const HERE = dirname(fileURLToPath(import.meta.url));
const ROOT = join(HERE, '../..');

/** A bundle as text, and the folders of the packages in it. */
async function bundled(entry) {
  const { outputFiles, metafile } = await build({
    absWorkingDir: ROOT,
    metafile: true,
    entryPoints: [join(HERE, entry)],
    bundle: true,
    minify: true,
    write: false,
    platform: 'browser',
    format: 'iife',
    target: 'es2022',
    jsx: 'automatic',
    jsxImportSource: 'preact',
    legalComments: 'none',
    charset: 'utf8',
    logLevel: 'warning',
  });
  // Inside a page, a script ends at the first end tag, wherever that stands, and is changed by the start of a comment.
  const text = outputFiles[0].text.trim().replaceAll('</script', '<\\/script').replaceAll('<!--', '<\\!--');
  return { text, packages: bundledPackages(metafile).map((folder) => join(ROOT, folder)) };
}

async function styles() {
  const { outputFiles } = await build({
    entryPoints: [join(HERE, 'view/page.css')],
    bundle: true,
    minify: true,
    write: false,
    logLevel: 'warning',
  });
  return outputFiles[0].text.trim();
}

/** @returns the page, whole */
export async function buildExplorer() {
  const [script, worker, style] = await Promise.all([bundled('view/main.tsx'), bundled('worker.ts'), styles()]);
  const licences = licenceTexts(new Set([...script.packages, ...worker.packages]));
  const parts = {
    script: script.text,
    worker: worker.text,
    style,
    'script-hash': createHash('sha256').update(script.text).digest('base64'),
    // Two hyphens could end the comment that this stands in.
    licences: licences.map(({ title, text }) => `${title}\n\n${text}`.replaceAll('--', '- -')).join('\n\n\n'),
  };
  const page = readFileSync(join(HERE, 'view/page.html'), 'utf8');
  return page.replace(/\{\{([a-z-]+)\}\}/g, (_, name) => parts[name]);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const file = process.argv[2] ?? join(ROOT, 'dist/explorer.html');
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(`${file}.part`, await buildExplorer());
  renameSync(`${file}.part`, file);
}
