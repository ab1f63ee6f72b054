import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { EventKind, PROBES, recordingSettings, UNKNOWN } from '../../../traces/index.ts';
import { type ReadBack, readCaptures } from '../../traces/capture/read-events.ts';
import { tablewalk } from '../run-cli.ts';
import { type FakeKernel, FakeTracefs, putOf } from './fake-tracefs.ts';

const MODERN: FakeKernel = {
  functions: ['__iommu_map', '__iommu_unmap', '__iommu_attach_device', 'iommu_unmap', 'iommu_unmap_fast'],
  btf: true,
};
const BODY = readFileSync('apps/cli/commands/captures/recording/recorder.sh', 'utf8');
const ALL = { kprobes: true, dma: true, duration: 1 };

let fake: FakeTracefs | null = null;
afterEach(() => {
  fake?.remove();
  fake = null;
});

/** The script, asking the fake kernel. */
function scriptFor(tracefs: FakeTracefs, options: Parameters<typeof recordingSettings>[0]): string {
  const own = /^put\(\) \{\n.*?\n\}\n/ms;
  expect(BODY).toMatch(own);
  return `#!/bin/sh\n${recordingSettings(options)}${BODY.replace(own, () => putOf(tracefs))}`;
}

interface Recording {
  readonly said: string;
  readonly code: number | null;
  readonly file: string;
}

function record(kernel: FakeKernel, options = ALL, environment: Record<string, string> = {}): Recording {
  const tracefs = new FakeTracefs(kernel);
  fake = tracefs;
  const script = join(tracefs.home, 'record.sh');
  const file = join(tracefs.home, 'capture.txt');
  writeFileSync(script, scriptFor(tracefs, options));
  const run = spawnSync('sh', [script, file], {
    encoding: 'utf8',
    timeout: 30_000,
    env: { ...environmentOf(tracefs), ...environment },
  });
  return { said: run.stderr, code: run.status, file };
}

function environmentOf({ home, root, path }: FakeTracefs): Record<string, string> {
  return { PATH: `${path}:/usr/bin:/bin`, TRACEFS: root, SYSFS: join(home, 'sys') };
}

/** What a kprobe of this definition prints, as the kernel's print format for the types of its fields has it. */
function printed(definition: string, values: Readonly<Record<string, string>>): string {
  const [head = '', probed = '', ...fields] = definition.split(' ');
  const text = fields.map((field) => {
    const name = field.split('=')[0] ?? '';
    const value = values[name] ?? '0';
    return field.endsWith(':string') ? `${name}="${value}"` : `${name}=0x${value}`;
  });
  return `${head.split('/')[1]}: (${probed}+0x4/0x290) ${text.join(' ')}`;
}

const line = (time: string, text: string): string => `    kworker/u4:0-12      [001] d....     ${time}: ${text}\n`;

/** One attach, map and unmap as a kernel would print them, by these ways of the probes. */
function callsOf(map: number, unmap: number, attach: number): string {
  const domain = 'ffff2d5e04b2ca40';
  const [mapped, unmapped, attached] = [map, unmap, attach].map(
    (way, probe) => PROBES[probe]?.ways[way]?.definitions[0] ?? '',
  );
  const plain = 'iova=0x00000000fffff000 - 0x0000000100000000';
  return [
    line('5.000000', 'add_device_to_group: IOMMU: groupID=0 device=0000:00:02.0'),
    line('5.000001', printed(attached ?? '', { domain, dev: '0000:00:02.0' })),
    line('5.000002', 'attach_device_to_domain: IOMMU: device=0000:00:02.0'),
    line('5.000003', printed(mapped ?? '', { domain, iova: 'fffff000', paddr: '8090000', size: '1000', prot: '1a' })),
    line('5.000004', `map: IOMMU: ${plain} paddr=0x0000000008090000 size=4096`),
    line('5.000005', printed(unmapped ?? '', { domain, iova: 'fffff000', size: '1000' })),
    line('5.000006', `unmap: IOMMU: ${plain} size=4096 unmapped_size=4096`),
  ].join('');
}

