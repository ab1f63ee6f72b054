/** `tablewalk device`: an MMU's registers and translations for a client on a Unix socket, its RAM in a file that both share. */
import { lstatSync, rmSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import type { Command } from 'commander';
import { busyResponse, DeviceServer, MMUS } from '../../../../devices/index.ts';
import { ConfigError, hexText } from '../../../../formats/index.ts';
import { addMachineOptions, type MachineFlags, machineFrom } from '../../options/index.ts';
import { ExitCode, exitWith } from '../../terminal/index.ts';
import { FileMemory } from './file-memory.ts';

interface DeviceOptions extends MachineFlags {
  readonly socket: string;
  readonly ram: string;
  readonly ramBase: number;
  readonly ramSize?: number;
  readonly check: boolean;
}

export function register(program: Command): void {
  const command = program
    .command('device')
    .description(
      "Serve an MMU's registers and translations to a client on a Unix socket; RAM is a file that both share.",
    )
    .requiredOption('--socket <path>', 'Unix socket to make')
    .requiredOption('--ram <file>', 'the RAM, as a file that the client maps')
    .option('--ram-base <address>', 'physical address of its first byte', addressOption, 0x8000_0000)
    .option('--ram-size <bytes>', 'make the file, or make it this long', addressOption)
    .option('--no-check', 'do not hold translations that a TLB served against the tables');
  addMachineOptions(command)
    .addHelpText('after', `\nMMUs: ${Object.keys(MMUS).join(', ')}. The protocol is in devices/server/README.md.`)
    .action(device);
}

async function device(options: DeviceOptions): Promise<void> {
  const config = machineFrom(options);
  const memory = new FileMemory(options.ram, options.ramBase, options.ramSize ?? null);
  const served = new DeviceServer({ config, memory, check: options.check });
  const { socket } = options;
  await makeRoom(socket);
  const server = createServer((client) => serve(client));
  let current: Socket | null = null;

  function serve(client: Socket): void {
    // Whatever happens to a connection is the end of that connection alone.
    client.on('error', () => client.destroy());
    if (current !== null) {
      client.end(busyResponse());
      return;
    }
    current = client;
    client.setNoDelay(true);
    served.connected();
    client.on('data', (bytes: Buffer) => {
      const responses = served.receive(bytes);
      // A client that does not read gets no more served until it does.
      if (responses.length > 0 && !client.write(responses)) {
        client.pause();
        client.once('drain', () => client.resume());
      }
    });
    client.on('close', () => {
      current = null;
    });
  }

  // Before anybody can know that the server is there: a signal must never leave the socket behind.
  const stopped = new Promise<void>((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve());
  });
  await listen(server, socket);
  const size = `${memory.size / 2 ** 20} MiB at ${hexText(memory.base)}`;
  process.stdout.write(`${MMUS[config.iommu.model].title} on ${socket}, RAM ${options.ram}, ${size}\n`);
  await stopped;
  (current as Socket | null)?.destroy();
  // Closing removes the socket's file.
  server.close();
  memory.close();
  const { requests, refused, findings } = served;
  process.stdout.write(`${requests} requests, ${refused} of them malformed; ${findings} findings\n`);
  exitWith(ExitCode.OK);
}

/** A socket that nobody listens on any more is in the way, and goes; anything else stays. @throws ConfigError */
async function makeRoom(path: string): Promise<void> {
  const status = lstatSync(path, { throwIfNoEntry: false });
  if (status === undefined) return;
  if (!status.isSocket()) throw new ConfigError('--socket', path, 'a path where nothing is, or a socket');
  const inUse = await new Promise<boolean>((resolve) => {
    const probe = connect(path, () => {
      probe.destroy();
      resolve(true);
    });
    probe.on('error', () => resolve(false));
  });
  if (inUse) throw new ConfigError('--socket', path, 'a socket that no other server listens on');
  rmSync(path);
}

function listen(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      reject(new ConfigError('--socket', path, `a path where a socket can be made (${error.code})`));
    });
    server.listen(path, resolve);
  });
}

function addressOption(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 0 || value % 4096 !== 0 || value >= 2 ** 52) {
    throw new ConfigError('--ram-base or --ram-size', text, 'a multiple of 4096 below 2^52');
  }
  return value;
}
