import type { ExplainedFault } from '../../../../traces/browser.ts';
import type { FaultAnswer } from '../../model/index.ts';
import { act, ask, explained, source as opened, seek, snapshot } from '../store.ts';
import { Structure } from '../walk/structure.tsx';
import { addressText } from '../words.ts';

/** Values and log lines that a person pastes, taken apart. */
export function Registers() {
  const found = explained.value;
  return (
    <section class="registers" aria-labelledby="registers-title">
      <h2 id="registers-title">Registers and fault lines</h2>
      <textarea
        class="mono"
        rows={3}
        spellcheck={false}
        aria-label="Registers, structures or fault lines"
        placeholder={'TCR=0x... MAIR=0x...   pte=0x60000008090e4b@3   cmd=0x...,0x...   or lines of a kernel log'}
        onInput={({ currentTarget }) => ask({ kind: 'explain', text: currentTarget.value })}
      />
      {found !== null && (
        <div aria-live="polite">
          {found.note !== '' && <p class="note">{found.note}</p>}
          {found.faults.map((fault, at) => (
            <Fault key={`${at} ${fault.name}`} fault={fault} answer={found.answers[at]} />
          ))}
          {found.structures.map((structure, at) => (
            <div key={`${at} ${structure.title}`} class="explained">
              <h3>{structure.name}</h3>
              <Structure structure={structure} />
            </div>
          ))}
        </div>
      )}
    </section>
  );
}

function Fault({ fault, answer }: { fault: ExplainedFault; answer: FaultAnswer | undefined }) {
  const { source, name, iova, streamId, stage, level, write, suspicions, details } = fault;
  const facts = [
    stage === undefined ? '' : `stage ${stage}`,
    level === undefined ? '' : `level ${level}`,
    write === undefined ? '' : write ? 'a write' : 'a read',
    streamId === undefined ? '' : `StreamID 0x${streamId.toString(16)}`,
  ].filter((text) => text !== '');
  return (
    <div class="explained">
      <h3>
        {source}: {name}
      </h3>
      <p>
        {iova !== undefined && (
          <button type="button" class="link mono" onClick={() => act(`address ${iova}`)}>
            {addressText(iova)}
          </button>
        )}{' '}
        {facts.join(', ')}
        {iova !== undefined && snapshot.value !== null && (
          <span class="note"> — the walk above shows this address</span>
        )}
      </p>
      <ul>
        {suspicions.map(({ name: suspicion, evidence }) => (
          <li key={suspicion}>
            <b>{suspicion}</b>: {evidence}
          </li>
        ))}
        {details.map((detail) => (
          <li key={detail}>{detail}</li>
        ))}
      </ul>
      {answer !== undefined && answer.lines.length > 0 && (
        <>
          <p class="note">
            What {opened.value?.name} says:{' '}
            <button type="button" class="link" onClick={() => seek(answer.event, iova)}>
              go to that moment
            </button>
          </p>
          <pre class="mono answer">{answer.lines.join('\n')}</pre>
        </>
      )}
    </div>
  );
}