/** Each call once, with the domain, protection and device that the probes named. */
function expectCalls({ events, stats, devices }: ReadBack): void {
  expect(stats.damaged).toBe(0);
  const [attach, map, unmap, ...more] = events
    .filter(({ kind, device }) => kind < EventKind.ATTACH || (kind === EventKind.ATTACH && device !== UNKNOWN))
    .sort((a, b) => a.time - b.time);
  expect(more).toEqual([]);
  expect(attach).toMatchObject({ kind: EventKind.ATTACH, domain: 0 });
  expect(devices.name(attach?.device ?? UNKNOWN)).toBe('0000:00:02.0');
  expect(map).toMatchObject({
    kind: EventKind.MAP,
    domain: 0,
    iova: 0xfffff000,
    pa: 0x8090000,
    size: 4096,
    prot: 0x1a,
    cpu: 1,
  });
  expect(unmap).toMatchObject({ kind: EventKind.UNMAP, domain: 0, iova: 0xfffff000, size: 4096 });
}

describe('tablewalk record-script', () => {
  it('prints a script that every POSIX shell here can read, with what was asked for in it', async () => {
    const run = await tablewalk(['record-script', '--kprobes', '--dma', '--duration', '7']);
    expect(run).toMatchObject({ code: 0, stderr: '' });
    expect(run.stdout).toBe(
      `${run.stdout.split('\n').slice(0, 2).join('\n')}\n${recordingSettings({ ...ALL, duration: 7 })}${BODY}`,
    );
    for (const shell of ['sh', 'dash', 'busybox sh', 'bash --posix']) {
      const [name = '', ...more] = shell.split(' ');
      const check = spawnSync(name, [...more, '-n'], { input: run.stdout, encoding: 'utf8' });
      if (check.error === undefined) expect(check.stderr, shell).toBe('');
    }
  });

  it('enables the events and probes, records, checks for losses, and leaves the kernel as it was', async () => {
    const run = record({ ...MODERN, text: callsOf(0, 0, 0) });
    expect(run.said).toMatch(/dom_map: arguments by name, from BTF \(__iommu_map domain=domain:x64/);
    expect(run.said).toContain('lost events: none');
    expect(run.said).toContain(`capture: ${run.file}`);
    expect(run.code).toBe(0);
    expect(fake?.untouched).toBe(true);
    const log = fake?.log.join('\n') ?? '';
    for (const event of [
      'iommu/map',
      'iommu/unmap',
      'iommu/attach_device_to_domain',
      'dma/dma_map_page',
      'tablewalk/dom_map',
    ]) {
      expect(log).toContain(`instances/tablewalk/events/${event}/enable 1`);
    }
    expect(log.indexOf('tracing_on 1')).toBeGreaterThan(log.indexOf('dom_unmap/enable 1'));
    expect(log.lastIndexOf('tracing_on 0')).toBeGreaterThan(log.indexOf('tracing_on 1'));
    expectCalls(await readCaptures([run.file]));
  });

  it('takes arguments by place and the device from the attach line where there is no BTF', async () => {
    const run = record({ ...MODERN, btf: false, text: callsOf(2, 1, 1) });
    expect(run.said).toMatch(/dom_map: arguments by place.*\$arg5:x32/);
    expect(run.said).toMatch(/dom_attach: .*\(__iommu_attach_device domain=\$arg1:x64\)/);
    expectCalls(await readCaptures([run.file]));
  });

  it('follows iommu_map_nosync of newer kernels, and the callers of an unmap that was compiled into them', async () => {
    const functions = ['iommu_map_nosync', 'iommu_unmap', 'iommu_unmap_fast', '__iommu_attach_device'];
    const run = record({ functions, btf: true, text: callsOf(1, 2, 0) });
    expect(fake?.log.filter((entry) => entry.includes('p:tablewalk/dom_unmap'))).toHaveLength(2);
    expectCalls(await readCaptures([run.file]));
    expect(fake?.untouched).toBe(true);
  });

  it.each([
    ['without kprobes', { ...MODERN, kprobes: false }, /no kprobes/],
    [
      'where maps can be probed and unmaps cannot',
      { ...MODERN, functions: ['__iommu_map'] },
      /left out: dom_map, dom_unmap/,
    ],
  ])('records plain events alone %s, and says so', async (_, kernel, said) => {
    const text = callsOf(0, 0, 0).replaceAll(/.*dom_.*\n/g, '');
    const run = record({ ...kernel, text });
    expect(run.said).toMatch(said);
    expect(run.code).toBe(0);
    expect(fake?.untouched).toBe(true);
    expect(fake?.log.join('\n')).not.toContain('dom_map/enable');
    expect((await readCaptures([run.file])).stats).toMatchObject({ maps: 1, unmaps: 1 });
  });

  it('takes a smaller buffer where memory is short, and fails with what was lost', async () => {
    const run = record({ ...MODERN, memory: 1000, stats: 'overrun: 5\ndropped events: 7\n', missed: 3 }, ALL, {
      BUFFER_KB: '3000',
    });
    expect(run.said).toContain('buffer: 750 KiB for each of 1 CPUs');
    expect(run.said).toContain('lost events: 15.');
    expect(run.said).toContain('no map was recorded');
    expect(run.code).toBe(1);
  });

  it('writes over no file, and needs tracefs', async () => {
    const run = record(MODERN, ALL, { TRACEFS: '/nonexistent' });
    expect(run).toMatchObject({ code: 2, said: 'record: TRACEFS: found /nonexistent, which is no mounted tracefs\n' });
    writeFileSync(join(fake?.home ?? '', 'capture.txt'), 'precious');
    const again = spawnSync('sh', [join(fake?.home ?? '', 'record.sh'), run.file], {
      encoding: 'utf8',
      env: environmentOf(fake as FakeTracefs),
    });
    expect(again).toMatchObject({ status: 2, stderr: expect.stringContaining('exists already') });
    expect(readFileSync(run.file, 'utf8')).toBe('precious');
  });

  it('gives the plain events to trace-cmd where there is one', async () => {
    const tracefs = new FakeTracefs(MODERN);
    fake = tracefs;
    const script = join(tracefs.home, 'record.sh');
    writeFileSync(script, scriptFor(tracefs, { kprobes: false, dma: true, duration: 1 }));
    writeFileSync(
      join(tracefs.path, 'trace-cmd'),
      // A background job of sh ignores SIGINT for good, so this one is ended as one that hangs would be.
      '#!/bin/sh\necho "$@" > "$4.arguments"; echo data > "$4"; trap exit TERM; while :; do sleep; done\n',
      { mode: 0o755 },
    );
    const file = join(tracefs.home, 'capture.dat');
    const run = spawnSync('sh', [script, file], { encoding: 'utf8', timeout: 30_000, env: environmentOf(tracefs) });
    expect(run.stderr).toContain(`capture: ${file}, 5 bytes`);
    expect(run.status).toBe(0);
    expect(readFileSync(`${file}.arguments`, 'utf8')).toMatch(
      /-B tablewalk -C mono -b \d+ -e iommu:map -e iommu:unmap .* -e dma:dma_map_page/,
    );
    expect(tracefs.untouched).toBe(true);
  });

  it.each(['SIGINT', 'SIGTERM'] as const)('stops at %s and puts everything back', async (signal) => {
    const tracefs = new FakeTracefs(MODERN);
    fake = tracefs;
    // A pipe that nobody writes to, as a quiet kernel's trace_pipe.
    rmSync(join(tracefs.home, 'new-instance/trace_pipe'));
    execFileSync('mkfifo', [join(tracefs.home, 'new-instance/trace_pipe')]);
    const script = join(tracefs.home, 'record.sh');
    writeFileSync(script, scriptFor(tracefs, { kprobes: true, dma: false, duration: 0 }));
    const run = spawn('sh', [script, join(tracefs.home, 'capture.txt')], { env: environmentOf(tracefs) });
    let said = '';
    const over = new Promise<number | null>((resolve) => run.on('close', resolve));
    run.stderr.on('data', (text) => {
      if (!said.includes('recording into') && `${said}${text}`.includes('recording into')) run.kill(signal);
      said += String(text);
    });
    expect(await over).toBe(0);
    expect(said).toContain('until Ctrl-C');
    expect(tracefs.untouched).toBe(true);
  });

  it('finds tracefs where it is mounted, in a mount namespace of its own', async ({ skip }) => {
    const mounted = spawnSync('unshare', ['-rm', 'sh', '-c', 'mount -t tmpfs none /sys/kernel/tracing']).status === 0;
    skip(!mounted, 'no mount namespaces here');
    const tracefs = new FakeTracefs({ ...MODERN, text: callsOf(0, 0, 0) });
    fake = tracefs;
    const script = join(tracefs.home, 'record.sh');
    const file = join(tracefs.home, 'capture.txt');
    writeFileSync(script, scriptFor(tracefs, ALL));
    const run = spawnSync(
      'unshare',
      ['-rm', 'sh', '-c', `mount --bind ${tracefs.root} /sys/kernel/tracing && exec sh ${script} ${file}`],
      { encoding: 'utf8', timeout: 30_000, env: { PATH: `${tracefs.path}:/usr/bin:/bin`, HOME: tracefs.home } },
    );
    expect(run.stderr).toContain('lost events: none');
    expect(existsSync(file)).toBe(true);
    expect(tracefs.untouched).toBe(true);
  });
});
