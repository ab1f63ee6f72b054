/** The device server from outside: its socket, its RAM file, its manners, and the clients of its README in C and Python. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, inject, it } from 'vitest';
import { tablewalk } from './run-cli.ts';

const README = readFileSync('devices/server/README.md', 'utf8');
const IPMMU = ['--mmu', 'ipmmu-vmsa', '--set', 'ipmmu.generation=gen3'];
const FRAME = 32;

let directory: string;
let socket: string;
let ram: string;
let server: ChildProcess | null = null;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'tablewalk-device-'));
  socket = join(directory, 'mmu.sock');
  ram = join(directory, 'ram');
});

afterEach(async () => {
  if (server !== null && server.exitCode === null && server.signalCode === null) await end('SIGKILL');
  server = null;
  rmSync(directory, { recursive: true });
});

/** Starts a server and waits for the line that says it listens. */
async function serve(...more: string[]): Promise<string> {
  const args = ['device', '--socket', socket, '--ram', ram, '--ram-size', '0x100000', ...more];
  const child = spawn(process.execPath, [inject('cli'), ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  server = child;
  return await new Promise((resolve) => child.stdout.once('data', (line: Buffer) => resolve(line.toString())));
}

/** Ends the server. @returns its exit code, and what it said last */
async function end(signal: NodeJS.Signals): Promise<[number | null, string]> {
  const child = server as ChildProcess;
  let said = '';
  child.stdout?.on('data', (text: Buffer) => {
    said += text.toString();
  });
  const code = new Promise<number | null>((resolve) => child.once('close', resolve));
  child.kill(signal);
  return [await code, said];
}

function client(): Promise<Socket> {
  return new Promise((resolve) => {
    const made = connect(socket, () => resolve(made));
  });
}

/** The next bytes that come; empty when the connection ends. */
function answer(from: Socket): Promise<Buffer> {
  return new Promise((resolve) => {
    from.once('data', resolve);
    from.once('close', () => resolve(Buffer.alloc(0)));
  });
}

/** The answer to the greeting of a new client. The server may refuse it for as long as it has not yet heard that the client before has gone. */
async function greeted(hello: Buffer): Promise<Buffer> {
  for (;;) {
    const made = await client();
    made.write(hello);
    const said = await answer(made);
    if (said[1] !== 0x86) return said;
    made.destroy();
  }
}

/** A fenced block of the README by the name behind its language. */
function block(name: string): string {
  const found = new RegExp(`^\`\`\`\\w+ ${name}\\n([\\s\\S]*?)^\`\`\``, 'm').exec(README)?.[1];
  if (found === undefined) throw new Error(`no ${name} in the README`);
  writeFileSync(join(directory, name), found);
  return found;
}

const has = (command: string): boolean => spawnSync(command, ['--version']).status === 0;

describe('tablewalk device', () => {
  it('serves one client, refuses a second, and the next one when the first has gone', async () => {
    expect(await serve(...IPMMU)).toBe(`Renesas IPMMU-VMSA on ${socket}, RAM ${ram}, 1 MiB at 0x80000000\n`);
    const first = await client();
    const hello = Buffer.alloc(FRAME);
    hello[24] = 1;
    first.write(hello);
    expect((await answer(first))[1]).toBe(0);
    const second = await client();
    const refused = await answer(second);
    expect([refused.length, refused[1]]).toEqual([FRAME, 0x86]);
    expect(await answer(second)).toHaveLength(0);
    first.write(Buffer.alloc(FRAME, 0xff));
    expect((await answer(first))[1]).toBe(0x80);
    first.destroy();
    expect((await greeted(hello))[1]).toBe(0);
    expect(await end('SIGTERM')).toEqual([0, '3 requests, 1 of them malformed; 0 findings\n']);
    expect(existsSync(socket)).toBe(false);
  });

  it('takes the place of a server that was killed, but not of one that lives, nor of a file', async () => {
    await serve(...IPMMU);
    const args = ['device', '--socket', socket, '--ram', ram];
    expect((await tablewalk(args)).stderr).toMatch(/--socket.*no other server listens on/);
    await end('SIGKILL');
    expect(existsSync(socket)).toBe(true);
    await serve(...IPMMU);
    expect((await end('SIGINT'))[0]).toBe(0);
    expect(await tablewalk(['device', '--socket', ram, '--ram', ram])).toMatchObject({ code: 2 });
    expect((await tablewalk(['device', '--socket', socket, '--ram', join(directory, 'none')])).stderr).toMatch(
      /--ram-size/,
    );
  });

  it.skipIf(!has('gcc'))("the README's C client drives it", async () => {
    await serve(...IPMMU);
    expect(block('tablewalk_device.h').split('\n').length).toBeLessThan(130);
    block('example.c');
    const program = join(directory, 'example');
    const warnings = ['-Wall', '-Wextra', '-Werror', '-Wno-unused-function'];
    const built = spawnSync('gcc', ['-std=gnu99', ...warnings, '-o', program, join(directory, 'example.c')], {
      encoding: 'utf8',
    });
    expect(built.stderr).toBe('');
    const run = spawnSync(program, [socket, ram], { encoding: 'utf8' });
    expect(run.stdout.replace(/cycle \d+/, 'cycle n').split('\n')).toEqual([
      '0 c0001000',
      'c0001000 stale-tlb-hit: cycle n, stream 0, iova 0x40001000: a TLB gave 0xc0001000, the tables lead to 0x80001000',
      '0 80001000',
      '1 fault 1 level 1 interrupts 1',
      '',
    ]);
    expect((await end('SIGTERM'))[1]).toMatch(/ 0 of them malformed; 1 findings/);
  });

  it.skipIf(!has('python3'))("the README's Python client drives an SMMUv3", async () => {
    await serve('--mmu', 'smmuv3', '--set', 'smmu.streamBits=4');
    expect(block('tablewalk_device.py').split('\n').length).toBeLessThan(70);
    writeFileSync(
      join(directory, 'run.py'),
      `import sys
from tablewalk_device import *
d = Device(sys.argv[1], sys.argv[2])
print(d.text(0), hex(d.register_bytes), d.text(1).split()[0])
print(d.translate(1, 0x5000).value == 0x5000)
d.store64(0x80001000 + 64, 0x9)
d.write(0x80, 0x80001000, 64)
d.write(0x88, 4)
d.write(0x20, 1)
print(hex(d.read(0x24)), d.translate(1, 0x5040).value == 0x5040)
faulty = d.translate(2, 0x5000)
print(faulty.status, faulty.detail & 0xff)
try:
    d.read(2)
except ValueError as error:
    print(error)
print(d.call(TIME, value=1000).cycles)
`,
    );
    const run = spawnSync('python3', [join(directory, 'run.py'), socket, ram], { encoding: 'utf8' });
    expect([run.stderr, run.stdout.split('\n')]).toEqual([
      '',
      ['smmuv3 0x20000 gerror', 'True', '0x1 True', '1 255', 'status 0x81', '1000', ''],
    ]);
  });
});
