import {
  FAULT_NAMES,
  FaultClass,
  type FaultKind,
  Permission,
  type StageRegime,
  type StageWalk,
  type TranslationRegime,
  Walker,
  type WalkMemory,
  WalkStatus,
  type WalkTrace,
} from '../../emulator/index.ts';
import { type ExplainedField, explainDescriptor } from '../../formats/index.ts';
import { hexText, sizeText } from '../quantity.ts';
import { tableFormat, tableQuirks, wholeAddress } from './leaf-list.ts';

/** One thing that happened in a walk, as data. */
export type WalkStep =
  | {
      readonly kind: 'begin';
      readonly stage: 1 | 2;
      /** What the address belongs to: the access itself, a stage-1 table, a context descriptor. */
      readonly purpose: 'input' | 'table' | 'context';
      readonly address: string;
      readonly granule: number;
      readonly inputBits: number;
      readonly startLevel: number;
    }
  | {
      readonly kind: 'descriptor';
      readonly stage: 1 | 2;
      readonly level: number;
      /** Entry number in the table. */
      readonly index: number;
      /** Which bits of the address it is. */
      readonly bits: readonly [high: number, low: number];
      /** Address of the descriptor as the stage sees it, and in physical memory. */
      readonly address: string;
      readonly pa: string;
      readonly value: string;
      readonly title: string;
      readonly fields: readonly ExplainedField[];
      readonly outcome: 'table' | 'leaf' | 'updated' | 'fault';
      /** Of a table: where the next one is. Of a leaf: the output address. */
      readonly next: string | null;
      /** Of a leaf: bytes that it maps. */
      readonly size: number | null;
      readonly fault: string | null;
    };

/** A whole walk. */
export interface NarratedWalk {
  readonly iova: string;
  readonly steps: readonly WalkStep[];
  /** Physical address, null after a fault. */
  readonly pa: string | null;
  /** What all stages together permit. */
  readonly permissions: readonly string[];
  /** Bytes that translate alike around the address. */
  readonly pageSize: number | null;
  readonly fault: {
    readonly kind: FaultKind;
    readonly name: string;
    readonly stage: number;
    readonly level: number;
  } | null;
}

/**
 * Walks one address and keeps every step.
 *
 * @param iova the address as software writes it; with all upper bits set it belongs to the half of TTBR1
 * @param access bits of `Permission`; 0 checks none
 */
export function narrateWalk(memory: WalkMemory, regime: TranslationRegime, iova: bigint, access = 0): NarratedWalk {
  const recorder = new WalkRecorder();
  const walker = new Walker(memory, recorder);
  const { upper, address } = splitAddress(regime, iova);
  const done = address !== null && walker.translate(regime, address, upper, access);
  const { fault, faultStage, faultLevel } = walker;
  const outside = { kind: 1 as FaultKind, name: FAULT_NAMES[1], stage: regime.stage1 === null ? 2 : 1, level: 0 };
  return {
    iova: hexText(iova),
    steps: recorder.steps,
    pa: done ? hexText(walker.outputAddress) : null,
    permissions: done ? permissionNames(walker.permissions) : [],
    pageSize: done && walker.pageShift < 52 ? 2 ** walker.pageShift : null,
    fault: done
      ? null
      : address === null
        ? outside
        : { kind: fault, name: FAULT_NAMES[fault], stage: faultStage, level: faultLevel },
  };
}

/** Which half an address belongs to, and its low bits there; null for an address in neither (Arm ARM D8.2, VA range checks). */
export function splitAddress(
  regime: TranslationRegime,
  iova: bigint,
): { readonly upper: boolean; readonly address: number | null } {
  if (iova < 0n || iova >= 1n << 64n) return { upper: false, address: null };
  const stage1 = regime.stage1;
  const root1 = stage1?.root1;
  if (stage1 !== null && root1 !== null && root1 !== undefined) {
    const short = stage1.family === 'short';
    const bits = short || stage1.aarch32 === true ? 32n : 64n;
    const size = BigInt(root1.inputBits);
    const first = (1n << bits) - (1n << size);
    // With short descriptors TTBR1's table covers everything, and serves what is above TTBR0's.
    const beyond = short && stage1.root0 !== null ? 1n << BigInt(stage1.root0.inputBits) : first;
    if (iova >= beyond && iova < 1n << bits) return { upper: true, address: Number(iova - (short ? 0n : first)) };
  }
  return { upper: false, address: iova < 1n << 52n ? Number(iova) : null };
}

/** The single rights in a `Permission` mask, in words. */
export function permissionNames(permissions: number): string[] {
  const names: string[] = [];
  for (const [bit, name] of [
    [Permission.READ, 'read'],
    [Permission.WRITE, 'write'],
    [Permission.EXECUTE, 'execute'],
    [Permission.PRIVILEGED_READ, 'privileged read'],
    [Permission.PRIVILEGED_WRITE, 'privileged write'],
    [Permission.PRIVILEGED_EXECUTE, 'privileged execute'],
  ] as const) {
    if ((permissions & bit) !== 0) names.push(name);
  }
  return names;
}

const PURPOSES = {
  [FaultClass.CONTEXT]: 'context',
  [FaultClass.TABLE]: 'table',
  [FaultClass.INPUT]: 'input',
} as const;

/** Keeps what a walker does as data, step by step. */
export class WalkRecorder implements WalkTrace {
  readonly steps: WalkStep[] = [];

  begin(walk: StageWalk, purpose: FaultClass): void {
    const regime = walk.regime as StageRegime;
    const root = walk.upper ? regime.root1 : regime.root0;
    this.steps.push({
      kind: 'begin',
      stage: regime.stage,
      purpose: PURPOSES[purpose],
      address: wholeAddress(walk.inputAddress, walk.upper, regime),
      granule: 2 ** (root?.granuleShift ?? 12),
      inputBits: root?.inputBits ?? 0,
      startLevel: root?.startLevel ?? 0,
    });
  }

