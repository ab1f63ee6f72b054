/** `tablewalk explorer`: the page in which the emulator runs, served to this machine. */
import { createReadStream, existsSync, readFileSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Command } from 'commander';
import { ConfigError } from '../../../../formats/index.ts';
import { IMAGE_DESCRIPTION, IMAGE_PAGES, InputError } from '../../../../traces/index.ts';
import { type ServedFile, serveExplorer } from '../../../explorer/index.ts';

const HIGHEST_PORT = 65535;

const AFTER_HELP = `
The page is dist/explorer.html: it also works from disk, without this command; drop a capture or an image's two files on it.
It is served on 127.0.0.1 only, with what was given and nothing else. Ctrl-C ends it.

Examples:
  tablewalk explorer
  tablewalk explorer trace.dat --port 8080
  tablewalk explorer pagetables/       a folder with ${IMAGE_DESCRIPTION} and ${IMAGE_PAGES}

Exit code: 0 ended, 2 wrong input.`;

export function register(program: Command): void {
  program
    .command('explorer')
    .description('Learn LPAE and see captures in a browser: tables, walks, TLBs, invalidations, faults; 17 lessons.')
    .argument('[file]', 'a capture in any form that replay reads, or the folder of a memory image')
    .option('--port <n>', 'port on 127.0.0.1; 0 lets the system choose', '0')
    .addHelpText('after', AFTER_HELP)
    .action(explore);
}

async function explore(file: string | undefined, options: { readonly port: string }): Promise<void> {
  const port = /^\d{1,5}$/.test(options.port) ? Number(options.port) : Number.NaN;
  if (!(port <= HIGHEST_PORT)) throw new ConfigError('--port', options.port, `0 to ${HIGHEST_PORT}`);
  const files = file === undefined ? [] : filesOf(file);
  const html = readFileSync(pageFile(), 'utf8');
  const { server, address } = await listen(html, files, port);
  process.stdout.write(`${address}\n`);
  await new Promise<void>((resolve) => {
    const end = (): void => {
      server.close(() => resolve());
      server.closeAllConnections();
    };
    process.once('SIGINT', end);
    process.once('SIGTERM', end);
  });
}

async function listen(html: string, files: readonly ServedFile[], port: number) {
  try {
    return await serveExplorer({ html, files }, port);
  } catch (error) {
    throw new ConfigError('--port', port, `a port that is free (${(error as Error).message})`);
  }
}

/** The page lies beside the bundled command line. */
function pageFile(): string {
  const beside = join(dirname(fileURLToPath(import.meta.url)), 'explorer.html');
  if (existsSync(beside)) return beside;
  throw new InputError(beside, '', 'nothing', 'the page (npm run build makes it)');
}

/** What a file or folder gives the page. @throws InputError */
function filesOf(file: string): ServedFile[] {
  const stats = statSync(file, { throwIfNoEntry: false });
  if (stats === undefined) throw new InputError(file, '', 'nothing', 'a capture, or the folder of a memory image');
  if (!stats.isDirectory()) return [served(file)];
  return [IMAGE_DESCRIPTION, IMAGE_PAGES].map((name) => {
    const path = join(file, name);
    if (!existsSync(path))
      throw new InputError(path, '', 'nothing', `a folder with ${IMAGE_DESCRIPTION} and ${IMAGE_PAGES}`);
    return served(path);
  });
}

function served(path: string): ServedFile {
  return { name: basename(path), read: () => createReadStream(path) };
}
