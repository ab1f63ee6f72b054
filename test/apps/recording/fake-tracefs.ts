import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { DMA_EVENTS, IOMMU_EVENTS } from '../../../traces/index.ts';

/** What a kernel lets be probed. */
export interface FakeKernel {
  readonly functions: readonly string[];
  /** Whether arguments may be named. */
  readonly btf: boolean;
  readonly kprobes?: boolean;
  /** Most KiB of a trace buffer that it has memory for. */
  readonly memory?: number;
  readonly stats?: string;
  readonly missed?: number;
  /** What trace_pipe gives. */
  readonly text?: string;
}

/** Every event file of a new trace instance. */
const EVENTS = [...IOMMU_EVENTS.map((name) => `iommu/${name}`), ...DMA_EVENTS.map((name) => `dma/${name}`)];

/**
 * A folder that answers as tracefs does, for a script whose `put` is that of {@link putOf}: it refuses probes of unknown functions and names of arguments
 * without BTF, and gives and takes the files of probes and instances.
 */
export class FakeTracefs {
  readonly home = mkdtempSync(join(tmpdir(), 'tablewalk-tracefs-'));
  readonly root = join(this.home, 'tracing');
  readonly path = join(this.home, 'bin');

  constructor(kernel: FakeKernel) {
    const { functions, btf, kprobes = true, memory = 1e6, stats = 'overrun: 0\ndropped events: 0\n' } = kernel;
    const instance = join(this.home, 'new-instance');
    this.#write('tracing/trace_pipe', '');
    this.#write('tracing/error_log', '');
    mkdirSync(join(this.root, 'instances'));
    if (kprobes) {
      this.#write('tracing/kprobe_events', '');
      this.#write('tracing/kprobe_profile', `  dom_map    12    ${kernel.missed ?? 0}\n`);
    }
    this.#write('functions', `${functions.join('\n')}\n`);
    if (btf) this.#write('btf', '');
    this.#write('memory', String(memory));
    this.#write('log', '');
    for (const event of EVENTS) this.#write(`new-instance/events/${event}/enable`, '0\n');
    for (const file of ['events/enable', 'tracing_on', 'trace_clock', 'buffer_size_kb']) {
      this.#write(`new-instance/${file}`, '1\n');
    }
    this.#write('new-instance/per_cpu/cpu0/stats', stats);
    this.#write('new-instance/trace_pipe', kernel.text ?? '');
    this.#tool('mkdir', `/bin/mkdir "$1" && cp -R ${instance}/. "$1"`);
    this.#tool('rmdir', '[ -d "$1" ] && rm -r "$1"');
    this.#tool('sleep', 'exec /bin/sleep 0.02');
  }

  /** Every accepted write, in order: file below the root, a blank, the text. */
  get log(): string[] {
    return readFileSync(join(this.home, 'log'), 'utf8').trim().split('\n');
  }

  /** Whether nothing of a recording is left: no instance, no probe. */
  get untouched(): boolean {
    const probes = join(this.root, 'kprobe_events');
    return (
      !existsSync(join(this.root, 'instances/tablewalk')) &&
      (!existsSync(probes) || readFileSync(probes, 'utf8') === '')
    );
  }

  remove(): void {
    rmSync(this.home, { recursive: true });
  }

  #write(file: string, text: string): void {
    const path = join(this.home, file);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
  }

  #tool(name: string, body: string): void {
    this.#write(`bin/${name}`, `#!/bin/sh\n${body}\n`);
    chmodSync(join(this.path, name), 0o755);
  }
}

/** Takes the place of the script's own `put FILE TEXT`, since plain files accept everything. */
export function putOf({ home }: FakeTracefs): string {
  return `put() (\n${KERNEL.replaceAll('HOME', home)}\n)\n`;
}

/** What a write does. Arguments: the file, the text. */
const KERNEL = `[ -e "$1" ] || exit 1
case $1 in
*/kprobe_events)
  case $2 in
  -:*)
    grep -q "^p$(echo "$2" | cut -c2-) " "$1" || exit 1
    grep -v "^p$(echo "$2" | cut -c2-) " "$1" > HOME/left
    cat HOME/left > "$1"
    rm -rf HOME/tracing/instances/*/events/"$(echo "$2" | cut -c3-)"
    ;;
  p:*)
    set -- "$1" "$2" $2
    grep -qx "$4" HOME/functions || exit 1
    case $5 in
    *\\$arg*) ;;
    *) [ -e HOME/btf ] || { echo "[1] trace_kprobe: error: BTF is not available or not supported" >> HOME/tracing/error_log; exit 1; } ;;
    esac
    echo "$2" >> "$1"
    for instance in HOME/tracing/instances/*; do
      /bin/mkdir -p "$instance/events/\${3#p:}" && echo 0 > "$instance/events/\${3#p:}/enable"
    done
    ;;
  esac
  ;;
*/buffer_size_kb) [ "$2" -le "$(cat HOME/memory)" ] || exit 1; echo "$2" > "$1" ;;
*) echo "$2" > "$1" ;;
esac
echo "\${1#HOME/tracing/} $2" >> HOME/log`;