  descriptor(
    walk: StageWalk,
    level: number,
    address: number,
    pa: number,
    low: number,
    high: number,
    status: WalkStatus,
  ): void {
    const regime = walk.regime as StageRegime;
    const root = walk.upper ? regime.root1 : regime.root0;
    const shift = walk.entryShift(level);
    const above = level === root?.startLevel ? root.inputBits : walk.entryShift(level - 1);
    const { title, fields } = explainDescriptor(
      tableFormat(regime),
      level,
      low >>> 0,
      high >>> 0,
      tableQuirks(regime),
      root?.granuleShift,
    );
    const leaf = status === WalkStatus.LEAF || status === WalkStatus.UPDATE;
    this.steps.push({
      kind: 'descriptor',
      stage: regime.stage,
      level,
      index: Math.floor(walk.inputAddress / 2 ** shift) % 2 ** Math.max(above - shift, 0),
      bits: [Math.max(above, shift) - 1, shift],
      address: hexText(address),
      pa: hexText(pa),
      value: hexText((BigInt(high >>> 0) << 32n) + BigInt(low >>> 0)),
      title,
      fields,
      outcome: OUTCOMES[status],
      next: status === WalkStatus.READ ? hexText(walk.tableBase) : leaf ? hexText(walk.outputAddress) : null,
      size: leaf ? 2 ** walk.pageShift : null,
      fault: status === WalkStatus.FAULT ? FAULT_NAMES[walk.fault] : null,
    });
  }

  end(_walk: StageWalk): void {
    // Every step says by itself how it ended.
  }
}

const OUTCOMES = {
  [WalkStatus.IDLE]: 'fault',
  [WalkStatus.READ]: 'table',
  [WalkStatus.LEAF]: 'leaf',
  [WalkStatus.UPDATE]: 'updated',
  [WalkStatus.FAULT]: 'fault',
} as const;

/** A walk in lines that a student can follow; `emphasis` marks what matters in a line, for colours. */
export function walkLines(walk: NarratedWalk, emphasis: (text: string) => string = (text) => text): string[] {
  const lines: string[] = [];
  let stage1Depth = '';
  for (const step of walk.steps) {
    const indent = step.stage === 2 && stage1Depth !== '' ? '      ' : '';
    if (step.kind === 'begin') {
      if (step.stage === 1) stage1Depth = '  ';
      else if (step.purpose === 'input') stage1Depth = '';
      const inner = step.stage === 2 && stage1Depth !== '' ? '      ' : '';
      lines.push(`${inner}${beginLine(step)}`);
      continue;
    }
    lines.push(...descriptorLines(step, emphasis).map((line) => `${indent}${line}`));
  }
  if (walk.fault !== null) {
    const { name, stage, level } = walk.fault;
    lines.push(`${emphasis(`${walk.iova} is refused: ${name}`)}, stage ${stage}, level ${level}.`);
    return lines;
  }
  const size = walk.pageSize === null ? '' : ` in a page of ${sizeText(walk.pageSize)}`;
  lines.push(
    `${emphasis(`${walk.iova} is at ${walk.pa}`)}${size}; permitted: ${walk.permissions.join(', ') || 'nothing'}.`,
  );
  return lines;
}

function beginLine(step: Extract<WalkStep, { kind: 'begin' }>): string {
  const what = {
    input: step.stage === 2 ? `the address ${step.address}` : step.address,
    table: `the table address ${step.address}`,
    context: `the context descriptor's address ${step.address}`,
  }[step.purpose];
  return (
    `Stage ${step.stage} translates ${what}: ${step.inputBits}-bit input, ${sizeText(step.granule)} granule, ` +
    `first lookup at level ${step.startLevel}.`
  );
}

function descriptorLines(
  step: Extract<WalkStep, { kind: 'descriptor' }>,
  emphasis: (text: string) => string,
): string[] {
  const [high, low] = step.bits;
  const where = step.address === step.pa ? step.pa : `${step.address}, physically ${step.pa}`;
  const index = high < low ? 'no bits of the address: entry 0' : `address bits ${high}:${low}: entry ${step.index}`;
  const lines = [
    `  Level ${step.level}, ${index}, at ${where}`,
    `    holds ${emphasis(step.value)}: ${step.title}`,
    ...step.fields.filter(tells).map((field) => `      ${fieldLine(field)}`),
  ];
  switch (step.outcome) {
    case 'table':
      lines.push(`    The next table is at ${emphasis(step.next ?? '')}.`);
      break;
    case 'leaf':
    case 'updated':
      lines.push(
        `    It maps ${sizeText(step.size ?? 0)}; with the offset the address becomes ${emphasis(step.next ?? '')}.`,
      );
      if (step.outcome === 'updated') lines.push('    Hardware writes the access flag or the dirty state back.');
      break;
    default:
      lines.push(`    ${emphasis(step.fault ?? 'fault')} at level ${step.level}.`);
  }
  return lines;
}

/** A field of zeros whose value has no name of its own says nothing. */
function tells(field: ExplainedField): boolean {
  return field.value !== 0 || field.text !== '';
}

function fieldLine(field: ExplainedField): string {
  const bits = field.width === 1 ? `${field.lsb}` : `${field.lsb + field.width - 1}:${field.lsb}`;
  const value = field.value >= 10 ? hexText(field.value) : String(field.value);
  const text = field.text === '' ? field.meaning : `${field.text} (${field.meaning})`;
  const place = `[${bits}]`.padEnd(8);
  return `${place} ${field.name.padEnd(16)} ${value}  ${text} {${field.source}}`;
}
