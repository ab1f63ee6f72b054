/**
 * Node's hooks: loads the product anew for every mutant. A module that imports the changed file, however far away, gets the mutant's number
 * as query, so that it is another module; all others are shared. Nothing is ever written.
 */
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

/** What is loaded now: a number, the modules that are loaded anew, and texts that stand in for files. */
let version = { number: 0, stale: new Set(), texts: {} };
/** JavaScript of the texts that were loaded so far. */
const plain = new Map();

export function initialize({ port }) {
  port.on('message', (next) => {
    version = next;
    port.postMessage(next.number);
  });
}

export async function resolve(specifier, context, nextResolve) {
  const resolved = await nextResolve(specifier, context);
  if (!resolved.url.startsWith('file:')) return resolved;
  const url = resolved.url.replace(/\?.*$/, '');
  return version.stale.has(url) ? { ...resolved, url: `${url}?version=${version.number}` } : resolved;
}

async function javascript(path, text) {
  let code = plain.get(text);
  if (code === undefined) {
    const { transform } = await import('esbuild');
    ({ code } = await transform(text, { loader: 'ts', format: 'esm', target: 'node20', sourcefile: path }));
    plain.set(text, code);
  }
  return code;
}

export async function load(url, context, nextLoad) {
  if (!url.startsWith('file:') || !/\.ts(\?|$)/.test(url)) return nextLoad(url, context);
  const path = fileURLToPath(url.replace(/\?.*$/, ''));
  const text = version.texts[path] ?? (await readFile(path, 'utf8'));
  return { format: 'module', source: await javascript(path, text), shortCircuit: true };
}
