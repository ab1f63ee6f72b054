import { signal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import type { TranslationEvent, TranslationStory } from '../../../../traces/browser.ts';
import { currentStep, events, snapshot, walkTo } from '../store.ts';
import { addressText, bytesText, cyclesText, levelClass } from '../words.ts';
import { NestedGrid } from './nested.tsx';
import { Structure } from './structure.tsx';

const playing = signal(false);
const STEP_MS = 900;
/** Steps of a played walk are this much faster. */
const SPEEDS = ['0.5', '1', '2', '4'] as const;
const speed = signal<string>('1');

/** What the hardware does for an access, one card per thing, in order. */
export function Walk() {
  const now = snapshot.value;
  const walk = now?.walk ?? null;
  const current = currentStep.value;
  const total = events.value.length;
  useEffect(() => {
    if (!playing.value) return;
    const timer = setTimeout(() => {
      if (currentStep.value >= events.value.length - 1) playing.value = false;
      else walkTo(currentStep.value + 1);
    }, STEP_MS / Number(speed.value));
    return () => clearTimeout(timer);
  }, [playing.value, current, speed.value]);
  const play = (): void => {
    if (!playing.value && current >= total - 1) walkTo(0);
    playing.value = !playing.value;
  };
  return (
    <section class="walk" aria-labelledby="walk-title">
      <div class="line">
        <h2 id="walk-title">Walk</h2>
        <span class="note" aria-live="polite">
          {total > 0 ? `step ${current + 1} of ${total}` : ''}
        </span>
        <span class="buttons">
          <button type="button" aria-label="Step before" disabled={current <= 0} onClick={() => walkTo(current - 1)}>
            ◀
          </button>
          <button
            type="button"
            aria-label="Next step"
            disabled={current >= total - 1}
            onClick={() => walkTo(current + 1)}
          >
            ▶
          </button>
          <button
            type="button"
            aria-label={playing.value ? 'Pause' : 'Play'}
            aria-pressed={playing.value}
            onClick={play}
          >
            {playing.value ? '❚❚' : '▶▶'}
          </button>
          <select
            aria-label="Speed of the steps"
            value={speed.value}
            onChange={({ currentTarget }) => (speed.value = currentTarget.value)}
          >
            {SPEEDS.map((one) => (
              <option key={one} value={one}>
                {one}×
              </option>
            ))}
          </select>
        </span>
      </div>
      {walk === null ? (
        <p class="note">Nothing translates this address space.</p>
      ) : (
        <>
          <Verdict story={walk.story} look={walk.source === 'look'} line={walk.line} />
          {now?.settings.format === 'nested' && <NestedGrid />}
          <Cards current={current} />
        </>
      )}
    </section>
  );
}

function Verdict({ story, look, line }: { story: TranslationStory; look: boolean; line: string }) {
  const { iova, pa, fault, permissions, pageSize, latency, reads, stale } = story;
  return (
    <p class={fault !== null || stale ? 'verdict bad' : 'verdict'}>
      <span class="mono">{addressText(iova)}</span>{' '}
      {fault !== null ? (
        <b>
          {fault.name}
          {fault.stage > 0 ? `, stage ${fault.stage}, level ${fault.level}` : ''}
        </b>
      ) : (
        <>
          → <b class="mono">{addressText(pa ?? 0)}</b>
          {pageSize !== null ? `, in a page of ${bytesText(pageSize)}` : ''},{' '}
          {permissions.join(', ') || 'nothing permitted'}
        </>
      )}
      .{' '}
      <span class="note">
        {look
          ? `What a walk would read now, with empty caches: ${reads} ${reads === 1 ? 'descriptor' : 'descriptors'}. Touch it to see caches and time.`
          : `${line}: ${cyclesText(latency)}, ${reads} ${reads === 1 ? 'descriptor' : 'descriptors'} read.`}
      </span>
      {stale && <b> Served by a translation that should be gone.</b>}
    </p>
  );
}

function Cards({ current }: { current: number }) {
  const list = useRef<HTMLOListElement>(null);
  let spent = 0;
  useEffect(() => {
    const card = list.current?.children[current];
    const box = list.current;
    if (!(card instanceof HTMLElement) || box === null) return;
    // Only the list itself moves, never the page.
    const low = card.offsetTop - box.offsetTop;
    if (low < box.scrollTop || low + card.offsetHeight > box.scrollTop + box.clientHeight) box.scrollTop = low - 40;
  }, [current, events.value]);
  return (
    <ol class="cards plain" ref={list} aria-label="Steps of the walk">
      {events.value.map((event, at) => {
        spent += event.cycles;
        const state = at === current ? 'now' : at > current ? 'later' : 'past';
        return (
          <li
            key={`${at} ${event.kind}`}
            class={`card ${event.kind} ${state} ${cardClass(event)}`}
            aria-current={at === current ? 'step' : undefined}
          >
            <Card event={event} at={at} open={at === current} />
            <span class="cycles note mono" title={`${Math.round(spent)} cycles so far`}>
              {event.cycles > 0 ? Math.round(event.cycles).toLocaleString('en') : ''}
            </span>
          </li>
        );
      })}
    </ol>
  );
}

function cardClass(event: TranslationEvent): string {
  if (event.kind === 'read') {
    const bad = event.step.outcome === 'fault' || event.newer !== null ? ' bad' : '';
    return `${levelClass(event.step.stage, event.step.level)}${bad}`;
  }
  if (event.kind === 'lookup') return event.hit ? 'hit' : 'miss';
  return '';
}

function Card({ event, at, open }: { event: TranslationEvent; at: number; open: boolean }) {
  if (event.kind !== 'read') {
    return (
      <button type="button" class="head" onClick={() => walkTo(at)}>
        {(snapshot.value?.walk?.texts[at] ?? '').replace(/0x[0-9a-f]+/g, addressText)}
      </button>
    );
  }
  const { step, structure, newer } = event;
  const [high, low] = step.bits;
  return (
    <div>
      <button type="button" class="head" onClick={() => walkTo(at)}>
        <b>
          {step.stage === 2 ? 'S2 ' : ''}L{step.level}
        </b>{' '}
        read <span class="mono">{addressText(step.pa)}</span>
        {step.address !== step.pa && (
          <span class="note">
            {' '}
            IPA <span class="mono">{addressText(step.address)}</span>
          </span>
        )}
        <span class="note">
          {' '}
          entry {step.index}
          {high >= low ? `, bits ${high}:${low}` : ''}
        </span>{' '}
        <Outcome step={step} />
      </button>
      {newer !== null && (
        <p class="bad">
          The CPU has written <span class="mono">{addressText(newer)}</span> there, in its cache only: the walker does
          not see it.
        </p>
      )}
      {open && <Structure structure={structure} brief />}
    </div>
  );
}

function Outcome({ step }: { step: Extract<TranslationEvent, { kind: 'read' }>['step'] }) {
  if (step.outcome === 'fault') return <b>{step.fault}</b>;
  if (step.outcome === 'table') {
    return (
      <>
        → table <span class="mono">{addressText(step.next ?? 0)}</span>
      </>
    );
  }
  return (
    <>
      → <b class="mono">{addressText(step.next ?? 0)}</b>, {bytesText(step.size ?? 0)}
      {step.outcome === 'updated' ? ', flag or dirty state written back' : ''}
    </>
  );
}
