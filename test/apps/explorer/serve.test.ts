import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { buildExplorer } from '../../../apps/explorer/build.mjs';
import { serveExplorer } from '../../../apps/explorer/index.ts';
import { tablewalk } from '../run-cli.ts';

const SMALL = 'traces/samples/small-strict.ftrace.txt.gz';

/** One request, with whatever headers. */
function ask(
  address: string,
  path: string,
  headers: Record<string, string> = {},
  method = 'GET',
): Promise<[number, string]> {
  return new Promise((resolve, reject) => {
    const { hostname, port } = new URL(address);
    request({ hostname, port, path, method, headers }, (response) => {
      const pieces: Buffer[] = [];
      response.on('data', (piece: Buffer) => pieces.push(piece));
      response.on('end', () => resolve([response.statusCode ?? 0, Buffer.concat(pieces).toString('latin1')]));
    })
      .on('error', reject)
      .end();
  });
}

describe('the server of the page', () => {
  it('gives this machine the page and what it was given, and nothing else to nobody else', async () => {
    const files = [
      {
        name: 'a"><script>alert(1)</script>',
        read: async function* () {
          yield Buffer.from('bytes');
        },
      },
    ];
    const { server, address } = await serveExplorer({ html: '<body data-open="">', files }, 0);
    try {
      expect(address).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/$/);
      const [status, page] = await ask(address, '/');
      expect([status, page.includes('<script')]).toEqual([200, false]);
      expect(await ask(address, '/files/0')).toEqual([200, 'bytes']);
      for (const path of [
        '/files/1',
        '/files/../files/0',
        '/package.json',
        '/files/00000',
        '//etc/passwd',
        '/files/%2e%2e',
      ]) {
        expect([path, (await ask(address, path))[0]]).toEqual([path, 404]);
      }
      for (const host of ['evil.example', '127.0.0.1.evil.example', '192.168.0.1:80']) {
        expect([host, (await ask(address, '/', { host }))[0]]).toEqual([host, 403]);
      }
      expect((await ask(address, '/', { host: 'localhost:1234' }))[0]).toBe(200);
      expect((await ask(address, '/', {}, 'POST'))[0]).toBe(405);
    } finally {
      server.close();
      server.closeAllConnections();
    }
  });
});

describe('tablewalk explorer', () => {
  const folder = mkdtempSync(join(tmpdir(), 'tablewalk-serve-'));
  const cli = join(folder, 'tablewalk.mjs');
  beforeAll(async () => {
    copyFileSync(inject('cli'), cli);
    writeFileSync(join(folder, 'explorer.html'), await buildExplorer());
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  it('prints its address, serves the capture, and ends on a signal', async () => {
    const child = spawn(process.execPath, [cli, 'explorer', SMALL], { stdio: ['ignore', 'pipe', 'inherit'] });
    const [line] = (await once(child.stdout, 'data')) as [Buffer];
    const address = line.toString().trim();
    expect((await ask(address, '/'))[1]).toContain('small-strict.ftrace.txt.gz');
    expect((await ask(address, '/files/0'))[1].slice(0, 2)).toBe('\x1f\x8b');
    child.kill('SIGTERM');
    expect(await once(child, 'exit')).toEqual([0, null]);
  });

  it.each([
    [['explorer', '/nowhere/at/all'], /nothing/],
    [['explorer', '--port', '99999'], /--port/],
    [['explorer', 'traces/samples'], /pt\.json/],
  ])('%j is refused in one line', async (args, says) => {
    const { code, stderr } = await tablewalk(args);
    expect([code, stderr.trim().split('\n').length]).toEqual([2, 1]);
    expect(stderr).toMatch(says);
  });
});
