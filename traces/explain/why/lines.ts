/** Answers as text and as JSON. */
import { plainNames } from '../../plain-text.ts';
import { hexText, sizeText } from '../../quantity.ts';
import { type Answer, type DomainAnswer, range } from './answer.ts';
import type { Mapping, Moment } from './history.ts';

export function answerLines(answer: Answer): string[] {
  const { iova, time, device, domains, suspicions } = answer;
  const lines = [`${hexText(iova)} at ${time.toFixed(6)}${device === '' ? '' : ` for ${plainNames([device])}`}`];
  const known = domains.filter(({ covering, before, after }) => covering ?? before ?? after);
  if (known.length === 0) lines.push('  No mapping of this address at any time.');
  const beside =
    known.length > 0 || suspicions.length > 0
      ? domains.filter((one) => known.includes(one) || domains.length === 1)
      : [];
  for (const one of beside) lines.push(...domainLines(one, time));
  lines.push(...suspicions.map(({ name, evidence }) => `  suspicion: ${name}: ${evidence}`));
  return lines;
}

function domainLines(
  { domain, devices, covering, before, after, lazy, below, above }: DomainAnswer,
  time: number,
): string[] {
  const lines = [`  domain ${domain}${devices.length === 0 ? '' : ` of ${plainNames(devices)}`}`];
  lines.push(covering === null ? '    not mapped then' : `    mapped then: ${mappingText(covering)}`);
  for (const [what, mapping] of [
    ['before', before],
    ['after', after],
    ['below', below],
    ['above', above],
  ] as const) {
    if (mapping !== null) lines.push(`    ${what}: ${mappingText(mapping)}`);
    if (what === 'before' && lazy !== null) {
      const lets =
        time < lazy.until ? 'a lazy kernel may still let an access through' : 'even a lazy kernel refuses it';
      lines.push(`      ${lets}: flushed by ${lazy.until.toFixed(6)} at the latest, by ${lazy.by}`);
    }
  }
  return lines;
}

function mappingText(mapping: Mapping): string {
  const { start, end, pa, prot, made, gone } = mapping;
  const target = pa < 0 ? '' : ` to ${hexText(pa)}`;
  const rights = prot < 0 ? '' : ` prot ${hexText(prot)}`;
  const ended = gone === null ? 'never unmapped' : `unmapped ${momentText(gone)}`;
  return `${range(mapping)} ${sizeText(end - start)}${target}${rights}, mapped ${momentText(made)}, ${ended}`;
}

function momentText({ time, line, pid, cpu }: Moment): string {
  const who = [pid < 0 ? '' : ` by pid ${pid}`, cpu < 0 ? '' : ` on CPU ${cpu}`].join('');
  return `at ${time.toFixed(6)} (line ${line})${who}`;
}

/** An answer with its addresses as lower-case hex. */
export function answerRecord(answer: Answer): Record<string, unknown> {
  const { iova, time, device, domains, suspicions } = answer;
  return {
    iova: hexText(iova),
    time,
    ...(device === '' ? {} : { device }),
    domains: domains.map(({ domain, devices, lazy, ...mappings }) => ({
      domain,
      devices,
      lazy,
      ...Object.fromEntries(Object.entries(mappings).map(([name, mapping]) => [name, mappingRecord(mapping)])),
    })),
    suspicions,
  };
}

function mappingRecord(mapping: Mapping | null): Record<string, unknown> | null {
  if (mapping === null) return null;
  const { start, end, pa, prot, made, gone } = mapping;
  return {
    iova: hexText(start),
    size: end - start,
    pa: pa < 0 ? null : hexText(pa),
    prot: prot < 0 ? null : prot,
    made,
    gone,
  };
}
